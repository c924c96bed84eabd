package proxy

import (
	"net/netip"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// allocsPerSession bounds what one session takes from the heap after warm-up.
const allocsPerSession = 3

// TestSessionAllocations compares the heap allocations of the process with and
// without a proxy between a client and a server that are plain system calls.
func TestSessionAllocations(t *testing.T) {
	server, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(server)
	if err := unix.Bind(server, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(server, 16); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(server)
	if err != nil {
		t.Fatal(err)
	}
	at := sa.(*unix.SockaddrInet4)
	addr := netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
	conf := testConf(freeAddr(t), "roundrobin", "s1="+addr.String())
	r := startRig(t, conf, Options{})
	front := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(netip.MustParseAddrPort(r.addr()).Port())}
	direct, through := exchange(t, server, at), exchange(t, server, front)
	runs := 200
	measure := func(f func()) float64 {
		for range 50 {
			f()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			f()
		}
		runtime.ReadMemStats(&after)
		return float64(after.Mallocs-before.Mallocs) / float64(runs)
	}
	base := measure(direct)
	if n := measure(through) - base; n > allocsPerSession {
		t.Errorf("%.2f allocations for each session, want at most %d", n, allocsPerSession)
	} else {
		t.Logf("%.2f allocations for each session", n)
	}
}

// exchange returns a function that connects to addr, accepts at server, sends a
// message both ways and closes.
func exchange(t *testing.T, server int, addr *unix.SockaddrInet4) func() {
	var buf [16]byte
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	pass := func(from, to int) {
		_, err := unix.Write(from, buf[:4])
		must(err)
		_, err = unix.Read(to, buf[:])
		must(err)
	}
	return func() {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(err)
		must(unix.Connect(c, addr))
		s, _, err := unix.Accept(server)
		must(err)
		pass(c, s)
		pass(s, c)
		must(unix.Close(c))
		for n := 1; n > 0; { // the proxy has passed FIN on
			n, err = unix.Read(s, buf[:])
			must(err)
		}
		must(unix.Close(s))
	}
}
