package proxy

import (
	"net/netip"

	"github.com/sluice-lb/sluice/pkg/evloop"
	"github.com/sluice-lb/sluice/pkg/rules"
)

// worker is one event loop with the sessions it owns. Everything but loop.Post is
// for the loop's goroutine only.
type worker struct {
	e         *Engine
	loop      *evloop.Loop
	mover     mover
	sessions  *session // in no particular order
	count     int
	spare     []*session
	acceptors map[*listener]*acceptor
	lingering map[*lingerer]struct{}
	line      []byte // scratch for log lines
	// Where a session's client wanted to go, kept for the next question.
	destination struct {
		of   *session
		addr netip.AddrPort
	}
	stream rules.Stream
}

// spareSessions is how many ended sessions a worker keeps for reuse.
const spareSessions = 1024

// session returns a session that belongs to the worker.
func (w *worker) session() *session {
	var s *session
	if n := len(w.spare); n > 0 {
		s = w.spare[n-1]
		w.spare = w.spare[:n-1]
	} else {
		s = new(session)
	}
	s.w = w
	if s.next = w.sessions; s.next != nil {
		s.next.prev = s
	}
	w.sessions = s
	w.count++
	return s
}

// free takes an ended session off the books.
func (w *worker) free(s *session) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		w.sessions = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	w.count--
	if w.destination.of == s {
		w.destination.of = nil
	}
	l, fe := s.listener, s.fe
	deferred := s.deferred
	*s = session{gen: s.gen + 1, state: stateClosed}
	if !deferred && len(w.spare) < spareSessions {
		w.spare = append(w.spare, s)
	}
	w.e.dismiss(l, fe)
}

// listen begins to accept on l.
func (w *worker) listen(l *listener) {
	a := &acceptor{w: w, l: l}
	w.acceptors[l] = a
	a.register()
}

// unlisten ends accepting on l.
func (w *worker) unlisten(l *listener) {
	if a := w.acceptors[l]; a != nil {
		a.stop()
		delete(w.acceptors, l)
	}
}

// resume ends pauses after a place became free. A pause for lack of descriptors
// has its own time.
func (w *worker) resume() {
	for l, a := range w.acceptors {
		if a.paused && !a.timer.Active() && w.e.hasRoom(l) {
			a.resume()
		}
	}
}

// kill ends all sessions, and those that only wait to be reset.
func (w *worker) kill() {
	for w.sessions != nil {
		s := w.sessions
		s.finish(byKill, s.phase())
	}
	w.endLingering()
}

// phase is the present state as the second character of the termination code.
func (s *session) phase() byte {
	switch s.state {
	case stateRelay:
		return whileData
	case stateQueued:
		return whileQueued
	}
	return whileConnecting
}

// endSessions ends the sessions at some servers.
func (e *Engine) endSessions(at map[*server]bool, who byte) {
	for _, w := range e.workers {
		w.loop.Post(func() {
			for s := w.sessions; s != nil; {
				next := s.next
				if s.srv != nil && at[s.srv] {
					s.finish(who, s.phase())
				}
				s = next
			}
		})
	}
}
