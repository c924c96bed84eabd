package config

import (
	"net/netip"
	"strings"
	"time"
)

// sourceKeywords are about the sockets of server connections and about where
// they go when no server is chosen.
var sourceKeywords = []Keyword{
	{Name: "source", Where: inBack, Args: sourceForm, Min: 1, Max: -1, Default: "the system's choice",
		Help: "address that connections to servers come from", parse: parseSource},
	{Name: "usesrc", Where: inProxy, Max: -1, State: Refused, Why: "it belongs behind the address of 'source'", Help: "a part of 'source' that cannot start a line", instead: sourceForm},
	{Name: "dispatch", Where: inBack &^ InDefaults, Args: "<address>:<port>", Min: 1, Max: 1,
		Help: "address that all connections go to", parse: parseDispatch},
	{Name: "transparent", Where: inBack, Help: "connect to the address that the client asked for, like 'option transparent'",
		parse: parseTransparent},
	probeCount("clitcpka-cnt", inFront, func(px *Proxy) *Keepalive { return &px.ClientProbes }),
	probeTime("clitcpka-idle", inFront, "silence before the first keepalive probe to a client", func(px *Proxy) *time.Duration { return &px.ClientProbes.Idle }),
	probeTime("clitcpka-intvl", inFront, "time between keepalive probes to a client", func(px *Proxy) *time.Duration { return &px.ClientProbes.Interval }),
	probeCount("srvtcpka-cnt", inBack, func(px *Proxy) *Keepalive { return &px.ServerProbes }),
	probeTime("srvtcpka-idle", inBack, "silence before the first keepalive probe to a server", func(px *Proxy) *time.Duration { return &px.ServerProbes.Idle }),
	probeTime("srvtcpka-intvl", inBack, "time between keepalive probes to a server", func(px *Proxy) *time.Duration { return &px.ServerProbes.Interval }),
}

const sourceForm = "<address>[:<port>] [usesrc <address>[:<port>] | client | clientip | hdr_ip(<header>[,<occurrence>])] [interface <name>]"

// probeCount builds the row of a number of keepalive probes.
func probeCount(name string, where Where, field func(*Proxy) *Keepalive) Keyword {
	return Keyword{
		Name: name, Where: where, Args: "<number>", Min: 1, Max: -1, Default: "that of the system",
		Help: "keepalive probes that may stay unanswered",
		parse: func(p *parser, st *statement) {
			if p.wholeNumber(st.args[0], name) {
				field(p.px.px).Count = p.looseInt(st.args[0], name)
			}
			p.extra(st, 1)
		},
	}
}

// probeTime builds the row of a time of keepalive probes, in seconds.
func probeTime(name string, where Where, help string, field func(*Proxy) *time.Duration) Keyword {
	return Keyword{
		Name: name, Where: where, Args: "<time>", Min: 1, Max: -1, Default: "that of the system", Help: help,
		parse: func(p *parser, st *statement) {
			if d, ok := p.timer(st.args[0], name, time.Second); ok {
				*field(p.px.px) = d
			}
			p.extra(st, 1)
		},
	}
}

// wholeNumber refuses what strtol would not read to the end.
func (p *parser) wholeNumber(w Word, what string) bool {
	if !wholeNumber(w.Text) {
		p.alert(w, "'%s' expects an integer, got '%s'", what, w.Text).Accepted = "0 to 2147483647"
		return false
	}
	return true
}

// parseSource reads the address and the options in any order.
func parseSource(p *parser, st *statement) {
	src := &ConnSource{Pos: p.pos(st.args[0])}
	var ok bool
	if src.Addr, src.Path, ok = p.sourceAddress(st.args[0]); !ok {
		return
	}
	if src.Path != "" {
		p.unsupported(st.args[0], "a path as source address ('%s') is not supported", st.args[0].Text)
	}
	for words := st.args[1:]; len(words) > 0; words = words[2:] {
		w := words[0]
		if w.Text == "" {
			break
		}
		value := wordAfter(w)
		if len(words) > 1 {
			value = words[1]
		}
		switch w.Text {
		case "usesrc":
			ok = p.useSource(src, value)
		case "interface":
			if src.Interface = value.Text; value.Text == "" {
				p.alert(value, "'source': missing interface name").Accepted = "interface <name>"
				ok = false
			}
		default:
			d := p.alert(w, "'source' does not take '%s'", w.Text)
			d.Accepted, d.Suggest = sourceForm, nearest(w.Text, []string{"usesrc", "interface"})
			return
		}
		if !ok {
			return
		}
	}
	p.px.px.Source = src
}

// useSource reads what follows "usesrc".
func (p *parser) useSource(src *ConnSource, w Word) (ok bool) {
	switch header, isHeader := strings.CutPrefix(w.Text, "hdr_ip("); {
	case w.Text == "":
		p.alert(w, "'usesrc' expects an argument").Accepted = sourceForm
		return false
	case w.Text == "client", w.Text == "clientip":
		src.UseSrc = w.Text
		return true
	case isHeader:
		src.UseSrc = "hdr_ip"
		src.Header, _, _ = strings.Cut(header, ")")
		p.warn(w, "'%s' is ignored: it needs HTTP", w.Text).Accepted = sourceForm
		return true
	}
	src.UseSrc = "addr"
	src.UseSrcAddr, _, ok = p.sourceAddress(w)
	return ok
}

// sourceAddress reads an address to connect from: a literal with at most one port,
// or a path.
func (p *parser) sourceAddress(w Word) (netip.AddrPort, string, bool) {
	ep, ok := p.parseEndpoint(w, false)
	if !ok || ep.path != "" {
		return netip.AddrPort{}, ep.path, ok
	}
	port := 0
	if strings.Trim(ep.port, "0") != "" {
		if lo, hi, isRange := strings.Cut(ep.port, "-"); isRange && lo != "" && hi != "" {
			p.alert(w, "port range not permitted here in '%s'", w.Text).Accepted = sourceForm
			return netip.AddrPort{}, "", false
		}
		if ep.port[0] == '+' || ep.port[0] == '-' {
			p.alert(w, "port offset not permitted here in '%s'", w.Text).Accepted = sourceForm
			return netip.AddrPort{}, "", false
		}
		if port, _, ok = p.portRange(w, ep.port); !ok {
			return netip.AddrPort{}, "", false
		}
	}
	addr, ok := ep.literal()
	if !ok {
		d := p.alert(w, "invalid address: '%s' in '%s'", ep.host, w.Text)
		d.Accepted, d.Unsupported = "an IPv4 or IPv6 address or '*'; names are not resolved", isHostName(ep.host)
		return netip.AddrPort{}, "", false
	}
	return netip.AddrPortFrom(addr, uint16(port)), "", true
}

func parseTransparent(p *parser, st *statement) {
	p.px.px.Flags.Transparent = !st.no
	p.px.transparent = p.pos(st.name[0])
}

func parseDispatch(p *parser, st *statement) {
	w := st.args[0]
	ep, ok := p.parseEndpoint(w, false)
	if !ok {
		return
	}
	if ep.path == "" && !ep.ported {
		p.alert(w, "'dispatch': missing port specification in '%s'", w.Text).Accepted = st.kw.synopsis()
		return
	}
	if ep.path == "" && strings.Trim(ep.port, "0") == "" {
		p.alert(w, "'dispatch': invalid port '%s'", ep.port).Accepted = "1 to 65535"
		return
	}
	addr, path, ok := p.sourceAddress(w)
	if !ok {
		return
	}
	p.px.dispatch = p.pos(w)
	p.px.px.Dispatch, p.px.px.DispatchPath = addr, path
}
