package config

import "cmp"

// statsKeywords are the "stats" lines of section global (manual, section 3.1).
var statsKeywords = []Keyword{
	{Name: "stats socket", Where: InGlobal, Args: "<path> [<option>...]", Min: 1, Max: -1, Help: "where the runtime API listens", parse: parseStatsSocket},
	{Name: "stats timeout", Where: InGlobal, Args: "<time>", Min: 1, Max: -1, Default: "10m", Help: "idle limit of a runtime API connection", parse: parseStatsTimeout},
	{Name: "stats maxconn", Where: InGlobal, Args: "<number>", Min: 1, Max: -1, Default: "10",
		State: NoEffect, Why: "control connections are not counted against a limit", Help: "concurrent runtime API connections", parse: parseStatsMaxconn},
	{Name: "stats bind-process", Where: InGlobal, Args: "<range>", Max: -1,
		State: Refused, Why: "HAProxy 2.7 removed it", Help: "process that serves the sockets", instead: "stats socket"},
}

// socketOptions are the options of a stats socket that mean more or less than the
// same words on a "bind" line; all others are those of "bind".
var socketOptions = []Keyword{
	{Name: "mode", Where: SocketOption, Args: "<octal>", Min: 1, Max: 1, Default: "600", Help: "permission bits of the socket", bind: parseSocketMode},
	{Name: "level", Where: SocketOption, Args: "user | operator | admin", Min: 1, Max: 1, Default: "operator", Help: "rights of its connections", bind: parseSocketLevel},
	{Name: "user", Where: SocketOption, Args: "<name>", Min: 1, Max: 1, Help: "owner of the socket",
		bind: ownerName(userField)},
	{Name: "group", Where: SocketOption, Args: "<name>", Min: 1, Max: 1, Help: "group of the socket",
		bind: ownerName(groupField)},
	{Name: "uid", Where: SocketOption, Args: "<number>", Min: 1, Max: 1, Help: "owner of the socket by number",
		bind: ownerID(userField)},
	{Name: "gid", Where: SocketOption, Args: "<number>", Min: 1, Max: 1, Help: "group of the socket by number",
		bind: ownerID(groupField)},
	{Name: "expose-fd", Where: SocketOption, Args: "listeners", Min: 1, Max: 1,
		Help: "hand the listening sockets to a successor that asks for them (-x)", bind: parseExposeFD},
	{Name: "name", Where: SocketOption, Args: "<name>", Min: 1, Max: 1, State: NoEffect, Why: "control sockets have no statistics", Help: "label of the socket"},
	{Name: "maxconn", Where: SocketOption, Args: "<number>", Min: 1, Max: 1, State: NoEffect, Why: "control connections are not counted against a limit", Help: "concurrent connections",
		bind: func(p *parser, b *bindLine, o option) { p.bindInt(&b.common.Maxconn, o.arg, "maxconn") }},
	{Name: "backlog", Where: SocketOption, Args: "<number>", Min: 1, Max: 1, State: NoEffect, Why: "control sockets have a fixed one", Help: "length of the listen queue",
		bind: func(p *parser, b *bindLine, o option) { p.bindInt(&b.common.Backlog, o.arg, "backlog") }},
	{Name: "thread", Where: SocketOption, Args: "[<group>/]<range>[,...]", Min: 1, Max: 1, State: NoEffect, Why: "control sockets are served apart from the loops", Help: "threads that serve the socket", bind: parseThreads},
	{Name: "shards", Where: SocketOption, Args: "<number> | by-thread | by-group", Min: 1, Max: 1, State: NoEffect, Why: "control sockets are served apart from the loops", Help: "sockets on the same address", bind: parseBindShards},
	{Name: "severity-output", Where: SocketOption, Args: "none | number | string", Min: 1, Max: 1, Default: "none", State: Pending, Help: "severity in front of answers", bind: parseSeverityOutput},
	{Name: "id", Where: SocketOption, Args: "<number>", Min: 1, Max: 1, State: NoEffect, Why: "control sockets have no statistics", Help: "number of the socket", bind: parseBindID},
}

func parseStatsSocket(p *parser, st *statement) {
	line := bindLine{}
	ok := true
	for _, w := range splitCommas(st.args[0]) {
		more, good := p.listenAddress(w, "") // "unix-bind" does not hold for them
		line.binds, ok = append(line.binds, more...), ok && good
	}
	if len(line.binds) > 0 && line.binds[0].Addr.IsValid() {
		p.unsupported(st.args[0], "a stats socket on a network address ('%s') is not supported by this version yet", st.args[0].Text)
		ok = false
	}
	ok = p.parseOptions(optionParser{
		what: "stats socket", rows: p.index.socket, words: st.args[1:],
		apply: func(o option) { o.kw.bind(p, &line, o) },
	}) && ok
	if !ok {
		return
	}
	o := *line.options()
	for _, b := range line.binds {
		p.cfg.Global.Sockets = append(p.cfg.Global.Sockets, StatsSocket{
			Pos: b.Pos, Path: b.Path, Addr: b.Addr, Mode: o.Mode, User: o.User, Group: o.Group, Level: cmp.Or(o.Level, "operator"), ExposeListeners: o.ExposeListeners,
		})
	}
}

func parseStatsTimeout(p *parser, st *statement) {
	d, ok := p.duration(st.arg(0), "stats timeout")
	if ok && d == 0 {
		p.alert(st.arg(0), "'stats timeout' expects a positive value").Accepted = timeForm
		return
	}
	if ok {
		p.cfg.Global.StatsTimeout = d
	}
	p.extra(st, 1)
}

func parseStatsMaxconn(p *parser, st *statement) {
	if atol(st.arg(0).Text) <= 0 {
		p.alert(st.arg(0), "'stats maxconn' expects a positive value, got '%s'", st.arg(0).Text).Accepted = "1 to 2147483647"
	}
}
