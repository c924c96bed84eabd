package config

// peersKeywords are the lines of section peers (manual, section 3.9.6).
var peersKeywords = []Keyword{
	{Name: "bind", Where: InPeers, Args: "<address>:<port> [<option>...]", Max: -1, State: Pending,
		Help: "where the local peer accepts connections", parse: parsePeersBind},
	{Name: "default-bind", Where: InPeers, Args: "<option>...", Max: -1, State: Pending,
		Help: "options for the 'bind' line", parse: parseDefaultBind},
	{Name: "default-server", Where: InPeers, Args: "<option>...", Max: -1, State: Pending,
		Help: "options for the peers that follow", parse: func(p *parser, st *statement) { parseDefaultServer(p, st) }},
	{Name: "server", Where: InPeers, Args: "<name> [<address>:<port>] [<option>...]", Max: -1, State: Pending,
		Help: "a peer; the local one needs no address when there is a 'bind' line", parse: parsePeer},
	{Name: "peer", Where: InPeers, Args: "<name> <address>:<port> [<option>...]", Max: -1, State: Pending,
		Help: "a peer, and for the local one the address to accept connections at", parse: parsePeer},
	{Name: "log", Where: InPeers, Args: logForm, Max: -1, No: true, State: Pending, Help: "where log lines about peers go", parse: parseLog},
	{Name: "disabled", Where: InPeers, Max: -1, State: Pending, Help: "ignore the section",
		parse: func(p *parser, st *statement) { p.px.px.Disabled = true; p.extra(st, 0) }},
	{Name: "enabled", Where: InPeers, Max: -1, State: Pending, Help: "revoke 'disabled'",
		parse: func(p *parser, st *statement) { p.px.px.Disabled = false; p.extra(st, 0) }},
	{Name: "shards", Where: InPeers, Args: "<number>", Min: 1, Max: -1, Default: "0, not cut", State: Pending,
		Help: "parts that tables are cut into, each for some of the peers", parse: parseShards},
	{Name: "table", Where: InPeers, Args: "<name> type <type> size <size> [<option>...]", Max: -1, State: Pending,
		Help: "a stick table that needs no proxy", parse: parsePeersTable},
}

// peersLines is what the lines of one peers section say of each other.
type peersLines struct {
	model  *Peers
	bound  Pos // the "bind" line
	peered Pos // the first "peer" line
	local  Pos // the line of the local peer
}

func beginPeers(p *parser, name Word) {
	px := p.pseudoProxy(name)
	model := &Peers{Pos: px.Pos, Name: px.Name}
	p.px.peers = &peersLines{model: model}
	p.cfg.Peers = append(p.cfg.Peers, model)
	lines := p.px.peers
	p.atEnd(func() {
		model.Disabled, model.Binds, model.Servers, model.Logs = px.Disabled, px.Binds, px.Servers, px.Logs
		if !model.Disabled && lines.local == (Pos{}) && p.localPeer() != "" {
			p.report(Warning, model.Pos, "peers section '%s' is ignored: none of its peers is called '%s' like this host", model.Name, p.localPeer()).Accepted = "peer " + p.localPeer() + " <address>:<port>"
		}
	})
}

// localPeer is the name under which this host is listed.
func (p *parser) localPeer() string {
	if p.cfg.Global.LocalPeer != "" {
		return p.cfg.Global.LocalPeer
	}
	return p.host
}

func parsePeersBind(p *parser, st *statement) {
	lines := p.px.peers
	at := p.pos(st.name[0])
	if len(st.args) == 0 {
		p.warn(st.arg(0), "'bind' without an address is ignored").Accepted = st.kw.synopsis()
		return
	}
	if lines.peered != (Pos{}) {
		p.alert(st.name[0], "'bind' and 'peer' lines exclude each other, see %s", lines.peered).Accepted = "'server' lines for the peers"
		return
	}
	if lines.bound != (Pos{}) {
		p.alert(st.name[0], "a peers section has one listener, see %s", lines.bound).Accepted = "one 'bind' line"
		return
	}
	lines.bound = at
	parseBind(p, st)
	if len(p.px.px.Binds) > 1 {
		p.alert(st.args[0], "a peers section has one listener, '%s' makes %d", st.args[0].Text, len(p.px.px.Binds)).Accepted = "one address and one port"
	}
}

// parseDefaultBind judges options as "bind" does; they are the same.
func parseDefaultBind(p *parser, st *statement) {
	line := bindLine{}
	p.parseOptions(optionParser{
		what: "default-bind", rows: p.index.bind, words: st.args,
		apply: func(o option) { o.kw.bind(p, &line, o) },
	})
}

// parsePeer reads "peer" and "server". The local peer of a section with a "bind"
// line has no address of its own.
func parsePeer(p *parser, st *statement) {
	lines, peer := p.px.peers, st.kw.Name == "peer"
	at := p.pos(st.name[0])
	if peer && lines.bound != (Pos{}) {
		p.alert(st.name[0], "'bind' and 'peer' lines exclude each other, see %s", lines.bound).Accepted = "'server' lines for the peers"
		return
	}
	if len(st.args) == 0 || peer && len(st.args) == 1 {
		p.warn(st.arg(len(st.args)), "'%s' is ignored: it has no address", st.kw.Name).Accepted = st.kw.synopsis()
		return
	}
	name := st.args[0]
	if peer && lines.peered == (Pos{}) {
		lines.peered = at
	}
	local := name.Text != "" && name.Text == p.localPeer()
	if local && lines.local != (Pos{}) {
		p.alert(name, "local peer '%s' is already defined at %s", name.Text, lines.local).Accepted = "one line for the local peer"
		return
	}
	if local {
		lines.local = at
	}
	p.px.serverLines = nil // names may come again
	switch {
	case !p.checkName(name, "peer"):
	case len(st.args) == 1 || local && !peer:
		line := serverLine{Server: p.px.template}
		line.Pos, line.Name = p.pos(name), name.Text
		if p.parseServerOptions(&line, name.Text, st.args[1:]) {
			p.px.px.Servers = append(p.px.px.Servers, line.Server)
		}
	case p.peerAddress(st.args[1]):
		parseServer(p, st)
	}
}

// peerAddress judges what is special about the address of a peer.
func (p *parser) peerAddress(w Word) bool {
	ep, ok := p.parseEndpoint(w, false)
	switch {
	case !ok:
		return false
	case ep.path != "":
		return true
	case ep.port == "":
		p.alert(w, "missing port specification in '%s'", w.Text).Accepted = "<address>:<port>"
		return false
	case ep.port[0] == '+' || ep.port[0] == '-':
		p.alert(w, "port offset not permitted here in '%s'", w.Text).Accepted = "<address>:<port>"
		return false
	}
	return true
}

func parseShards(p *parser, st *statement) {
	w := st.args[0]
	n := atol(w.Text)
	if !wholeNumber(w.Text) || n == 0 {
		p.alert(w, "'shards' expects a positive integer, got '%s'", w.Text).Accepted = "1 to 2147483647"
		return
	}
	p.px.peers.model.Shards = max(n, 0)
	p.extra(st, 1)
}
