package proxy

import (
	"strconv"
	"time"
)

// log writes the session's line in HAProxy's TCP log format (configuration
// manual, section 8.2.2):
//
//	client:port [accept date] frontend backend/server Tw/Tc/Tt bytes ts
//	actconn/feconn/beconn/srvconn/retries srv_queue/backend_queue
//
// Times are milliseconds, -1 where the session ended before that point. With
// "option logasap" Tt and the bytes are marked with "+": they are not final. A
// frontend with "log-format" has that instead.
func (s *session) log(who, when byte) {
	logger := s.fe.logger.Load()
	if logger == nil {
		return
	}
	s.logged = true
	wrong := s.wrong(who)
	if !wrong && s.feConf.Flags.DontLogNormal {
		return
	}
	s.ending = [2]byte{who, when}
	f := s.fe.switching.Load().formats
	own := f != nil && f.log != nil
	if own && f.counted {
		defer s.fe.lines.Add(1) // the line itself has the number of those before it
	}
	severity := s.severity(wrong)
	switch {
	case !logger.wants(severity):
		return
	case own:
		s.w.line = f.log.Append(s.w.line[:0], 0, s.stream(f.dst))
	default:
		s.w.line = s.appendTCPLog(s.w.line[:0])
	}
	logger.emit(severity, s.ended(), s.w.line)
}

// appendTCPLog appends the line of "option tcplog".
func (s *session) appendTCPLog(b []byte) []byte {
	b = s.appendClient(b)
	b = append(b, s.fe.name...)
	b = append(b, ' ')
	b = s.appendServer(b)
	b = s.appendTimes(b)
	b = s.appendEarly(b)
	b = strconv.AppendInt(b, s.half[serverEnd].bytes, 10)
	b = append(b, ' ', s.ending[0], s.ending[1], ' ')
	return s.appendCounts(b)
}

// ended is the moment of the line.
func (s *session) ended() time.Time {
	return time.Unix(0, s.accepted).Add(time.Duration(s.w.loop.Now()-s.begun) * time.Millisecond)
}

// wrong reports whether a session that ended like this is no normal one.
func (s *session) wrong(who byte) bool {
	return who != byNobody || s.redispatched || s.retries > 0
}

// severity is the level of a line.
func (s *session) severity(wrong bool) int {
	if wrong && s.feConf.Flags.LogSeparateErrors {
		return severityErr
	}
	return severityInfo
}

// appendClient adds "client:port [accept date] ".
func (s *session) appendClient(b []byte) []byte {
	if s.client.IsValid() {
		b = s.client.Addr().AppendTo(b)
		b = append(b, ':')
		b = strconv.AppendUint(b, uint64(s.client.Port()), 10)
	} else {
		b = append(b, "unix:"...)
		b = strconv.AppendInt(b, int64(s.listener.bind.Load().ID), 10)
	}
	b = append(b, " ["...)
	b = time.Unix(0, s.accepted).AppendFormat(b, "02/Jan/2006:15:04:05.000")
	return append(b, "] "...)
}

// appendServer adds "backend/server".
func (s *session) appendServer(b []byte) []byte {
	if s.be == nil {
		return append(append(b, s.fe.name...), "/<NOSRV> "...)
	}
	b = append(append(b, s.be.name...), '/')
	if srv := s.named(); srv != nil {
		return append(append(b, srv.name...), ' ')
	}
	return append(b, "<NOSRV> "...)
}

func (s *session) appendTimes(b []byte) []byte {
	wait, connect := int64(-1), int64(-1)
	if s.assigned >= 0 {
		wait = s.assigned - s.begun
	}
	if s.connected >= 0 {
		connect = s.connected - s.assigned
	}
	for _, v := range [...]int64{wait, connect} {
		b = strconv.AppendInt(b, v, 10)
		b = append(b, '/')
	}
	b = s.appendEarly(b)
	b = strconv.AppendInt(b, s.w.loop.Now()-s.begun, 10)
	return append(b, ' ')
}

// appendEarly marks a number that may still grow.
func (s *session) appendEarly(b []byte) []byte {
	if s.state == stateClosed {
		return b
	}
	return append(b, '+')
}

func (s *session) appendCounts(b []byte) []byte {
	var beConns, srvConns int64
	if s.be != nil {
		beConns = s.be.conns.Load()
	}
	if s.srv != nil {
		srvConns = s.srv.current.Load()
	}
	for _, v := range [...]int64{s.w.e.conns.Load(), s.fe.conns.Load(), beConns, srvConns} {
		b = strconv.AppendInt(b, v, 10)
		b = append(b, '/')
	}
	if s.redispatched {
		b = append(b, '+')
	}
	b = strconv.AppendInt(b, int64(s.retries), 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(s.serverQueue), 10)
	b = append(b, '/')
	return strconv.AppendUint(b, uint64(s.backendQueue), 10)
}

// Syslog severities (RFC 5424, section 6.2.1).
const (
	severityEmerg = iota
	severityAlert
	severityCrit
	severityErr
	severityWarning
	severityNotice
	severityInfo
	severityDebug
)

var severityNames = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// facilityNames are in the order of their codes.
var facilityNames = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news",
	"uucp", "cron", "auth2", "ftp", "ntp", "audit", "alert", "cron2",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// logger sends a frontend's lines to its targets.
type logger struct {
	targets []logTarget
}

// logTarget is one "log" line made ready for use.
type logTarget struct {
	sink     *sink
	format   string
	tag      string // "tag[pid]"
	host     string // with a blank behind, or ""
	facility int
	max, min int // severities: nothing above max is sent, nothing is sent below min
	length   int // bytes
}

// wants reports whether some target takes lines of a severity.
func (l *logger) wants(severity int) bool {
	for i := range l.targets {
		if severity <= l.targets[i].max {
			return true
		}
	}
	return false
}

// emit sends msg to all targets. It never blocks.
func (l *logger) emit(severity int, at time.Time, msg []byte) {
	for i := range l.targets {
		t := &l.targets[i]
		if severity <= t.max {
			t.sink.append(func(b []byte) []byte { return t.appendLine(b, max(severity, t.min), at, msg) })
		}
	}
}

// appendLine adds one line in the target's format (configuration manual, "log").
func (t *logTarget) appendLine(b []byte, severity int, at time.Time, msg []byte) []byte {
	start := len(b)
	pri := func(n int) {
		b = append(b, '<')
		b = strconv.AppendInt(b, int64(n), 10)
		b = append(b, '>')
	}
	switch t.format {
	case "rfc5424":
		pri(t.facility<<3 | severity)
		b = append(b, "1 "...)
		b = at.AppendFormat(b, "2006-01-02T15:04:05.000000-07:00")
		host := t.host
		if host == "" {
			host = "- "
		}
		b = append(append(b, ' '), host...)
		tag, pid := splitTag(t.tag)
		b = append(append(append(append(b, tag...), ' '), pid...), " - - "...)
	case "priority":
		pri(t.facility<<3 | severity)
	case "short":
		pri(severity)
	case "timed":
		pri(severity)
		b = append(at.AppendFormat(b, "2006-01-02T15:04:05.000000-07:00"), ' ')
	case "iso":
		b = append(at.AppendFormat(b, "2006-01-02T15:04:05.000000-07:00"), ' ')
	case "raw":
	default: // rfc3164 and local
		pri(t.facility<<3 | severity)
		b = append(at.AppendFormat(b, time.Stamp), ' ')
		if t.format != "local" {
			b = append(b, t.host...)
		}
		b = append(append(b, t.tag...), ": "...)
	}
	b = append(b, msg...)
	if len(b)-start >= t.length {
		b = b[:start+t.length-1]
	}
	return append(b, '\n')
}

// splitTag takes "tag[pid]" apart.
func splitTag(tag string) (name, pid string) {
	for i := len(tag) - 1; i >= 0; i-- {
		if tag[i] == '[' {
			return tag[:i], tag[i+1 : len(tag)-1]
		}
	}
	return tag, "-"
}
