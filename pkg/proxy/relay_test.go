package proxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

func echo(c *net.TCPConn) { _, _ = io.Copy(c, c) }

func randomBytes(n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(p)
	return p
}

func TestRelayEchoesLargeFlow(t *testing.T) {
	s := serve(t, echo)
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	sent := randomBytes(20 << 20)
	go func() {
		_, _ = c.Write(sent)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
		t.Errorf("got %d bytes back with %v, want the %d that were sent", len(got), err, len(sent))
	}
	line := r.sessions.wait(t, "--", contains(" -- "))
	if !contains(" fe be/s1 ")(line) || !contains(" 20971520 -- ")(line) {
		t.Errorf("log line %q, want fe be/s1 and 20971520 bytes", line)
	}
}

func TestHalfCloseFromClientStillDelivers(t *testing.T) {
	answer := randomBytes(3 << 20)
	s := serve(t, func(c *net.TCPConn) {
		if _, err := io.ReadAll(c); err == nil { // ends with the client's FIN
			_, _ = c.Write(answer)
		}
	})
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, answer) {
		t.Errorf("got %d bytes, %v, want the answer of %d bytes", len(got), err, len(answer))
	}
}

func TestHalfCloseFromServerStillDelivers(t *testing.T) {
	got := make(chan []byte, 1)
	s := serve(t, func(c *net.TCPConn) {
		_ = c.CloseWrite()
		p, _ := io.ReadAll(c)
		got <- p
	})
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	if _, err := io.ReadAll(c); err != nil { // the server's FIN comes through
		t.Fatal(err)
	}
	sent := randomBytes(3 << 20)
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	select {
	case p := <-got:
		if !bytes.Equal(p, sent) {
			t.Errorf("server got %d bytes, want %d", len(p), len(sent))
		}
	case <-time.After(patience):
		t.Fatal("the server never saw the end of the stream")
	}
}

func TestResetIsPassedOnAsReset(t *testing.T) {
	for _, from := range []string{"client", "server"} {
		t.Run(from, func(t *testing.T) {
			accepted := make(chan *net.TCPConn, 1)
			release := make(chan struct{})
			defer close(release)
			s := serve(t, func(c *net.TCPConn) {
				accepted <- c
				<-release
			})
			r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
			c := r.dial()
			a, b := c, <-accepted
			// What comes through tells that the proxy knows of the server's connection.
			if _, err := b.Write([]byte{0}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if from == "server" {
				a, b = b, a
			}
			_ = a.SetLinger(0)
			_ = a.Close()
			if _, err := io.ReadAll(b); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the other end read %v, want ECONNRESET", err)
			}
			want := map[string]string{"client": " CD ", "server": " SD "}[from]
			r.sessions.wait(t, want, contains(want))
		})
	}
}

// What a server sent before its reset reaches a client that reads late, and then
// the reset does.
func TestBytesBeforeResetArrive(t *testing.T) {
	answer := randomBytes(3 << 20)
	s := serve(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 1)) // leaves bytes unread: close sends RST
		_, _ = c.Write(answer)
		awaitSent(t, c)
	})
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	r.sessions.wait(t, "SD", contains(" SD "))
	got, err := io.ReadAll(c)
	if !errors.Is(err, syscall.ECONNRESET) || !bytes.Equal(got, answer) {
		t.Errorf("got %d of %d bytes and %v, want all and ECONNRESET", len(got), len(answer), err)
	}
}

// A client that goes on sending to a server that answered and closed still gets
// the answer.
func TestAnswerBeforeFailedWriteArrives(t *testing.T) {
	answer := randomBytes(1 << 20)
	s := serve(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		_, _ = c.Write(answer)
		awaitSent(t, c)
	})
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	go func() {
		chunk := make([]byte, 64<<10)
		for range 200 {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	}()
	// The reset is told to the reader or to the writer, whichever calls first.
	if got, err := io.ReadAll(c); !bytes.Equal(got, answer) {
		t.Errorf("got %d of %d bytes and %v, want all", len(got), len(answer), err)
	}
	r.sessions.wait(t, "SD", contains(" SD "))
}

// awaitSent waits until the peer has acknowledged all that was written.
func awaitSent(t *testing.T, c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		left := 0
		if err := raw.Control(func(fd uintptr) { left = evloop.Unsent(int(fd)) }); err != nil || left == 0 {
			return
		}
	}
	t.Error("the peer does not take the answer")
}

func TestSlowReaderHoldsOneBuffer(t *testing.T) {
	blocked := make(chan int, 1)
	s := serve(t, func(c *net.TCPConn) {
		total := 0
		chunk := make([]byte, 64<<10)
		_ = c.SetWriteDeadline(time.Now().Add(2 * time.Second))
		for {
			n, err := c.Write(chunk)
			total += n
			if err != nil {
				blocked <- total
				return
			}
		}
	})
	conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
	conf.Global.NbThread = 1
	r := startRig(t, conf, Options{})
	c := r.dial()
	total := <-blocked
	// What the server could write fills the kernel's buffers of two connections and
	// at most one buffer and one pipe of the relay's.
	rest, err := io.Copy(io.Discard, c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) || rest != int64(total) {
		t.Errorf("read %d bytes after the pause, %v, want %d", rest, err, total)
	}
	if total > 64<<20 {
		t.Errorf("the proxy swallowed %d bytes for a reader that does not read", total)
	}
}

// The first write to a server needs no TCP_NODELAY, each later one does: it must not
// wait for the acknowledgement of the first.
func TestServerIsHurriedFromSecondWrite(t *testing.T) {
	s := serve(t, echo)
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	var buf [1]byte
	for i, want := range []int{0, 1, 1} {
		if _, err := c.Write(buf[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf[:]); err != nil {
			t.Fatal(err)
		}
		if got := r.serverOption(unix.IPPROTO_TCP, unix.TCP_NODELAY); got != want {
			t.Errorf("after message %d TCP_NODELAY = %d, want %d", i+1, got, want)
		}
	}
}

// serverOption is a socket option of the server's end of the only session.
func (r *rig) serverOption(level, name int) int {
	r.t.Helper()
	value := -1
	r.onLoops(func(w *worker) {
		if s := w.sessions; s != nil {
			var err error
			if value, err = unix.GetsockoptInt(int(s.ends[serverEnd].fd), level, name); err != nil {
				r.t.Error(err)
			}
		}
	})
	if value < 0 {
		r.t.Fatal("no session")
	}
	return value
}

// A connection that sends once needs no TCP_NODELAY, also when the client's FIN follows.
func TestServerIsNotHurriedForFin(t *testing.T) {
	ended, over := make(chan struct{}), make(chan struct{})
	s := serve(t, func(c *net.TCPConn) {
		_, _ = io.Copy(io.Discard, c)
		close(ended)
		<-over
	})
	defer close(over)
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	<-ended
	if got := r.serverOption(unix.IPPROTO_TCP, unix.TCP_NODELAY); got != 0 {
		t.Errorf("TCP_NODELAY = %d, want 0", got)
	}
}

// A connection that epoll has no room for ends its session as a lack of resources.
func TestUnwatchedConnectionEndsSession(t *testing.T) {
	for _, tt := range []struct {
		name, bind, server string
		state              state
		code               string
	}{
		{"introduction", "accept-proxy", "", stateIntroduction, " RC "},
		{"queue", "", "maxconn 1", stateQueued, " RQ "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, named("s1"))
			r := startRig(t, parseConf(t, fmt.Sprintf("defaults\n\tmode tcp\n\ttimeout client 20s\n\ttimeout server 20s\n\ttimeout connect 20s\n"+
				"listen l\n\tbind %s %s\n\tserver s1 %s %s\n", freeAddr(t), tt.bind, s.Addr(), tt.server)), Options{})
			if tt.state == stateQueued {
				greeting(t, r.dial()) // has the place
			}
			c := r.dial()
			r.await("the session", func() bool { return r.unwatch(tt.state) })
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("Read = %d, %v, want the end", n, err)
			}
			r.sessions.wait(t, "line with "+tt.code, contains(tt.code))
		})
	}
}

// unwatch has the client's connection of a session in a state refused, if there is one.
func (r *rig) unwatch(in state) (found bool) {
	r.onLoops(func(w *worker) {
		for s := w.sessions; s != nil && !found; s = s.next {
			if found = s.state == in; found {
				s.ends[clientEnd].Event(evloop.Unwatched)
				return // s is free
			}
		}
	})
	return found
}

// Short messages in lockstep cross without waiting for more bytes.
func TestRequestResponseLockstep(t *testing.T) {
	s := serve(t, echo)
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	exchange(t, r.dial(), 2000*32)
}

// exchange sends n letters to a peer that echoes and reads each message before the
// next. It reports whether all went well.
func exchange(t testing.TB, c net.Conn, n int) bool {
	for i := 1; n > 0; i++ {
		m := min(n, 1+i%64)
		sent, got := make([]byte, m), make([]byte, m)
		for j := range sent {
			sent[j] = 'a' + byte((i+j)%26)
		}
		if _, err := c.Write(sent); err != nil {
			t.Errorf("write message %d: %v", i, err)
			return false
		}
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("message %d of %d bytes: %v, or other bytes", i, m, err)
			return false
		}
		n -= m
	}
	return true
}
