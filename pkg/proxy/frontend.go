package proxy

import (
	"sync/atomic"

	"github.com/sluice-lb/sluice/pkg/config"
)

// frontend is what accepts. It survives reloads under its name.
type frontend struct {
	name      string
	stats     proxyStats
	conns     atomic.Int64
	clock     clock
	conf      atomic.Pointer[config.Proxy]
	switching atomic.Pointer[switching]
	logger    atomic.Pointer[logger]
	maxconn   atomic.Int64 // most connections; noLimit: any number
	lines     atomic.Int64 // log lines, while a format counts them
	opening   opening      // guarded by Engine.mu
}

// admit reserves a place for a connection on l, or reports that a limit of the
// process, the frontend or the bind line is reached by returning nil. The place
// is given back with dismiss.
func (e *Engine) admit(l *listener) *frontend {
	f := l.frontend.Load()
	conns := e.conns.Add(1)
	feConns := f.conns.Add(1)
	bindConns := l.conns.Add(1)
	if !within(conns, e.maxconn.Load()) || feConns > f.maxconn.Load() ||
		!within(bindConns, int64(l.bind.Load().Maxconn)) {
		e.uncount(l, f)
		e.resumePaused() // others may have met the count of this attempt
		return nil
	}
	return f
}

// hasRoom reports whether admit would succeed now.
func (e *Engine) hasRoom(l *listener) bool {
	f := l.frontend.Load()
	return within(e.conns.Load()+1, e.maxconn.Load()) &&
		f.conns.Load() < f.maxconn.Load() &&
		within(l.conns.Load()+1, int64(l.bind.Load().Maxconn))
}

// rateWait is how many milliseconds the rates of the process ("maxconnrate",
// "maxsessrate") and of f ("rate-limit sessions") make the next session of f wait; 0
// is none. Loops that ask at the same moment may all be let through. now is the time of a
// loop, here and below.
func (e *Engine) rateWait(f *frontend, now int64) int64 {
	wait := max(e.connRate.due(now), e.sessRate.due(now))
	if limit := f.conf.Load().RateSessions; limit > 0 {
		wait = max(wait, f.stats.rate.wait(now, int64(limit)))
	}
	return wait
}

// countConnection notes an accepted connection for the rate of the process.
func (e *Engine) countConnection(now int64) { e.connRate.note(now) }

// countSession notes a connection of f that no rule refused for the rates of
// sessions.
func (e *Engine) countSession(f *frontend, now int64) {
	e.sessRate.note(now)
	f.stats.rate.add(now)
}

// configure puts a new configuration in force. A limit that was set by hand holds
// until the configuration says something else.
func (f *frontend) configure(p *config.Proxy) {
	if old := f.conf.Load(); old == nil || old.Maxconn != p.Maxconn {
		f.maxconn.Store(limitOf(p.Maxconn))
	}
	if f.opening == frontendShut {
		f.opening = frontendOpen
	}
	f.conf.Store(p)
}

func within(n, limit int64) bool { return limit <= 0 || n <= limit }

func (e *Engine) uncount(l *listener, f *frontend) {
	e.conns.Add(-1)
	f.conns.Add(-1)
	l.conns.Add(-1)
}

// dismiss gives a place back and lets paused listeners go on.
func (e *Engine) dismiss(l *listener, f *frontend) {
	e.uncount(l, f)
	e.resumePaused()
	e.checkIdle()
}

func (e *Engine) resumePaused() {
	if e.paused.Load() > 0 {
		for _, w := range e.workers {
			w.loop.Post(w.resume)
		}
	}
}
