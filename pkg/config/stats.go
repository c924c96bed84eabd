package config

import "strconv"

// statsKeywords are the "stats" lines of section global (manual, section 3.1).
var statsKeywords = []Keyword{
	{Name: "stats socket", Where: InGlobal, Args: "<path> [<option>...]", Min: 1, Max: -1, Help: "where the runtime API listens", parse: parseStatsSocket},
	{Name: "stats timeout", Where: InGlobal, Args: "<time>", Min: 1, Max: -1, Default: "10s", Help: "idle limit of a runtime API connection", parse: parseStatsTimeout},
	{Name: "stats maxconn", Where: InGlobal, Args: "<number>", Min: 1, Max: -1, Default: "10",
		State: NoEffect, Why: "control connections are not counted against a limit", Help: "concurrent runtime API connections", parse: parseStatsMaxconn},
	{Name: "stats bind-process", Where: InGlobal, Args: "<range>", Max: -1,
		State: NoEffect, Why: "there is one process", Help: "process that serves the sockets"},
}

// socketOptions are the words behind the path of a stats socket.
var socketOptions = []Keyword{
	{Name: "mode", Where: SocketOption, Args: "<octal>", Min: 1, Max: 1, Default: "as the umask makes it", Help: "permission bits of the socket", socket: parseSocketMode},
	{Name: "level", Where: SocketOption, Args: "user | operator | admin", Min: 1, Max: 1, Default: "operator", Help: "rights of its connections", socket: parseSocketLevel},
	{Name: "user", Where: SocketOption, Args: "<name>", Min: 1, Max: 1, Help: "owner of the socket",
		socket: func(_ *parser, s *StatsSocket, o option) { s.User = o.arg.Text }},
	{Name: "group", Where: SocketOption, Args: "<name>", Min: 1, Max: 1, Help: "group of the socket",
		socket: func(_ *parser, s *StatsSocket, o option) { s.Group = o.arg.Text }},
	{Name: "uid", Where: SocketOption, Args: "<number>", Min: 1, Max: 1, Help: "owner of the socket by number",
		socket: func(p *parser, s *StatsSocket, o option) { s.User = strconv.Itoa(p.looseInt(o.arg, "uid")) }},
	{Name: "gid", Where: SocketOption, Args: "<number>", Min: 1, Max: 1, Help: "group of the socket by number",
		socket: func(p *parser, s *StatsSocket, o option) { s.Group = strconv.Itoa(p.looseInt(o.arg, "gid")) }},
	{Name: "expose-fd", Where: SocketOption, Args: "listeners", Min: 1, Max: 1, State: NoEffect,
		Why: "listeners survive a reload without it", Help: "hand listening sockets to a new process"},
	{Name: "name", Where: SocketOption, Args: "<name>", Min: 1, Max: 1, State: NoEffect, Why: "control sockets have no statistics", Help: "label of the socket"},
	{Name: "maxconn", Where: SocketOption, Args: "<number>", Min: 1, Max: 1, State: NoEffect, Why: "control connections are not counted against a limit", Help: "concurrent connections"},
	{Name: "backlog", Where: SocketOption, Args: "<number>", Min: 1, Max: 1, State: NoEffect, Why: "control sockets have a fixed one", Help: "length of the listen queue"},
	{Name: "process", Where: SocketOption, Args: "<range>", Min: 1, Max: 1, State: NoEffect, Why: "there is one process", Help: "process that serves the socket"},
	{Name: "thread", Where: SocketOption, Args: "<range>", Min: 1, Max: 1, State: NoEffect, Why: "control sockets are served apart from the loops", Help: "thread that serves the socket"},
	{Name: "severity-output", Where: SocketOption, Args: "<format>", Min: 1, Max: 1, State: Pending, Help: "severity in front of answers"},
	{Name: "id", Where: SocketOption, Args: "<number>", Min: 1, Max: 1, State: NoEffect, Why: "control sockets have no statistics", Help: "number of the socket"},
}

var socketLevels = []string{"user", "operator", "admin"}

func parseStatsSocket(p *parser, st *statement) {
	socket := StatsSocket{Level: "operator"}
	var paths []StatsSocket
	ok := true
	for _, w := range splitCommas(st.args[0]) {
		ep, good := p.parseEndpoint(w, false)
		if good && ep.path == "" {
			p.unsupported(w, "a stats socket on a network address ('%s') is not supported by this version yet", w.Text)
			good = false
		}
		ok = ok && good
		paths = append(paths, StatsSocket{Pos: p.pos(w), Path: ep.path})
	}
	ok = p.parseOptions(optionParser{
		what: "stats socket", rows: p.index.socket, words: st.args[1:],
		apply: func(o option) { o.kw.socket(p, &socket, o) },
	}) && ok
	if !ok {
		return
	}
	for _, s := range paths {
		socket.Pos, socket.Path = s.Pos, s.Path
		p.cfg.Global.Sockets = append(p.cfg.Global.Sockets, socket)
	}
}

func parseSocketMode(p *parser, s *StatsSocket, o option) {
	w := o.arg
	mode, err := strconv.ParseUint(w.Text, 8, 12)
	if err != nil {
		p.alert(w, "'mode': missing or invalid mode '%s'", w.Text).Accepted = "an octal number up to 7777"
		return
	}
	s.Mode = uint32(mode)
}

func parseSocketLevel(p *parser, s *StatsSocket, o option) {
	w := o.arg
	if p.oneOf(w, "level", socketLevels) {
		s.Level = w.Text
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
