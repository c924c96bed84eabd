package proxy

import (
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

// The two ends of a relay; half[clientEnd] carries what the client sends.
const (
	clientEnd = 0
	serverEnd = 1
)

// endpoint is one connection of a session and what epoll last said about it.
// Events are edge-triggered: a flag stays set until a call answers EAGAIN.
type endpoint struct {
	s        *session
	last     int64 // the loop's clock at the last byte in or out, ms
	fd       int32 // -1: none
	watch    evloop.Watch
	readable bool
	writable bool
	ended    bool // FIN, an error or urgent data arrived: a short read says nothing, read on
	fin      bool // the peer sends no more
	failed   bool // the connection is gone in both directions
	broken   bool // by an error such as RST, not by FIN both ways
	// independent: what it is sent is no activity of its own.
	independent bool
	nagle       nagle
}

// nagle is where an endpoint is with Nagle's algorithm.
type nagle uint8

const (
	nagleUnused nagle = iota // nothing was written yet
	nagleOn                  // something was written, and TCP_NODELAY is not set
	nagleOff
)

// Event notes the conditions and lets the session go on.
func (e *endpoint) Event(ev evloop.Events) {
	if ev == evloop.Unwatched {
		e.s.unwatched()
		return
	}
	if s := e.s; s.w.mover.sole.armed == s {
		if s.w.mover.disarm(); s.state != stateRelay {
			return // e is nobody's any more
		}
	}
	const ended = evloop.PeerClosed | evloop.HangUp | evloop.Failed
	if ev&(evloop.Readable|ended) != 0 {
		e.readable = true
	}
	if ev&(evloop.Writable|evloop.HangUp|evloop.Failed) != 0 {
		e.writable = true
	}
	if ev&(ended|evloop.Urgent) != 0 {
		e.ended = true
	}
	if ev&ended != 0 {
		e.fin = true
	}
	if ev&evloop.Failed != 0 {
		e.broken = true
	}
	if ev&(evloop.HangUp|evloop.Failed) != 0 {
		e.failed = true
	}
	e.s.step(e)
}

// close closes the connection if there is one: at once if what it held, a source
// port or a place at the server, is another session's in a moment.
func (e *endpoint) close(l *evloop.Loop) {
	switch s := e.s; {
	case e.fd < 0:
		return
	case e == &s.ends[serverEnd] && (s.borrowed != 0 || s.srv != nil && s.srv.limited.Load()):
		l.CloseNow(int(e.fd), e.watch)
	default:
		l.Close(int(e.fd), e.watch)
	}
	e.fd = -1
}

// hurry comes before each write to e. The first one is never delayed: Nagle's
// algorithm holds a small segment back while an earlier one is not acknowledged
// (RFC 9293, section 3.7.4), so a connection with one request needs no TCP_NODELAY.
func (e *endpoint) hurry() {
	if e.nagle == nagleOn {
		e.nagle = nagleOff
		evloop.NoDelay(int(e.fd))
	}
}

// sent notes that bytes were written to e.
func (e *endpoint) sent(now int64) {
	if e.nagle == nagleUnused {
		e.nagle = nagleOn
	}
	if !e.independent {
		e.last = now
	}
}

// half is one direction of a relay. Bytes wait in at most one of held and pipe.
type half struct {
	held  *evloop.Buffer // read and not yet written; nil: none
	pipe  *evloop.Pipe   // while a large flow is spliced
	bytes int64          // taken from the source
	full  uint8          // consecutive reads that filled the buffer
	// spliceAt is how many of them make the flow a spliced one; 0: it is always copied.
	spliceAt uint8
	eof      bool // the source sent FIN
	shut     bool // FIN was passed on
	cut      bool // the destination takes no more: nothing is read any more
	spent    bool // the source's error was read already: a read says that the stream ends
}

// waiting reports whether the half holds bytes.
func (h *half) waiting() bool { return h.held != nil || h.pipe != nil && h.pipe.Held() > 0 }

// relay moves bytes between two endpoints in both directions. It holds memory
// only while bytes wait: an idle relay has neither buffer nor pipe.
type relay struct {
	ends [2]endpoint
	half [2]half
}

const (
	// turnReads bounds the reads, or fills of a pipe, of one direction in one turn
	// of the loop.
	turnReads = 16
	// spliceAfter is how many full reads in a row mark a large flow.
	spliceAfter = 4
)

// spliceThreshold is spliceAt of half i. Without any option large flows are
// spliced. "option splice-request" and "splice-response" do it with the first full
// read; "no option" of these, or of "splice-auto", has a direction copied, and so
// has "nosplice" both.
func spliceThreshold(never bool, i int, sides ...config.Splice) uint8 {
	at := uint8(spliceAfter)
	for _, side := range sides {
		want := side.Request
		if i == serverEnd {
			want = side.Response
		}
		switch {
		case never:
			return 0
		case want == config.SwitchOn:
			return 1
		case want == config.SwitchOff, side.Auto == config.SwitchOff:
			at = 0
		}
	}
	return at
}

// progress says how far a half came.
type progress struct {
	err  error // what a system call failed with; nil: no failure
	end  int   // the end that failed
	more bool  // more can be moved at once
	read bool  // nothing hinders a read into memory
}

// advance writes what waits in half i and, if it is spliced, moves on what comes
// next.
func (r *relay) advance(l *evloop.Loop, i int) progress {
	h, src, dst := &r.half[i], &r.ends[i], &r.ends[1-i]
	if res, ok := r.flushed(l, i); !ok {
		return res
	}
	if h.eof || h.cut || !src.readable || !dst.writable {
		h.calm(l)
		return progress{}
	}
	if h.pipe == nil {
		return progress{read: true}
	}
	n, err := h.pipe.Fill(int(src.fd))
	if res, ok := r.received(l, i, n, err); !ok {
		return res
	}
	if res, ok := r.flushed(l, i); !ok {
		return res
	}
	return progress{more: true}
}

// flushed writes what waits in half i. It reports whether nothing waits any more.
func (r *relay) flushed(l *evloop.Loop, i int) (res progress, ok bool) {
	h, src, dst := &r.half[i], &r.ends[i], &r.ends[1-i]
	switch {
	case !h.waiting():
		return progress{}, true
	case !dst.writable:
		return progress{}, false
	}
	if err := h.flush(l, dst); err != nil {
		return progress{err: err, end: 1 - i}, false
	}
	if h.waiting() {
		return progress{}, false
	}
	src.last = l.Now() // its time to send begins again
	return progress{}, true
}

// received notes the outcome of a read from end i. It reports whether there are
// bytes to write on.
func (r *relay) received(l *evloop.Loop, i, n int, err error) (res progress, ok bool) {
	h, src := &r.half[i], &r.ends[i]
	switch {
	case err == unix.EAGAIN:
		src.readable = false
		h.calm(l)
		return progress{}, false
	case err != nil:
		return progress{err: err, end: i}, false
	case n == 0 && h.spent:
		return progress{err: unix.ECONNRESET, end: i}, false
	case n == 0:
		h.eof = true
		h.calm(l)
		return progress{}, false
	}
	h.bytes += int64(n)
	src.last = l.Now()
	return progress{}, true
}

// forwarded notes the outcome of writing p, which was read from end i into a
// buffer of size bytes.
func (r *relay) forwarded(l *evloop.Loop, i int, p []byte, size, n int, err error) progress {
	h, src := &r.half[i], &r.ends[i]
	if err := h.sent(l, &r.ends[1-i], p, n, err); err != nil {
		return progress{err: err, end: 1 - i}
	}
	if len(p) < size {
		h.full = 0
		if !src.ended {
			// A short read leaves nothing behind; what comes later is a new edge.
			src.readable = false
		}
		return progress{more: src.readable}
	}
	if h.full++; h.full >= h.spliceAt && h.spliceAt > 0 && h.held == nil {
		h.full = 0
		h.pipe, _ = l.NewPipe() // without one, copying goes on
	}
	return progress{more: true}
}

// sent notes the outcome of writing p to dst. What was not taken is held.
func (h *half) sent(l *evloop.Loop, dst *endpoint, p []byte, n int, err error) error {
	if err != nil && err != unix.EAGAIN {
		return err
	}
	if n > 0 {
		dst.sent(l.Now())
	}
	if n < len(p) {
		dst.writable = false
		h.held = l.Hold(p[n:])
	}
	return nil
}

// flush writes held bytes; it clears dst.writable when dst takes no more.
func (h *half) flush(l *evloop.Loop, dst *endpoint) error {
	for h.waiting() {
		var n int
		var err error
		dst.hurry()
		if h.held != nil {
			n, err = evloop.Send(int(dst.fd), h.held.Bytes())
		} else {
			n, err = h.pipe.Drain(int(dst.fd))
		}
		if err == unix.EAGAIN {
			dst.writable = false
			return nil
		}
		if err != nil {
			return err
		}
		dst.sent(l.Now())
		if h.held == nil {
			continue
		}
		if h.held.Advance(n); len(h.held.Bytes()) == 0 {
			l.Release(h.held)
			h.held = nil
		}
	}
	return nil
}

// calm gives the empty pipe of a flow that paused back.
func (h *half) calm(l *evloop.Loop) {
	h.full = 0
	if h.pipe != nil && h.pipe.Held() == 0 {
		l.ReleasePipe(h.pipe)
		h.pipe = nil
	}
}

// drop gives everything back, whether or not bytes wait.
func (h *half) drop(l *evloop.Loop) {
	if h.held != nil {
		l.Release(h.held)
	}
	if h.pipe != nil {
		l.ReleasePipe(h.pipe)
	}
	h.held, h.pipe = nil, nil
}

// stop ends half i, whose destination is gone.
func (r *relay) stop(l *evloop.Loop, i int) {
	r.half[i].cut = true
	r.half[i].drop(l)
}

// delivered reports whether half i has ended and nothing of it waits.
func (h *half) delivered() bool { return h.eof && !h.waiting() }

// expected reports whether end i is to send or to acknowledge something now. One
// whose bytes wait for the other end cannot send, and one that sent FIN need not.
func (r *relay) expected(i int) bool {
	h := &r.half[i]
	return !h.eof && !h.cut && !h.waiting() || r.half[1-i].waiting()
}

// finished reports whether both directions have ended and were delivered.
func (r *relay) finished() bool { return r.half[0].delivered() && r.half[1].delivered() }

// passFin sends FIN to the end that gets all of half i, once nothing waits.
func (r *relay) passFin(i int) error {
	h := &r.half[i]
	if !h.delivered() || h.shut || h.cut {
		return nil
	}
	h.shut = true
	return evloop.ShutdownWrite(int(r.ends[1-i].fd))
}
