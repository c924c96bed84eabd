package proxy

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

// What can be wrong with the PROXY header of a client, in HAProxy's words.
const (
	introClosed  = "Connection closed while waiting for PROXY protocol header"
	introAborted = "Connection error while waiting for PROXY protocol header"
	introTimeout = "Timeout while waiting for PROXY protocol header"
	introCut     = "Truncated PROXY protocol header received"
	introForeign = "Received something which does not look like a PROXY protocol header"
	introBad     = "Received an invalid PROXY protocol header"
)

// awaitIntroduction waits for the PROXY header that must come first.
func (s *session) awaitIntroduction() {
	s.state = stateIntroduction
	s.arm(cmp.Or(s.feConf.Timeouts.ClientHS, s.feConf.Timeouts.Client))
}

// readIntroduction looks at what has come. Nothing behind the header is consumed:
// the relay finds it as if there had been no header.
func (s *session) readIntroduction(e *endpoint) {
	scratch := s.w.loop.Scratch()
	n, err := evloop.Peek(int(e.fd), scratch[:proxyV2Max])
	switch {
	case err == unix.EAGAIN && !e.failed:
		return
	case err != nil:
		s.refuseIntroduction(introAborted)
		return
	case n == 0:
		s.refuseIntroduction(introClosed)
		return
	}
	h, size, err := parseProxyHeader(scratch[:n])
	switch {
	case err == errNotProxyHeader:
		s.refuseIntroduction(introForeign)
		return
	case err != nil:
		s.refuseIntroduction(introBad)
		return
	case size == 0 && e.fin:
		s.refuseIntroduction(introCut)
		return
	case size == 0:
		return
	}
	if h.src.IsValid() && h.dst.IsValid() {
		s.client = h.src
		s.header = &proxyHeader{dst: h.dst}
	}
	if len(h.authority) > 0 || len(h.uniqueID) > 0 {
		if s.header == nil {
			s.header = new(proxyHeader)
		}
		s.header.authority, s.header.uniqueID = slices.Clone(h.authority), slices.Clone(h.uniqueID)
	}
	if got, err := evloop.Read(int(e.fd), scratch[:size]); err != nil || got != size {
		s.refuseIntroduction(introAborted)
		return
	}
	s.w.loop.StopTimer(&s.timer)
	s.introduced = true
	s.begin()
}

// refuseIntroduction ends a connection that did not begin as it must. It never
// was a session, and its line is not one of a session.
func (s *session) refuseIntroduction(why string) {
	s.fe.stats.requestErrors.Add(1)
	null := why == introClosed || why == introAborted || why == introTimeout
	if logger := s.fe.logger.Load(); logger != nil && !(null && s.feConf.DontLogNull) {
		b := s.appendClient(s.w.line[:0])
		b = append(append(b, s.fe.name...), '/')
		bind := s.listener.bind.Load()
		if b = append(b, bind.Name...); bind.Name == "" {
			b = strconv.AppendInt(b, int64(bind.ID), 10)
		}
		b = append(append(b, ": "...), why...)
		s.w.line = b
		logger.emit(s.severity(true), s.ended(), b)
	}
	s.logged = true
	s.finish(byClient, whileConnecting)
}

// introduce sends the server the PROXY header, together with what the client has
// sent already. It reports false if the session ended.
func (s *session) introduce() bool {
	h, src := &s.half[clientEnd], &s.ends[clientEnd]
	scratch := s.w.loop.Scratch()
	b := s.appendIntroduction(scratch[:0])
	n, err := evloop.Read(int(src.fd), scratch[len(b):])
	switch {
	case err == unix.EAGAIN:
		src.readable = false
	case err != nil:
		s.abort(clientEnd)
		return false
	case n == 0:
		h.eof = true
	default:
		h.bytes += int64(n)
		b = scratch[:len(b)+n]
	}
	dst := &s.ends[serverEnd]
	n, err = evloop.Send(int(dst.fd), b)
	if err := h.sent(s.w.loop, dst, b, n, err); err != nil {
		return !s.lost(serverEnd)
	}
	return true
}

func (s *session) appendIntroduction(b []byte) []byte {
	client, dst := s.client, s.destination()
	if s.route.proxyVersion == 1 {
		return appendProxyV1(b, client, dst)
	}
	h := proxyHeader{src: client, dst: dst}
	if s.route.authority && s.header != nil {
		h.authority = s.header.authority
	}
	if s.route.uniqueID {
		h.uniqueID = s.uniqueID()
		if h.uniqueID == nil {
			h.uniqueID = []byte{} // without a format HAProxy sends an empty one
		}
	}
	return appendProxyV2(b, h, s.route.checksum)
}
