package proxy

import (
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/rules"
)

// formats are the log-format strings of a frontend. They do not change.
type formats struct {
	log, id *rules.Format // nil: not set
	// What a session has to note while its connections are there: addresses, its
	// number, and whether log lines are counted.
	local, source, numbered, counted bool
	dst                              bool // samples need the address that the client connected to
}

// details are what a session notes for its frontend's formats; one without formats
// has none.
type details struct {
	local, source, target rules.End
	handshake             int64 // ms until the client was known
	number                int64 // of the session, from 0
	id                    []byte
}

// uniqueIDLimit is the longest unique id that HAProxy makes, in bytes.
const uniqueIDLimit = 127

// compileFormats compiles "log-format" and "unique-id-format"; nil: there are none.
func (n names) compileFormats(p *config.Proxy) (*formats, error) {
	c := rules.Compiler{Section: p.Name, Names: n, Host: n.host}
	out := &formats{}
	for _, f := range []struct {
		text *config.LogFormat
		use  rules.Use
		into **rules.Format
	}{{p.LogFormat, rules.ForLog, &out.log}, {p.UniqueIDFormat, rules.ForID, &out.id}} {
		if f.text == nil {
			continue
		}
		var err error
		if *f.into, err = c.Format(f.text, f.use); err != nil {
			return nil, err
		}
	}
	if out.log == nil && out.id == nil {
		return nil, nil
	}
	out.local, out.source = c.Needs(rules.LocalEnd) || c.NeedsLocal(), c.Needs(rules.SourceEnd)
	out.numbered, out.counted, out.dst = c.Needs(rules.SessionNumber), c.Needs(rules.LogLines), c.NeedsLocal()
	return out, nil
}

// note begins the session's details if the frontend has formats.
func (s *session) note() {
	f := s.fe.switching.Load().formats
	if f == nil {
		return
	}
	d := &details{handshake: s.w.loop.Now() - s.begun}
	if f.local {
		d.local = s.localEnd()
	}
	if f.numbered {
		d.number = s.w.e.numbers.Add(1) - 1
	}
	s.details = d
}

func (s *session) localEnd() rules.End {
	if s.listener.path != "" && s.header == nil {
		return rules.End{Unix: true, ID: int(s.listener.bind.Load().ID)}
	}
	return rules.End{Addr: s.destination()}
}

// noteServer notes both ends of the connection fd to the server.
func (s *session) noteServer(target rules.End, fd int) {
	d := s.details
	if d == nil {
		return
	}
	d.target, d.source = target, rules.End{Unix: target.Unix}
	if f := s.fe.switching.Load().formats; fd >= 0 && !target.Unix && f != nil && f.source {
		d.source.Addr = s.w.loop.LocalAddr(fd)
	}
}

// uniqueID is the session's id, made when it is first asked for: when the PROXY
// header leaves, or for the log. It is empty without "unique-id-format".
func (s *session) uniqueID() []byte {
	f := s.fe.switching.Load().formats
	if f == nil || f.id == nil {
		return nil
	}
	if s.details == nil { // the frontend had no formats when the session began
		s.details = &details{}
	}
	if d := s.details; d.id == nil {
		d.id = make([]byte, 0, uniqueIDLimit) // what "%ID" in the format itself stands for
		d.id = f.id.Append(d.id, uniqueIDLimit, s.stream(f.dst))
	}
	return s.details.id
}

// Number is a number of the session. Times that only its end tells are those of
// HAProxy before it.
func (s *session) Number(d rules.Detail) int64 {
	switch d {
	case rules.Accepted:
		return s.accepted
	case rules.ConnectTime:
		if s.connected >= 0 {
			return s.connected - s.assigned
		}
		return -1
	case rules.DataTime:
		if s.connected >= 0 {
			return s.w.loop.Now() - s.connected
		}
		return -1
	case rules.QueueTime:
		if s.assigned >= 0 {
			return s.assigned - s.begun
		}
		return -1
	case rules.TotalTime:
		if s.state == stateRelay || s.state == stateClosed {
			return s.w.loop.Now() - s.begun
		}
	case rules.BytesOut:
		return s.half[serverEnd].bytes
	case rules.BytesIn:
		return s.half[clientEnd].bytes
	case rules.Partial:
		return int64(boolDigit(s.state != stateClosed && s.feConf.LogASAP))
	default:
		return s.count(d)
	}
	return 0
}

// count is a number that counts something.
func (s *session) count(d rules.Detail) int64 {
	switch d {
	case rules.ProcessConns:
		return s.w.e.conns.Load()
	case rules.OwnFrontend:
		return s.fe.conns.Load()
	case rules.OwnBackend:
		if s.be != nil {
			return s.be.conns.Load()
		}
	case rules.OwnServer:
		if s.srv != nil {
			return s.srv.current.Load()
		}
	case rules.BackendQueued:
		return int64(s.backendQueue)
	case rules.ServerQueued:
		return int64(s.serverQueue)
	case rules.LogLines:
		return s.fe.lines.Load()
	case rules.Retries:
		return int64(s.retries)
	case rules.Redispatched:
		return int64(boolDigit(s.redispatched))
	case rules.ServerID:
		if srv := s.named(); srv != nil {
			return srv.id.Load()
		}
		return -1
	case rules.Introduced:
		return int64(boolDigit(s.introduced))
	case rules.HandshakeTime:
		if s.details != nil {
			return s.details.handshake
		}
	case rules.SessionNumber:
		if s.details != nil {
			return s.details.number
		}
	}
	return 0
}

// named is the server that log lines name: where the session is, or where it waits or
// was refused; nil: none.
func (s *session) named() *server {
	if s.srv != nil {
		return s.srv
	}
	return s.bound
}

// AppendText appends a text of the session.
func (s *session) AppendText(b []byte, d rules.Detail) []byte {
	switch d {
	case rules.ServerName:
		if srv := s.named(); srv != nil {
			return append(b, srv.name...)
		}
	case rules.UniqueID:
		return append(b, s.uniqueID()...)
	case rules.Termination:
		if s.ending[0] == 0 {
			return append(b, byNobody, byNobody)
		}
		return append(b, s.ending[:]...)
	case rules.ProxyAuthority:
		if s.header != nil {
			return append(b, s.header.authority...)
		}
	case rules.ProxyUniqueID:
		if s.header != nil {
			return append(b, s.header.uniqueID...)
		}
	}
	return b
}

// End is one end of the session's connections.
func (s *session) End(d rules.Detail) rules.End {
	switch {
	case d == rules.ClientEnd && s.client.IsValid():
		return rules.End{Addr: s.client}
	case d == rules.ClientEnd:
		return rules.End{Unix: true, ID: int(s.listener.bind.Load().ID)}
	case s.details == nil:
		return rules.End{}
	case d == rules.LocalEnd:
		return s.details.local
	case d == rules.SourceEnd:
		return s.details.source
	case d == rules.ServerEnd:
		return s.details.target
	}
	return rules.End{}
}
