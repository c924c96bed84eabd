package proxy

import (
	"net/netip"
	"time"

	"github.com/sluice-lb/sluice/pkg/balance"
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/evloop"
)

// state is where a session is on its way.
type state uint8

const (
	stateQueued     state = iota // waits for a server's free place
	statePausing                 // waits a second before the same server is tried again
	stateConnecting              // to the server
	stateRelay
	stateClosed
	stateIntroduction // waits for the PROXY header of the client
)

// Termination codes: the first character tells who ended the session, the second
// when (configuration manual, section 8.5).
const (
	byNobody        = '-'
	byClient        = 'C' // the client aborted
	byServer        = 'S' // the server aborted or refused
	byProxy         = 'P' // a limit or an administrator
	byResource      = 'R' // the proxy ran out of something
	byKill          = 'K' // an operator killed the session
	byDown          = 'D' // the server went down ("on-marked-down")
	byUp            = 'U' // a server that is no backup came up ("on-marked-up")
	byClientTimeout = 'c'
	byServerTimeout = 's'

	whileQueued     = 'Q'
	whileConnecting = 'C'
	whileData       = 'D'
)

// session is one client connection and what belongs to it. It is owned by its
// worker's loop; the backend's lock guards only place.
type session struct {
	relay
	w        *worker
	listener *listener
	fe       *frontend
	feConf   *config.Proxy
	be       *backend // nil: the frontend has no backend
	beConf   *config.Proxy
	bePolicy *policy
	srv      *server // counted there while not nil
	bound    *server // whose queue it is in, or was refused at
	route    *route  // how srv is reached, in the present attempt

	timer      evloop.Timer
	prev, next *session // the worker's list

	client   netip.AddrPort // who connected, or what the PROXY header says
	header   *proxyHeader   // what else is used of it; nil: there was none
	details  *details       // nil: no format asks for any
	accepted int64          // wall clock, ns, for the log
	counted  [2]int64       // bytes of each half that the counters know
	// Moments on the loop's clock, ms; -1: not reached.
	begun, assigned, connected int64
	attempt                    int64 // begin of the present state

	gen          uint32 // counts the uses of this memory
	borrowed     uint16 // source port of route's pool; 0: none
	state        state
	deferred     bool // on the loop's list of tasks, or the mover's
	logged       bool
	redispatched bool
	ending       [2]byte // termination code of the log line, 0 before
	introduced   bool    // the client's PROXY header came
	choice       bool    // there were other servers to pick when this one was
	retries      uint32  // connection attempts that failed
	// What was served before this session from the queues it was in, itself included.
	serverQueue, backendQueue uint32
	place                     queuePlace
	key                       balance.Key // what the algorithm looks up
	want                      *server     // that a rule named; nil: none did
}

// start begins the session of an accepted connection.
func (s *session) start(fd int, l *listener, fe *frontend, client netip.AddrPort) {
	s.listener, s.fe, s.client = l, fe, client
	fe.stats.conns.Add(1)
	fe.stats.peak(fe.conns.Load())
	s.feConf = s.fe.conf.Load()
	s.accepted = time.Now().UnixNano()
	now := s.w.loop.Now()
	s.begun, s.assigned, s.connected, s.attempt = now, -1, -1, now
	e := &s.ends[clientEnd]
	*e = endpoint{s: s, fd: int32(fd), last: now, nagle: nagleOff}
	s.ends[serverEnd] = endpoint{s: s, fd: -1, last: now}
	s.state = stateQueued
	ok, expectProxy := s.admitted()
	if !ok {
		s.reject()
		return
	}
	s.w.e.countSession(fe, now)
	e.watch = s.w.loop.Register(fd, e)
	if o := l.bind.Load().Options; o != nil {
		if o.MSS < 0 {
			evloop.ShrinkMSS(fd, -o.MSS)
		}
		expectProxy = expectProxy || o.AcceptProxy
	}
	if expectProxy {
		s.awaitIntroduction()
		return
	}
	s.begin()
}

// begin looks for a server once the client is known.
func (s *session) begin() {
	s.fe.stats.sessions.Add(1)
	s.note()
	s.ends[clientEnd].independent = s.feConf.Flags.IndependentStreams
	if s.be = s.chooseBackend(); s.be == nil {
		s.finish(byServer, whileConnecting)
		return
	}
	s.beConf, s.bePolicy = s.be.enter(s.w.loop.Now())
	s.choose(nil)
}

// step goes on after an event at end e.
func (s *session) step(e *endpoint) {
	switch s.state {
	case stateRelay:
		s.w.mover.add(s)
	case stateConnecting:
		if e == &s.ends[serverEnd] {
			s.connectEvent(e)
			return
		}
		s.watchClient(e, whileConnecting)
	case stateQueued:
		s.watchClient(e, whileQueued)
	case statePausing:
		s.watchClient(e, whileConnecting)
	case stateIntroduction:
		s.readIntroduction(e)
	}
}

// destination is where the client wanted to go: what it connected to, or what its
// PROXY header says; invalid for a UNIX socket.
func (s *session) destination() netip.AddrPort {
	if s.header != nil && s.header.dst.IsValid() {
		return s.header.dst
	}
	if s.details != nil && s.details.local.Addr.IsValid() {
		return s.details.local.Addr
	}
	fd := s.ends[clientEnd].fd
	if s.listener.path != "" || fd < 0 {
		return netip.AddrPort{}
	}
	if d := &s.w.destination; d.of != s {
		d.of, d.addr = s, s.w.loop.Destination(int(fd))
	}
	return s.w.destination.addr
}

// watchClient ends a session whose client is gone before a server was reached. One
// that closed its side gets the rest of the turn, in which a server may be.
func (s *session) watchClient(e *endpoint, when byte) {
	if e.failed {
		s.finish(byClient, when)
		return
	}
	if e.fin && !s.deferred {
		s.deferred = true
		s.w.loop.Later(s)
	}
}

// unwatched ends a session one of whose connections the kernel does not watch.
func (s *session) unwatched() {
	when := byte(whileConnecting)
	if s.state == stateQueued {
		when = whileQueued
	}
	s.finish(byResource, when)
}

// leave ends a session whose client has closed its side before a server was
// reached. A client that sent something still waits for its answer, unless "option
// abortonclose" says otherwise.
func (s *session) leave(when byte) {
	if s.ends[clientEnd].fin && (s.beConf.Flags.AbortOnClose || !s.clientSpoke()) {
		s.finish(byClient, when)
	}
}

// Continue takes the session's next share of a turn.
func (s *session) Continue() {
	s.deferred = false
	switch s.state {
	case stateRelay:
		s.w.mover.add(s)
	case stateQueued:
		s.leave(whileQueued)
	case stateConnecting, statePausing:
		s.leave(whileConnecting)
	}
}

// settle draws the conclusions from how far both halves came.
func (s *session) settle(moved *[2]progress) {
	more := false
	for i, res := range moved {
		if res.err != nil && res.end == i {
			s.abort(i)
			return
		}
		if res.err != nil {
			if s.lost(res.end) {
				return
			}
			more = true
			continue
		}
		more = more || res.more
	}
	if s.finished() {
		s.finish(byNobody, byNobody)
		return
	}
	for i := range s.ends {
		// An end that failed after its FIN has no more to say, not even an error.
		if s.ends[i].broken && s.half[i].eof && !s.half[1-i].shut && s.lost(i) {
			return
		}
	}
	switch {
	case s.half[clientEnd].cut && s.half[serverEnd].delivered():
		s.abort(serverEnd)
		return
	case s.half[serverEnd].cut && s.half[clientEnd].delivered():
		s.abort(clientEnd)
		return
	}
	for i := range s.half {
		if s.half[i].shut || !s.half[i].delivered() {
			continue
		}
		if i == clientEnd && s.noLinger(serverEnd) {
			s.cutOffServer()
			continue
		}
		if err := s.passFin(i); err != nil {
			if s.lost(1 - i) {
				return
			}
			more = true
			continue
		}
		s.armRelay() // client-fin and server-fin may be due earlier
	}
	if s.finished() { // by cutting the server off
		s.finish(byNobody, byNobody)
		return
	}
	if s.feConf.Flags.ContStats {
		s.countBytes()
	}
	if more {
		s.w.mover.add(s)
	}
}

// noLinger reports whether "option nolinger" holds for an end.
func (s *session) noLinger(end int) bool {
	if end == clientEnd {
		return s.feConf.Flags.NoLinger
	}
	return s.beConf != nil && s.beConf.Flags.NoLinger
}

// cutOffServer closes the server's end with RST in place of FIN, as HAProxy does
// with "option nolinger". Nothing more is read from it. The client's end gets FIN
// and a reset at the end only.
func (s *session) cutOffServer() {
	e := &s.ends[serverEnd]
	evloop.ResetOnClose(int(e.fd))
	e.close(s.w.loop)
	s.half[serverEnd].eof, s.half[clientEnd].shut = true, true
}

// lost notes that an end takes nothing any more. What it sent before still counts:
// its own half goes on until it ends or fails too. If the other end was lost
// before, nothing can be delivered in either direction and the session is over.
func (s *session) lost(end int) (over bool) {
	if s.half[end].cut {
		s.abort(1 - end)
		return true
	}
	s.stop(s.w.loop, 1-end)
	s.ends[end].readable = true
	return false
}

// abort ends a session one end of which failed: the other end gets RST, so that
// nobody takes a cut stream for a whole one.
func (s *session) abort(end int) {
	who := byte(byClient)
	if end == serverEnd {
		who = byServer
	}
	s.w.resetAfterDelivery(&s.ends[1-end])
	s.finish(who, whileData)
}

// established enters the relay.
func (s *session) established() {
	now := s.w.loop.Now()
	if s.route.uniqueID {
		s.uniqueID() // as HAProxy makes it, before the connection counts
	}
	s.state, s.connected, s.attempt = stateRelay, now, now
	s.ends[clientEnd].last, s.ends[serverEnd].last = now, now
	s.ends[serverEnd].independent = s.beConf.Flags.IndependentStreams
	for i := range s.half {
		s.half[i].spliceAt = spliceThreshold(s.w.e.noSplice.Load(), i, s.feConf.Splice, s.beConf.Splice)
	}
	s.armRelay()
	if f := s.fe.switching.Load().formats; s.feConf.LogASAP || f != nil && f.log != nil && !f.log.Late() {
		s.log(byNobody, byNobody)
	}
	if s.route.proxyVersion != 0 && !s.introduce() {
		return
	}
	s.w.mover.add(s)
}

// finish closes what is open, settles all counts and frees the session.
func (s *session) finish(who, when byte) {
	if s.state == stateQueued && s.be != nil {
		s.be.leaveQueue(s)
	}
	s.state = stateClosed
	s.w.mover.disarmFor(s)
	loop := s.w.loop
	loop.StopTimer(&s.timer)
	for i := range s.half {
		s.half[i].drop(loop)
	}
	for i := range s.ends {
		e := &s.ends[i]
		if e.fd >= 0 && s.noLinger(i) {
			evloop.ResetOnClose(int(e.fd))
		}
		e.close(loop)
	}
	s.returnPort()
	srv := s.srv // for the log, which names it after its place was given back
	s.countBytes()
	if srv != nil {
		s.be.release(srv)
	}
	if s.be != nil {
		s.be.leave()
	}
	if !s.logged && (!s.feConf.DontLogNull || s.half[clientEnd].bytes > 0) {
		s.log(who, when)
	}
	s.srv = nil
	s.w.free(s)
}

// countBytes adds what was relayed since it was last called to the counters.
func (s *session) countBytes() {
	in, out := s.half[clientEnd].bytes-s.counted[clientEnd], s.half[serverEnd].bytes-s.counted[serverEnd]
	s.counted = [2]int64{s.half[clientEnd].bytes, s.half[serverEnd].bytes}
	s.fe.stats.addBytes(in, out)
	if s.be != nil {
		s.be.stats.addBytes(in, out)
	}
	if s.srv != nil {
		s.srv.stats.addBytes(in, out)
	}
}

// Expired is called when the session's timer ran out.
func (s *session) Expired() {
	now := s.w.loop.Now()
	switch s.state {
	case stateQueued:
		s.be.queueTimedOut(s)
		s.finish(byServerTimeout, whileQueued)
	case statePausing:
		s.connect()
	case stateConnecting:
		s.attemptFailed(errConnectTimeout)
	case stateIntroduction:
		s.refuseIntroduction(introTimeout)
	case stateRelay:
		for i := range s.ends {
			if at := s.idleDeadline(i); at > 0 && at <= now {
				who := byte(byClientTimeout)
				if i == serverEnd {
					who = byServerTimeout
				}
				s.finish(who, whileData)
				return
			}
		}
		s.armRelay()
	}
}

// idleDeadline is the moment at which end i counts as silent for too long, or 0
// for never. "timeout tunnel" replaces client and server timeouts once both sides
// are connected; the -fin timeouts apply to an end that was sent FIN. The time
// rests while nothing is expected of the end.
func (s *session) idleDeadline(i int) int64 {
	limit, fin := s.feConf.Timeouts.Client, s.feConf.Timeouts.ClientFin
	if i == serverEnd {
		limit, fin = s.beConf.Timeouts.Server, s.beConf.Timeouts.ServerFin
	}
	if t := s.beConf.Timeouts.Tunnel; t > 0 {
		limit = t
	}
	if fin > 0 && s.half[1-i].shut {
		limit = fin
	}
	if limit <= 0 {
		return 0
	}
	last := s.ends[i].last
	if !s.expected(i) {
		last = s.w.loop.Now()
	}
	if s.beConf.Timeouts.Tunnel > 0 {
		last = max(last, s.ends[1-i].last)
	}
	return last + limit.Milliseconds()
}

// armRelay sets the timer to the earlier idle deadline. Bytes move the deadline
// without touching the timer: it is set again when it runs out.
func (s *session) armRelay() {
	at := s.idleDeadline(clientEnd)
	if b := s.idleDeadline(serverEnd); at == 0 || b > 0 && b < at {
		at = b
	}
	if at > 0 {
		s.w.loop.SetTimer(&s.timer, at, s)
	}
}

// arm sets the timer to limit from the begin of the present state; 0 is never.
func (s *session) arm(limit time.Duration) {
	if limit <= 0 {
		s.w.loop.StopTimer(&s.timer)
		return
	}
	s.w.loop.SetTimer(&s.timer, s.attempt+limit.Milliseconds(), s)
}
