package proxy

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
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
	if s.locate("slow", netip.MustParseAddr("127.0.0.9")) {
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
		done.Go(func() { _ = c.Run(t.Context(), nil, out) })
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
