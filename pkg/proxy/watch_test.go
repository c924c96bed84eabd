package proxy

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// An answer that comes after a reload moved the server elsewhere is not used.
func TestLateAnswerDoesNotMoveServerBack(t *testing.T) {
	bind := freeAddr(t)
	conf := testConf(bind, "leastconn")
	conf.Proxies[1].Servers = []config.Server{{Name: "s1", Host: "slow", Port: 1, Weight: 1, ID: 1}}
	r := startRig(t, conf, Options{})
	s := r.backends["be"].servers[0]
	if err := r.Reload(testConf(bind, "leastconn", "s1=127.0.0.3:1")); err != nil {
		t.Fatal(err)
	}
	if r.watch.settle(s, "slow", netip.MustParseAddr("127.0.0.9")) {
		t.Error("the address of the old name was taken")
	}
	if got := s.target.Load().String(); got != "127.0.0.3:1" {
		t.Errorf("the server is at %s, want 127.0.0.3:1", got)
	}
}

// A server that was taken out of the configuration is not probed any more, and
// nobody claims that it is up.
func TestRemovedServerIsNotProbed(t *testing.T) {
	s2 := serve(t, named("s2"))
	dead := freeAddr(t)
	bind := freeAddr(t)
	r := startRig(t, testConf(bind, "roundrobin", "s1="+dead.String(), "s2="+s2.Addr().String()), Options{})
	greeting(t, r.dial())
	r.notices.wait(t, "DOWN", contains("server is DOWN"))
	if err := r.Reload(testConf(bind, "roundrobin", "s2="+s2.Addr().String())); err != nil {
		t.Fatal(err)
	}
	serveAt(t, dead.String(), named("s1"))
	time.Sleep(probeInterval + 300*time.Millisecond)
	r.notices.mu.Lock()
	defer r.notices.mu.Unlock()
	if strings.Contains(r.notices.buf.String(), "server is UP") {
		t.Errorf("a removed server was probed:\n%s", &r.notices.buf)
	}
}

// A probe that succeeds does not undo what an operator has said meanwhile.
func TestProbeLeavesOperatorsState(t *testing.T) {
	at := serve(t, named("s")).Addr().String()
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+at, "s2="+at, "s3="+at, "s4="+at), Options{})
	servers := r.backends["be"].servers
	for _, s := range servers {
		s.failed(errors.New("refused"))
	}
	for _, command := range []string{"disable server be/s1", "set server be/s2 health down", "set server be/s3 health stopping"} {
		if got := r.do(command); got != "" {
			t.Fatalf("%s: %s", command, got)
		}
	}
	r.await("all are probed", func() bool {
		b := r.backends["be"]
		b.mu.Lock()
		defer b.mu.Unlock()
		return !slices.ContainsFunc(servers, func(s *server) bool { return s.suspect })
	})
	if got, want := r.statuses(), "s1 MAINT, s2 DOWN, s3 NOLB, s4 no check"; got != want {
		t.Errorf("statuses %q, want %q", got, want)
	}
	var ops []operation
	for _, s := range servers {
		ops = append(ops, s.op)
	}
	if diff := cmp.Diff([]operation{opStopped, opStopped, opStopping, opRunning}, ops); diff != "" {
		t.Errorf("operations (-want +got)\n%s", diff)
	}
}

// A server that moves while a session fails at its old place is probed at the new
// one.
func TestSuspicionWhileServerMoves(t *testing.T) {
	s1 := serve(t, named("s1"))
	_, port, _ := net.SplitHostPort(s1.Addr().String())
	conf := func(host string) *config.Config {
		return parseConf(t, "backend b\n\tmode tcp\n\tserver s "+net.JoinHostPort(host, port)+"\n")
	}
	w := newWard(conf("127.0.0.2"), passes)
	defer w.end()
	lines := newLogBuffer()
	w.log = slog.New(slog.NewTextHandler(lines, nil))
	next := conf("127.0.0.1").Proxies[0]
	added, _ := w.backends["b"].configure(next, &policy{method: methodOf(next)}, 1, nil)
	w.suspect(w.find("b/s"), errors.New("refused"))
	for _, s := range added {
		w.add(s)
	}
	lines.wait(t, "UP", contains("server is UP"))
}

// Reloads and changes of a tracked server come at any moment.
func TestTrackedServerChangesDuringReloads(t *testing.T) {
	with := parseConf(t, strings.ReplaceAll(warmupConf, "ALGORITHM", "leastconn"))
	without := parseConf(t, strings.ReplaceAll(strings.ReplaceAll(warmupConf, "ALGORITHM", "leastconn"), " track s", ""))
	w := newWard(with, passes)
	defer w.end()
	done, s := make(chan struct{}), w.find("b/s")
	go func() {
		defer close(done)
		for range 100 {
			for _, op := range []operation{opStopped, opRunning} {
				w.order.Lock()
				w.setOperation(s, op, "")
				w.order.Unlock()
			}
		}
	}()
	for range 50 {
		w.again(without)
		w.again(with)
	}
	<-done
	w.operate("b/s", opStopped)
	if got := w.weight("b/t"); got != "100/0" {
		t.Errorf("the server that tracks one that is down has weight and operation %s", got)
	}
}

// A change of a tracked server while a reload ends the tracking leaves nothing behind.
func TestTrackingEndsDuringChange(t *testing.T) {
	text := strings.ReplaceAll(warmupConf, "ALGORITHM", "leastconn")
	without := parseConf(t, strings.ReplaceAll(text, " track s", ""))
	w := newWard(parseConf(t, text), passes)
	defer w.end()
	w.backends["b"].configure(without.Proxies[0], &policy{method: methodOf(without.Proxies[0])}, 1, nil)
	w.operate("b/s", opStopped)
	w.administer("b/s", forcedDrain, 0)
	w.arrange(without, w.backends)
	for _, path := range []string{"b/t", "b/u"} {
		s := w.find(path)
		s.backend.mu.Lock() // a check may come at any moment
		if !s.usable() || !s.eligible || s.status() != "no check" {
			t.Errorf("%s tracks no more and is %s, admin %d", path, s.status(), s.admin)
		}
		s.backend.mu.Unlock()
	}
}

// A reload that is refused opens no log target for good.
func TestRefusedReloadClosesItsSinks(t *testing.T) {
	taken := serve(t, echo)
	bind := freeAddr(t)
	r := startRig(t, testConf(bind, "leastconn"), Options{})
	next := testConf(bind, "leastconn")
	next.Proxies[0].Logs = []config.LogTarget{{Address: "127.0.0.1:9", Format: "rfc3164"}}
	next.Proxies[0].Binds = append(next.Proxies[0].Binds, config.Bind{Addr: netip.MustParseAddrPort(taken.Addr().String()), ID: 2})
	if err := r.Reload(next); err == nil {
		t.Fatal("Reload() = nil, want a refusal")
	}
	if n := len(r.sinks); n != 1 {
		t.Errorf("%d sinks after the refused reload, want the one from before", n)
	}
}

// A client of the control socket that does not read holds no reload up.
func TestUnreadAnswerHoldsNoLock(t *testing.T) {
	bind := freeAddr(t)
	r := startRig(t, testConf(bind, "leastconn"), Options{})
	for _, c := range r.Commands() {
		if c.Missing != "" || !strings.HasPrefix(c.Name, "show ") {
			continue
		}
		in, out := io.Pipe()
		var done sync.WaitGroup
		done.Go(func() { _ = c.Run(t.Context(), &ctl.Request{}, out) })
		if c.Name != "show sess" { // has no answer without sessions
			_, _ = in.Read(make([]byte, 1))
		}
		reloaded := make(chan error, 1)
		go func() { reloaded <- r.Reload(testConf(bind, "leastconn")) }()
		select {
		case err := <-reloaded:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Errorf("%s holds a reload up", c.Name)
		}
		_ = in.CloseWithError(errors.New("gone"))
		done.Wait()
	}
}

func TestLogASAPMarksNumbers(t *testing.T) {
	s := serve(t, named("s1"))
	conf := testConf(freeAddr(t), "leastconn", "s1="+s.Addr().String())
	conf.Proxies[0].LogASAP = true
	r := startRig(t, conf, Options{})
	greeting(t, r.dial())
	line := r.sessions.wait(t, "be/s1", contains("be/s1"))
	if f := strings.Fields(line); !strings.Contains(f[4], "/+") || f[5] != "+0" {
		t.Errorf("log line %q, want + before Tt and the bytes", line)
	}
}

// Sessions and checks go to the same one of a name's addresses.
func TestPreferredAddress(t *testing.T) {
	for list, want := range map[string]string{
		"192.0.2.1":                       "192.0.2.1",
		"2001:db8::1 192.0.2.1 192.0.2.2": "192.0.2.1",
		"2001:db8::2 2001:db8::1":         "2001:db8::2",
		"2001:db8::1 ::ffff:192.0.2.7":    "192.0.2.7",
	} {
		var addrs []netip.Addr
		for _, a := range strings.Fields(list) {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		if got := preferred(addrs).String(); got != want {
			t.Errorf("preferred(%s) = %s, want %s", list, got, want)
		}
	}
}
