package proxy

import (
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/evloop"
	"github.com/sluice-lb/sluice/pkg/rules"
)

// entryRule is one "tcp-request connection" line: what is done with a connection
// before anything is read from it (configuration manual, section 4.2).
type entryRule struct {
	cond   *rules.Cond
	action entryAction
}

type entryAction uint8

const (
	entryAccept entryAction = iota // the rules behind it are not asked
	entryReject
	entryExpectProxy // the PROXY header comes first; the rules behind it are asked
)

// entryActions are the actions that pkg/config lets pass.
var entryActions = map[string]entryAction{"accept": entryAccept, "reject": entryReject, "expect-proxy": entryExpectProxy}

// compileEntry compiles the "tcp-request connection" lines of p.
func compileEntry(c *rules.Compiler, p *config.Proxy) ([]entryRule, error) {
	var out []entryRule
	for i := range p.TCPRules {
		r := &p.TCPRules[i]
		if r.Set != config.RequestConnection {
			continue
		}
		cond, err := c.Cond(r.Cond)
		if err != nil {
			return nil, err
		}
		out = append(out, entryRule{cond, entryActions[r.Action]})
	}
	return out, nil
}

// admitted asks the "tcp-request connection" rules. They see the address that the
// connection comes from, whatever a PROXY header says later.
func (s *session) admitted() (ok, expectProxy bool) {
	sw := s.fe.switching.Load()
	if len(sw.entry) == 0 {
		return true, false
	}
	st := s.stream(sw.local)
	for i := range sw.entry {
		if !sw.entry[i].cond.Holds(st) {
			continue
		}
		switch sw.entry[i].action {
		case entryAccept:
			return true, expectProxy
		case entryReject:
			return false, false
		case entryExpectProxy:
			expectProxy = true
		}
	}
	return true, expectProxy
}

// reject ends a connection that a rule refused, with a reset and without a log
// line. It never was a session.
func (s *session) reject() {
	s.fe.stats.deniedConns.Add(1)
	evloop.ResetOnClose(int(s.ends[clientEnd].fd))
	s.logged = true
	s.finish(byProxy, whileConnecting)
}
