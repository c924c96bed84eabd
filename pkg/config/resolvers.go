package config

import (
	"net/netip"
	"strings"
	"time"
)

// resolversKeywords are the lines of section resolvers (manual, section 5.3.2).
var resolversKeywords = []Keyword{
	{Name: "nameserver", Where: InResolvers, Args: "<name> <address>:<port>", Min: 2, Max: -1, State: Pending,
		Help: "a name server, asked over UDP, or over TCP with tcp@", parse: parseNameserver},
	{Name: "parse-resolv-conf", Where: InResolvers, Max: -1, State: Pending, Help: "use the name servers of /etc/resolv.conf too",
		parse: func(p *parser, st *statement) { p.resolving().ParseResolvConf = true; p.extra(st, 0) }},
	{Name: "hold", Where: InResolvers, Args: "valid|nx|refused|timeout|other|obsolete <time>", Min: 2, Max: -1,
		Default: "valid 10s, obsolete 0, the others 30s", State: Pending, Help: "how long an answer of this kind is kept", parse: parseHold},
	{Name: "resolve_retries", Where: InResolvers, Args: "<number>", Min: 1, Max: -1, Default: "3", State: Pending,
		Help: "how often a question is repeated", parse: parseResolveRetries},
	{Name: "timeout", Where: InResolvers, Args: "resolve|retry <time>", Min: 1, Max: -1, Default: "1s", State: Pending,
		Help: "time between two resolutions, or before a question is repeated", parse: parseResolversTimeout},
	{Name: "accepted_payload_size", Where: InResolvers, Args: "<bytes>", Min: 1, Max: -1, Default: "512", State: Pending,
		Help: "longest answer over UDP, 12 to 65535 bytes", parse: parsePayloadSize},
}

func beginResolvers(p *parser, name Word) {
	r := &Resolvers{Pos: p.pos(name), Name: name.Text}
	p.cfg.Resolvers = append(p.cfg.Resolvers, r)
	p.atEnd(func() {
		if len(r.Nameservers) == 0 && !r.ParseResolvConf {
			p.report(Warning, r.Pos, "resolvers '%s' has no name servers", r.Name).Accepted = "nameserver <name> <address>:<port>, parse-resolv-conf"
		}
	})
}

// resolving is the section under construction.
func (p *parser) resolving() *Resolvers { return p.cfg.Resolvers[len(p.cfg.Resolvers)-1] }

func parseNameserver(p *parser, st *statement) {
	name, w := st.args[0], st.args[1]
	if w.Text == "" {
		p.alert(w, "'nameserver' expects a name and an address").Accepted = st.kw.synopsis()
		return
	}
	if !p.checkName(name, "server") {
		return
	}
	r := p.resolving()
	for _, old := range r.Nameservers {
		if old.Name == name.Text {
			p.alert(name, "name server '%s' is already defined at %s", name.Text, old.Pos).Accepted = "another name"
			return
		}
	}
	addr, ok := p.nameserverAddress(w)
	if !ok {
		return
	}
	r.Nameservers = append(r.Nameservers, Nameserver{
		Pos: p.pos(name), Name: name.Text, Addr: addr, TCP: strings.HasPrefix(w.Text, "tcp") || strings.HasPrefix(w.Text, "stream"),
	})
	p.extra(st, 2)
}

const nameserverForm = "<IPv4 or IPv6 address>:<port>, tcp@<address>:<port>"

func (p *parser) nameserverAddress(w Word) (netip.AddrPort, bool) {
	ep, ok := p.parseEndpoint(w, true)
	switch {
	case !ok:
		return netip.AddrPort{}, false
	case ep.path != "":
		p.alert(w, "a socket path ('%s') is no name server", w.Text).Accepted = nameserverForm
		return netip.AddrPort{}, false
	case ep.port == "":
		p.alert(w, "missing port specification in '%s'", w.Text).Accepted = nameserverForm
		return netip.AddrPort{}, false
	case ep.port[0] == '+' || ep.port[0] == '-' || strings.Contains(ep.port, "-"):
		p.alert(w, "port offset or range not permitted here in '%s'", w.Text).Accepted = nameserverForm
		return netip.AddrPort{}, false
	}
	port, _, ok := p.portRange(w, ep.port)
	if !ok {
		return netip.AddrPort{}, false
	}
	addr, ok := ep.literal()
	if !ok {
		d := p.alert(w, "invalid address: '%s' in '%s'", ep.host, w.Text)
		d.Accepted, d.Unsupported = nameserverForm, isHostName(ep.host) && ep.host == "localhost"
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr, uint16(port)), true
}

// holdKinds are the kinds of answers.
var holdKinds = []string{"valid", "nx", "refused", "timeout", "other", "obsolete"}

func parseHold(p *parser, st *statement) {
	kind, w := st.args[0], st.args[1]
	if w.Text == "" {
		p.alert(w, "'hold' expects a kind of answer and a time").Accepted = st.kw.synopsis()
		return
	}
	h := &p.resolving().Hold
	d, ok := p.duration(w, "hold")
	if !ok || !p.oneOf(kind, "kind of answer", holdKinds) {
		return
	}
	fields := map[string]*time.Duration{
		"valid": &h.Valid, "nx": &h.NX, "refused": &h.Refused, "timeout": &h.Timeout, "other": &h.Other, "obsolete": &h.Obsolete,
	}
	*fields[kind.Text] = d
	p.extra(st, 2)
}

func parseResolveRetries(p *parser, st *statement) {
	p.resolving().Retries = p.looseInt(st.args[0], "resolve_retries")
	p.extra(st, 1)
}

func parseResolversTimeout(p *parser, st *statement) {
	kind, w := st.args[0], st.arg(1)
	if !p.oneOf(kind, "timeout of resolvers", []string{"resolve", "retry"}) {
		return
	}
	if w.Text == "" {
		p.alert(w, "'timeout %s' expects a time", kind.Text).Accepted = timeForm
		return
	}
	d, ok := p.duration(w, "timeout "+kind.Text)
	switch {
	case !ok:
	case kind.Text == "resolve":
		p.resolving().Resolve = d
	default:
		p.resolving().Retry = d
	}
	p.extra(st, 2)
}

func parsePayloadSize(p *parser, st *statement) {
	w := st.args[0]
	n := atol(w.Text)
	if n < 12 || n > 65535 {
		p.alert(w, "'accepted_payload_size' must be between 12 and 65535 (was %s)", w.Text).Accepted = "12 to 65535"
		return
	}
	p.resolving().PayloadSize = p.looseInt(w, "accepted_payload_size")
	p.extra(st, 1)
}
