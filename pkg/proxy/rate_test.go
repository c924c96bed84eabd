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

// Without limits nothing but the second counts: what is known of an event fades within
// the next one, and a single one is told until its second second ends.
func TestRateFades(t *testing.T) {
	var r rate
	for range 10 {
		r.add(5000)
	}
	for _, tt := range []struct{ at, want int64 }{{5000, 10}, {5999, 10}, {6000, 10}, {6001, 9}, {6500, 5}, {6901, 0}, {7000, 0}} {
		if got := r.perSecond(tt.at); got != tt.want {
			t.Errorf("10 events at 5000: %d a second at %d, want %d", got, tt.at, tt.want)
		}
	}
	r.add(6500)
	if got := r.perSecond(6600); got != 1+10*400/1000 {
		t.Errorf("%d a second at 6600, want 5", got)
	}
	if got := r.peak.Load(); got != 10 {
		t.Errorf("peak %d, want 10", got)
	}
	var single rate
	single.add(9000)
	for _, tt := range []struct{ at, want int64 }{{9000, 1}, {10999, 1}, {11000, 0}} {
		if got := single.perSecond(tt.at); got != tt.want {
			t.Errorf("one event at 9000: %d a second at %d, want %d", got, tt.at, tt.want)
		}
	}
}

// The first second begins with the first event, not with the clock.
func TestFirstSecondBeginsWithFirstEvent(t *testing.T) {
	for _, first := range []int64{0, 700, 1500} {
		var r rate
		for range 10 {
			r.add(first)
		}
		r.add(first + 900)
		if got := r.perSecond(first + 900); got != 11 {
			t.Errorf("10 events at %d and one 900 ms later: %d a second, want 11", first, got)
		}
	}
}

// A loop that is late counts into the second that another one began, and sees no more
// than all of the one before.
func TestRateOfLateLoop(t *testing.T) {
	var r rate
	for range 200 {
		r.add(5000)
	}
	r.add(6100)
	r.add(5990)
	if got := r.perSecond(5990); got != 202 { // all of the last second's and no more
		t.Errorf("%d a second, want 202", got)
	}
	if got := r.curr.Load(); got != 2 {
		t.Errorf("%d in the present second, want 2", got)
	}
}

// Sessions take the time of their turn: no clock of a frontend or backend is read for
// them, which would be seen here as events far in the future.
func TestSessionsTakeTheLoopsTime(t *testing.T) {
	s := serve(t, named("s1"))
	conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
	conf.Proxies[0].RateSessions = 1000
	r := startRig(t, conf, Options{})
	fe, be := r.frontends["fe"], r.backends["be"]
	fe.clock, be.clock = clock{}, clock{}
	greeting(t, r.dial())
	for name, rate := range map[string]*rate{"frontend": &fe.stats.rate, "backend": &be.stats.rate, "server": &be.servers[0].stats.rate} {
		if n := rate.curr.Load(); n != 1 {
			t.Errorf("%s: %d sessions are counted", name, n)
		}
		if begin := rate.begin.Load(); begin > time.Hour.Milliseconds() {
			t.Errorf("%s: the second began at %d", name, begin)
		}
	}
}
