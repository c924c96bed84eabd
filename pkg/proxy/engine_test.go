package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

func TestLeastconnSplitsHeldConnections(t *testing.T) {
	s1, s2 := serve(t, named("s1")), serve(t, named("s2"))
	r := startRig(t, testConf(freeAddr(t), "leastconn", "s1="+s1.Addr().String(), "s2="+s2.Addr().String()), Options{})
	count := map[string]int{}
	var onS2 []net.Conn
	for range 20 {
		c := r.dial()
		name := greeting(t, c)
		count[name]++
		if name == "s2" {
			onS2 = append(onS2, c)
		}
	}
	if count["s1"] != 10 || count["s2"] != 10 {
		t.Fatalf("20 connections split %v, want 10 each", count)
	}
	for _, c := range onS2[:5] {
		_ = c.Close()
	}
	for range 5 {
		r.sessions.wait(t, "the end of a session", contains("be/s2"))
	}
	r.await("5 sessions at s2", func() bool { return r.stat("s2").SessionsCur == 5 })
	for range 5 {
		if name := greeting(t, r.dial()); name != "s2" {
			t.Errorf("with 10 on s1 and 5 to 9 on s2 a connection went to %s", name)
		}
	}
}

// stat returns the record of a server, or of "FRONTEND" or "BACKEND".
func (r *rig) stat(service string) ctl.Stat {
	for _, s := range r.Stats() {
		if s.Service == service {
			return s
		}
	}
	r.t.Fatalf("no statistics for %s", service)
	return ctl.Stat{}
}

// await polls a condition that no event announces, such as a counter.
func (r *rig) await(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			r.t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestDeadServerIsPassedOverAndComesBack(t *testing.T) {
	s1, s2 := serve(t, named("s1")), serve(t, named("s2"))
	addr2 := s2.Addr().String()
	r := startRig(t, testConf(freeAddr(t), "leastconn", "s1="+s1.Addr().String(), "s2="+addr2), Options{})
	_ = s2.Close()
	for range 10 {
		if name := greeting(t, r.dial()); name != "s1" {
			t.Fatalf("a connection went to %s", name)
		}
	}
	r.notices.wait(t, "DOWN", contains("server is DOWN"))
	if got := r.stat("s2").Status; got != "DOWN" {
		t.Errorf("status of s2 = %q, want DOWN", got)
	}
	if n := r.stat("BACKEND").Redispatches; n < 1 || n > 3 {
		t.Errorf("%d failed attempts for 10 connections: the dead server was not set aside", n)
	}
	serveAt(t, addr2, named("s2"))
	r.notices.wait(t, "UP", contains("server is UP"))
	if name := greeting(t, r.dial()); name != "s2" {
		t.Errorf("after its return the idle server was passed over for %s", name)
	}
}

func TestAllServersDeadRefusesAfterRetries(t *testing.T) {
	conf := testConf(freeAddr(t), "roundrobin", "s1="+freeAddr(t).String())
	conf.Proxies[1].Retries = 1
	conf.Proxies[1].Timeouts.Connect = 100 * time.Millisecond
	r := startRig(t, conf, Options{})
	if b, err := io.ReadAll(r.dial()); len(b) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %q, %v, want a closed connection", b, err)
	}
	line := r.sessions.wait(t, "SC", contains(" SC "))
	if !regexp.MustCompile(` fe be/s1 \d+/-1/\d+ 0 SC 1/1/0/0/1 0/0$`).MatchString(line) {
		t.Errorf("log line %q", line)
	}
}

func TestServerMaxconnQueuesInOrder(t *testing.T) {
	s := serve(t, named("s1"))
	conf := testConf(freeAddr(t), "leastconn", "s1="+s.Addr().String())
	conf.Proxies[1].Servers[0].Maxconn = 1
	r := startRig(t, conf, Options{})
	first := r.dial()
	greeting(t, first)
	var waiting []*net.TCPConn
	for i := range 3 {
		waiting = append(waiting, r.dial())
		r.await("a longer queue", func() bool { return r.stat("BACKEND").QueueCur == int64(i+1) })
	}
	_ = first.Close()
	for _, c := range waiting {
		greeting(t, c)
		_ = c.Close()
	}
	r.await("no session left", func() bool { return r.stat("s1").SessionsCur == 0 })
	if s := r.stat("s1"); s.SessionsMax != 1 || s.SessionsTotal != 4 {
		t.Errorf("s1 had %d sessions, at most %d at once, want 4 and 1", s.SessionsTotal, s.SessionsMax)
	}
}

func TestQueueTimeout(t *testing.T) {
	s := serve(t, named("s1"))
	conf := testConf(freeAddr(t), "leastconn", "s1="+s.Addr().String())
	conf.Proxies[1].Servers[0].Maxconn = 1
	conf.Proxies[1].Timeouts.Queue = 50 * time.Millisecond
	r := startRig(t, conf, Options{})
	greeting(t, r.dial())
	if b, _ := io.ReadAll(r.dial()); len(b) > 0 {
		t.Errorf("read %q from a queued connection", b)
	}
	r.sessions.wait(t, "sQ", contains(" sQ "))
}

func TestFrontendMaxconnWaitsInBacklog(t *testing.T) {
	s := serve(t, named("s1"))
	conf := testConf(freeAddr(t), "leastconn", "s1="+s.Addr().String())
	conf.Proxies[0].Maxconn = 2
	r := startRig(t, conf, Options{})
	a, b, c := r.dial(), r.dial(), r.dial()
	greeting(t, a)
	greeting(t, b)
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("third connection read %v, want it to wait", err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_ = a.Close()
	greeting(t, c)
	if n := r.stat("FRONTEND").SessionsMax; n > 2 {
		t.Errorf("%d sessions at once, want at most 2", n)
	}
}

func TestIdleTimeouts(t *testing.T) {
	tests := []struct {
		name string
		set  func(fe, be *config.Timeouts)
		want string
	}{
		{"client", func(fe, _ *config.Timeouts) { fe.Client = 50 * time.Millisecond }, " cD "},
		{"server", func(_, be *config.Timeouts) { be.Server = 50 * time.Millisecond }, " sD "},
		{"tunnel replaces both", func(fe, be *config.Timeouts) {
			fe.Client, be.Server, be.Tunnel = time.Hour, time.Hour, 50*time.Millisecond
		}, " cD "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, named("s1"))
			conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
			tt.set(&conf.Proxies[0].Timeouts, &conf.Proxies[1].Timeouts)
			r := startRig(t, conf, Options{})
			c := r.dial()
			greeting(t, c)
			if _, err := io.ReadAll(c); err != nil {
				t.Errorf("read %v, want the end of the stream", err)
			}
			r.sessions.wait(t, tt.want, contains(tt.want))
		})
	}
}

// Traffic in one direction keeps both sides alive.
func TestTrafficPostponesTimeout(t *testing.T) {
	s := serve(t, func(c *net.TCPConn) {
		for range 50 {
			if _, err := c.Write([]byte("tick\n")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond) // the traffic's own pace
		}
	})
	conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
	conf.Proxies[0].Timeouts.Client = 600 * time.Millisecond
	conf.Proxies[1].Timeouts.Server = 600 * time.Millisecond
	r := startRig(t, conf, Options{})
	if b, err := io.ReadAll(r.dial()); len(b) != 250 || err != nil {
		t.Errorf("read %d bytes, %v, want 250", len(b), err)
	}
}

func TestRelativePortAndHostName(t *testing.T) {
	s := serveAt(t, "127.0.0.2:0", named("s1"))
	port := netip.MustParseAddrPort(s.Addr().String()).Port()
	conf := testConf(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port), "leastconn")
	conf.Proxies[1].Servers = []config.Server{{Name: "s1", Host: "s1", PortRelative: true, Weight: 1, ID: 1}}
	r := startRig(t, conf, Options{Resolver: hosts{"s1": "127.0.0.2"}})
	if name := greeting(t, r.dial()); name != "s1" {
		t.Errorf("greeted by %q", name)
	}
}

func TestUnresolvedServerIsReportedAndNotUsed(t *testing.T) {
	conf := testConf(freeAddr(t), "leastconn")
	conf.Proxies[1].Servers = []config.Server{{Name: "s1", Host: "nowhere", PortRelative: true, Weight: 1, ID: 1}}
	r := startRig(t, conf, Options{})
	if b, _ := io.ReadAll(r.dial()); len(b) > 0 {
		t.Errorf("read %q", b)
	}
	r.sessions.wait(t, "<NOSRV>", contains("be/<NOSRV> -1/-1/"))
	r.notices.wait(t, "not resolved", contains("not resolved"))
}

func TestReloadKeepsSessionsAndMovesNewOnes(t *testing.T) {
	s1, s2 := serve(t, named("s1")), serve(t, named("s2"))
	bind := freeAddr(t)
	r := startRig(t, testConf(bind, "leastconn", "s1="+s1.Addr().String()), Options{})
	old := r.dial()
	greeting(t, old)
	if err := r.Reload(testConf(bind, "leastconn", "s2="+s2.Addr().String())); err != nil {
		t.Fatal(err)
	}
	if name := greeting(t, r.dial()); name != "s2" {
		t.Errorf("after the reload a connection went to %s", name)
	}
	fmt.Fprintln(old, "still here")
	if got := greeting(t, old); got != "still here" {
		t.Errorf("the old session echoed %q", got)
	}
}

func TestRefusedReloadChangesNothing(t *testing.T) {
	s1, s2 := serve(t, named("s1")), serve(t, named("s2"))
	taken := serve(t, echo) // without SO_REUSEPORT: cannot be bound again
	bind := freeAddr(t)
	r := startRig(t, testConf(bind, "leastconn", "s1="+s1.Addr().String()), Options{})
	next := testConf(bind, "leastconn", "s2="+s2.Addr().String())
	next.Proxies[0].Binds = append(next.Proxies[0].Binds, config.Bind{Addr: netip.MustParseAddrPort(taken.Addr().String()), ID: 2})
	if err := r.Reload(next); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("Reload() = %v, want EADDRINUSE", err)
	}
	if name := greeting(t, r.dial()); name != "s1" {
		t.Errorf("after the refused reload a connection went to %s", name)
	}
}

func TestSoftStopEndsWithLastSession(t *testing.T) {
	s := serve(t, named("s1"))
	r := startRig(t, testConf(freeAddr(t), "leastconn", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	greeting(t, c)
	addr := r.addr()
	r.SoftStop()
	r.await("refused connections", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	select {
	case <-r.Done():
		t.Fatal("the soft stop ended with a session open")
	default:
	}
	_ = c.Close()
	select {
	case <-r.Done():
	case <-time.After(patience):
		t.Fatal("the soft stop did not end")
	}
}

func TestHardStopAfter(t *testing.T) {
	s := serve(t, named("s1"))
	conf := testConf(freeAddr(t), "leastconn", "s1="+s.Addr().String())
	conf.Global.HardStopAfter = 50 * time.Millisecond
	r := startRig(t, conf, Options{})
	c := r.dial()
	greeting(t, c)
	r.SoftStop()
	if _, err := io.ReadAll(c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v", err)
	}
	<-r.Done()
	r.sessions.wait(t, "KD", contains(" KD "))
}

// memoryStore is a SocketStore that notes names.
type memoryStore map[string]bool

func (m memoryStore) Keep(name string, _ int) error { m[name] = true; return nil }
func (m memoryStore) Forget(name string) error      { delete(m, name); return nil }

func TestAdoptedSocketServesItsBacklog(t *testing.T) {
	s := serve(t, named("s1"))
	fd, err := evloop.Listen(netip.MustParseAddrPort("127.0.0.1:0"), evloop.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	addr, _, _ := evloop.ListenAddr(fd)
	early, err := net.Dial("tcp", addr.String()) // nobody accepts yet
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	store := memoryStore{}
	r := startRig(t, testConf(addr, "leastconn", "s1="+s.Addr().String()), Options{Adopted: adopt(fd), Store: store})
	if name := greeting(t, early); name != "s1" {
		t.Errorf("greeted by %q", name)
	}
	name := "listen-" + strings.ReplaceAll(addr.String(), ":", "_")
	if !store[name] {
		t.Errorf("store holds %v, want %s", store, name)
	}
	r.SoftStop()
	if len(store) != 0 {
		t.Errorf("after a soft stop the store holds %v", store)
	}
}

func TestMaxconnBeyondFileLimitIsExplained(t *testing.T) {
	conf := testConf(freeAddr(t), "leastconn")
	conf.Global.Maxconn = 100 << 20
	_, err := Start(conf, Options{Log: nil, Resolver: hosts{}})
	if err == nil || !strings.Contains(err.Error(), "LimitNOFILE") {
		t.Errorf("Start() = %v, want advice on LimitNOFILE", err)
	}
}

// Without "timeout connect", a server that swallows packets does not hold a
// client for minutes as long as there is another one.
func TestSilentServerIsLeftWithoutConnectTimeout(t *testing.T) {
	// A listening socket with a full backlog drops further SYN packets.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	silent, _, err := evloop.ListenAddr(fd)
	if err != nil {
		t.Fatal(err)
	}
	filler, err := net.Dial("tcp", silent.String())
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	s2 := serve(t, named("s2"))
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+silent.String(), "s2="+s2.Addr().String()), Options{})
	for range 2 {
		if name := greeting(t, r.dial()); name != "s2" {
			t.Errorf("greeted by %q", name)
		}
	}
	r.notices.wait(t, "DOWN", contains("connection timed out"))
}
