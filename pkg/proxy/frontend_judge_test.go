package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// counters picks what both count, as one line for each record.
func counters(t *testing.T, csv string) []string {
	t.Helper()
	stats, err := ctl.ParseStats(strings.NewReader(csv))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range stats {
		if s.Proxy == "judge-probe" {
			continue
		}
		out = append(out, fmt.Sprintf("%s/%s %s scur %d smax %d slim %d stot %d in %d out %d conn_tot %d dcon %d econ %d wretr %d qmax %d",
			s.Proxy, s.Service, s.Status, s.SessionsCur, s.SessionsMax, s.SessionsLimit, s.SessionsTotal, s.BytesIn, s.BytesOut,
			s.ConnsTotal, s.DeniedConns, s.ConnectErrors, s.Retries, s.QueueMax))
	}
	return out
}

// sameCounters waits until both count the same.
func (tw *twins) sameCounters(when string) {
	tw.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		theirs, ours := tw.ask("show stat")
		diff := cmp.Diff(counters(tw.t, theirs), counters(tw.t, ours))
		if diff == "" {
			return
		}
		if time.Now().After(end) {
			tw.t.Errorf("%s: show stat (-haproxy +ours)\n%s", when, diff)
			return
		}
	}
}

// both runs f with the address of each frontend.
func (tw *twins) both(f func(at netip.AddrPort)) { f(tw.theirBind); f(tw.ourBind) }

// hello opens a session that has had its greeting.
func (tw *twins) hello(at netip.AddrPort) net.Conn {
	tw.t.Helper()
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		tw.t.Fatal(err)
	}
	tw.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(3 * patience))
	greeting(tw.t, c)
	return c
}

// same runs commands on both and compares the answers.
func (tw *twins) same(script string) {
	tw.t.Helper()
	for step := range strings.Lines(script) {
		step = strings.TrimSpace(step)
		theirs, ours := tw.ask(step)
		if diff := cmp.Diff(theirs, ours); diff != "" {
			tw.t.Errorf("%s (-haproxy +ours)\n%s", step, diff)
		}
	}
}

func startFrontendTwins(t *testing.T) *twins {
	s1 := serve(t, named("s1"))
	return startTwins(t, strings.ReplaceAll(`	log LOG local0
	maxconn 50
backend b
	server s1 ADDR maxconn 5
	server s2 ADDR minconn 2 maxconn 6 backup
`, "ADDR", s1.Addr().String()))
}

// Limits that are changed at run time have HAProxy's answers and effects.
func TestLimitCommandsLikeHAProxy(t *testing.T) {
	tw := startFrontendTwins(t)
	tw.same(`set maxconn frontend
set maxconn frontend f
set maxconn frontend nope 5
set maxconn frontend b 5
set maxconn frontend f -1
set maxconn frontend f x
set maxconn frontend f 20
set maxconn global
set maxconn global 5000
set maxconn global 150
set maxconn server
set maxconn server b
set maxconn server b/s1
set maxconn server b/s1 x
set maxconn server b/s1 5x
set maxconn server b/nope 7
set maxconn server b/s1 7
set maxconn server b/s2 1
set maxconn server b/s2 9
set rate-limit connections global
set rate-limit connections global -1
set rate-limit connections global 700
set rate-limit sessions global 800
set rate-limit sessions global x`)
	tw.sameCounters("limits")
	rows := regexp.MustCompile(`(?m)^(Maxconn|ConnRateLimit|SessRateLimit): .*`)
	theirs, ours := tw.ask("show info")
	if diff := cmp.Diff(rows.FindAllString(theirs, -1), rows.FindAllString(ours, -1)); diff != "" {
		t.Errorf("show info (-haproxy +ours)\n%s", diff)
	}
	tw.same("set maxconn global x\nset maxconn frontend f 1")
	tw.both(func(at netip.AddrPort) {
		first := tw.hello(at)
		second, err := net.Dial("tcp", at.String()) // waits in the backlog
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		_ = second.SetDeadline(time.Now().Add(3 * patience))
		if tw.sessions(at) != 1 {
			t.Errorf("%s: a second session came through a limit of 1", at)
		}
		_ = first.Close()
		greeting(t, second)
	})
	tw.sameCounters("a session at a time")
	tw.same("set maxconn frontend f 0")
	tw.both(func(at netip.AddrPort) {
		c, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	})
	tw.same("set maxconn frontend f 10")
	tw.sameCounters("those that waited for a limit above 0")
}

// sessions is how many there are at the frontend that listens at at.
func (tw *twins) sessions(at netip.AddrPort) int64 {
	tw.t.Helper()
	theirs, csv := tw.ask("show stat")
	if at == tw.theirBind {
		csv = theirs
	}
	stats, err := ctl.ParseStats(strings.NewReader(csv))
	if err != nil || len(stats) == 0 {
		tw.t.Fatal(err)
	}
	return stats[0].SessionsCur
}

// A frontend that is paused or shut down refuses connections and goes on with the
// sessions that it has.
func TestFrontendCommandsLikeHAProxy(t *testing.T) {
	tw := startFrontendTwins(t)
	var held []net.Conn
	tw.both(func(at netip.AddrPort) { held = append(held, tw.hello(at)) })
	refused := func(when string, want bool) {
		t.Helper()
		tw.both(func(at netip.AddrPort) {
			for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				c, err := net.Dial("tcp", at.String())
				if err == nil {
					_ = c.Close()
				}
				if (err != nil) == want {
					return
				}
				if time.Now().After(end) {
					t.Errorf("%s: dial %s: %v", when, at, err)
					return
				}
			}
		})
	}
	tw.same("disable frontend\ndisable frontend nope\ndisable frontend b\nenable frontend f\ndisable frontend f\ndisable frontend f")
	refused("paused", true)
	for _, c := range held {
		fmt.Fprint(c, "ping")
		var b [4]byte
		if _, err := io.ReadFull(c, b[:]); err != nil {
			t.Errorf("session of a paused frontend: %v", err)
		}
	}
	if err := tw.Reload(tw.conf); err != nil {
		t.Fatal(err)
	}
	refused("paused, and reloaded", true)
	tw.same("enable frontend\nenable frontend nope\nenable frontend f\nenable frontend f")
	refused("enabled", false)
	tw.same("shutdown frontend\nshutdown frontend nope\nshutdown frontend f\nshutdown frontend f\nenable frontend f\ndisable frontend f")
	refused("shut down", true)
	for _, c := range held {
		_ = c.Close()
	}
	for _, line := range []string{"Paused frontend f.", "Resumed frontend f.", "Proxy f stopped (cumulated conns: FE: "} {
		tw.wait("> " + line)
	}
	_, csv := tw.ask("show stat")
	if err := tw.Reload(tw.conf); err != nil {
		t.Fatal(err)
	}
	if c := counters(t, csv); !strings.HasPrefix(c[0], "f/FRONTEND STOP ") {
		t.Errorf("status %q", c[0])
	}
	tw.hello(tw.ourBind) // a reload opens what was shut down
}

// anySession hides what differs between two sessions, or is HAProxy's alone.
var anySession = regexp.MustCompile(`^0x[0-9a-f]+|src=127\.0\.0\.1:\d+|ts=[0-9a-f]+|age=\w+|calls=\d+|rate=\d+|f=[0-9a-f]+h|,[0-9a-f]+h|fd=\d+|rex=\w+|exp=\w+`)

// Sessions are listed in HAProxy's form and ended by their ids.
func TestSessionCommandsLikeHAProxy(t *testing.T) {
	tw := startFrontendTwins(t)
	var held []net.Conn
	tw.both(func(at netip.AddrPort) { held = append(held, tw.hello(at)) })
	list := func(answer string) (lines, ids []string) {
		for line := range strings.Lines(answer) {
			if !strings.Contains(line, "fe=GLOBAL") && strings.HasPrefix(line, "0x") {
				id, _, _ := strings.Cut(line, ":")
				ids = append(ids, id)
				lines = append(lines, anySession.ReplaceAllString(strings.TrimSpace(line), "*"))
			}
		}
		return lines, ids
	}
	theirs, ours := tw.ask("show sess")
	theirLines, theirIDs := list(theirs)
	ourLines, ourIDs := list(ours)
	if diff := cmp.Diff(theirLines, ourLines); diff != "" || len(ourIDs) != 1 {
		t.Fatalf("show sess (-haproxy +ours)\n%s\n%s\n%s", diff, theirs, ours)
	}
	tw.same("show sess 0x1\nshow sess older\nshow sess older x\nshow sess older 1x\nshow sess susp")
	for _, words := range []string{"all", "older 0", "older 0ms", ourIDs[0], "nonsense"} {
		if got, _ := list(tw.do("show sess " + words)); len(got) != 1 {
			t.Errorf("show sess %s lists %q", words, got)
		}
	}
	if got := tw.do("show sess older 1h"); got != "" { // HAProxy 3.0.11 lists younger ones too
		t.Errorf("show sess older 1h lists %q", got)
	}
	tw.same("shutdown session\nshutdown session x\nshutdown session 0x1")
	if answer, _ := tw.ask("shutdown session " + theirIDs[0]); answer != "" {
		t.Errorf("haproxy: %s", answer)
	}
	if answer := tw.do("shutdown session " + ourIDs[0]); answer != "" {
		t.Error(answer)
	}
	for _, c := range held {
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("read %d bytes from a session that was shut down", n)
		}
	}
	tw.sameCounters("no session")
	tw.same("clear counters")
	tw.sameCounters("cleared")
	for _, s := range tw.Stats() {
		if s.RateMax != 0 {
			t.Errorf("cleared: %s/%s has rate_max %d", s.Proxy, s.Service, s.RateMax)
		}
	}
	tw.both(func(at netip.AddrPort) { tw.hello(at) })
	tw.sameCounters("one more")
	tw.same("clear counters all")
	tw.sameCounters("all cleared")
}

// An id that is no session's any more is refused.
func TestShutdownSessionOnce(t *testing.T) {
	s := serve(t, named("s1"))
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	greeting(t, r.dial())
	id, _, _ := strings.Cut(r.do("show sess"), ":")
	if answer := r.do("shutdown session " + id); answer != "" {
		t.Error(answer)
	}
	r.sessions.wait(t, "the end", contains(" KD "))
	if answer := r.do("shutdown session " + id); answer != "No such session (use 'show sess')." {
		t.Errorf("again: %q", answer)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = r.shutdownSession(ctx, &ctl.Request{Args: []string{"0x2"}}, io.Discard) // must not block
}

func TestSpan(t *testing.T) {
	for ms, want := range map[int64]string{-5: "0s", 999: "0s", 59_999: "59s", 60_000: "1m", 61_000: "1m1s", 3_600_000: "1h", 3_661_000: "1h1m", 90_000_000: "1d1h"} {
		if got := span(ms); got != want {
			t.Errorf("span(%d) = %q, want %q", ms, got, want)
		}
	}
}
