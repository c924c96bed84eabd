package evloop

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// pairRig has a loop pass on what comes at one of two connections to the other.
type pairRig struct {
	l       *Loop
	fds     [2]int
	watches [2]Watch
	peers   [2]int
	events  chan Events      // of either
	left    chan [2]Leftover // of the end, copied
	// Owned by the loop.
	keep   bool   // a pause is no end
	before func() // comes before what was received is passed on
}

func (r *pairRig) Event(ev Events) {
	select {
	case r.events <- ev:
	default:
	}
}

func (r *pairRig) Received(i int, p []byte) {
	if r.before != nil {
		r.before()
	}
	r.l.Pass(i, p)
}

func (r *pairRig) Disturbed() {
	left := r.l.Disarm()
	if r.keep && empty(left[0]) && empty(left[1]) {
		r.l.Arm(r, r.fds, r.watches)
		return
	}
	for i := range left {
		left[i].Unsent, left[i].Received = bytes.Clone(left[i].Unsent), bytes.Clone(left[i].Received)
	}
	r.left <- left
}

func empty(o Leftover) bool {
	return len(o.Unsent)+len(o.Received) == 0 && o.SendErr == nil && o.RecvErr == nil
}

// tcpPair is a connection: a nonblocking end and a blocking one.
func tcpPair(t *testing.T) (end, peer int) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(err)
	defer unix.Close(listener)
	must(unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(unix.Listen(listener, 1))
	addr, err := unix.Getsockname(listener)
	must(err)
	peer, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(err)
	must(unix.Connect(peer, addr))
	end, _, err = unix.Accept4(listener, unix.SOCK_NONBLOCK)
	must(err)
	second := unix.NsecToTimeval(10 * time.Second.Nanoseconds())
	must(unix.SetsockoptTimeval(peer, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &second))
	return end, peer
}

// unixPair is one that takes a few kilobytes at a time.
func unixPair(t *testing.T) (end, peer int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.SetNonblock(fds[0], true)
	_ = unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 8000)
	return fds[0], fds[1]
}

// newPairRig skips the test where the kernel cannot do it.
func newPairRig(t *testing.T, connect func(*testing.T) (end, peer int)) *pairRig {
	r := &pairRig{l: runLoop(t), events: make(chan Events, 16), left: make(chan [2]Leftover, 1000)}
	for i := range r.fds {
		r.fds[i], r.peers[i] = connect(t)
	}
	r.do(func() {
		for i, fd := range r.fds {
			r.watches[i] = r.l.Register(fd, r)
		}
	})
	t.Cleanup(func() {
		r.do(func() {
			r.keep = false
			if r.l.pair.handler != nil {
				r.l.Disarm()
			}
			for i, fd := range r.fds {
				r.l.CloseNow(fd, r.watches[i])
				_ = unix.Close(r.peers[i])
			}
		})
	})
	if !r.arm() {
		_, err := newUring(armedEntries, setupSubmitAll|setupSingleIssuer|setupDeferTasks)
		t.Skipf("no io_uring as Linux 6.1 has it: %v", err)
	}
	return r
}

// arm returns when the pair is armed, and stays so in a pause.
func (r *pairRig) arm() bool {
	return on(r.l, func() bool {
		r.keep = true
		return r.l.pair.handler != nil || r.l.Arm(r, r.fds, r.watches)
	})
}

// do has the loop call f.
func (r *pairRig) do(f func()) { on(r.l, func() bool { f(); return true }) }

// first has f come before what is received is passed on.
func (r *pairRig) first(f func()) { r.do(func() { r.before = f }) }

func (r *pairRig) say(t *testing.T, from int, text string) {
	t.Helper()
	if _, err := unix.Write(r.peers[from], []byte(text)); err != nil {
		t.Error(err)
	}
}

// hear returns what the peer of end i reads.
func (r *pairRig) hear(t *testing.T, i, n int) string {
	t.Helper()
	p := make([]byte, n)
	for got := 0; got < n; {
		m, err := unix.Read(r.peers[i], p[got:])
		if err == unix.EINTR {
			continue
		}
		if m <= 0 {
			t.Fatalf("after %d of %d bytes: %d, %v", got, n, m, err)
		}
		got += m
	}
	return string(p)
}

func TestArmedPairPassesOn(t *testing.T) {
	t.Run("TCP", func(t *testing.T) { testArmedPair(t, newPairRig(t, tcpPair)) })
	t.Run("UNIX", func(t *testing.T) { testArmedPair(t, newPairRig(t, unixPair)) })
}

func testArmedPair(t *testing.T, r *pairRig) {
	for i := range 2000 {
		from := i % 2
		if i%100 < 20 {
			from = i % 100 / 10 // several in a row
		}
		text := fmt.Sprintf("message %d", i)
		r.say(t, from, text)
		if got := r.hear(t, 1-from, len(text)); got != text {
			t.Fatalf("message %d arrives as %q", i, got)
		}
		if i%500 == 0 && !on(r.l, func() bool { return true }) {
			t.Error("the loop takes no mail")
		}
	}
}

// What is handed over at the end is complete, and epoll tells of the rest.
func TestDisarm(t *testing.T) {
	much := strings.Repeat("0123456789abcdef", 3*ArmedSize/16)
	const large = 16_000 // more than a UNIX socket with a buffer of 8,000 takes
	for _, tt := range []struct {
		name   string
		unix   bool
		partly int // bytes of a message that is sent in part
		act    func(t *testing.T, r *pairRig)
		want   Leftover // of end 0
		events Events   // some of which come afterwards
	}{
		{name: "nothing comes", act: func(_ *testing.T, r *pairRig) { r.do(func() { r.keep = false }) }, events: Writable},
		{name: "much comes", act: func(t *testing.T, r *pairRig) { r.say(t, 0, much) },
			want: Leftover{Received: []byte(much[:ArmedSize])}, events: Readable},
		{name: "FIN", act: func(_ *testing.T, r *pairRig) {
			r.do(func() { r.keep = false })
			_ = unix.Shutdown(r.peers[0], unix.SHUT_WR)
		}, events: PeerClosed},
		{name: "RST", act: func(_ *testing.T, r *pairRig) {
			ResetOnClose(r.peers[0])
			_ = unix.Close(r.peers[0])
			r.peers[0] = -1
		}, want: Leftover{RecvErr: unix.ECONNRESET}, events: HangUp},
		{name: "full", unix: true, act: func(t *testing.T, r *pairRig) {
			r.first(func() {
				for {
					if _, err := Send(r.fds[1], make([]byte, BufferSize)); err != nil {
						return
					}
				}
			})
			r.say(t, 0, "hello")
		}, want: Leftover{Unsent: []byte("hello"), SendErr: unix.EAGAIN}, events: Writable},
		{name: "too much for the other end", unix: true, partly: large, act: func(t *testing.T, r *pairRig) {
			r.do(func() { r.say(t, 0, much[:large]) }) // is received as one
		},
			want: Leftover{SendErr: unix.EAGAIN}, events: Writable},
		{name: "nowhere to go", act: func(t *testing.T, r *pairRig) {
			r.first(func() { _ = unix.Shutdown(r.fds[1], unix.SHUT_WR) })
			r.say(t, 0, "hello")
		}, want: Leftover{Unsent: []byte("hello"), SendErr: unix.EPIPE}, events: Writable},
		{name: "no ring any more", act: func(t *testing.T, r *pairRig) {
			r.first(func() {
				null, err := unix.Open("/dev/null", unix.O_RDWR, 0)
				if err != nil || unix.Dup2(null, r.l.pair.ring.fd) != nil {
					t.Error("the ring stays")
				}
				_ = unix.Close(null)
			})
			r.say(t, 0, "hello")
		}, want: Leftover{Unsent: []byte("hello"), SendErr: unix.EAGAIN}, events: Writable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			connect := tcpPair
			if tt.unix {
				connect = unixPair
			}
			r := newPairRig(t, connect)
			for len(r.events) > 0 {
				<-r.events
			}
			tt.act(t, r)
			var got [2]Leftover
			select {
			case got = <-r.left:
			case <-time.After(10 * time.Second):
				t.Fatal("it goes on")
			}
			if rest := got[0].Unsent; tt.partly > 0 {
				if n := tt.partly - len(rest); n == 0 || n == tt.partly || r.hear(t, 1, n)+string(rest) != much[:tt.partly] {
					t.Errorf("%d bytes were sent, or others than those of the message", n)
				}
				got[0].Unsent = nil
			}
			if diff := cmp.Diff([2]Leftover{tt.want}, got, cmpopts.EquateEmpty(), cmpopts.EquateErrors()); diff != "" {
				t.Errorf("left over (-want +got):\n%s", diff)
			}
			for late := time.After(10 * time.Second); ; {
				select {
				case ev := <-r.events:
					if ev&tt.events != 0 {
						return
					}
				case <-late:
					t.Fatal("epoll does not tell of it")
				}
			}
		})
	}
}

// However bytes and the end of the state cross each other, none is lost.
func TestDisarmAmidBytes(t *testing.T) {
	r := newPairRig(t, tcpPair)
	const rounds, size = 500, 8
	var left []byte
	var saying sync.WaitGroup
	over := func(l [2]Leftover) { left = append(append(left, l[0].Unsent...), l[0].Received...) }
	for i := range rounds {
		if !r.arm() {
			t.Fatal("not armed")
		}
		saying.Go(func() { r.say(t, 0, fmt.Sprintf("%*d", size, i)) })
		r.do(func() {
			if r.l.pair.handler != nil {
				over(r.l.Disarm())
			}
			for n := 1; n > 0; {
				buf := make([]byte, 100)
				n, _ = Read(r.fds[0], buf)
				left = append(left, buf[:max(n, 0)]...)
			}
		})
	}
	saying.Wait()
	_ = unix.Shutdown(r.peers[0], unix.SHUT_WR) // behind what is still under way
	r.do(func() {
		for buf := make([]byte, 100); ; {
			n, err := Read(r.fds[0], buf)
			if err == unix.EAGAIN {
				continue
			}
			if n == 0 {
				return
			}
			left = append(left, buf[:n]...)
		}
	})
	for len(r.left) > 0 { // of pauses
		over(<-r.left)
	}
	all := string(left) + r.hear(t, 1, rounds*size-len(left))
	seen := map[string]bool{}
	for message := range slices.Chunk([]byte(all), size) {
		seen[string(message)] = true
	}
	if len(seen) != rounds {
		t.Errorf("%d different messages of %d", len(seen), rounds)
	}
	t.Logf("%d of %d bytes were left over", len(left), rounds*size)
}
