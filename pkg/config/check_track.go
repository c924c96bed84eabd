package config

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// tracker judges what servers say about checks when all lines are known.
type tracker struct {
	p       *parser
	servers map[*section]map[string]*Server // by name, made on first use
	root    map[*Server]*Server             // a step along the chain of tracked servers
	said    map[complaint]bool
}

// complaint is a finding about a line; lines that stand for several proxies or
// servers are reported once.
type complaint struct {
	pos  Pos
	text string
}

// checkHealth judges health checks, tracking and mail alerts as a whole.
func (p *parser) checkHealth() {
	t := tracker{p: p, servers: map[*section]map[string]*Server{}, root: map[*Server]*Server{}, said: map[complaint]bool{}}
	for _, s := range p.sections {
		p.checkServerChecks(&t, s)
		s.px.Check = nil
		if s.px.Kind.HasBackend() {
			s.px.Check = s.check.health()
		}
		if s.px.Disabled || s.faulty {
			continue
		}
		t.idleRules(s)
		t.external(s)
		t.mail(s)
		if !s.px.Kind.HasBackend() {
			continue
		}
		for i := range s.px.Servers {
			if srv := &s.px.Servers[i]; srv.Check != nil {
				t.track(s, srv)
				t.reach(s, srv)
				t.mux(s, srv)
			}
		}
	}
}

// alert reports a fault of a line once.
func (t *tracker) alert(pos Pos, accepted, suggest, text string) {
	c := complaint{pos, text}
	if t.said[c] {
		return
	}
	t.said[c] = true
	d := t.p.report(Alert, pos, "%s", text)
	d.Accepted, d.Suggest = accepted, suggest
}

// checkServerChecks judges each server line by itself.
func (p *parser) checkServerChecks(t *tracker, s *section) {
	for i := range s.px.Servers {
		srv := &s.px.Servers[i]
		c := srv.Check
		if c == nil {
			continue
		}
		if c.Enabled && c.Track != "" {
			t.alert(srv.Pos, "'check' or 'track'", "", "a server cannot have 'check' and 'track' at the same time")
		}
		if c.Agent.Enabled && c.Agent.Port == 0 {
			t.alert(srv.Pos, "agent-port <port>", "", "'agent-check' lacks an agent port")
		}
	}
}

// idleRules warns of steps that no option line puts in force.
func (t *tracker) idleRules(s *section) {
	if at := s.check.tcpIdle; at != nil {
		t.p.report(Warning, *at, "'tcp-check' lines are ignored without 'option tcp-check'").Accepted = "option tcp-check"
	}
	if at := s.check.httpIdle; at != nil {
		t.p.report(Warning, *at, "'http-check' lines are ignored without 'option httpchk'").Accepted = "option httpchk"
	}
}

// external judges what "option external-check" needs.
func (t *tracker) external(s *section) {
	if !s.px.Kind.HasBackend() || !s.check.external {
		return
	}
	at := s.check.externalAt
	if !t.p.cfg.Global.ExternalCheck {
		t.alert(at, "'external-check' in section global", "", "'option external-check' lacks 'external-check' in section global")
	}
	if s.check.set.Command == "" {
		t.alert(at, "external-check command <file>", "", "'option external-check' lacks an 'external-check command'")
	}
}

// track finds the server whose state srv shares.
func (t *tracker) track(s *section, srv *Server) {
	if srv.Check.Track == "" || srv.Check.Enabled {
		return
	}
	other, name := s, srv.Check.Track
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		proxy := name[:i]
		if other, name = t.p.backend[proxy], name[i+1:]; other == nil {
			t.alert(srv.Pos, "track <backend>/<server>", nearest(proxy, t.p.backendNames()), "'track' names a backend that there is not: '"+proxy+"'")
			return
		}
	}
	target := t.named(other)[name]
	switch {
	case target == nil:
		t.alert(srv.Pos, "track [<backend>/]<server>", nearest(name, keysOf(t.named(other))), "'track' names a server that there is not: '"+srv.Check.Track+"'")
	case target.Check == nil || !target.Check.Enabled && !target.Check.Agent.Enabled && target.Check.Track == "":
		t.alert(srv.Pos, "a server with 'check', 'agent-check' or 'track'", "", "'track' names a server without checks: '"+srv.Check.Track+"'")
	case t.end(target) == srv:
		t.alert(srv.Pos, "a chain that ends at a server with 'check'", "", "'track "+srv.Check.Track+"' leads back to this server")
	case other != s && s.check.set.DisableOn404 != other.check.set.DisableOn404:
		t.alert(srv.Pos, "'http-check disable-on-404' in both backends or in none", "", "'track' names a server of a backend that differs in 'http-check disable-on-404'")
	default:
		t.root[srv] = target
	}
}

// end returns the last server of the chain that srv tracks, and shortens the
// chain for the next time.
func (t *tracker) end(srv *Server) *Server {
	last := srv
	for t.root[last] != nil {
		last = t.root[last]
	}
	for srv != last {
		srv, t.root[srv] = t.root[srv], last
	}
	return last
}

// named returns the servers of a section by name, the first of each.
func (t *tracker) named(s *section) map[string]*Server {
	if t.servers[s] == nil {
		m := make(map[string]*Server, len(s.px.Servers))
		for i := range s.px.Servers {
			if srv := &s.px.Servers[i]; m[srv.Name] == nil {
				m[srv.Name] = srv
			}
		}
		t.servers[s] = m
	}
	return t.servers[s]
}

func keysOf(m map[string]*Server) []string {
	names := make([]string, 0, min(len(m), maxCandidates+1))
	for name := range m {
		if names = append(names, name); len(names) > maxCandidates {
			break
		}
	}
	return names
}

// reach judges whether checks have a port to go to.
func (t *tracker) reach(s *section, srv *Server) {
	c := srv.Check
	if !c.Enabled || c.Port != 0 || c.Addr.Port != 0 || srv.Port != 0 && !srv.PortRelative {
		return
	}
	if c.Addr.Path != "" || c.Addr.Host == "" && srv.Path != "" {
		return
	}
	first := s.check.portOfFirst()
	if _, err := netip.ParseAddr(srv.Host); err != nil && c.Addr.Host == "" {
		if srv.PortRelative && !first {
			d := t.p.report(Warning, srv.Pos, "server '%s' has no port that checks can go to", srv.Name)
			d.Accepted, d.Own = "check port <port>", true
		}
		return
	}
	if !first {
		t.alert(srv.Pos, "an address with a port, or 'check port <port>'", "", "server '"+srv.Name+"' has no port that checks can go to")
		return
	}
	for i := range s.check.list.rules {
		if r := &s.check.list.rules[i]; r.Connect != nil && !r.Connect.hasPort() {
			t.alert(srv.Pos, "'check port <port>', or a port in each 'connect' step", "",
				"server '"+srv.Name+"' has no port for the check's 'connect' step at "+r.Pos.String())
			return
		}
	}
}

// hasPort reports whether a connect step knows its port before it runs.
func (c *CheckConnect) hasPort() bool { return c.Port != 0 || c.Addr.Port != 0 }

// portOfFirst reports whether the steps begin with a connection to a port.
func (c *checkLines) portOfFirst() bool {
	if c.list == nil {
		return false
	}
	i := c.list.firstStep(0)
	return i >= 0 && c.list.rules[i].Connect != nil && c.list.rules[i].Connect.hasPort()
}

// mux judges whether the multiplexer of "check-proto" fits the kind of check.
func (t *tracker) mux(s *section, srv *Server) {
	c := srv.Check
	if !c.Enabled || c.Proto == "" {
		return
	}
	if http := s.check.kind == CheckHTTP; muxes[c.Proto] != http {
		accepted := "check-proto none"
		if http {
			accepted = "check-proto h1, check-proto h2"
		}
		t.alert(srv.Pos, accepted, "", "'check-proto "+c.Proto+"' does not fit this kind of check")
	}
}

// mail judges the "email-alert" lines of a proxy.
func (t *tracker) mail(s *section) {
	m := &s.mail
	if !m.seen {
		return
	}
	if !m.from || !m.to || !m.mailers {
		t.p.report(Warning, m.at, "'email-alert' has no effect: 'from', 'to' and 'mailers' are needed").Accepted = "email-alert from, email-alert to, email-alert mailers"
		return
	}
	name := s.px.EmailAlert.Mailers
	if t.p.mailers[name] == nil {
		t.alert(m.mailersAt, "the name of a mailers section", nearest(name, slices.Sorted(maps.Keys(t.p.mailers))), "there is no section 'mailers "+name+"'")
	}
}
