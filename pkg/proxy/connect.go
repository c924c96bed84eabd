package proxy

import (
	"errors"
	"time"

	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

var (
	errConnectTimeout = errors.New("connection timed out")
	errUnresolved     = errors.New("host name not resolved")
	errNoDestination  = errors.New("the client's destination is not known")
)

// retryPause is how long a session waits before it tries the same server again
// (configuration manual, "retries"); a shorter connect timeout shortens it.
const retryPause = time.Second

// impatience limits an attempt when "timeout connect" is not set and another
// server could be tried instead. It leaves room for two lost SYN packets, which
// are repeated after one and three seconds (RFC 6298).
const impatience = 4 * time.Second

// choose asks the backend for a server and connects to it. avoid is a server that
// just failed and is taken again only if there is no other.
func (s *session) choose(avoid *server) {
	s.attempt = s.w.loop.Now()
	s.state = stateQueued
	srv, verdict := s.be.assign(s, avoid)
	s.bound = srv
	if avoid != nil {
		s.countRetry(avoid, srv)
	}
	switch verdict {
	case assignNone:
		s.be.stats.connectErrors.Add(1)
		s.finish(byServer, whileConnecting)
	case assignFull:
		if s.want != nil && s.beConf.Redispatch != 0 {
			s.choose(srv)
			return
		}
		srv.stats.connectErrors.Add(1)
		s.be.stats.connectErrors.Add(1)
		s.finish(byServer, whileQueued)
	case assignQueued:
		s.arm(s.queueTimeout())
	case assignServer:
		s.srv = srv
		if srv == avoid {
			s.pause()
			return
		}
		s.connect()
	}
}

// chooseAnew is called on the session's loop when it was taken out of a queue that
// will not be served.
func (s *session) chooseAnew() { s.choose(nil) }

// countRetry notes that a session that failed at server old tries again at srv, or
// anywhere if that is nil.
func (s *session) countRetry(old, srv *server) {
	if srv == old {
		old.stats.retries.Add(1)
		s.be.stats.retries.Add(1)
		return
	}
	s.redispatched = true
	old.stats.redispatches.Add(1)
	s.be.stats.redispatches.Add(1)
}

// queueTimeout is "timeout queue", which falls back to "timeout connect".
func (s *session) queueTimeout() time.Duration {
	if t := s.beConf.Timeouts.Queue; t > 0 {
		return t
	}
	return s.beConf.Timeouts.Connect
}

// assignedBy is called on the session's loop when a place at srv became free.
func (s *session) assignedBy(srv *server) {
	s.srv = srv
	s.connect()
}

// pause waits before the server that just failed is tried again. It keeps its
// place at the server.
func (s *session) pause() {
	s.state = statePausing
	pause := retryPause
	if t := s.beConf.Timeouts.Connect; t > 0 {
		pause = min(pause, t)
	}
	s.w.loop.SetTimer(&s.timer, s.w.loop.Now()+pause.Milliseconds(), s)
}

// connect starts an attempt at the assigned server.
func (s *session) connect() {
	s.state = stateConnecting
	s.attempt = s.w.loop.Now()
	if s.assigned < 0 {
		s.assigned = s.attempt
	}
	s.srv.stats.sessions.Add(1)
	s.srv.stats.rate.add(s.attempt)
	s.srv.stats.peak(s.srv.current.Load())
	fd, err := s.dial()
	if err != nil {
		s.attemptFailed(err)
		return
	}
	e := &s.ends[serverEnd]
	*e = endpoint{s: s, fd: int32(fd), last: s.attempt}
	if s.srv.target.Load().path != "" {
		e.nagle = nagleOff // it is TCP's
	}
	e.watch = s.w.loop.Register(fd, e)
	limit := s.beConf.Timeouts.Connect
	if limit == 0 && s.choice {
		limit = impatience
	}
	s.arm(limit)
}

// connectEvent handles the outcome of a connection attempt.
func (s *session) connectEvent(e *endpoint) {
	if e.failed {
		err := evloop.SocketError(int(e.fd))
		if err != nil {
			s.attemptFailed(err)
			return
		}
	}
	if e.writable {
		s.established()
	}
}

// attemptFailed ends an attempt and tries again as "retries" allows: at another
// server at once, or at the same one after a pause.
func (s *session) attemptFailed(err error) {
	s.ends[serverEnd].close(s.w.loop)
	s.returnPort()
	local := isLocalFailure(err)
	if !local {
		s.srv.failed(err)
	}
	if int(s.retries) >= s.beConf.Retries {
		s.srv.stats.connectErrors.Add(1)
		s.be.stats.connectErrors.Add(1)
		who := byte(byServer)
		switch {
		case err == errConnectTimeout:
			who = byServerTimeout
		case local:
			who = byResource
		}
		s.finish(who, whileConnecting)
		return
	}
	s.retries++
	if failed := s.srv; s.leaves() {
		s.srv = nil
		s.be.release(failed)
		s.choose(failed)
		return
	}
	s.countRetry(s.srv, s.srv)
	if err == errConnectTimeout {
		s.connect() // the server had its time already
		return
	}
	s.pause()
}

// isLocalFailure tells faults of this machine from those of the server.
func isLocalFailure(err error) bool {
	if _, ok := err.(evloop.SourceError); ok {
		return true
	}
	for _, e := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.EADDRNOTAVAIL, unix.EAGAIN} {
		if err == e {
			return true
		}
	}
	return false
}
