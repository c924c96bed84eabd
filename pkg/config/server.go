package config

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// serverKeywords are the lines about servers.
var serverKeywords = []Keyword{
	{Name: "server", Where: InListen | InBackend, Args: "<name> [" + serverForm + "] [<option>...]", Min: 1, Max: -1, Strict: true,
		Help:  "a server; without an address its name is the host and the port is that of the client's connection",
		parse: parseServer},
	{Name: "default-server", Where: inBack, Args: "[<option>...]", Max: -1, Strict: true,
		Help: "options for the servers that follow", parse: parseDefaultServer},
}

const serverForm = "<address>[:[+|-]<port>] | <path>"

// serverLine is a server under construction.
type serverLine struct {
	Server
	template bool // it is a "default-server" line
	idAt     Word
	ownCheck bool // Check is not shared with the template
	guidAt   Word
	at       map[string]Pos // where its TLS options and references are
	own      ownParts
}

// ownParts tells which groups of settings are the line's own and no longer those
// of a default-server line, which other servers share.
type ownParts struct{ tls, proxy, resolve, options bool }

// own returns a group of settings for a row to write to, copied at first.
func own[T any](group **T, mine *bool) *T {
	if !*mine {
		fresh := new(T)
		if *group != nil {
			*fresh = **group
		}
		*group, *mine = fresh, true
	}
	return *group
}

func (s *serverLine) tls() *TLS               { return own(&s.TLS, &s.own.tls) }
func (s *serverLine) sendProxy() *SendProxy   { return own(&s.SendProxy, &s.own.proxy) }
func (s *serverLine) resolve() *Resolve       { return own(&s.Resolve, &s.own.resolve) }
func (s *serverLine) options() *ServerOptions { return own(&s.Options, &s.own.options) }

// note keeps where an option is: at its argument, if it has one.
func (s *serverLine) note(p *parser, o option) { s.mark(o.kw.Name, p.optionPos(o)) }

func (s *serverLine) mark(name string, pos Pos) {
	if s.at == nil {
		s.at = map[string]Pos{}
	}
	s.at[name] = pos
}

func parseServer(p *parser, st *statement) {
	name := st.args[0]
	if !p.checkName(name, "server") {
		return
	}
	line := serverLine{Server: p.px.template}
	line.Pos, line.Name = p.pos(name), name.Text
	rest, ok := p.serverAddress(&line, st)
	ok = p.parseServerOptions(&line, name.Text, rest) && ok
	p.claimServer(&line, name)
	if ok {
		p.judgeServerAtEnd(&line)
		p.px.px.Servers = append(p.px.px.Servers, line.Server)
	}
}

func parseDefaultServer(p *parser, st *statement) {
	line := serverLine{Server: p.px.template, template: true}
	if p.parseServerOptions(&line, "", st.args) {
		p.px.template = line.Server
	}
}

func (p *parser) parseServerOptions(line *serverLine, name string, words []Word) bool {
	if len(words) == 0 {
		return true
	}
	what := "server"
	if line.template {
		what = "default-server"
	}
	return p.parseOptions(optionParser{
		what: what, name: name, rows: p.index.server, words: words,
		apply: func(o option) { o.kw.server(p, line, o) },
	})
}

// claimServer checks that name and id are new in the section.
func (p *parser) claimServer(line *serverLine, name Word) {
	s := p.px
	if s.serverLines == nil {
		s.serverLines, s.serverIDs = map[string]int{}, map[int]Pos{}
	}
	if old, used := s.serverLines[line.Name]; used {
		p.alert(name, "%s '%s', another server named '%s' was already defined at line %d", s.px.Kind, s.px.Name, line.Name, old).Accepted = "distinct names"
	} else {
		s.serverLines[line.Name] = p.line
	}
	if line.guidAt.Text != "" {
		p.claimGUID(line.guidAt, "server '"+s.px.Name+"/"+line.Name+"'")
	}
	if line.ID == 0 {
		return
	}
	if old, used := s.serverIDs[line.ID]; used {
		p.alert(line.idAt, "'id': custom id %d already used at %s", line.ID, old).Accepted = "another number"
		return
	}
	s.serverIDs[line.ID] = p.pos(line.idAt)
}

// serverAddress reads the address, if there is one, and returns the words behind
// it. A word that spells an option is not an address.
func (p *parser) serverAddress(line *serverLine, st *statement) ([]Word, bool) {
	name := st.args[0]
	if len(st.args) == 1 || p.index.server[st.args[1].Text] != nil {
		if _, err := netip.ParseAddr(name.Text); err != nil && !isHostName(name.Text) {
			p.alert(name, "server '%s' has no address and its name is not a host name", name.Text).Accepted = st.kw.synopsis()
			return st.args[1:], false
		}
		line.Host, line.PortRelative = name.Text, true
		return st.args[1:], true
	}
	rest := st.args[2:]
	w := st.args[1]
	return rest, p.serverEndpoint(line, w)
}

// serverEndpoint reads an address.
func (p *parser) serverEndpoint(line *serverLine, w Word) bool {
	ep, ok := p.parseAddress(w)
	if !ok {
		return false
	}
	if ep.dgram && ep.kind != fdAddress {
		p.datagramServer(w)
		return false
	}
	switch ep.kind {
	case unixAddress:
		if line.Path = ep.path; ep.path == "" {
			p.unsupported(w, "'%s' has no path", w.Text)
		}
		return ep.path != ""
	case fdAddress:
		p.alert(w, "a file descriptor is not acceptable here in '%s'", w.Text).Accepted = serverForm
		return false
	case reverseAddress:
		p.alert(w, "'%s' is not supported: reverse HTTP is experimental, and this is a TCP proxy", w.Text).Accepted = serverForm
		return false
	case abstractAddress:
		if line.Path = "@" + ep.path; ep.path == "" {
			p.unsupported(w, "'%s' has no name", w.Text)
		}
		return ep.path != ""
	case sockpairAddress, quicAddress:
		p.unsupported(w, "server address '%s' is not supported by this version", w.Text)
		return false
	}
	return p.serverHost(line, ep, w) && p.serverPort(line, ep, w)
}

// datagramServer refuses a datagram address where the mode is not "log".
func (p *parser) datagramServer(w Word) {
	s, pos := p.px, p.pos(w)
	p.unsupported(w, "datagram servers ('%s') are not supported", w.Text)
	p.atEnd(func() {
		if s.tcp() {
			p.report(Alert, pos, "unsupported transport for server address in 'tcp' backend").Accepted = "tcp@<address>"
		}
	})
}

func (p *parser) serverHost(line *serverLine, ep endpoint, w Word) bool {
	addr, ok := ep.literal()
	switch {
	case ok && addr.IsUnspecified(): // the client's destination
		line.Host = addr.String()
		return true
	case ok && addr.Is4():
		line.Host = ep.host // has only one spelling
		return true
	case ok:
		line.Host = addr.String()
		return true
	case ep.family != 0 || !isHostName(ep.host):
		p.alert(w, "invalid address: '%s' in '%s'", ep.host, w.Text).Accepted = serverForm
		return false
	}
	line.Host = ep.host
	return true
}

// serverPort reads the port; none and 0 are the client's own.
func (p *parser) serverPort(line *serverLine, ep endpoint, w Word) bool {
	switch text := ep.port; {
	case text == "":
		line.PortRelative = true
		return true
	case text[0] == '+' || text[0] == '-':
		if bad := strings.Trim(text[1:], "0123456789"); bad != "" {
			p.alert(w, "invalid character '%c' in port number '%s' in '%s'", bad[0], text, w.Text).Accepted = serverForm
			return false
		}
		line.PortRelative, line.Port = true, atol(text)%(math.MaxUint16+1)
		if n, err := strconv.Atoi(text); err != nil || n != line.Port {
			p.remark(w, "'%s' is not a valid port offset, %d is used", text, line.Port).Accepted = "-65535 to +65535"
		}
		return true
	case strings.Contains(text, "-"):
		p.alert(w, "port range not permitted here in '%s'", w.Text).Accepted = serverForm
		return false
	case strings.Trim(text, "0") == "":
		line.PortRelative = true
		return true
	default:
		lo, _, ok := p.portRange(w, text)
		line.Port = lo
		return ok
	}
}
