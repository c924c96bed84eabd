package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-lb/sluice/pkg/check"
	"github.com/sluice-lb/sluice/pkg/config"
)

// find returns a server by its path.
func (w *ward) find(path string) *server {
	b, name, _ := strings.Cut(path, "/")
	return w.backends[b].byName[name]
}

// weight is a server's weight in force, with the operation that it has.
func (w *ward) weight(path string) string {
	s := w.find(path)
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	return fmt.Sprintf("%d/%d", s.effectiveWeight(), s.op)
}

func (w *ward) operate(path string, op operation) {
	w.order.Lock()
	defer w.order.Unlock()
	w.setOperation(w.find(path), op, "")
}

func (w *ward) administer(path string, add, remove admin) {
	w.order.Lock()
	defer w.order.Unlock()
	w.setAdmin(w.find(path), add, remove, "")
}

// warming reports whether there is a timer for the server's warm-up.
func (w *ward) warming(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.care[w.find(path)].warmup != nil
}

const warmupConf = `backend b
	mode tcp
	balance ALGORITHM
	server s 127.0.0.1:80 weight 10 slowstart 3500 check inter 1h
	server t 127.0.0.1:80 weight 100 track s
	server u 127.0.0.1:80 weight 32 slowstart 2s track s
	server v 127.0.0.1:80 weight 10
`

func passes(context.Context, string) check.Result { return good }

// A server's weight grows each second from a sixteenth on; static algorithms know no
// part of it, but the state is the same.
func TestWarmupSteps(t *testing.T) {
	dynamic, static := "[1/1 4/1 6/1 9/1 10/2 10/2]", "[10/1 10/1 10/1 10/1 10/2 10/2]"
	for algorithm, want := range map[string]string{
		"roundrobin": dynamic, "leastconn": dynamic, "first": dynamic, "random": dynamic,
		"source\n\thash-type consistent": dynamic, "hash src\n\thash-type consistent": dynamic,
		"static-rr": static, "source": static, "hash src": static,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWard(parseConf(t, strings.ReplaceAll(warmupConf, "ALGORITHM", algorithm)), passes)
			defer w.end()
			synctest.Wait() // for the first check
			if got := w.weight("b/s"); got != "10/2" || w.warming("b/s") {
				t.Errorf("%s: %s at the start", algorithm, got)
			}
			w.operate("b/s", opStopped)
			time.Sleep(1500 * time.Millisecond)
			w.operate("b/s", opRunning)
			var seen []string
			for range 6 {
				synctest.Wait()
				seen = append(seen, w.weight("b/s"))
				time.Sleep(time.Second)
			}
			if got := fmt.Sprint(seen); got != want {
				t.Errorf("%s: weights %s, want %s", algorithm, got, want)
			}
			if w.warming("b/s") {
				t.Errorf("%s: a timer goes on when the server is warm", algorithm)
			}
		})
	}
}

// Whatever happens to a server meanwhile, it warms up once, from where HAProxy has it
// begin.
func TestWarmupIsInterrupted(t *testing.T) {
	tests := []struct {
		name string
		play func(w *ward)
		want string // weights of s, t and u
	}{
		{"followers by their own lines", func(w *ward) { w.operate("b/s", opStopped); w.operate("b/s", opRunning) }, "1/1 100/2 2/1"},
		{"a follower is warm before", func(w *ward) {
			w.operate("b/s", opStopped)
			w.operate("b/s", opRunning)
			time.Sleep(2100 * time.Millisecond)
		}, "6/1 100/2 32/2"},
		{"maintenance", func(w *ward) {
			w.administer("b/s", forcedMaint, 0)
			time.Sleep(time.Hour)
			w.administer("b/s", 0, forcedMaint)
		}, "1/1 100/2 2/1"},
		{"up twice", func(w *ward) {
			w.operate("b/s", opStopped)
			w.operate("b/s", opRunning)
			time.Sleep(1100 * time.Millisecond)
			w.operate("b/s", opRunning)
		}, "4/1 100/2 18/1"},
		{"cleared counters", func(w *ward) {
			w.operate("b/s", opStopped)
			w.operate("b/s", opRunning)
			time.Sleep(1100 * time.Millisecond)
			w.backends["b"].clear(true)
		}, "4/1 100/2 18/1"},
		{"cleared counters, and a step", func(w *ward) {
			w.operate("b/s", opStopped)
			w.operate("b/s", opRunning)
			time.Sleep(1100 * time.Millisecond)
			w.backends["b"].clear(true)
			time.Sleep(time.Second)
		}, "6/1 100/2 32/2"},
		{"down again", func(w *ward) {
			w.operate("b/s", opStopped)
			w.operate("b/s", opRunning)
			time.Sleep(1100 * time.Millisecond)
			w.operate("b/s", opStopped)
			time.Sleep(5 * time.Second)
		}, "4/0 100/0 18/0"},
		{"drain does not stop it", func(w *ward) {
			w.operate("b/s", opStopped)
			w.operate("b/s", opRunning)
			w.administer("b/s", forcedDrain, 0)
			time.Sleep(1100 * time.Millisecond)
			w.administer("b/s", 0, forcedDrain)
		}, "4/1 100/2 18/1"},
		{"stopping for a second", func(w *ward) {
			w.operate("b/s", opStopping)
			time.Sleep(1100 * time.Millisecond)
			w.operate("b/s", opRunning)
		}, "4/1 100/2 18/1"},
		{"stopping for long", func(w *ward) {
			w.operate("b/s", opStopping)
			time.Sleep(3 * time.Second)
			w.operate("b/s", opRunning)
		}, "9/1 100/2 32/2"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := newWard(parseConf(t, strings.ReplaceAll(warmupConf, "ALGORITHM", "leastconn")), passes)
			defer w.end()
			synctest.Wait() // for the first check
			tt.play(w)
			synctest.Wait()
			if got := w.weight("b/s") + " " + w.weight("b/t") + " " + w.weight("b/u"); got != tt.want {
				t.Errorf("%s: weights %s, want %s", tt.name, got, tt.want)
			}
			for _, s := range []string{"b/s", "b/t", "b/u"} {
				if op := strings.HasSuffix(w.weight(s), "/1"); w.warming(s) != op {
					t.Errorf("%s: %s is %s and has a timer: %v", tt.name, s, w.weight(s), !op)
				}
			}
		})
	}
}

// record resolves every name to one address, or to none.
type record struct{ addr atomic.Pointer[netip.Addr] }

func (r *record) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	if a := r.addr.Load(); a != nil {
		return []netip.Addr{*a}, nil
	}
	return nil, errors.New("no such host")
}

// A server whose name is resolved for the first time warms up, with checks or without,
// unless an operator keeps it in maintenance; another address later changes nothing.
func TestWarmupWithFirstAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(parseConf(t, "backend b\n\tmode tcp\n\tserver s name:80 weight 10 slowstart 3500\n\tserver t name:80 weight 10 slowstart 3500 check inter 1h\n"+
			"\tserver u name:80 weight 10\n\tserver v name:80 weight 10 slowstart 3500 disabled\n"), passes)
		defer w.end()
		weights := func() string {
			return w.weight("b/s") + " " + w.weight("b/t") + " " + w.weight("b/u") + " " + w.weight("b/v")
		}
		for i, step := range []struct {
			wait time.Duration
			addr string
			want string
		}{
			{1500 * time.Millisecond, "192.0.2.1", "10/2 10/2 10/2 10/0"},
			{1050 * time.Millisecond, "", "1/1 1/1 10/2 10/0"},
			{time.Second, "", "4/1 4/1 10/2 10/0"},
			{3 * time.Second, "192.0.2.2", "10/2 10/2 10/2 10/0"},
			{resolveRefresh + 100*time.Millisecond, "", "10/2 10/2 10/2 10/0"},
		} {
			time.Sleep(step.wait)
			synctest.Wait()
			if got := weights(); got != step.want {
				t.Errorf("step %d: weights %s, want %s", i, got, step.want)
			}
			if step.addr != "" {
				w.names.addr.Store(new(netip.MustParseAddr(step.addr)))
			}
		}
		if got := w.find("b/s").target.Load().addr.String(); got != "192.0.2.2" {
			t.Errorf("the server is at %s", got)
		}
	})
}

// A server that can be used with its first address takes those with it that track it.
func TestFirstAddressReachesTrackers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(parseConf(t, "backend b\n\tmode tcp\n\tserver s name:80 check inter 1h\n\tserver t 192.0.2.9:80 track b/s\n"), passes)
		defer w.end()
		s := w.find("b/s")
		_ = s.underLock(func() error {
			s.health.Force(false)
			return nil
		})
		w.operate("b/s", opStopped)
		if got := w.weight("b/t"); !strings.HasSuffix(got, "/0") {
			t.Errorf("the tracker is at %s, want it down", got)
		}
		w.names.addr.Store(new(netip.MustParseAddr("192.0.2.1")))
		time.Sleep(resolveRetry + 100*time.Millisecond)
		synctest.Wait()
		if s, tracker := w.weight("b/s"), w.weight("b/t"); s != "1/2" || tracker != "1/2" {
			t.Errorf("with an address the server is at %s and its tracker at %s, want 1/2", s, tracker)
		}
	})
}

// again puts another configuration in force, as a reload does.
func (w *ward) again(conf *config.Config) {
	for _, p := range conf.Proxies {
		added, removed := w.backends[p.Name].configure(p, &policy{method: methodOf(p)}, 1, nil)
		for _, s := range added {
			w.add(s)
		}
		for _, s := range removed {
			w.remove(s)
		}
	}
	w.arrange(conf, w.backends)
}

// A reload neither ends a warm-up nor begins one, unless the line says something
// else about it.
func TestWarmupSurvivesReload(t *testing.T) {
	conf := strings.ReplaceAll(warmupConf, "ALGORITHM", "roundrobin")
	tests := []struct{ name, old, new, want string }{
		{"nothing changed", "", "", "[4/1 6/1 9/1 10/2]"},
		{"another weight", "weight 10 slow", "weight 100 slow", "[32/1 57/1 82/1 100/2]"},
		{"longer", "3500", "8s", "[2/1 4/1 5/1 6/1]"},
		{"shorter", "3500", "1s", "[10/2 10/2 10/2 10/2]"},
		{"no more", "slowstart 3500", "", "[10/2 10/2 10/2 10/2]"},
		{"a static algorithm", "roundrobin", "static-rr", "[10/1 10/1 10/1 10/2]"},
		{"it has moved", "127.0.0.1:80 weight 10 slow", "127.0.0.2:80 weight 10 slow", "[4/1 6/1 9/1 10/2]"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := newWard(parseConf(t, conf), passes)
			defer w.end()
			synctest.Wait() // for the first check
			w.operate("b/s", opStopped)
			w.operate("b/s", opRunning)
			time.Sleep(1500 * time.Millisecond)
			w.again(parseConf(t, strings.Replace(conf, tt.old, tt.new, 1)))
			var seen []string
			for range 4 {
				synctest.Wait()
				seen = append(seen, w.weight("b/s"))
				time.Sleep(time.Second)
			}
			if got := fmt.Sprint(seen); got != tt.want {
				t.Errorf("%s: weights %s, want %s", tt.name, got, tt.want)
			}
			if got := w.weight("b/v"); got != "10/2" {
				t.Errorf("%s: a server without slowstart has %s", tt.name, got)
			}
		})
	}
}

// While it warms up a server serves a part of its maxconn, and those who wait are let
// in as that grows.
func TestWarmupLimitsSessions(t *testing.T) {
	conf := parseConf(t, "backend b\n\tmode tcp\n\tserver s 127.0.0.1:80 maxconn 10 slowstart 4s\n\tserver t 127.0.0.1:80 minconn 4 maxconn 10 slowstart 4s\n")
	conf.Proxies[0].Fullconn = 100
	synctest.Test(t, func(t *testing.T) {
		w := newWard(conf, passes)
		defer w.end()
		var seen []string
		look := func() {
			synctest.Wait()
			b := w.backends["b"]
			b.mu.Lock()
			defer b.mu.Unlock()
			seen = append(seen, fmt.Sprintf("%d/%d", b.servers[0].limit(), b.servers[1].limit()))
		}
		w.backends["b"].fullconn = 100
		look()
		for _, s := range []string{"b/s", "b/t"} {
			w.operate(s, opStopped)
			w.operate(s, opRunning)
		}
		for range 5 {
			look()
			time.Sleep(time.Second)
		}
		if got, want := fmt.Sprint(seen), "[10/4 1/1 2/1 5/2 7/3 10/4]"; got != want {
			t.Errorf("limits %s, want %s", got, want)
		}
	})
}

// A server without checks that was set aside warms up too once it answers again.
func TestWarmupAfterFailedAttempts(t *testing.T) {
	s2, dead := serve(t, named("s2")), freeAddr(t)
	conf := testConf(freeAddr(t), "roundrobin", "s1="+dead.String(), "s2="+s2.Addr().String())
	conf.Proxies[1].Servers[0].Check = &config.ServerCheck{SlowStart: time.Hour}
	r := startRig(t, conf, Options{})
	if s := r.stat("s1"); s.Throttle != nil {
		t.Errorf("at the start it has %d%% of its weight", *s.Throttle)
	}
	greeting(t, r.dial())
	r.notices.wait(t, "DOWN", contains("server is DOWN"))
	serveAt(t, dead.String(), named("s1"))
	r.notices.wait(t, "UP", contains("server is UP"))
	if s := r.stat("s1"); s.Throttle == nil || *s.Throttle != 7 {
		t.Errorf("after its return: %+v, want 6%% of its weight", s)
	}
}
