package evloop

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A connection is made, refused, or given up with its context.
func TestDialWaits(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	source := netip.MustParseAddrPort("127.0.0.9:0")
	conn, err := Dial(t.Context(), addr, &ConnectOptions{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); got != source.Addr() {
		t.Errorf("the connection comes from %s, want %s", got, source.Addr())
	}
	if got := conn.RemoteAddr().(*net.TCPAddr).AddrPort(); got != addr {
		t.Errorf("the connection goes to %s, want %s", got, addr)
	}
	_ = conn.Close()
	_ = ln.Close()
	if _, err := Dial(t.Context(), addr, &ConnectOptions{}); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("Dial() = %v without a listener, want %v", err, unix.ECONNREFUSED)
	}
	if _, err := Dial(t.Context(), addr, &ConnectOptions{Source: netip.MustParseAddrPort("192.0.2.1:0")}); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("Dial() = %v from another machine's address, want %v", err, unix.EADDRNOTAVAIL)
	}
}

// A full backlog drops SYN packets, so that a connection takes its time.
func TestDialEndsWithItsContext(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	addr, _, err := ListenAddr(fd)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		conn, err := Dial(ctx, addr, &ConnectOptions{})
		cancel()
		if err == nil {
			defer conn.Close()
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial() = %v, want %v", err, context.DeadlineExceeded)
		}
		return
	}
	t.Error("a backlog of 0 took four connections")
}
