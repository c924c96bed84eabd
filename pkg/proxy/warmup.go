package proxy

import (
	"time"

	"github.com/sluice-lb/sluice/pkg/balance"
)

// A server with "slowstart" that comes up warms up first: its weight and maxconn grow
// with the time (configuration manual, section 5.2, "slowstart"). It has an operation
// of its own then, opStarting. A timer exists only as long as that lasts.

// warmupPause is the time between two steps of a server that warms up.
const warmupPause = time.Second

// slowStart is how long the server warms up, 0 for not at all; whole seconds.
// backend.mu is held.
func (s *server) slowStart() time.Duration {
	if s.conf.Check == nil {
		return 0
	}
	return s.conf.Check.SlowStart
}

// comeUp makes a server run at now, slowly if its line says so; heat must follow. One
// that was stopping begins as if it had warmed up since, as in HAProxy. backend.mu is
// held.
func (s *server) comeUp(now time.Time) {
	slow, age := s.slowStart(), time.Duration(0)
	if s.op == opStopping {
		age = now.Sub(s.began)
	}
	if age >= slow {
		s.enter(opRunning, now)
	} else {
		s.enter(opStarting, now)
	}
	s.warm(age)
}

// warm computes the shares of a server that runs since age for each unit of its
// weight. Only the dynamic algorithms count less than whole units. backend.mu is held.
func (s *server) warm(age time.Duration) {
	s.unit = balance.Scale
	if slow := s.slowStart(); s.op == opStarting && age < slow && dynamicWeights(s.backend.conf) {
		s.unit = 1 + int(balance.Scale*age.Truncate(time.Second)/slow)
	}
}

// shares is the server's part for the algorithm, while it takes connections.
// backend.mu is held.
func (s *server) shares() int { return s.weight * s.unit }

// effectiveWeight is the weight in force, rounded up. backend.mu is held.
func (s *server) effectiveWeight() int { return weightOf(s.shares()) }

// weightOf is the weight that a number of shares stands for, rounded up.
func weightOf(shares int) int { return (shares + balance.Scale - 1) / balance.Scale }

// throttle is how much of its weight a server has that warms up, in percent as HAProxy
// rounds them; nil: it does not. backend.mu is held.
func (s *server) throttle() *int64 {
	if s.op != opStarting || s.admin&anyDrain != 0 || s.weight == 0 {
		return nil
	}
	return new(int64((100*s.shares() + balance.Scale - 1) / (balance.Scale * s.weight)))
}

// coldLimit is what is left of a limit of n sessions while the server warms up.
// backend.mu is held.
func (s *server) coldLimit(n int) int {
	if s.op != opStarting {
		return n
	}
	age, slow := time.Since(s.began).Truncate(time.Second), s.slowStart()
	if age >= slow {
		return n
	}
	return max(1, n*int(100*age/slow)/100)
}

// heat sets the moment of the next step of a server that warms up.
func (w *watcher) heat(s *server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.care[s]
	if c == nil || w.closed {
		return
	}
	s.backend.mu.Lock()
	warmsUp, age := s.op == opStarting, time.Since(s.began)
	s.backend.mu.Unlock()
	c.stopWarmup()
	if warmsUp {
		c.warmup = time.AfterFunc(warmupPause-age%warmupPause, func() { w.warmUp(c, s) })
	}
}

// warmUp is one step of a server that warms up, and the last one makes it run. Like
// a check it is waited for by wait.
func (w *watcher) warmUp(c *care, s *server) {
	w.mu.Lock()
	if w.closed || w.care[s] != c {
		w.mu.Unlock()
		return
	}
	w.wg.Add(1)
	w.mu.Unlock()
	defer w.wg.Done()
	w.order.Lock()
	defer w.order.Unlock()
	b, line := s.backend, ""
	b.changed(func() {
		if s.warmFurther(time.Now()) {
			_, line = s.operationLine(s.viaText())
		}
	})
	if line != "" {
		w.tell(b, severityNotice, line)
	}
	w.heat(s)
}

// warmFurther brings the shares of a server that warms up in line with the time, and
// ends its warm-up. backend.mu is held.
func (s *server) warmFurther(now time.Time) (ended bool) {
	if s.op != opStarting {
		return false
	}
	age := now.Sub(s.began)
	if ended = age >= s.slowStart(); ended {
		s.enter(opRunning, now)
	}
	s.warm(age)
	return ended
}

// stopWarmup ends the steps of a warm-up. watcher.mu is held.
func (c *care) stopWarmup() {
	if c.warmup != nil {
		c.warmup.Stop()
		c.warmup = nil
	}
}
