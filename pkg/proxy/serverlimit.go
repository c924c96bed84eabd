package proxy

import (
	"io"
	"strconv"
	"strings"

	"github.com/sluice-lb/sluice/pkg/config"
)

// serverLimits bound the sessions of a server (configuration manual, section 5.2,
// "maxconn", "minconn", "maxqueue").
type serverLimits struct {
	maxconn  int // sessions served at once; 0: any number
	minconn  int // the same while the backend has few; maxconn if it does not depend on that
	maxqueue int // sessions that wait for this server; 0: any number
}

// limitsOf completes what a server line says: one of the two numbers stands for the
// other one, and minconn is the limit if it is the greater.
func limitsOf(conf *config.Server) serverLimits {
	l := serverLimits{maxconn: conf.Maxconn}
	if conf.Options != nil {
		l.minconn, l.maxqueue = conf.Options.Minconn, conf.Options.Maxqueue
	}
	l.maxconn = max(l.maxconn, l.minconn)
	if l.minconn == 0 {
		l.minconn = l.maxconn
	}
	return l
}

// setMaxconn changes the limit of s; without a minconn of its own that follows. It
// holds until the server's line says something else. backend.mu is held.
func (s *server) setMaxconn(n int) {
	if s.limits.minconn == s.limits.maxconn {
		s.limits.minconn = n
	}
	s.limits.maxconn = n
	s.limited.Store(n > 0)
	s.backend.settleQueues()
}

// setMaxconnServer is "set maxconn server".
func setMaxconnServer(_ *Engine, s *server, args []string, _ io.Writer) error {
	if args[0] == "" {
		return answer("Require <maxconn>.")
	}
	digits := strings.TrimLeft(strings.TrimLeft(args[0], "+-"), "0123456789")
	switch n, err := strconv.ParseInt(args[0], 10, 64); {
	case err != nil && (digits == args[0] || digits == strings.TrimLeft(args[0], "+-")):
		return answer("maxconn string empty or preceded by garbage")
	case err != nil:
		return answer("Trailing garbage in maxconn string")
	default:
		return s.underLock(func() error { s.setMaxconn(int(uint32(n))); return nil })
	}
}

// limit is how many sessions s serves at once now: minconn at least, and maxconn
// when the backend has "fullconn" sessions, waiting ones included; a part of that while
// s warms up. It means nothing without maxconn. backend.mu is held.
func (s *server) limit() int {
	n := s.limits.maxconn
	if conns := int(s.backend.conns.Load()); s.limits.minconn < n && conns < s.backend.fullconn {
		n = max(s.limits.minconn, conns*n/s.backend.fullconn)
	}
	return s.coldLimit(n)
}

// belowLimit reports whether s serves fewer sessions than it may. backend.mu is
// held.
func (s *server) belowLimit() bool { return s.limits.maxconn == 0 || s.served < s.limit() }

// hasPlace reports whether a session that arrives at s is served at once: those who
// wait for s come first. backend.mu is held.
func (s *server) hasPlace() bool {
	return s.limits.maxconn == 0 || s.queue.len == 0 && s.served < s.limit()
}

// isFull reports whether the algorithm passes s over. With "maxqueue", "balance
// leastconn" lets sessions wait for a server. backend.mu is held.
func (s *server) isFull() bool {
	if s.backend.leastconn && s.limits.maxqueue > 0 && s.limits.maxconn > 0 {
		return s.served+s.queue.len >= s.limit()+s.limits.maxqueue
	}
	return !s.hasPlace()
}

// fullconnOf is the "fullconn" of a backend of conf, or a tenth of the connections
// that all frontends together may send there. What a frontend may take is its own
// maxconn or else that of the process.
func fullconnOf(conf *config.Config, p *config.Proxy, maxconn int64) int {
	if p.Fullconn > 0 {
		return p.Fullconn
	}
	sum := 0
	for _, f := range conf.Proxies {
		if !f.Kind.HasFrontend() || f.Disabled || !leadsTo(f, p) {
			continue
		}
		if f.Maxconn > 0 {
			sum += f.Maxconn
		} else {
			sum += int(maxconn)
		}
	}
	return max((sum+9)/10, 1)
}

// leadsTo reports whether frontend f may send a session to backend p. Rules that
// compute the name are not counted.
func leadsTo(f, p *config.Proxy) bool {
	for i := range f.BackendRules {
		if r := &f.BackendRules[i]; r.Format == nil && r.Backend == p.Name {
			return true
		}
	}
	if f.DefaultBackend != "" {
		return f.DefaultBackend == p.Name
	}
	return f == p
}
