package proxy

import (
	"bytes"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// resetAfter answers, and resets the connection once the proxy has the answer:
// it leaves the client's bytes unread.
func resetAfter(t *testing.T, answer []byte, done chan<- struct{}) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		_, _ = c.Write(answer)
		awaitSent(t, c)
		_ = c.SetLinger(0)
		_ = c.Close()
		close(done)
	}
}

// A client that half-closes after the server's reset still gets what the server
// sent before.
func TestFinAfterResetLosesNothing(t *testing.T) {
	answer, done := randomBytes(3<<20), make(chan struct{})
	s := serve(t, resetAfter(t, answer, done))
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dialSmall()
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	<-done
	time.Sleep(20 * time.Millisecond) // the reset crosses, no event tells the test
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); !bytes.Equal(got, answer) {
		t.Errorf("got %d of %d bytes and %v, want all", len(got), len(answer), err)
	}
	r.sessions.wait(t, "SD", contains(" SD "))
}

// dialSmall connects with a receive buffer that leaves most of an answer with the
// proxy.
func (r *rig) dialSmall() *net.TCPConn {
	r.t.Helper()
	d := net.Dialer{Timeout: patience, Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
	}}
	c, err := d.Dial("tcp", r.addr())
	if err != nil {
		r.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// A session whose ends failed one after the other, each while the other had bytes
// for it, ends without any time-out.
func TestSessionEndsWhenBothEndsFailed(t *testing.T) {
	s := serve(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		for { // until the client takes no more
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				break
			}
		}
		_ = c.SetLinger(0)
	})
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dialSmall()
	_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	for {
		if _, err := c.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	_ = c.SetLinger(0)
	_ = c.Close()
	r.await("the end of the session", func() bool { return r.stat("s1").SessionsCur == 0 })
}

// A client that aborts after its half-close frees the server.
func TestAbortAfterHalfCloseEndsSession(t *testing.T) {
	ended, quiet := make(chan struct{}), make(chan struct{})
	defer close(quiet)
	silent := serve(t, func(c *net.TCPConn) {
		_, _ = io.ReadAll(c)
		close(ended)
		<-quiet
	})
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+silent.Addr().String()), Options{})
	c := r.dial()
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	<-ended
	_ = c.SetLinger(0)
	_ = c.Close()
	r.sessions.wait(t, "CD", contains(" CD "))
}

// While the client does not read, the server cannot send: its time-out rests.
func TestServerTimeoutRestsWhileClientStalls(t *testing.T) {
	answer := randomBytes(16 << 20)
	s := serve(t, func(c *net.TCPConn) { _, _ = c.Write(answer) })
	conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
	conf.Proxies[1].Timeouts.Server = 300 * time.Millisecond
	r := startRig(t, conf, Options{})
	c := r.dialSmall()
	time.Sleep(time.Second) // the client's stall
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, answer) {
		t.Errorf("got %d of %d bytes and %v, want all", len(got), len(answer), err)
	}
}

// A client that half-closed owes nothing: only the server's time-out counts.
func TestClientTimeoutRestsAfterHalfClose(t *testing.T) {
	s := serve(t, func(c *net.TCPConn) {
		_, _ = io.ReadAll(c)
		time.Sleep(300 * time.Millisecond) // a long computation
		_, _ = c.Write([]byte("answer"))
	})
	conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
	conf.Proxies[0].Timeouts.Client = 100 * time.Millisecond
	r := startRig(t, conf, Options{})
	resume := r.hold() // the client has all its time until it half-closes
	c := r.dial()
	_ = c.CloseWrite()
	resume()
	if got, err := io.ReadAll(c); string(got) != "answer" || err != nil {
		t.Errorf("got %q and %v, want the answer", got, err)
	}
}

// hold stops the loops until the returned function is called.
func (r *rig) hold() (resume func()) {
	pause := make(chan struct{})
	var held sync.WaitGroup
	for _, w := range r.workers {
		held.Add(1)
		w.loop.Post(func() {
			held.Done()
			<-pause
		})
	}
	held.Wait()
	resume = sync.OnceFunc(func() { close(pause) })
	r.t.Cleanup(resume) // of a test that failed before
	return resume
}

// A read stops short at TCP's urgent mark though more waits behind it.
func TestBytesBehindUrgentMarkArrive(t *testing.T) {
	t.Run("epoll", func(t *testing.T) { testUrgentMark(t, func(*rig, net.Conn) {}) })
	t.Run("armed", func(t *testing.T) {
		armable(t)
		testUrgentMark(t, (*rig).arm)
	})
}

func testUrgentMark(t *testing.T, prepare func(*rig, net.Conn)) {
	s := serve(t, echo)
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	prepare(r, c)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	send := func(text string, flags int) {
		if err := raw.Write(func(fd uintptr) bool { return unix.Sendto(int(fd), []byte(text), flags, nil) == nil }); err != nil {
			t.Fatal(err)
		}
	}
	resume := r.hold() // all three arrive before the loops look
	send("before", 0)
	send("!", unix.MSG_OOB)
	send("behind", 0)
	resume()
	got := make([]byte, len("beforebehind"))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != "beforebehind" {
		t.Errorf("got %q and %v", got[:n], err)
	}
	exchange(t, c, 1000)
}
