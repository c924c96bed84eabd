package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A soft stop is not over before every loop has served what waited in the
// backlog.
func TestSoftStopServesBacklogFirst(t *testing.T) {
	s := serve(t, named("s1"))
	r := startRig(t, testConf(freeAddr(t), "leastconn", "s1="+s.Addr().String()), Options{})
	hold := make(chan struct{})
	for _, w := range r.workers[1:] { // the first one alone reaches its check
		w.loop.Post(func() { <-hold })
	}
	r.SoftStop()
	select {
	case <-r.Done():
		t.Error("the soft stop ended while a loop still accepts")
	case <-time.After(50 * time.Millisecond):
	}
	close(hold)
	<-r.Done()
}

// The last bytes of an aborted session are delivered before a soft stop ends.
func TestSoftStopWaitsForLastBytes(t *testing.T) {
	answer, done := randomBytes(3<<20), make(chan struct{})
	s := serve(t, resetAfter(t, answer, done))
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String()), Options{})
	c := r.dial()
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	r.sessions.wait(t, "SD", contains(" SD "))
	r.SoftStop()
	select {
	case <-r.Done():
		r.Stop() // what the program does then
	case <-time.After(50 * time.Millisecond):
	}
	got, err := io.ReadAll(c)
	if !errors.Is(err, syscall.ECONNRESET) || !bytes.Equal(got, answer) {
		t.Errorf("got %d of %d bytes and %v, want all and ECONNRESET", len(got), len(answer), err)
	}
	select {
	case <-r.Done():
	case <-time.After(patience):
		t.Error("the soft stop did not end")
	}
}

// Without descriptors the loops wait for some instead of trying without pause.
func TestAcceptPausesWithoutDescriptors(t *testing.T) {
	s := serve(t, named("s1"))
	r := startRig(t, testConf(freeAddr(t), "leastconn", "s1="+s.Addr().String()), Options{})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	none := old
	none.Cur = 3
	addr, _ := net.ResolveTCPAddr("tcp", r.addr())
	sa := &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	restore := sync.OnceFunc(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
	defer restore()
	begin := time.Now()
	if err := unix.Connect(fd, sa); err != nil {
		t.Fatal(err)
	}
	r.notices.wait(t, "cannot accept", contains("cannot accept"))
	time.Sleep(300 * time.Millisecond)
	restore()
	took := time.Since(begin)
	r.notices.mu.Lock()
	tries := strings.Count(r.notices.buf.String(), "cannot accept")
	r.notices.mu.Unlock()
	if most := 2 * (1 + int(took/(acceptPause*time.Millisecond))); tries > most {
		t.Errorf("%d tries in %v on two loops, want at most one each in 100 ms", tries, took)
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5})
	got := make([]byte, 3)
	n, err := unix.Read(fd, got)
	for err == unix.EINTR { // the runtime interrupts long calls
		n, err = unix.Read(fd, got)
	}
	if string(got) != "s1\n" {
		t.Errorf("read %q, %v, want the greeting", got[:max(n, 0)], err)
	}
}
