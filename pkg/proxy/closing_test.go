package proxy

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestCloseBeforeOthersGetIt: a connection is closed before its source port or its
// place at the server can be another's, and otherwise at the end of the turn.
func TestCloseBeforeOthersGetIt(t *testing.T) {
	r := startRig(t, testConf(freeAddr(t), "roundrobin", "s1=127.0.0.1:9"), Options{})
	limited := &server{}
	limited.limited.Store(true)
	tests := []struct {
		name string
		s    session
		now  bool
	}{
		{"nothing held", session{srv: &server{}}, false},
		{"source port of a pool", session{borrowed: 1}, true},
		{"place at a server with maxconn", session{srv: limited}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fds[0])
			loop := r.workers[0].loop
			closed := make(chan bool)
			isClosed := func() bool {
				_, err := unix.FcntlInt(uintptr(fds[1]), unix.F_GETFD, 0)
				return err == unix.EBADF
			}
			loop.Post(func() {
				e := &tt.s.ends[serverEnd]
				*e = endpoint{s: &tt.s, fd: int32(fds[1])}
				e.close(loop)
				closed <- isClosed()
			})
			if got := <-closed; got != tt.now {
				t.Errorf("closed at once: %t, want %t", got, tt.now)
			}
			if n, err := unix.Read(fds[0], make([]byte, 1)); n != 0 || err != nil {
				t.Errorf("the other side reads %d, %v, want the end", n, err)
			}
		})
	}
}
