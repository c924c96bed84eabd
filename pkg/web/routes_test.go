package web

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// concrete fills a route's wildcards.
func concrete(path string) string {
	for from, to := range map[string]string{"{file}": "app.css", "{$}": "", "{which}": "running", "{unit}": "proxyd.service"} {
		path = strings.ReplaceAll(path, from, to)
	}
	return path
}

// snapshot is everything that a refused request must leave as it is.
func (r *rig) snapshot(t *testing.T) string {
	t.Helper()
	st, err := r.machine.keeper.State()
	if err != nil {
		t.Fatal(err)
	}
	r.machine.mu.Lock()
	defer r.machine.mu.Unlock()
	return fmt.Sprintf("%+v %v %v %v", st, len(r.machine.keeper.Revisions()), r.machine.power, r.machine.password)
}

// Every route refuses what may not pass, whatever it is for: the table itself is
// what is walked.
func TestEveryRouteRefuses(t *testing.T) {
	r := newRig(t)
	a, b, stranger := r.admin(t), r.admin(t), r.client(t)
	before := r.snapshot(t)
	for _, rt := range routes() {
		path := concrete(rt.path)
		t.Run(rt.method+" "+rt.path, func(t *testing.T) {
			a.t, b.t, stranger.t = t, t, t
			if !rt.public {
				noLogin(t, stranger.do(rt.method, path, nil), rt)
				noLogin(t, stranger.do(rt.method, path, nil, "Authorization", "Bearer "+secret()), rt)
				noLogin(t, stranger.do(rt.method, path, nil, "Cookie", cookieName+"="+secret()), rt)
			}
			if rt.changes() && !rt.public {
				a.do(rt.method, path, nil).want(t, http.StatusForbidden)
				a.do(rt.method, path, nil, "X-CSRF-Token", b.csrf).want(t, http.StatusForbidden)
				a.do(rt.method, path, nil, "X-CSRF-Token", "").want(t, http.StatusForbidden)
			}
			if rt.changes() {
				a.do(rt.method, path, nil, "X-CSRF-Token", a.csrf, "Origin", "https://example.org").want(t, http.StatusForbidden)
				a.do(rt.method, path, nil, "X-CSRF-Token", a.csrf, "Sec-Fetch-Site", "cross-site").want(t, http.StatusForbidden)
			}
			large := bytes.Repeat([]byte("a"), int(rt.limit)+1)
			a.do(rt.method, path, bytes.NewReader(large), "X-CSRF-Token", a.csrf).want(t, http.StatusRequestEntityTooLarge)
			if got := a.do("PATCH", path, nil); got.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(got.Header.Get("Allow"), rt.method) {
				t.Errorf("PATCH = %s, Allow %q", got.Status, got.Header.Get("Allow"))
			}
		})
	}
	if after := r.snapshot(t); after != before {
		t.Errorf("refused requests changed something:\n%s\n%s", before, after)
	}
}

func noLogin(t *testing.T, got reply, rt route) {
	t.Helper()
	switch {
	case rt.api():
		got.want(t, http.StatusUnauthorized, `"status":401`)
		if kind := got.Header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("Content-Type = %q", kind)
		}
	case rt.method == http.MethodGet:
		got.want(t, http.StatusSeeOther)
		if to := got.Header.Get("Location"); !strings.HasPrefix(to, "/login") {
			t.Errorf("Location = %q", to)
		}
	default:
		got.want(t, http.StatusUnauthorized)
	}
}

// Until a password is set, nothing but the explanation and its style is served.
func TestEveryRouteClosed(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	r.machine.mu.Lock()
	r.machine.password = map[string]string{}
	r.machine.mu.Unlock()
	for _, rt := range routes() {
		got := c.do(rt.method, concrete(rt.path), nil, "X-CSRF-Token", c.csrf)
		switch {
		case rt.closed:
			got.want(t, http.StatusOK)
		case rt.api():
			got.want(t, http.StatusServiceUnavailable, "No password is set yet")
		default:
			got.want(t, http.StatusServiceUnavailable, "These pages are closed", "console")
		}
	}
}

// Everything that is served carries the headers, errors too.
func TestEveryRouteHeaders(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	paths := []string{"/nothing", "/api/v1/nothing"}
	for _, rt := range routes() {
		if rt.method == http.MethodGet && !strings.HasSuffix(rt.path, "/follow") {
			paths = append(paths, concrete(rt.path))
		}
	}
	for _, path := range paths {
		h := c.get(path).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "Strict-Transport-Security": "max-age=", "X-Frame-Options": "DENY",
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-",
		} {
			if !strings.Contains(h.Get(name), want) {
				t.Errorf("%s: %s = %q, want %q", path, name, h.Get(name), want)
			}
		}
		if csp := h.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || strings.Contains(csp, "nonce") {
			t.Errorf("%s: inline content is allowed: %s", path, csp)
		}
	}
}

// The pages keep what the policy demands: no inline script, style or handler.
func TestPagesWithoutInline(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	for _, path := range []string{"/", "/lb", "/network", "/network/edit?file=hosts", "/logs", "/setup", "/setup/compare?from=0&to=running"} {
		page := c.get(path)
		page.want(t, http.StatusOK)
		for _, bad := range []string{"<style", " style=", " onclick", " onload", "<script>", "javascript:"} {
			if strings.Contains(page.text, bad) {
				t.Errorf("%s holds %q", path, bad)
			}
		}
	}
}
