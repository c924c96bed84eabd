package proxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

// armable skips a test where the kernel has no ring for armed receives.
func armable(t *testing.T) {
	t.Helper()
	var params [120]byte
	params[9] = 0x30 // IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 8, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		t.Skipf("io_uring as Linux 6.1 has it is not there: %v", errno)
	}
	_ = unix.Close(int(fd))
}

// armed is the number of sessions whose receives are armed.
func (r *rig) armed() (n int) {
	r.onLoops(func(w *worker) {
		if w.mover.sole.armed != nil {
			n++
		}
	})
	return n
}

// armedBytes are sent in lockstep until a session that is alone is armed for sure.
const armedBytes = soleTurns * 64

// arm exchanges messages over c until its session is armed: a pause of 8 ms ends that,
// so a busy machine may need several attempts.
func (r *rig) arm(c net.Conn) {
	r.t.Helper()
	for range 100 {
		_ = c.SetDeadline(time.Now().Add(patience))
		if !exchange(r.t, c, armedBytes) {
			break
		}
		if r.armed() == 1 {
			return
		}
	}
	r.t.Fatal("a session that is alone is not armed")
}

func TestSoleSessionIsArmed(t *testing.T) {
	armable(t)
	s := serve(t, echo)
	conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
	conf.Global.NbThread = 1
	r := startRig(t, conf, Options{})
	c := r.dial()
	r.arm(c)
	exchange(t, c, armedBytes)
	other := r.dial()
	exchange(t, other, 1) // both go on with epoll
	exchange(t, c, armedBytes)
	r.arm(other)
	r.await("rest", func() bool { return r.armed() == 0 })
	r.arm(c)
	_ = c.SetDeadline(time.Now().Add(patience))
	large := randomBytes(5 << 20) // is spliced
	go func() { _, _ = c.Write(large) }()
	got := make([]byte, len(large))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, large) {
		t.Errorf("%d bytes that follow messages come back with %v, or others", len(large), err)
	}
}

// Sessions that begin with small messages, each alone, are relayed as all others are.
func TestArmedTorture(t *testing.T) {
	armable(t)
	all, limit := tortureScale()
	conns := all / 10
	var armed atomic.Int32
	torture(t, conns, limit, 1, armedBytes, func(r *rig) { armed.Add(int32(r.armed())) })
	t.Logf("%d of %d sessions were armed when their torture began", armed.Load(), conns)
	if armed.Load() == 0 {
		t.Error("no session was armed")
	}
}

// An armed session ends as others do.
func TestArmedEndings(t *testing.T) {
	armable(t)
	reset := func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }
	for _, tt := range []struct {
		name           string
		client, server func(*net.TCPConn) // what one does
		do             string             // or an operator
		line           string
		seen           error // by the ends that did nothing; nil: the end of the stream
	}{
		{name: "client FIN", client: func(c *net.TCPConn) { _ = c.CloseWrite() }, line: " -- "},
		{name: "server FIN", server: func(c *net.TCPConn) { _ = c.CloseWrite() }, line: " -- "},
		{name: "client RST", client: reset, line: " CD ", seen: syscall.ECONNRESET},
		{name: "server RST", server: reset, line: " SD ", seen: syscall.ECONNRESET},
		{name: "last words of the client", client: func(c *net.TCPConn) { _, _ = c.Write([]byte("last")); reset(c) }, line: " CD ", seen: syscall.ECONNRESET},
		{name: "operator", do: "shutdown sessions server be/s1", line: " KD "},
		{name: "silence", line: " cD "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, accepted := handOver(t)
			conf := testConf(freeAddr(t), "roundrobin", "s1="+addr)
			if tt.line == " cD " {
				conf.Proxies[0].Timeouts.Client = time.Second
			}
			r := startRig(t, conf, Options{})
			c, other := r.armedEnds(accepted)
			switch {
			case tt.client != nil:
				tt.client(c)
			case tt.server != nil:
				tt.server(other)
			case tt.do != "":
				if answer := r.do(tt.do); answer != "" {
					t.Error(answer)
				}
			}
			if tt.client == nil {
				if _, err := io.Copy(io.Discard, c); !errors.Is(err, tt.seen) {
					t.Errorf("the client reads %v, want %v", err, tt.seen)
				}
				_ = c.CloseWrite()
			}
			if tt.server == nil {
				got, err := io.ReadAll(other)
				if !errors.Is(err, tt.seen) || strings.HasPrefix(tt.name, "last") && string(got) != "last" {
					t.Errorf("the server reads %q, %v, want %v", got, err, tt.seen)
				}
				_ = other.CloseWrite()
			}
			r.sessions.wait(t, tt.line, contains(tt.line))
		})
	}
}

// stopEcho is what no message of exchange has.
const stopEcho = '!'

// echoUntilStop echoes until it reads stopEcho.
func echoUntilStop(c net.Conn) {
	for buf := make([]byte, 1); ; {
		if _, err := io.ReadFull(c, buf); err != nil || buf[0] == stopEcho {
			return
		}
		_, _ = c.Write(buf)
	}
}

// handOver is a server whose connections are the test's own after stopEcho.
func handOver(t *testing.T) (addr string, accepted <-chan *net.TCPConn) {
	conns, release := make(chan *net.TCPConn, 1), make(chan struct{})
	s := serve(t, func(c *net.TCPConn) {
		echoUntilStop(c)
		conns <- c
		<-release
	})
	t.Cleanup(func() { close(release) })
	return s.Addr().String(), conns
}

// armedEnds are both ends of a session that is armed, the server's from handOver.
func (r *rig) armedEnds(accepted <-chan *net.TCPConn) (client, server *net.TCPConn) {
	r.t.Helper()
	client = r.dial()
	r.arm(client)
	if _, err := client.Write([]byte{stopEcho}); err != nil {
		r.t.Fatal(err)
	}
	return client, <-accepted
}

// What an armed end does not take at once waits, in order.
func TestArmedSlowReader(t *testing.T) {
	armable(t)
	full := make(chan struct{})
	s := serve(t, func(c *net.TCPConn) {
		echoUntilStop(c)
		<-full
		_, _ = io.Copy(c, c)
		_ = c.CloseWrite()
	})
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	r.arm(c)
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	message := randomBytes(10_000) // less than an armed receive takes
	sent := sha256.New()
	write := func(p []byte) {
		_, _ = sent.Write(p)
		if _, err := c.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write([]byte{stopEcho}); err != nil {
		t.Fatal(err)
	}
	for i := 0; !r.held(); i++ {
		write(fmt.Appendf(nil, "%d", i))
		write(message)
	}
	write([]byte("the end"))
	close(full)
	_ = c.CloseWrite()
	got := sha256.New()
	if n, err := io.Copy(got, c); err != nil || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
		t.Errorf("%d bytes come back, %v, or others", n, err)
	}
}

// held reports whether a session holds bytes for its server.
func (r *rig) held() (held bool) {
	r.onLoops(func(w *worker) {
		for s := w.sessions; s != nil; s = s.next {
			held = held || s.half[clientEnd].waiting()
		}
	})
	return held
}

// Both ends fail in one turn, with bytes for each other under way.
func TestArmedEndsFailTogether(t *testing.T) {
	armable(t)
	addr, accepted := handOver(t)
	conf := testConf(freeAddr(t), "roundrobin", "s1="+addr)
	conf.Global.NbThread = 1
	r := startRig(t, conf, Options{})
	for range 5 {
		c, other := r.armedEnds(accepted)
		ends := []*net.TCPConn{c, other}
		r.workers[0].loop.Post(func() {
			for _, c := range ends {
				_, _ = c.Write([]byte("last words"))
			}
			for _, c := range ends {
				_ = c.SetLinger(0)
				_ = c.Close()
			}
		})
		r.await("the end", func() bool { return r.conns.Load() == 0 })
	}
}

// Bytes that were refused, and those that came after them, are held in order; an
// error that the kernel told already is met behind them.
func TestLeftOver(t *testing.T) {
	l, err := evloop.New()
	if err != nil {
		t.Fatal(err)
	}
	l.Stop()
	_ = l.Run()
	var r relay
	r.ends[serverEnd].writable = true
	first, second := randomBytes(evloop.ArmedSize-1), randomBytes(evloop.ArmedSize)
	got := r.leftOver(l, clientEnd, evloop.Leftover{Unsent: first, SendErr: unix.EAGAIN, Received: second, RecvErr: unix.ECONNRESET})
	h := &r.half[clientEnd]
	if got.more || got.err != nil || r.ends[serverEnd].writable || h.bytes != int64(len(second)) ||
		!bytes.Equal(h.held.Bytes(), slices.Concat(first, second)) {
		t.Errorf("%+v, %d bytes", got, h.bytes)
	}
	if res, ok := r.received(l, clientEnd, 0, nil); ok || res.err != unix.ECONNRESET || res.end != clientEnd {
		t.Errorf("at the end of the stream %+v", res)
	}
	r.ends[clientEnd].writable = true
	got = r.leftOver(l, serverEnd, evloop.Leftover{Unsent: first, SendErr: unix.EPIPE})
	if got.err != unix.EPIPE || got.end != clientEnd || r.half[serverEnd].held != nil {
		t.Errorf("a failed send: %+v", got)
	}
}
