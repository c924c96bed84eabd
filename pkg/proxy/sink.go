package proxy

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sluice-lb/sluice/pkg/config"
	"golang.org/x/sys/unix"
)

// sinkLimit bounds the lines that wait in a sink, bytes: a log server that does
// not keep up costs lines (counted), never a relay's time.
const sinkLimit = 4 << 20

// sink is one place where log lines go. Loops append, one goroutine writes.
type sink struct {
	dropped atomic.Int64
	write   func(lines []byte) // whole lines, each with its newline
	kick    chan struct{}
	done    chan struct{}

	mu     sync.Mutex // guards buf and closed
	buf    []byte
	closed bool
}

func newSink(write func([]byte)) *sink {
	s := &sink{write: write, kick: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s
}

// append adds what line appends to the waiting bytes.
func (s *sink) append(line func([]byte) []byte) {
	s.mu.Lock()
	if s.closed || len(s.buf) > sinkLimit {
		s.mu.Unlock()
		s.dropped.Add(1)
		return
	}
	wake := len(s.buf) == 0
	s.buf = line(s.buf)
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

func (s *sink) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// run writes until close; it ends after everything that was appended is written.
func (s *sink) run() {
	defer close(s.done)
	var spare []byte
	for range s.kick {
		s.mu.Lock()
		lines, closed := s.buf, s.closed
		s.buf = spare[:0]
		s.mu.Unlock()
		if len(lines) > 0 {
			s.write(lines)
		}
		if spare = lines; cap(spare) > 1<<20 {
			spare = nil
		}
		if closed {
			return
		}
	}
}

// close writes what waits and ends the goroutine.
func (s *sink) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wake()
	<-s.done
}

// openSink makes the sink for a log address (configuration manual, "log").
func openSink(address string, stdout, stderr io.Writer) (*sink, error) {
	toStream := func(w io.Writer) func([]byte) { return func(p []byte) { _, _ = w.Write(p) } }
	switch {
	case address == "stdout":
		return newSink(toStream(stdout)), nil
	case address == "stderr":
		return newSink(toStream(stderr)), nil
	case strings.HasPrefix(address, "fd@"):
		fd, err := strconv.Atoi(address[3:])
		if err != nil {
			return nil, fmt.Errorf("log address %q: a descriptor number must follow fd@", address)
		}
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, fmt.Errorf("log address %q: %w", address, err)
		}
		return newSink(toStream(os.NewFile(uintptr(dup), address))), nil
	case strings.HasPrefix(address, "/"):
		return newSink((&datagrams{network: "unixgram", address: address}).send), nil
	}
	return newSink((&datagrams{network: "udp", address: address}).send), nil
}

// datagrams sends each line as one datagram. A receiver that went away, such as a
// restarted syslogd, is connected to again with the next lines.
type datagrams struct {
	network, address string
	conn             net.Conn
}

func (d *datagrams) send(lines []byte) {
	for line := range bytes.Lines(lines) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if d.conn != nil {
			if _, err := d.conn.Write(line); err == nil {
				continue
			}
			_ = d.conn.Close()
			d.conn = nil
		}
		conn, err := net.Dial(d.network, d.address)
		if err != nil {
			return
		}
		d.conn = conn
		_, _ = conn.Write(line)
	}
}

// newLogger makes the logger of a frontend. Without any "log" line the sessions
// are logged to standard error, which init or systemd collects.
func (e *Engine) newLogger(c *change, conf *config.Proxy, global *config.Global) (*logger, error) {
	logs := conf.Logs
	if len(logs) == 0 {
		logs = []config.LogTarget{{Address: "stderr", Format: "raw", Length: 1024}}
	}
	tag := global.LogTag
	if tag == "" {
		tag = "proxyd"
	}
	l := &logger{}
	for _, line := range logs {
		s := cmp.Or(e.sinks[line.Address], c.sinks[line.Address])
		if s == nil {
			var err error
			if s, err = openSink(line.Address, e.opt.Stdout, e.opt.Stderr); err != nil {
				return nil, fmt.Errorf("%s: %w", line.Pos, err)
			}
			c.sinks[line.Address] = s
		}
		t := logTarget{sink: s, format: line.Format, tag: fmt.Sprintf("%s[%d]", tag, os.Getpid()),
			facility: max(slices.Index(facilityNames, line.Facility), 0), max: severityDebug, length: line.Length}
		if global.LogSendHost != "" {
			t.host = global.LogSendHost + " "
		}
		if i := slices.Index(severityNames, line.Level); i >= 0 {
			t.max = i
		}
		if i := slices.Index(severityNames, line.MinLevel); i >= 0 {
			t.min = i
		}
		if t.length == 0 {
			t.length = 1024
		}
		l.targets = append(l.targets, t)
	}
	return l, nil
}
