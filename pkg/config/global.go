package config

import "strings"

// globalKeywords are the keywords of section global (manual, section 3).
var globalKeywords = []Keyword{
	{Name: "maxconn", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: "derived from the file limit",
		Help: "connections over all frontends", parse: parseGlobalMaxconn},
	{Name: "nbthread", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: "one for each usable CPU",
		Help: "event loops, 1 to 256, at most 64 in a thread group", parse: parseNbThread},
	{Name: "hard-stop-after", Where: InGlobal, Args: "<time>", Min: 1, Max: -1, Default: "unlimited",
		Help: "longest time that a soft stop may take", parse: parseHardStopAfter},
	{Name: "pidfile", Where: InGlobal, Args: "<file>", Min: 1, Max: 1,
		Help: "file that receives the process id", parse: onceText(func(g *Global) *string { return &g.Pidfile })},
	{Name: "chroot", Where: InGlobal, Args: "<directory>", Min: 1, Max: 1,
		State: NoEffect, Why: rightsOfUnit, Help: "root directory after the start", parse: onceText(func(g *Global) *string { return &g.Chroot })},
	{Name: "user", Where: InGlobal, Args: "<name>", Min: 1, Max: 1,
		State: NoEffect, Why: rightsOfUnit, Help: "user to run as after the start", parse: onceText(func(g *Global) *string { return &g.User })},
	{Name: "group", Where: InGlobal, Args: "<name>", Min: 1, Max: 1,
		State: NoEffect, Why: rightsOfUnit, Help: "group to run as after the start", parse: onceText(func(g *Global) *string { return &g.Group })},
	{Name: "uid", Where: InGlobal, Args: "<number>", Min: 1, Max: 1,
		State: NoEffect, Why: rightsOfUnit, Help: "user id to run as after the start", parse: onceID(func(g *Global) *int { return &g.UID })},
	{Name: "gid", Where: InGlobal, Args: "<number>", Min: 1, Max: 1,
		State: NoEffect, Why: rightsOfUnit, Help: "group id to run as after the start", parse: onceID(func(g *Global) *int { return &g.GID })},
	{Name: "daemon", Where: InGlobal, Help: "run in the background",
		parse: func(p *parser, _ *statement) { p.cfg.Global.Daemon = true }},
	{Name: "quiet", Where: InGlobal, Help: "no messages at the start",
		parse: func(p *parser, _ *statement) { p.cfg.Global.Quiet = true }},
	{Name: "zero-warning", Where: InGlobal, Help: "a warning refuses the configuration",
		parse: func(p *parser, _ *statement) { p.cfg.Global.ZeroWarning = true }},
	{Name: "localpeer", Where: InGlobal, Args: "<name>", Min: 1, Max: 1, Default: "the host name", State: Pending,
		Help: "name of this host in peers sections", parse: parseLocalPeer},
	{Name: "master-worker", Where: InGlobal, Args: "[no-exit-on-failure]", Max: 1, State: NoEffect,
		Why: "the process has no children; its unit restarts it", Help: "a process that watches the others", parse: parseMasterWorker},
	{Name: "node", Where: InGlobal, Args: "<name>", Min: 1, Max: 1, Help: "name of this node in statistics", parse: parseNode},
	{Name: "description", Where: InGlobal, Args: "<text>...", Min: 1, Max: -1, Help: "text shown in statistics",
		parse: func(p *parser, st *statement) { p.cfg.Global.Description = joinWords(st.args) }},
	{Name: "log-tag", Where: InGlobal, Args: "<tag>", Min: 1, Max: 1, Default: "the program name", Help: "tag of syslog lines",
		parse: func(p *parser, st *statement) { p.cfg.Global.LogTag = st.arg(0).Text }},
	{Name: "log-send-hostname", Where: InGlobal, Args: "[<name>]", Max: -1, Default: "none",
		Help: "host name in syslog headers; without a name that of the system", parse: parseLogSendHostname},
}

// firstTime reports whether a global keyword comes for the first time; HAProxy
// keeps the first value of these.
func (p *parser) firstTime(st *statement, key string) bool {
	if old, seen := p.once[key]; seen {
		p.warn(st.name[0], "'%s' already specified at %s, this line is ignored", key, old)
		return false
	}
	p.once[key] = p.pos(st.name[0])
	return true
}

// rightsOfUnit says why the process keeps its rights.
const rightsOfUnit = "the process keeps the rights that its unit gives it, since a reload must still bind low ports and read files"

// setBy tells which key a keyword shares with its alias: a user can be set by
// name or by number, once.
var setBy = map[string]string{"user": "user/uid", "uid": "user/uid", "group": "group/gid", "gid": "group/gid"}

func onceKey(name string) string {
	if key := setBy[name]; key != "" {
		return key
	}
	return name
}

func onceText(field func(*Global) *string) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		if p.firstTime(st, onceKey(st.kw.Name)) {
			*field(&p.cfg.Global) = st.arg(0).Text
		}
	}
}

func onceID(field func(*Global) *int) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		if p.firstTime(st, onceKey(st.kw.Name)) {
			*field(&p.cfg.Global) = p.looseInt(st.arg(0), st.kw.Name)
		}
	}
}

func parseGlobalMaxconn(p *parser, st *statement) {
	if p.cfg.Global.Maxconn != 0 && !p.firstTime(st, "maxconn") {
		return
	}
	p.once["maxconn"] = p.pos(st.name[0])
	w := st.arg(0)
	if !wholeNumber(strings.TrimLeft(w.Text, " \t")) {
		p.alert(w, "cannot parse 'maxconn' value '%s', an integer is expected", w.Text).Accepted = "0 to 2147483647"
		return
	}
	p.cfg.Global.Maxconn = p.looseInt(w, "maxconn")
}

func parseNbThread(p *parser, st *statement) {
	w := st.arg(0)
	n, ok := p.strictInt(w, "nbthread", 1, maxThreads)
	if !ok {
		return
	}
	p.cfg.Global.NbThread = n
	at := p.pos(w)
	p.atEnd(func() {
		g := &p.cfg.Global
		switch groups := max(g.ThreadGroups, 1); {
		case g.NbThread != n:
		case n > groups*threadsOfGroup:
			p.report(Alert, at, "%d threads are too many for %d thread groups", n, groups).Accepted = "64 threads for each group of 'thread-groups'"
		case groups > n:
			p.report(Alert, at, "%d threads are too few for %d thread groups", n, groups).Accepted = "a thread for each group"
		}
	})
}

func parseHardStopAfter(p *parser, st *statement) {
	if d, ok := p.duration(st.arg(0), "hard-stop-after"); ok {
		p.cfg.Global.HardStopAfter = d
	}
}

func parseNode(p *parser, st *statement) {
	w := st.arg(0)
	for i := 0; i < len(w.Text); i++ {
		if c := w.Text[i]; !isAlnum(c) && c != '.' && c != '-' && c != '_' {
			p.alert(Word{Col: w.Col + i}, "character %s is not permitted in node name '%s'", printable(c), w.Text).Accepted = "letters, digits, '.', '-', '_'"
			return
		}
	}
	p.cfg.Global.Node = w.Text
}

func parseLogSendHostname(p *parser, st *statement) {
	if !p.firstTime(st, "log-send-hostname") {
		return
	}
	p.cfg.Global.LogSendHost = p.host
	if st.arg(0).Text != "" {
		p.cfg.Global.LogSendHost = st.arg(0).Text
	} else if p.host == "" {
		p.remark(st.name[0], "'log-send-hostname' has no effect: the name of this host is not known").Accepted = "log-send-hostname <name>"
	}
	p.extra(st, 1)
}

// extra warns of arguments that HAProxy ignores silently.
func (p *parser) extra(st *statement, from int) {
	if from < len(st.args) {
		p.remark(st.args[from], "'%s' ignores '%s'", st.kw.Name, st.args[from].Text).Accepted = st.kw.synopsis()
	}
}

func joinWords(words []Word) string {
	n := 0
	for _, w := range words {
		n += len(w.Text) + 1
	}
	b := make([]byte, 0, n)
	for i, w := range words {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, w.Text...)
	}
	return string(b)
}

func parseLocalPeer(p *parser, st *statement) {
	if len(p.cfg.Peers) > 0 {
		p.warn(st.name[0], "'localpeer' is ignored behind a peers section").Accepted = "'localpeer' further up"
		return
	}
	p.cfg.Global.LocalPeer = st.args[0].Text
}

func parseMasterWorker(p *parser, st *statement) {
	if w := st.arg(0); w.Text != "" && w.Text != "no-exit-on-failure" {
		p.alert(w, "'master-worker' only knows 'no-exit-on-failure', got '%s'", w.Text).Accepted = st.kw.synopsis()
		return
	}
	p.cfg.Global.MasterWorker = true
}
