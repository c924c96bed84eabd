package proxy

import (
	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

// soleTurns is for how many turns in a row a session must have been the only one of
// its worker that moves bytes, small messages, before its receives are armed.
const soleTurns = 64

// sole is the session that is alone on the move, which costs least with armed
// receives (evloop.Loop.Arm).
type sole struct {
	s     *session // the last one that was alone
	turns int      // in a row
	armed *session // nil: none is
}

// soleMoved notes that s was the only session that moved in a turn.
func (m *mover) soleMoved(s *session) {
	if s.state != stateRelay || s.deferred || !s.quiet() {
		m.sole.s = nil
		return
	}
	if m.sole.s != s {
		m.sole.s, m.sole.turns = s, 0
	}
	if m.sole.turns++; m.sole.turns < soleTurns {
		return
	}
	m.sole.s = nil
	a, b := &s.ends[clientEnd], &s.ends[serverEnd]
	if m.w.loop.Arm(m, [2]int{int(a.fd), int(b.fd)}, [2]evloop.Watch{a.watch, b.watch}) {
		m.sole.armed = s
	}
}

// quiet reports whether all that came was passed on, and more may come.
func (r *relay) quiet() bool {
	for i := range r.half {
		h, e := &r.half[i], &r.ends[i]
		if h.waiting() || h.pipe != nil || h.full > 0 || h.eof || h.cut || e.readable || !e.writable || e.ended {
			return false
		}
	}
	return true
}

// Received passes on what came at end i of the armed session.
func (m *mover) Received(i int, p []byte) {
	s := m.sole.armed
	var moved [2]progress
	_, _ = s.received(m.w.loop, i, len(p), nil) // which is more than no byte
	s.ends[1-i].hurry()
	m.w.loop.Pass(i, p)
	moved[i] = s.forwarded(m.w.loop, i, p, evloop.ArmedSize, len(p), nil)
	s.settle(&moved)
}

// Disturbed gives the armed session back to epoll.
func (m *mover) Disturbed() { m.disarm() }

// disarm gives the armed session back to epoll and draws the conclusions from what
// was under way.
func (m *mover) disarm() {
	s := m.sole.armed
	m.sole.armed = nil
	var moved [2]progress
	for i, left := range m.w.loop.Disarm() {
		moved[i] = s.leftOver(m.w.loop, i, left)
	}
	s.settle(&moved)
}

// disarmFor drops what was under way of a session that ends.
func (m *mover) disarmFor(s *session) {
	if m.sole.s == s {
		m.sole.s = nil
	}
	if m.sole.armed == s {
		m.sole.armed = nil
		m.w.loop.Disarm()
	}
}

// leftOver has half i hold what was under way.
func (r *relay) leftOver(l *evloop.Loop, i int, left evloop.Leftover) progress {
	h, src, dst := &r.half[i], &r.ends[i], &r.ends[1-i]
	if left.RecvErr != nil {
		h.spent = true
	}
	if left.SendErr != nil && left.SendErr != unix.EAGAIN {
		return progress{err: left.SendErr, end: 1 - i}
	}
	if len(left.Unsent) > 0 {
		dst.writable = false
		h.hold(l, left.Unsent)
	}
	if n := len(left.Received); n > 0 {
		h.bytes += int64(n)
		src.last = l.Now()
		h.hold(l, left.Received)
	}
	src.readable = true // perhaps
	return progress{more: dst.writable}
}

// hold keeps p behind what is held already: at most a Buffer in all.
func (h *half) hold(l *evloop.Loop, p []byte) {
	if h.held == nil {
		h.held = l.Hold(p)
		return
	}
	h.held.Append(p)
}
