package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestLoginCookie(t *testing.T) {
	r := newRig(t)
	c := r.client(t)
	a := c.form("/login", url.Values{"user": {"admin"}, "password": {testPassword}, "next": {"/lb?a=b"}})
	a.want(t, http.StatusSeeOther)
	if got := a.Header.Get("Location"); got != "/lb?a=b" {
		t.Errorf("Location = %q", got)
	}
	cookie := a.Header.Get("Set-Cookie")
	for _, part := range []string{"__Host-sluice=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("cookie %q lacks %q", cookie, part)
		}
	}
	if strings.Contains(cookie, "Domain") {
		t.Errorf("cookie %q has a domain", cookie)
	}
	if strings.Contains(r.log.String(), testPassword) {
		t.Error("the password is in the log")
	}
}

// After a login one goes on where one was, but only on this server.
func TestLoginTarget(t *testing.T) {
	for next, want := range map[string]string{
		"": "/", "/lb": "/lb", "/logs?unit=a": "/logs?unit=a", "//example.org/": "/", "https://example.org/": "/",
		"/\\example.org": "/", "javascript:alert(1)": "/", "lb": "/", "/%2f/example.org": "/",
	} {
		if got := target(next); got != want {
			t.Errorf("target(%q) = %q, want %q", next, got, want)
		}
	}
}

func TestLoginRefused(t *testing.T) {
	tests := []struct{ name, user, password string }{
		{"wrong password", "admin", "wrong"},
		{"no password", "admin", ""},
		{"nobody", "root", testPassword},
		{"a command", "admin; poweroff", testPassword},
		{"two lines", "admin", testPassword + "\nx"},
		{"too long", "admin", strings.Repeat("x", maxPassword+1)},
	}
	for _, tt := range tests {
		r := newRig(t)
		c := r.client(t)
		c.form("/login", url.Values{"user": {tt.user}, "password": {tt.password}}).want(t, http.StatusUnauthorized, "user name or password is wrong")
		a := c.call("POST", "/api/v1/session", map[string]string{"user": tt.user, "password": tt.password}, nil)
		a.want(t, http.StatusUnauthorized, "Login failed")
		if a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: a cookie is set", tt.name)
		}
		if !strings.Contains(r.log.String(), `action=login result="Login failed"`) {
			t.Errorf("%s: not in the log:\n%s", tt.name, r.log)
		}
	}
}

// Failures slow down, then lock out, even with the right password; time helps.
func TestLockOut(t *testing.T) {
	r := newRig(t)
	c := r.client(t)
	try := func(password string) reply {
		return c.form("/login", url.Values{"user": {"admin"}, "password": {password}})
	}
	for range freeFailures {
		try("wrong").want(t, http.StatusUnauthorized)
	}
	try("wrong").want(t, http.StatusUnauthorized)
	a := try(testPassword)
	a.want(t, http.StatusTooManyRequests, "too many failed logins")
	if got := a.Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After = %q", got)
	}
	for n := freeFailures + 1; n < lockAfter; n++ {
		wait, err := strconv.Atoi(try("wrong").Header.Get("Retry-After"))
		if err != nil {
			t.Fatalf("after %d failures: %v", n, err)
		}
		r.pass(time.Duration(wait) * time.Second)
		try("wrong").want(t, http.StatusUnauthorized)
	}
	r.pass(lockTime - time.Second)
	try(testPassword).want(t, http.StatusTooManyRequests)
	r.pass(time.Second)
	try(testPassword).want(t, http.StatusSeeOther)
}

func TestGuard(t *testing.T) {
	now := time.Unix(1e9, 0)
	g := newGuard(func() time.Time { return now })
	one, same, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2:3"), netip.MustParseAddr("2001:db8:0:1::1")
	for range freeFailures + 1 {
		if wait := g.attempt(one, "admin"); wait != 0 {
			t.Fatalf("a free attempt waits %v", wait)
		}
	}
	if g.attempt(same, "admin") == 0 {
		t.Error("another address of the same network is not slowed down")
	}
	if wait := g.attempt(other, "admin"); wait != 0 {
		t.Errorf("another network waits %v", wait)
	}
	g.success(one, "admin")
	if wait := g.attempt(one, "admin"); wait != 0 {
		t.Errorf("after a success: %v", wait)
	}
	// Many networks together are stopped by the name.
	locked := false
	for i := range 2 * lockAfter * userFactor {
		addr := netip.AddrFrom4([4]byte{198, 18, byte(i), 1})
		locked = locked || g.attempt(addr, "admin") > 0
	}
	if !locked {
		t.Error("attempts from many networks are not stopped")
	}
	now = now.Add(2 * forget)
	if wait := g.attempt(one, "admin"); wait != 0 || len(g.count) != 2 {
		t.Errorf("after a long time: %v, %d remembered", wait, len(g.count))
	}
}

func TestSessionEnds(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	gone := func(what string) {
		t.Helper()
		if a := c.get("/api/v1/state"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", what, a.Status)
		}
	}
	c.form("/logout", url.Values{}).want(t, http.StatusSeeOther)
	gone("after logout")

	c = r.admin(t)
	r.pass(sessionIdle + time.Second)
	gone("after a long pause")

	// What nobody asked for does not count as use.
	c = r.admin(t)
	for range 5 {
		r.pass(sessionIdle / 4)
		c.do("GET", "/", nil, background, "1")
	}
	gone("with refreshes only")

	c = r.admin(t)
	for range int(sessionLife/(sessionIdle/2)) + 1 {
		r.pass(sessionIdle / 2)
		c.get("/api/v1/session")
	}
	gone("after a long life")
}

// A new password ends the sessions that the old one opened, but for this one.
func TestPassword(t *testing.T) {
	r := newRig(t)
	a, b := r.admin(t), r.admin(t)
	change := func(current, wanted, again string) reply {
		return a.form("/setup/password", url.Values{"current": {current}, "new": {wanted}, "again": {again}})
	}
	change(testPassword, "short", "short").want(t, http.StatusUnprocessableEntity, "8 to 256 bytes")
	change(testPassword, "battery staple", "battery stable").want(t, http.StatusUnprocessableEntity, "differ")
	change("wrong", "battery staple", "battery staple").want(t, http.StatusForbidden, "current password is wrong")
	b.get("/api/v1/state").want(t, http.StatusOK)
	change(testPassword, "battery staple", "battery staple").want(t, http.StatusSeeOther)
	a.get("/api/v1/state").want(t, http.StatusOK)
	b.get("/api/v1/state").want(t, http.StatusUnauthorized)
	r.client(t).form("/login", url.Values{"user": {"admin"}, "password": {"battery staple"}}).want(t, http.StatusSeeOther)
}

// The number of sessions is bounded; the one idle longest makes room.
func TestSessionsBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := newSessions(func() time.Time { return now })
	_, first := s.start("admin")
	now = now.Add(time.Second)
	_, second := s.start("admin")
	for range maxSessions - 1 {
		s.start("admin")
	}
	if s.find(first, false) != nil || s.find(second, false) == nil || len(s.byID) != maxSessions {
		t.Errorf("first %v, second %v, %d sessions", s.find(first, false), s.find(second, false), len(s.byID))
	}
}
