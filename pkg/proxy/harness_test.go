package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/ci/loopback"
	"github.com/sluice-lb/sluice/pkg/config"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// logBuffer collects log lines and lets tests wait for one.
type logBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func newLogBuffer() *logBuffer { return &logBuffer{changed: make(chan struct{})} }

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.changed)
	b.changed = make(chan struct{})
	return b.buf.Write(p)
}

// wait returns the first line for which match is true.
func (b *logBuffer) wait(t *testing.T, what string, match func(line string) bool) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		b.mu.Lock()
		text, changed := b.buf.String(), b.changed
		b.mu.Unlock()
		for line := range strings.Lines(text) {
			if match(line) {
				return strings.TrimSpace(line)
			}
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no log line with %s in:\n%s", what, text)
		}
	}
}

func contains(s string) func(string) bool {
	return func(line string) bool { return strings.Contains(line, s) }
}

// hosts is a resolver with a fixed table.
type hosts map[string]string

func (h hosts) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := h[host]; ok {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	return nil, errors.New("no such host")
}

// rig is an engine under test with what it logs.
type rig struct {
	*Engine
	t        testing.TB
	sessions *logBuffer // the frontends' lines
	notices  *logBuffer // the engine's own
}

func startRig(t testing.TB, conf *config.Config, opt Options) *rig {
	t.Helper()
	r := &rig{t: t, sessions: newLogBuffer(), notices: newLogBuffer()}
	opt.Stderr, opt.Log = r.sessions, slog.New(slog.NewTextHandler(r.notices, nil))
	if opt.Resolver == nil {
		opt.Resolver = hosts{}
	}
	e, err := Start(conf, opt)
	if err != nil {
		t.Fatal(err)
	}
	r.Engine = e
	t.Cleanup(e.Stop)
	return r
}

// addr is where the engine listens for the frontend's first bind line.
func (r *rig) addr() string {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.listeners {
		return l.addr.String()
	}
	r.t.Fatal("no listener")
	return ""
}

// onLoops calls f for one worker after the other, on its loop.
func (r *rig) onLoops(f func(w *worker)) {
	for _, w := range r.workers {
		done := make(chan struct{})
		if w.loop.Post(func() { f(w); close(done) }) {
			<-done
		}
	}
}

func (r *rig) dial() *net.TCPConn {
	r.t.Helper()
	c, err := net.DialTimeout("tcp", r.addr(), patience)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// freeAddr finds an unused loopback address: an engine's bind lines need a port
// that is known before.
func freeAddr(t testing.TB) netip.AddrPort {
	t.Helper()
	addr, err := loopback.Free()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// testConf is one frontend "fe" at bind with a backend "be" of the given servers,
// "name=host:port".
func testConf(bind netip.AddrPort, algorithm string, servers ...string) *config.Config {
	be := &config.Proxy{Name: "be", Kind: config.Backend, ID: 3, Retries: 3, Balance: config.Balance{Algorithm: algorithm}}
	for i, s := range servers {
		name, addr, _ := strings.Cut(s, "=")
		ap := netip.MustParseAddrPort(addr)
		be.Servers = append(be.Servers, config.Server{Name: name, Host: ap.Addr().String(), Port: int(ap.Port()), Weight: 1, ID: i + 1})
	}
	fe := &config.Proxy{Name: "fe", Kind: config.Frontend, ID: 2, DefaultBackend: "be",
		Binds: []config.Bind{{Addr: bind, ID: 1}}}
	return &config.Config{Global: config.Global{NbThread: 2, Maxconn: 2000}, Proxies: []*config.Proxy{fe, be}}
}

// backendServer is a TCP server whose connections are handled by serve.
type backendServer struct {
	net.Listener
	wg sync.WaitGroup
}

func serve(t *testing.T, handle func(*net.TCPConn)) *backendServer {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", handle)
}

func serveAt(t *testing.T, addr string, handle func(*net.TCPConn)) *backendServer {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &backendServer{Listener: l}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // a test took the descriptors away
			}
			_ = c.SetDeadline(time.Now().Add(3 * patience))
			s.wg.Go(func() {
				defer c.Close()
				handle(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return s
}

// named greets with its name and then echoes.
func named(name string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		fmt.Fprintln(c, name)
		_, _ = io.Copy(c, c)
	}
}

// greeting reads the server's name from a connection.
func greeting(t *testing.T, c net.Conn) string {
	t.Helper()
	var b [1]byte
	var name []byte
	for {
		if _, err := io.ReadFull(c, b[:]); err != nil {
			t.Fatalf("read greeting: %v", err)
		}
		if b[0] == '\n' {
			return string(name)
		}
		name = append(name, b[0])
	}
}
