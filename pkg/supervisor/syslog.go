package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Severities of syslog that the supervisor itself uses.
const (
	severityError   = 3
	severityWarning = 4
	severityInfo    = 6
)

// readSyslog serves the syslog socket: each message goes to the ring of the unit
// that its sender belongs to. It ends when the socket is closed.
func (s *Supervisor) readSyslog(ctx context.Context) {
	buf := make([]byte, ringLineMax)
	for ctx.Err() == nil && s.devlog.wait() == nil {
		n, pid, fds, err := s.devlog.receive(buf)
		closeAll(fds)
		if err != nil {
			continue
		}
		ring := s.rings[s.unitOf(pid)]
		if ring == nil {
			s.opts.Log.Debug("syslog message of a process of no unit", "pid", pid)
			continue
		}
		severity, text := parseSyslog(buf[:n])
		ring.Append(time.Now(), severity, text)
	}
}

// parseSyslog takes the priority and the time stamp off a message as libc's
// syslog(3) sends it (RFC 3164, section 4.1.2, without a host name).
func parseSyslog(msg []byte) (severity int, text string) {
	msg = bytes.TrimRight(msg, "\n\x00")
	severity = 5
	if rest, ok := bytes.CutPrefix(msg, []byte("<")); ok {
		if num, after, ok := bytes.Cut(rest, []byte(">")); ok {
			if n, err := strconv.Atoi(string(num)); err == nil && n >= 0 && n < 192 {
				severity, msg = n&7, after
			}
		}
	}
	const stamp = "Jan _2 15:04:05"
	if len(msg) > len(stamp) && msg[len(stamp)] == ' ' {
		if _, err := time.Parse(stamp, string(msg[:len(stamp)])); err == nil {
			msg = msg[len(stamp)+1:]
		}
	}
	return severity, string(bytes.ToValidUTF8(msg, []byte("\ufffd")))
}

// Forwarder sends log lines to a remote syslog server over UDP. Lines that come
// faster than they can be sent are dropped.
type Forwarder struct {
	addr, host string
	lines      chan Line
}

// forwardDepth is how many lines may wait to be sent.
const forwardDepth = 1024

// NewForwarder returns a forwarder to addr ("host:port") that names this machine
// host. Its Sink is to be given to Options.Sinks.
func NewForwarder(addr, host string) *Forwarder {
	return &Forwarder{addr: addr, host: host, lines: make(chan Line, forwardDepth)}
}

// Sink takes one line without blocking.
func (f *Forwarder) Sink(l Line) {
	select {
	case f.lines <- l:
	default:
	}
}

// Run sends lines until ctx ends. A server that cannot be reached yet, because
// the network is not up, loses the lines of that time.
func (f *Forwarder) Run(ctx context.Context) {
	var conn net.Conn
	for {
		select {
		case <-ctx.Done():
			if conn != nil {
				_ = conn.Close()
			}
			return
		case l := <-f.lines:
			if conn == nil {
				var d net.Dialer
				c, err := d.DialContext(ctx, "udp", f.addr)
				if err != nil {
					continue
				}
				conn = c
			}
			if _, err := conn.Write(rfc3164(l, f.host)); err != nil && !errors.Is(err, unix.ECONNREFUSED) {
				_ = conn.Close()
				conn = nil
			}
		}
	}
}

// facilityDaemon is syslog's facility for services.
const facilityDaemon = 3

// rfc3164 formats a line for the wire.
func rfc3164(l Line, host string) []byte {
	return fmt.Appendf(nil, "<%d>%s %s %s: %s", facilityDaemon<<3|l.Priority, l.Time.Format(time.Stamp), host, l.Unit, l.Text)
}
