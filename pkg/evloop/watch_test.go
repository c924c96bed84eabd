package evloop

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRegistrationsOfOneTurn makes more of them than a batch takes; some are closed
// again before the turn ends, and their descriptors and slots are others' then.
func TestRegistrationsOfOneTurn(t *testing.T) {
	l := runLoop(t)
	const n = 3*BatchSize + 5
	var told [n]int
	var peers, watched []int
	ready := make(chan struct{})
	left := n
	l.Post(func() {
		pair := func() [2]int {
			p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				t.Error(err)
			}
			return p
		}
		for i := range n {
			if i%3 == 0 {
				p := pair()
				w := l.Register(p[0], eventFunc(func(ev Events) { t.Errorf("event %x of a closed descriptor", ev) }))
				l.CloseNow(p[0], w)
				_ = unix.Close(p[1])
			}
			p := pair()
			peers, watched = append(peers, p[1]), append(watched, p[0])
			l.Register(p[0], eventFunc(func(ev Events) {
				if ev&Writable == 0 {
					t.Errorf("first event %x, want Writable", ev)
				}
				if told[i]++; told[i] == 1 {
					left--
				}
				if left == 0 {
					close(ready)
				}
			}))
		}
	})
	<-ready
	for i, n := range told {
		if n != 1 {
			t.Errorf("registration %d: %d events, want 1", i, n)
		}
	}
	on(l, func() bool {
		for i, fd := range watched {
			l.Close(fd, 0)
			_ = unix.Close(peers[i])
		}
		return true
	})
}

// TestUnwatchedIsTold registers what epoll refuses beside what it takes.
func TestUnwatchedIsTold(t *testing.T) {
	l := runLoop(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "regular"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	refused, taken := make(chan Events, 1), make(chan Events, 1)
	l.Post(func() {
		l.Register(int(f.Fd()), eventFunc(func(ev Events) { refused <- ev }))
		l.Register(p[0], eventFunc(func(ev Events) { taken <- ev }))
	})
	if ev := <-refused; ev != Unwatched {
		t.Errorf("event %x of a regular file, want Unwatched", ev)
	}
	if ev := <-taken; ev&Writable == 0 {
		t.Errorf("event %x of a socket, want Writable", ev)
	}
}
