package proxy

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// allocsPerSession bounds what one session takes from the heap after warm-up.
const allocsPerSession = 3

// plainRig is an engine between a server and clients that are plain system calls,
// so that what is allocated and what time passes is the engine's.
type plainRig struct {
	t             testing.TB
	server        int // listening
	direct, front *unix.SockaddrInet4
	buf           [64]byte
}

func newPlainRig(t testing.TB) *plainRig {
	server, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(server) })
	r := &plainRig{t: t, server: server}
	r.must(unix.Bind(server, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	r.must(unix.Listen(server, 256))
	sa, err := unix.Getsockname(server)
	r.must(err)
	r.direct = sa.(*unix.SockaddrInet4)
	addr := netip.AddrPortFrom(netip.AddrFrom4(r.direct.Addr), uint16(r.direct.Port))
	e := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+addr.String()), Options{})
	front := netip.MustParseAddrPort(e.addr())
	r.front = &unix.SockaddrInet4{Addr: front.Addr().As4(), Port: int(front.Port())}
	return r
}

func (r *plainRig) must(err error) {
	if err != nil {
		r.t.Helper()
		r.t.Fatal(err)
	}
}

// open connects to addr and accepts at the server.
func (r *plainRig) open(addr *unix.SockaddrInet4) (client, server int) {
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	r.must(err)
	r.must(unix.Connect(c, addr))
	s, _, err := unix.Accept(r.server)
	r.must(err)
	return c, s
}

func (r *plainRig) write(fd int) {
	_, err := unix.Write(fd, r.buf[:])
	r.must(err)
}

func (r *plainRig) read(fd int) {
	for n := 0; n < len(r.buf); {
		m, err := unix.Read(fd, r.buf[n:])
		r.must(err)
		n += m
	}
}

// session opens a connection to addr, passes a message each way and closes.
func (r *plainRig) session(addr *unix.SockaddrInet4) {
	c, s := r.open(addr)
	r.write(c)
	r.read(s)
	r.write(s)
	r.read(c)
	r.must(unix.Close(c))
	for n := 1; n > 0; { // the proxy has passed FIN on
		var err error
		n, err = unix.Read(s, r.buf[:])
		r.must(err)
	}
	r.must(unix.Close(s))
}

// messages passes one message each way over every connection.
func (r *plainRig) messages(conns [][2]int) {
	for _, c := range conns {
		r.write(c[0])
	}
	for _, c := range conns {
		r.read(c[1])
		r.write(c[1])
	}
	for _, c := range conns {
		r.read(c[0])
	}
}

// connections opens n connections through the engine.
func (r *plainRig) connections(n int) [][2]int {
	var conns [][2]int
	for range n {
		c, s := r.open(r.front)
		r.t.Cleanup(func() { _ = unix.Close(c); _ = unix.Close(s) })
		conns = append(conns, [2]int{c, s})
	}
	return conns
}

// mallocs is how many heap objects f makes on average, after a warm-up.
func mallocs(f func()) float64 {
	const warmUp, runs = 50, 200
	for range warmUp {
		f()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / runs
}

// TestSessionAllocations compares the heap allocations of the process with and
// without a proxy between client and server.
func TestSessionAllocations(t *testing.T) {
	r := newPlainRig(t)
	base := mallocs(func() { r.session(r.direct) })
	if n := mallocs(func() { r.session(r.front) }) - base; n > allocsPerSession {
		t.Errorf("%.2f allocations for each session, want at most %d", n, allocsPerSession)
	} else {
		t.Logf("%.2f allocations for each session", n)
	}
}

func TestMessagesDoNotAllocate(t *testing.T) {
	for _, n := range []int{1, 50} {
		r := newPlainRig(t)
		conns := r.connections(n)
		// The runtime itself makes an object now and then.
		if got := mallocs(func() { r.messages(conns) }) / float64(2*n); got > 0.05 {
			t.Errorf("%d connections: %.3f allocations for each message, want 0", n, got)
		}
	}
}

// BenchmarkMessage relays messages of 64 bytes there and back.
func BenchmarkMessage(b *testing.B) {
	for _, n := range []int{1, 50, 500} {
		b.Run(fmt.Sprintf("connections=%d", n), func(b *testing.B) {
			r := newPlainRig(b)
			conns := r.connections(n)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += n {
				r.messages(conns)
			}
		})
	}
}

// BenchmarkSession opens a connection, relays a message there and back and closes.
func BenchmarkSession(b *testing.B) {
	r := newPlainRig(b)
	r.session(r.front)
	b.ReportAllocs()
	for b.Loop() {
		r.session(r.front)
	}
}
