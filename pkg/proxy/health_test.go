package proxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-lb/sluice/pkg/check"
	"github.com/sluice-lb/sluice/pkg/config"
)

// ward is a watcher with backends but without an engine, so that it can run in a
// synctest bubble.
type ward struct {
	*watcher
	backends map[string]*backend
	names    *record
	stop     context.CancelFunc
}

// newWard looks after the servers of conf; probe stands for the network.
func newWard(conf *config.Config, probe func(ctx context.Context, address string) check.Result) *ward {
	ctx, stop := context.WithCancel(context.Background())
	names := new(record)
	w := &ward{watcher: newWatcher(ctx, names, slog.New(slog.NewTextHandler(io.Discard, nil))), backends: map[string]*backend{}, names: names, stop: stop}
	w.prober = func(ctx context.Context, _ check.Dialer, _, address string) check.Result { return probe(ctx, address) }
	for _, p := range conf.Proxies {
		if !p.Kind.HasBackend() {
			continue
		}
		w.backends[p.Name] = newBackend(p.Name, clock{})
		added, _ := w.backends[p.Name].configure(p, &policy{method: methodOf(p)}, 1, nil)
		for _, s := range added {
			w.add(s)
		}
	}
	w.arrange(conf, w.backends)
	return w
}

// crowd is a backend "b" with n servers, on the ports from 1 on.
func crowd(t *testing.T, n int, options string) *config.Config {
	text := "backend b\n\tmode tcp\n"
	for i := range n {
		text += fmt.Sprintf("\tserver s%d 127.0.0.1:%d %s\n", i+1, i+1, options)
	}
	return parseConf(t, text)
}

func (w *ward) end() {
	w.stop()
	w.wait()
}

var good = check.Result{Good: true, Status: "L4OK", Reason: "Layer4 check passed"}

// The first checks are spread over the interval, in the order of the servers.
func TestFirstChecksAreSpread(t *testing.T) {
	conf := crowd(t, 5, "check inter 10s")
	tests := []struct {
		limit time.Duration
		want  string
	}{
		{0, "[:1 0s :2 2s :3 4s :4 6s :5 8s :1 10s :2 12s]"},
		{time.Second, "[:1 0s :2 200ms :3 400ms :4 600ms :5 800ms :1 10s :2 10.2s]"},
	}
	for _, tt := range tests {
		conf.Global.MaxSpreadChecks = tt.limit
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var mu sync.Mutex // guards seen
			var seen []string
			w := newWard(conf, func(_ context.Context, address string) check.Result {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, strings.TrimPrefix(address, "127.0.0.1"), time.Since(begin).String())
				return good
			})
			time.Sleep(13 * time.Second)
			w.end()
			if got := fmt.Sprint(seen[:14]); got != tt.want {
				t.Errorf("checks with limit %v at %s, want %s", tt.limit, got, tt.want)
			}
		})
	}
}

// Intervals follow the state: fastinter while it is in question, downinter while
// the server is down.
func TestIntervalsFollowState(t *testing.T) {
	conf := parseConf(t, "backend b\n\tmode tcp\n\tserver s 127.0.0.1:80 check inter 10s fastinter 1s downinter 5s\n")
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var seen []string
		w := newWard(conf, func(context.Context, string) check.Result {
			at := time.Since(begin)
			seen = append(seen, at.String())
			if at > 5*time.Second && at < 20*time.Second {
				return check.Result{Status: "L4CON", Reason: "Layer4 connection problem"}
			}
			return good
		})
		time.Sleep(40 * time.Second)
		w.end()
		// Good; bad thrice, a second apart; down; good twice, a second apart; up.
		if got, want := fmt.Sprint(seen), "[0s 10s 11s 12s 17s 22s 23s 33s]"; got != want {
			t.Errorf("checks at %s, want %s", got, want)
		}
	})
}

// With thousands of servers that do not answer, the checks under way are bounded,
// every server has its turn, and none goes on when the watcher ends.
func TestChecksAreBounded(t *testing.T) {
	conf := crowd(t, 4000, "check inter 1s")
	synctest.Test(t, func(t *testing.T) {
		var now, most, all atomic.Int64
		w := newWard(conf, func(ctx context.Context, _ string) check.Result {
			raise(&most, now.Add(1))
			all.Add(1)
			<-ctx.Done()
			now.Add(-1)
			return check.Result{Status: "L4TOUT", Reason: "Layer4 timeout"}
		})
		time.Sleep(6 * time.Second)
		w.end()
		if most.Load() > checkSlots || most.Load() < checkSlots/2 {
			t.Errorf("%d checks at a time, want at most %d", most.Load(), checkSlots)
		}
		for _, s := range w.backends["b"].servers {
			if s.op != opStopped {
				t.Fatalf("%s was never checked: %d checks in all", s.name, all.Load())
			}
		}
	})
}

// checkedConf is testConf with health checks.
func checkedConf(t *testing.T, servers ...string) *config.Config {
	conf := testConf(freeAddr(t), "leastconn", servers...)
	for i := range conf.Proxies[1].Servers {
		conf.Proxies[1].Servers[i].Check = &config.ServerCheck{Enabled: true, Inter: 20 * time.Millisecond, Rise: 2, Fall: 2}
	}
	return conf
}

// statuses lists the servers of "be" as "show stat" has them.
func (r *rig) statuses() string {
	got := map[string]string{}
	for _, st := range r.Stats() {
		if st.Proxy == "be" && st.Service != "BACKEND" {
			got[st.Service] = st.Status
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(got)) {
		out = append(out, name+" "+got[name])
	}
	return strings.Join(out, ", ")
}

// What checks have found survives a reload, until the line has no check any more.
func TestHealthSurvivesReload(t *testing.T) {
	conf := checkedConf(t, "s1="+freeAddr(t).String())
	r := startRig(t, conf, Options{})
	r.notices.wait(t, "DOWN", contains("Server be/s1 is DOWN, reason: Layer4 connection problem"))
	r.notices.wait(t, "no server", contains("backend be has no server available!"))
	for _, tt := range []struct {
		check *config.ServerCheck
		want  string
	}{
		{&config.ServerCheck{Enabled: true, Inter: time.Hour, Rise: 3, Fall: 7}, "s1 DOWN"},
		{nil, "s1 no check"},
	} {
		next := *conf.Proxies[1]
		next.Servers = slices.Clone(next.Servers)
		next.Servers[0].Check = tt.check
		if err := r.Reload(&config.Config{Global: conf.Global, Proxies: []*config.Proxy{conf.Proxies[0], &next}}); err != nil {
			t.Fatal(err)
		}
		if got := r.statuses(); got != tt.want {
			t.Errorf("after a reload with %+v: %s, want %s", tt.check, got, tt.want)
		}
	}
}

// Clients that fail to connect do not take a server with checks out.
func TestChecksAreTheJudge(t *testing.T) {
	conf := checkedConf(t, "s1="+freeAddr(t).String())
	conf.Proxies[1].Servers[0].Check.Inter = time.Hour
	conf.Proxies[1].Servers[0].Check.Addr = config.CheckAddr{Host: "127.0.0.1", Port: serve(t, echo).Addr().(*net.TCPAddr).Port}
	r := startRig(t, conf, Options{})
	if n, err := r.dial().Read(make([]byte, 1)); err == nil {
		t.Fatalf("read %d bytes from nobody", n)
	}
	if got := r.statuses(); got != "s1 UP" {
		t.Errorf("after a failed connection: %s", got)
	}
}

// Sessions end as "on-marked-down" and "on-marked-up" say.
func TestMarkedServersEndSessions(t *testing.T) {
	s1, s2 := serve(t, named("s1")), serve(t, named("s2"))
	conf := checkedConf(t, "s1="+s1.Addr().String(), "s2="+s2.Addr().String())
	servers := conf.Proxies[1].Servers
	servers[0].Check.ShutDown, servers[0].Check.ShutBackups = true, true
	servers[1].Check, servers[1].Backup = nil, true
	r := startRig(t, conf, Options{})
	c := r.dial()
	if name := greeting(t, c); name != "s1" {
		t.Fatalf("greeted by %s", name)
	}
	_ = s1.Close()
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("read until the end: %v", err)
	}
	r.sessions.wait(t, "DD", contains(" DD "))
	c = r.dial()
	if name := greeting(t, c); name != "s2" {
		t.Fatalf("greeted by %s", name)
	}
	serveAt(t, s1.Addr().String(), named("s1"))
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("read until the end: %v", err)
	}
	r.sessions.wait(t, "UD", contains(" UD "))
}

// What an operator sets survives a reload until the line says something else.
func TestCommandsSurviveReload(t *testing.T) {
	bind := freeAddr(t)
	r := startRig(t, testConf(bind, "leastconn", "s1=127.0.0.2:81", "s2=127.0.0.2:82", "s3=127.0.0.2:83"), Options{})
	for _, command := range []string{"set server be/s1 state maint", "set weight be/s2 7", "set server be/s2 health stopping", "set server be/s3 addr 127.0.0.9 port 84"} {
		r.do(command)
	}
	look := func() string {
		return fmt.Sprint(r.statuses(), "; ", r.do("get weight be/s2"), "; ", r.backends["be"].servers[2].target.Load())
	}
	if err := r.Reload(testConf(bind, "leastconn", "s1=127.0.0.2:81", "s2=127.0.0.2:82", "s3=127.0.0.2:83")); err != nil {
		t.Fatal(err)
	}
	if got, want := look(), "s1 MAINT, s2 NOLB, s3 no check; 7 (initial 1); 127.0.0.9:84"; got != want {
		t.Errorf("after a reload: %s, want %s", got, want)
	}
	next := testConf(bind, "leastconn", "s1=127.0.0.2:81", "s2=127.0.0.2:82", "s3=127.0.0.2:85")
	next.Proxies[1].Servers[1].Weight = 3
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	if got, want := look(), "s1 MAINT, s2 NOLB, s3 no check; 3 (initial 3); 127.0.0.2:85"; got != want {
		t.Errorf("after a reload with other lines: %s, want %s", got, want)
	}
}
