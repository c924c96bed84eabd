package evloop

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

type expireFunc func()

func (f expireFunc) Expired() { f() }

type eventFunc func(Events)

func (f eventFunc) Event(ev Events) { f(ev) }

// The wheel is compared with the plain rule: after advance(now) exactly the
// timers with when <= now have run, and next never oversleeps.
func TestWheelRunsTimersExactly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := &Loop{}
		timers := make([]Timer, 8)
		want := map[int]int64{} // running timers
		ran := map[int]bool{}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			i := rapid.IntRange(0, len(timers)-1).Draw(rt, "timer")
			switch rapid.IntRange(0, 2).Draw(rt, "op") {
			case 0:
				when := l.wheel.now + rapid.Int64Range(1, 1<<rapid.IntRange(1, 34).Draw(rt, "scale")).Draw(rt, "delay")
				l.SetTimer(&timers[i], when, expireFunc(func() { ran[i] = true }))
				want[i] = when
			case 1:
				l.StopTimer(&timers[i])
				delete(want, i)
			case 2:
				now := l.wheel.now + rapid.Int64Range(1, 1<<rapid.IntRange(1, 34).Draw(rt, "scale")).Draw(rt, "step")
				clear(ran)
				l.wheel.advance(now)
				for k, when := range want {
					if ran[k] != (when <= now) {
						rt.Fatalf("at %d: timer %d set for %d: ran = %v", now, k, when, ran[k])
					}
					if ran[k] {
						delete(want, k)
					}
				}
			}
			next := l.wheel.next()
			if (next < 0) != (len(want) == 0) {
				rt.Fatalf("next() = %d with %d timers", next, len(want))
			}
			for k, when := range want {
				if next > when {
					rt.Fatalf("next() = %d oversleeps timer %d at %d", next, k, when)
				}
			}
		}
	})
}

func TestExpiredTimerMayStopAndSetOthers(t *testing.T) {
	l := &Loop{}
	var a, b, c Timer
	var order []string
	l.SetTimer(&b, 10, expireFunc(func() { order = append(order, "b") }))
	l.SetTimer(&a, 10, expireFunc(func() {
		order = append(order, "a")
		l.StopTimer(&b)
		l.SetTimer(&c, 10, expireFunc(func() { order = append(order, "c") }))
	}))
	l.wheel.advance(10)
	if b.Active() || !c.Active() {
		t.Errorf("b active = %v, c active = %v", b.Active(), c.Active())
	}
	l.wheel.advance(11)
	if len(order) == 0 || order[len(order)-1] != "c" {
		t.Errorf("order = %v, want c last", order)
	}
}

// runLoop runs l in a goroutine and stops it at the test's end.
func runLoop(t *testing.T) *Loop {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Run() }()
	t.Cleanup(func() {
		l.Post(l.Stop)
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
		if l.Post(func() {}) {
			t.Error("Post after the end = true, want false")
		}
	})
	return l
}

func on[T any](l *Loop, f func() T) T {
	ch := make(chan T)
	l.Post(func() { ch <- f() })
	return <-ch
}

// TestAcceptConnectReadOverLoopback accepts on the loop, connects to it and reads until the end of the stream.
func TestAcceptConnectReadOverLoopback(t *testing.T) {
	l := runLoop(t)
	lfd, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	addr, _, err := ListenAddr(lfd)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 300<<10)
	for i := range payload {
		payload[i] = byte(rand.Uint32())
	}
	got := make(chan []byte, 1)
	var in []byte
	var listening Watch
	l.Post(func() {
		accept := eventFunc(func(Events) {
			fd, peer, err := l.Accept(lfd)
			if err != nil {
				t.Errorf("Accept() = %v", err)
				return
			}
			if !peer.Addr().IsLoopback() || l.LocalAddr(fd) != addr {
				t.Errorf("peer %v, local %v, want loopback and %v", peer, l.LocalAddr(fd), addr)
			}
			var w Watch
			read := eventFunc(func(Events) {
				for {
					n, err := Read(fd, l.Scratch())
					in = append(in, l.Scratch()[:n]...)
					if errors.Is(err, unix.EAGAIN) {
						return
					}
					if n == 0 {
						got <- in
						l.Close(fd, w)
						return
					}
				}
			})
			w = l.Register(fd, read)
		})
		var err error
		if listening, err = l.RegisterListener(lfd, accept); err != nil {
			t.Error(err)
		}
	})
	l.Post(func() {
		fd, err := l.Connect(addr, &ConnectOptions{Keepalive: Keepalive{On: true}})
		if err != nil {
			t.Error(err)
			return
		}
		rest := payload
		l.Register(fd, eventFunc(func(Events) {
			for len(rest) > 0 {
				n, err := Send(fd, rest)
				if err != nil {
					return
				}
				rest = rest[n:]
			}
			if fd >= 0 {
				_ = ShutdownWrite(fd)
			}
		}))
	})
	if b := <-got; !bytes.Equal(b, payload) {
		t.Errorf("received %d bytes, want the %d that were sent", len(b), len(payload))
	}
	on(l, func() bool { l.Close(lfd, listening); return true })
}

func TestPipeMovesBytesAndKeepsCount(t *testing.T) {
	l := runLoop(t)
	pair := func() [2]int {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fds
	}
	from, to := pair(), pair()
	p := on(l, func() *Pipe { p, _ := l.NewPipe(); return p })
	if n, err := p.Fill(from[1]); err != unix.EAGAIN || n != 0 {
		t.Errorf("Fill of a silent socket = %d, %v, want EAGAIN", n, err)
	}
	if _, err := Send(from[0], []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Fill(from[1]); n != 5 || err != nil || p.Held() != 5 {
		t.Errorf("Fill = %d, %v with %d held, want 5", n, err, p.Held())
	}
	if n, err := p.Drain(to[0]); n != 5 || err != nil || p.Held() != 0 {
		t.Errorf("Drain = %d, %v with %d held, want 5 and 0", n, err, p.Held())
	}
	buf := make([]byte, 16)
	if n, err := Read(to[1], buf); string(buf[:n]) != "hello" {
		t.Errorf("Read = %q, %v", buf[:n], err)
	}
	_ = unix.Close(from[0])
	if n, err := p.Fill(from[1]); n != 0 || err != nil {
		t.Errorf("Fill at the end of stream = %d, %v, want 0, nil", n, err)
	}
	on(l, func() bool { l.ReleasePipe(p); return true })
	for _, fd := range []int{from[1], to[0], to[1]} {
		_ = unix.Close(fd)
	}
}

func TestLoopsShareAClock(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	l.StartClock(time.Now().Add(-time.Hour))
	if l.tick(); l.Now() < time.Hour.Milliseconds() {
		t.Errorf("the clock is at %d ms, want an hour", l.Now())
	}
}

func TestStaleEventsAreDropped(t *testing.T) {
	l := new(Loop)
	w := l.take()
	before := l.slot(w).gen
	l.forget(w)
	if again := l.take(); again != w {
		t.Fatalf("slot %d, want %d again", again, w)
	}
	called := false
	l.slot(w).handler = eventFunc(func(Events) { called = true })
	l.deliver(w, before, 0)
	if called {
		t.Error("an event of an earlier owner reached the present one")
	}
	l.deliver(w, before+1, 0)
	if !called {
		t.Error("an event of the present owner was dropped")
	}
}

func TestSlotsAreDense(t *testing.T) {
	l := new(Loop)
	seen := map[Watch]bool{}
	for range 3 * slotPage {
		w := l.take()
		if w == 0 || seen[w] {
			t.Fatalf("slot %d was given before", w)
		}
		seen[w] = true
	}
	for w := range seen {
		l.forget(w)
	}
	pages := len(l.slots)
	for range 3 * slotPage {
		l.take()
	}
	if len(l.slots) != pages {
		t.Errorf("%d pages for as many slots as %d held before", len(l.slots), pages)
	}
}

func TestListenRefusesTakenAddress(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, sockaddr(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	addr, _, _ := ListenAddr(fd)
	if got, err := Listen(addr, ListenOptions{}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("Listen(%s) = %d, %v, want EADDRINUSE", addr, got, err)
	}
}

// TestTimerOfBusyLoop: the wait without the scheduler is no addition to the other
// one.
func TestTimerOfBusyLoop(t *testing.T) {
	l := runLoop(t)
	const after = patience + 2 // ms
	best := time.Hour
	for range 10 {
		fired := make(chan time.Duration, 1)
		var timer Timer
		l.Post(func() {
			l.busy = true
			begin := time.Now()
			l.SetTimer(&timer, l.Now()+after, expireFunc(func() { fired <- time.Since(begin) }))
		})
		best = min(best, <-fired)
	}
	if best >= (after+patience/2)*time.Millisecond {
		t.Errorf("a timer of %d ms took %v at best", after, best)
	}
}

func TestTimersDoNotAllocate(t *testing.T) {
	l := &Loop{}
	var timers [3]Timer
	when := int64(0)
	if n := testing.AllocsPerRun(100, func() {
		for i := range timers {
			when += 777
			l.SetTimer(&timers[i], when, nil)
		}
		l.StopTimer(&timers[1])
		l.wheel.next()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTimerSet(b *testing.B) {
	l := &Loop{}
	var t Timer
	b.ReportAllocs()
	for i := range b.N {
		l.SetTimer(&t, int64(i%60000), nil)
	}
}

func TestPipesKeepTheirLimit(t *testing.T) {
	var pipes Pipes
	pipes.Limit(2)
	l := &Loop{}
	l.CountPipes(&pipes)
	a, err := l.NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.NewPipe(); err == nil || pipes.Used() != 2 {
		t.Errorf("a third pipe: %v, %d are used", err, pipes.Used())
	}
	l.ReleasePipe(a) // scarce: another loop may want it
	if n := pipes.Used(); n != 1 {
		t.Errorf("%d are used after a release, want 1", n)
	}
	l.ReleasePipe(b)
	if n := pipes.Used(); n != 1 || len(l.pipes) != 1 {
		t.Errorf("%d are used and %d kept, want 1 and 1", n, len(l.pipes))
	}
	l.freeCaches()
	if n := pipes.Used(); n != 0 {
		t.Errorf("%d are used in the end", n)
	}
}
