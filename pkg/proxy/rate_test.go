package proxy

import (
	"testing"
	"time"
)

func TestRateKeepsLimitInEveryWindow(t *testing.T) {
	for _, limit := range []int64{1, 7, 100, 5000} {
		var r rate
		var taken []int64
		now := int64(1_000_000)
		for end := now + 5000; now < end; {
			if wait := r.wait(now, limit); wait > 0 {
				now += wait
				continue
			}
			r.add(now)
			taken = append(taken, now)
		}
		if n := int64(len(taken)); n < 4*limit || n > 5*limit+1 {
			t.Errorf("limit %d: %d events in 5 s", limit, n)
		}
		for i := range taken {
			// A window may start anywhere; the estimate allows a burst at its seams.
			if j := i + int(limit) + int(limit)/2 + 2; j < len(taken) && taken[j]-taken[i] < 1000 {
				t.Fatalf("limit %d: %d events within %d ms", limit, j-i, taken[j]-taken[i])
			}
		}
	}
}

func TestRateLimitDelaysNewSessions(t *testing.T) {
	s := serve(t, named("s1"))
	conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
	conf.Proxies[0].RateSessions = 5
	r := startRig(t, conf, Options{})
	begin := time.Now()
	for range 12 {
		c := r.dial()
		greeting(t, c)
		_ = c.Close()
	}
	// Twelve sessions at five a second need the rest of one second, a full one and a
	// part of a third.
	if took := time.Since(begin); took < time.Second {
		t.Errorf("12 sessions at 5 a second took %s", took)
	}
}
