package proxy

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/ci/judge"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// crowdIn makes four connections where two are let in, and closes those in turn.
func crowdIn(st *stage) {
	st.t.Helper()
	for range 4 {
		st.open()
	}
	for closed := range 3 {
		let := int64(min(closed+2, 4))
		st.await("the next to be let in", func(s []ctl.Stat) bool {
			st.mu.Lock()
			defer st.mu.Unlock()
			slices.Sort(st.served[st.sorted:])
			return st.of(s, "FRONTEND").SessionsTotal == let && len(st.served) == int(let) && st.of(s, "FRONTEND").SessionsCur == let-int64(closed)
		})
		st.note(func() { st.sorted = len(st.served) })
		st.record(fmt.Sprint("after ", closed))
		_ = st.clients[closed].Close()
	}
	_ = st.clients[3].Close()
	st.await("the end of all", func(s []ctl.Stat) bool { return st.of(s, "FRONTEND").SessionsCur == 0 })
	st.record("end")
}

// once makes one connection that no server takes.
func once(st *stage) {
	st.open()
	st.await("the end", func(s []ctl.Stat) bool {
		fe := st.of(s, "FRONTEND")
		return fe.SessionsTotal == 1 && fe.SessionsCur == 0
	})
	st.record("failed")
}

var limitScenes = []scene{
	{name: "frontend maxconn", front: "maxconn 2", back: "balance roundrobin", servers: []string{""}, play: crowdIn},
	{name: "global maxconn", global: "maxconn 2", back: "balance roundrobin", servers: []string{""}, play: crowdIn},
	{name: "bind maxconn", bind: "maxconn 2", back: "balance roundrobin", servers: []string{""}, play: crowdIn},
	{name: "bind maxconn above the frontend's", bind: "maxconn 9", front: "maxconn 2", back: "balance roundrobin", servers: []string{""}, play: crowdIn},
	{name: "retries at one server", back: "retries 2; timeout connect 50ms", servers: []string{""}, dead: true, play: once},
	{name: "no retries", back: "retries 0", servers: []string{"", ""}, dead: true, play: once},
	{name: "redispatch", back: "balance roundrobin; option redispatch", servers: []string{"", ""}, dead: true, play: once},
	{name: "redispatch with leastconn", back: "balance leastconn; option redispatch 1; retries 4", servers: []string{"", ""}, dead: true, play: once},
	{name: "a key keeps its server", back: "balance source; timeout connect 50ms", servers: []string{"", ""}, dead: true, play: once},
}

func TestLimitsAsHAProxy(t *testing.T) {
	judge.HAProxy(t)
	for _, sc := range limitScenes {
		t.Run(sc.name, func(t *testing.T) { sc.compare(t) })
	}
}

// Connections beyond a rate are let in at HAProxy's pace.
func TestRatesAsHAProxy(t *testing.T) {
	judge.HAProxy(t)
	for _, sc := range []scene{
		{name: "rate-limit sessions", front: "rate-limit sessions 4", servers: []string{""}},
		{name: "maxconnrate", global: "maxconnrate 4", servers: []string{""}},
		{name: "maxsessrate", global: "maxsessrate 4", servers: []string{""}},
	} {
		t.Run(sc.name, func(t *testing.T) {
			server := []string{serve(t, named("s1")).Addr().String()}
			socket := filepath.Join(t.TempDir(), "stats")
			theirs, ours := freeAddr(t), freeAddr(t)
			startJudge(t, sc.config(theirs.String(), socket, server))
			startRig(t, parseConf(t, sc.config(ours.String(), socket, server)), Options{})
			// A busy machine delays one or the other, but not each time.
			for left := 2; ; left-- {
				a, b := arrivals(t, theirs.String(), 11), arrivals(t, ours.String(), 11)
				if b[10] < time.Second {
					t.Errorf("11 connections at 4 a second were served within %v", b[10])
				}
				// HAProxy has one of the process already, which told that it is there.
				d := (a[10] - a[5]) - (b[10] - b[5])
				if d.Abs() <= 300*time.Millisecond {
					return
				}
				if left == 0 {
					t.Fatalf("connections 6 to 11 came within %v, with HAProxy within %v", b[10]-b[5], a[10]-a[5])
				}
			}
		})
	}
}

// arrivals makes n connections at once and returns when each was served, in order.
func arrivals(t *testing.T, addr string, n int) []time.Duration {
	st := newStage(t, addr, nil)
	start := time.Now()
	times := make(chan time.Duration, n)
	for range n {
		st.open()
	}
	go func() {
		for seen := 0; seen < n && time.Since(start) < 2*patience; time.Sleep(time.Millisecond) {
			st.mu.Lock()
			now := len(st.served)
			st.mu.Unlock()
			for ; seen < now; seen++ {
				times <- time.Since(start)
			}
		}
		close(times)
	}()
	var all []time.Duration
	for d := range times {
		all = append(all, d)
	}
	if len(all) != n {
		t.Fatalf("%d of %d were served", len(all), n)
	}
	slices.Sort(all)
	return all
}
