package config

import "slices"

// modeName is the mode of a proxy: "tcp" unless another is written.
func (s *section) modeName() string {
	if s.mode == "" {
		return "tcp"
	}
	return s.mode
}

// checkMode refuses proxies in another mode than tcp. A defaults section may set
// one as long as no proxy takes it over; its line is reported once.
func (p *parser) checkMode(s *section) {
	if s.modeName() == "tcp" || p.badModes[s.modeAt] {
		return
	}
	p.badModes[s.modeAt] = true
	d := p.report(Alert, s.modeAt, "'mode %s' of %s '%s' is not supported by this version: only TCP is relayed", s.mode, s.px.Kind, s.px.Name)
	if s.mode == "http" && s.stats && s.px.DefaultBackend == "" && len(s.px.Servers) == 0 {
		d.Message = "the statistics page of " + s.px.Kind.String() + " '" + s.px.Name + "' is not supported by this version yet"
	}
	d.Unsupported, d.Accepted = true, "mode tcp"
}

// checkModes compares the modes of a proxy and the backend that it leads to: TCP
// may become HTTP, nothing else may change.
func (p *parser) checkModes(s, target *section) {
	from, to := s.modeName(), target.modeName()
	if from == to || from == "log" || from == "tcp" && to == "http" {
		return
	}
	p.report(Alert, s.defaultBackend, "%s %s '%s' tries to use incompatible %s %s '%s' as its default backend",
		from, s.px.Kind, s.px.Name, to, target.px.Kind, target.px.Name).Accepted = "a backend in mode " + from
}

// logAlgorithms are those of backends in mode log.
var logAlgorithms = []string{"roundrobin", "random", "sticky", "log-hash"}

// checkBalance judges the algorithm with what it must go together with. Proxies
// that inherit a faulty expression are told of it once.
func (p *parser) checkBalance(s *section) {
	b := &s.px.Balance
	switch {
	case s.mode == "log":
		p.checkLogBalance(s)
	case b.Algorithm == "log-hash":
		p.report(Warning, b.Pos, "'balance log-hash' of %s '%s' needs 'mode log', roundrobin is used", s.px.Kind, s.px.Name).Accepted = balanceForms
	case b.Algorithm == "hash" && !p.judged[b.Pos]:
		p.judged[b.Pos] = true
		p.px, p.lineState = s, Done
		p.at(s.hashed, func() { b.Expr, _, _ = p.parseExpr([]Word{s.hashed.word}, PlaceSetServer) })
	}
	if b.Algorithm == "" || !s.px.Kind.HasBackend() {
		return
	}
	if s.px.Flags.Transparent {
		p.report(Alert, s.transparent, "%s '%s' cannot use both transparent and balance mode", s.px.Kind, s.px.Name).Accepted = "one of the two"
	} else if s.dispatch.Line > 0 {
		p.report(Warning, s.dispatch, "dispatch address of %s '%s' will be ignored in balance mode", s.px.Kind, s.px.Name).Accepted = "no 'balance' line"
	}
}

// checkLogBalance judges the algorithm of a proxy in mode log.
func (p *parser) checkLogBalance(s *section) {
	b := &s.px.Balance
	if !s.px.Kind.HasBackend() || b.Algorithm != "" && !slices.Contains(logAlgorithms, b.Algorithm) {
		at := s.modeAt
		if b.Algorithm != "" {
			at = b.Pos
		}
		p.report(Alert, at, "%s '%s' in mode log cannot use this way of balancing", s.px.Kind, s.px.Name).Accepted = "a backend with roundrobin, random, sticky or log-hash"
	}
}

// checkHTTP judges what lines for HTTP say of each other and looks for the
// sections that "errorfiles" lines name.
func (p *parser) checkHTTP(s *section) {
	if s.statsAuth && s.statsRule.Line > 0 {
		p.report(Alert, s.statsRule, "%s '%s': stats 'auth' or 'realm' and 'http-request' can't be used at the same time", s.px.Kind, s.px.Name).Accepted = "one of the two"
	}
	for _, k := range s.errorFiles {
		if _, known := p.httpErrors[k.word.Text]; known {
			continue
		}
		p.at(k, func() {
			p.alert(k.word, "%s '%s': unknown http-errors section '%s'", s.px.Kind, s.px.Name, k.word.Text).Accepted = "the name of an http-errors section"
		})
	}
}

// checkFCGI refuses FastCGI outside of HTTP, as HAProxy does even when the proxy
// is disabled.
func (p *parser) checkFCGI(s *section) {
	if s.fcgi.line == 0 {
		return
	}
	name := s.fcgi.word.Text
	_, known := p.fcgiApps[name]
	p.at(s.fcgi, func() {
		if s.modeName() != "http" {
			p.alert(s.fcgi.word, "%s '%s': FCGI application cannot be used in non-HTTP mode", s.px.Kind, s.px.Name).Accepted = "mode http"
		} else if !known {
			p.alert(s.fcgi.word, "%s '%s': fcgi-app '%s' not found", s.px.Kind, s.px.Name, name).Accepted = "the name of an fcgi-app section"
		}
	})
}
