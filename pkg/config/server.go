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

// serverOptions are the words behind a server's address (manual, section 5.2).
var serverOptions = []Keyword{
	{Name: "weight", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "1", Help: "share of the connections, 0 to 256; 0: no new ones",
		server: parseWeight},
	{Name: "maxconn", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "0, unlimited", Help: "concurrent connections to the server",
		server: func(p *parser, s *serverLine, o option) { s.Maxconn = p.looseInt(o.arg, "maxconn") }},
	{Name: "backup", Where: ServerOption, Help: "use the server only when no other is available",
		server: func(_ *parser, s *serverLine, _ option) { s.Backup = true }},
	{Name: "no-backup", Where: ServerOption, Help: "revoke 'backup' of a default-server line",
		server: func(_ *parser, s *serverLine, _ option) { s.Backup = false }},
	{Name: "disabled", Where: ServerOption, Help: "start in maintenance",
		server: func(_ *parser, s *serverLine, _ option) { s.Disabled = true }},
	{Name: "enabled", Where: ServerOption, Help: "revoke 'disabled' of a default-server line",
		server: func(_ *parser, s *serverLine, _ option) { s.Disabled = false }},
	{Name: "id", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "the place among the servers", Help: "number of the server in statistics",
		server: parseServerID},
}

// serverLine is a server under construction.
type serverLine struct {
	Server
	template bool // it is a "default-server" line
	idAt     Word
	ownCheck bool // Check is not shared with the template
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
	ep, ok := p.parseEndpoint(w, false)
	if !ok {
		return rest, false
	}
	if ep.path != "" {
		line.Path = ep.path
		return rest, true
	}
	return rest, p.serverHost(line, ep, w) && p.serverPort(line, ep, w)
}

func (p *parser) serverHost(line *serverLine, ep endpoint, w Word) bool {
	addr, ok := ep.literal()
	switch {
	case ok && addr.IsUnspecified():
		p.unsupported(w, "the client's destination as server address ('%s') is not supported by this version yet", w.Text)
		return false
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

func parseWeight(p *parser, s *serverLine, o option) {
	w := o.arg
	n := atol(w.Text)
	if n < 0 || n > 256 {
		p.alert(w, "weight is not within 0 and 256 (%s)", w.Text).Accepted = "0 to 256"
		return
	}
	s.Weight = p.looseInt(w, "weight")
}

func parseServerID(p *parser, s *serverLine, o option) {
	w := o.arg
	if s.template {
		p.warn(w, "'id' is ignored in a default-server line")
		return
	}
	if atol(w.Text) <= 0 {
		p.alert(w, "'id': custom id has to be > 0, got '%s'", w.Text).Accepted = "1 to 2147483647"
		return
	}
	s.ID, s.idAt = p.looseInt(w, "id"), w
}
