package proxy

import "time"

// warmSteps is into how many steps a slow start is divided, each a second long at
// least, as in HAProxy.
const warmSteps = 20

// slowStart is the time from coming up to the full share. backend.mu is held.
func (s *server) slowStart() time.Duration {
	if s.conf.Check == nil {
		return 0
	}
	return s.conf.Check.SlowStart
}

// warmth is how far a slow start has come, 0 to 1. backend.mu is held.
func (s *server) warmth(now time.Time) float64 {
	over := s.slowStart()
	if s.op != opStarting || over <= 0 {
		return 1
	}
	return min(max(float64(now.Sub(s.since))/float64(over), 0), 1)
}

// warmUp raises the share of a server that starts slowly, step by step. order is
// held.
func (w *watcher) warmUp(s *server) {
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	if s.warm != nil {
		s.warm.Stop()
		s.warm = nil
	}
	if s.op == opStarting && w.ctx.Err() == nil {
		s.warm = time.AfterFunc(max(s.slowStart()/warmSteps, time.Second), func() { w.warmer(s) })
	}
}

// warmer takes the next step of a slow start; the last one ends it.
func (w *watcher) warmer(s *server) {
	w.order.Lock()
	defer w.order.Unlock()
	s.backend.changed(func() {
		if s.op == opStarting && s.warmth(time.Now()) >= 1 {
			s.op = opRunning // since stays: it came up then
		}
	})
	w.warmUp(s)
}
