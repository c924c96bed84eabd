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

// TestRefusedRegistrationIsTriedAgain forges what a kernel answers that does not take
// registrations by way of the ring: they are left to their own system calls.
func TestRefusedRegistrationIsTriedAgain(t *testing.T) {
	var head uint32
	tail, mask := uint32(3), uint32(3)
	u := &uring{cqHead: &head, cqTail: &tail, cqMask: mask, cqes: []completion{
		{userData: 0, result: -int32(unix.EINVAL)}, {userData: 1, result: -int32(unix.EINVAL)}, {userData: 2}, {}}}
	ops := []operation{{opcode: opWatch, result: pending}, {opcode: opRecv, result: pending}, {opcode: opWatch, result: pending}}
	if n := u.reap(ops); n != 3 || head != 3 {
		t.Errorf("%d results to %d, want 3 to 3", n, head)
	}
	for i, want := range []int32{pending, -int32(unix.EINVAL), 0} {
		if ops[i].result != want {
			t.Errorf("operation %d: %d, want %d", i, ops[i].result, want)
		}
	}
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
