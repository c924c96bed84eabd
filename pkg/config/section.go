package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// section is a proxy or defaults section under construction.
type section struct {
	px       *Proxy
	template Server   // what "default-server" lines have set so far
	name     Pos      // the word after the section keyword
	rival    *Pos     // another defaults section of the same name
	base     *section // the defaults section that it starts from
	explicit bool     // a proxy: it names its base; a defaults section: a proxy names it
	faulty   bool     // the header is wrong: nothing is said about what is missing

	serverLines    map[string]int
	serverIDs      map[int]Pos
	bindIDs        map[int]Pos
	defaultBackend Pos        // the "default_backend" line
	tcplog         Pos        // the "option tcplog" line
	dispatch       Pos        // the "dispatch" line
	transparent    Pos        // the line that asks for transparent connections
	hashed         keptWord   // what "balance hash" or "balance log-hash" uses
	errorFiles     []keptWord // sections that "errorfiles" names
	fcgi           keptWord   // of "use-fcgi-app"
	stats          bool       // there is a "stats" line
	statsAuth      bool       // there is a "stats auth" or "stats realm" line
	statsRule      Pos        // a "stats http-request" line
	sawBind        bool
	lostTimeouts   []string // the "timeout" lines that were refused, those of its defaults included
	// Of sections that are no proxies.
	peers *peersLines
	ring  *Ring
	dgram *[]Bind
	done  bool // the line that the section needs was there

	rules   ruleState
	mode    string // of a "mode" line; "": none, which is tcp
	modeAt  Pos
	acls    map[string]*ACL // by name
	formats formatLines
	check   checkLines
	mail    mailLines
}

// sectionRow is one keyword that starts a section.
type sectionRow struct {
	name  string
	args  string
	where Where // the place of its lines; 0: they are skipped
	state State
	help  string
	open  func(p *parser, row *sectionRow, words []Word)
}

var sectionRows = []sectionRow{
	{"global", "", InGlobal, Done, "settings of the whole process", openGlobal},
	{"defaults", "[<name>] [from <defaults>]", InDefaults, Done, "settings that the proxy sections after it start from", openDefaults},
	{"frontend", "<name> [from <defaults>]", InFrontend, Done, "a proxy that accepts connections", openProxy},
	{"backend", "<name> [from <defaults>]", InBackend, Done, "a set of servers", openProxy},
	{"listen", "<name> [from <defaults>]", InListen, Done, "a frontend and a backend in one section", openProxy},
	{"peers", "<name>", InPeers, Pending, "hosts that share stick tables", openNamed(namedRule{
		names: func(p *parser) map[string]Pos { return p.peers }, goesOn: sameName, begin: beginPeers})},
	{"resolvers", "<name>", InResolvers, Pending, "name servers for server addresses", openNamed(namedRule{
		names: func(p *parser) map[string]Pos { return p.resolvers }, extra: true, begin: beginResolvers})},
	{"userlist", "<name>", InUserlist, NoEffect, "users and groups; only HTTP rules ask for them", openNamed(namedRule{
		names: func(p *parser) map[string]Pos { return p.userlists }, goesOn: anyFault, ignored: true, begin: beginUserlist})},
	{"mailers", "<name>", InMailers, Pending, "mail servers for alerts", openMailers},
	{"ring", "<name>", InRing, Pending, "a buffer for log lines", openNamed(namedRule{
		names: func(p *parser) map[string]Pos { return p.rings }, extra: true, begin: beginRing})},
	{"log-forward", "<name>", InLogForward, Pending, "a syslog relay", openNamed(namedRule{
		names: func(p *parser) map[string]Pos { return p.logForwards }, goesOn: sameName | extraWord, begin: beginLogForward})},
	{"crt-store", "[<name>]", InCrtStore, Pending, "certificates", openCertStore},
	{"program", "<name>", InProgram, Refused, "an external program; the appliance starts programs by unit files", openNamed(namedRule{
		names: func(p *parser) map[string]Pos { return p.programs }, anyName: true, begin: beginProgram})},
	{"cache", "<name>", InCache, Refused, "an HTTP cache; this is a TCP proxy", openNamed(namedRule{
		names: func(p *parser) map[string]Pos { return p.caches }, anyName: true, begin: beginCache})},
	{"http-errors", "<name>", InHTTPErrors, Refused, "HTTP error pages; this is a TCP proxy", openNamed(namedRule{
		names: func(p *parser) map[string]Pos { return p.httpErrors }, extra: true})},
	{"fcgi-app", "<name>", InFcgiApp, Refused, "a FastCGI application; this is a TCP proxy", openNamed(namedRule{
		names: func(p *parser) map[string]Pos { return p.fcgiApps }, begin: beginFcgiApp})},
}

// laterSections start sections in later versions of HAProxy only. The version
// spoken here takes them for unknown keywords of the section before.
var laterSections = []Keyword{
	{Name: "log-profile", Where: SectionHeader, Args: "<name>", Min: 1, Max: 1, State: Refused, Since: "3.1", Why: "it is of a later version", Help: "log formats by step"},
	{Name: "traces", Where: SectionHeader, State: Refused, Since: "3.1", Why: "it is of a later version", Help: "trace sources and sinks"},
	{Name: "acme", Where: SectionHeader, Args: "<name>", Min: 1, Max: 1, State: Refused, Since: "3.2", Why: "it is of a later version", Help: "certificate requests"},
	{Name: "healthcheck", Where: SectionHeader, Args: "<name>", Min: 1, Max: 1, State: Refused, Since: "3.4", Why: "it is of a later version", Help: "a named health check"},
}

// sectionKeywords presents the sections as keyword rows.
func sectionKeywords() []Keyword {
	rows := make([]Keyword, len(sectionRows))
	for i, row := range sectionRows {
		rows[i] = Keyword{Name: row.name, Where: SectionHeader, Args: row.args, Max: -1, State: row.state, Help: row.help}
		if row.state == Refused || row.state == NoEffect {
			rows[i].Help, rows[i].Why, _ = strings.Cut(row.help, "; ")
		}
	}
	return rows
}

// sectionNames lists the sections that this version handles.
func sectionNames() []string {
	var names []string
	for _, row := range sectionRows {
		if row.state == Done {
			names = append(names, row.name)
		}
	}
	return names
}

// leaveSection forgets the current section: a file starts outside of any.
func (p *parser) leaveSection() {
	p.section, p.sectionName, p.px, p.broken, p.sectionState = 0, "", nil, false, Done
}

// openSection starts a section if words is the header of one.
func (p *parser) openSection(words []Word) bool {
	var row *sectionRow
	for i := range sectionRows {
		if sectionRows[i].name == words[0].Text {
			row = &sectionRows[i]
			break
		}
	}
	if row == nil {
		return p.laterSection(words[0])
	}
	p.leaveSection()
	p.sectionState = row.state
	p.section, p.sectionName = row.where, row.name
	if row.where == 0 && len(words) > 1 {
		p.sectionName = words[1].Text
	}
	before := p.alertCount
	if p.broken = row.where == 0; row.open != nil {
		row.open(p, row, words)
	}
	if p.alertCount > before {
		return true
	}
	if p.opt.Record != nil {
		p.opt.Record.section(p, words)
	}
	switch row.state {
	case Pending:
		p.unsupported(words[0], "section '%s' is not supported by this version yet", row.name)
	case Refused:
		p.unsupported(words[0], "section '%s' is not supported: %s", row.name, row.help)
	case NoEffect:
		_, why, _ := strings.Cut(row.help, "; ")
		p.warn(words[0], "section '%s' has no effect: %s", row.name, why)
	}
	return true
}

// laterSection refuses the header of a section that a later version brought.
func (p *parser) laterSection(w Word) bool {
	for i := range laterSections {
		if kw := &laterSections[i]; kw.Name == w.Text {
			p.tooNew(w, kw)
			return true
		}
	}
	return false
}

func openGlobal(p *parser, _ *sectionRow, words []Word) {
	if len(words) > 1 {
		p.alert(words[1], "'global' cannot handle unexpected argument '%s'", words[1].Text).Accepted = "global"
	}
}

func openDefaults(p *parser, _ *sectionRow, words []Word) {
	name, pos := "", p.pos(words[0])
	rest := words[1:]
	if len(rest) > 0 && rest[0].Text != "from" {
		name, pos = rest[0].Text, p.pos(rest[0])
		p.sectionName = name
		rest = rest[1:]
	}
	s := &section{name: pos, px: &Proxy{Pos: pos, Name: name, Kind: Listen, Retries: 3, Maxconn: p.opt.Maxconn}, template: Server{Weight: 1}}
	if len(rest) == 1 && rest[0].Text != "from" {
		p.warn(rest[0], "'%s' behind the section name is ignored", rest[0].Text)
	} else if len(rest) > 1 {
		base := p.namedDefaults(rest, "defaults", name)
		if base == nil {
			p.broken = true
			return
		}
		p.admitInherited(words[0], base, Listen, true)
		*s.px = inherit(base, Listen)
		s.px.Pos, s.px.Name, s.template = pos, name, base.template
		s.defaultBackend, s.tcplog = base.defaultBackend, base.tcplog
		s.inheritLines(base)
		s.formats = base.formats
	}
	if old := p.defaults[name]; name != "" && old != nil {
		s.rival = &old.name
	}
	p.px = s
	p.defaults[name], p.defaults[""] = s, s
}

// namedDefaults resolves "from <defaults>"; nil after an alert.
func (p *parser) namedDefaults(rest []Word, kind, name string) *section {
	if len(rest) > 2 && kind == "defaults" {
		p.warn(rest[2], "'%s' behind the name of the base is ignored", rest[2].Text).Accepted = "from <defaults>"
	} else if len(rest) > 2 {
		p.alert(rest[2], "'%s' cannot handle unexpected argument '%s'", kind, rest[2].Text).Accepted = "from <defaults>"
	}
	base := p.defaults[rest[1].Text]
	if base == nil || rest[1].Text == "" {
		var names []string
		for n := range p.defaults {
			names = append(names, n)
		}
		d := p.alert(rest[1], "defaults section '%s' not found for %s '%s'", rest[1].Text, kind, name)
		d.Suggest, d.Accepted = nearest(rest[1].Text, names), "the name of a defaults section further up"
		return nil
	}
	if !p.checkName(rest[1], "defaults section") {
		return nil
	}
	if base.rival != nil {
		p.alert(rest[1], "ambiguous defaults section name '%s' referenced by %s '%s' exists at least at %s and %s",
			rest[1].Text, kind, name, base.rival, base.name).Accepted = "a name that only one section has"
		return nil
	}
	return base
}

func openProxy(p *parser, row *sectionRow, words []Word) {
	if len(words) < 2 || words[1].Text == "" {
		p.broken = true
		at := Word{Col: words[0].Col + len(words[0].Text)}
		p.alert(at, "'%s' expects a name", row.name).Accepted = row.name + " " + row.args
		return
	}
	kind := map[Where]Kind{InFrontend: Frontend, InBackend: Backend, InListen: Listen}[row.where]
	name := words[1]
	p.sectionName = name.Text
	p.checkName(name, row.name)
	base, faulty := p.defaults[""], false
	if rest := words[2:]; len(rest) > 0 {
		if rest[0].Text == "from" && len(rest) > 1 {
			base = p.namedDefaults(rest, row.name, name.Text)
			p.broken = base == nil
		} else if kind == Backend {
			p.warn(rest[0], "'%s' behind the section name is ignored", rest[0].Text)
		} else {
			p.alert(rest[0], "please use the 'bind' keyword for listening addresses").Accepted = "'bind " + rest[0].Text + "' on a line of its own"
			faulty = true // HAProxy skips the section, whose own faults would come to light one try later
		}
	}
	p.admitInherited(words[0], base, kind, false)
	s := newSection(base, kind)
	if base == nil {
		s.px.Maxconn = p.opt.Maxconn
	}
	s.base, s.explicit = base, base != nil && len(words) > 2 && words[2].Text == "from"
	if s.explicit {
		base.explicit = true
	}
	s.px.Name, s.px.Pos, s.name, s.faulty = name.Text, p.pos(name), p.pos(name), p.broken || faulty
	p.px = s
	p.addProxy(s)
}

// newSection starts a proxy from the defaults that apply to it.
func newSection(base *section, kind Kind) *section {
	s := &section{template: Server{Weight: 1}, px: &Proxy{Kind: kind, Retries: 3}}
	if base != nil {
		*s.px = inherit(base, kind)
		s.template = base.template
		s.inheritLines(base)
		if kind.HasFrontend() {
			s.formats = base.formats
			s.defaultBackend, s.tcplog = base.defaultBackend, base.tcplog
		}
	}
	return s
}

// inheritLines copies the places of lines that all proxies take over.
func (s *section) inheritLines(base *section) {
	s.check, s.mail = base.check.inherited(), base.mail
	s.mode, s.modeAt, s.stats, s.statsAuth = base.mode, base.modeAt, base.stats, base.statsAuth
	s.transparent, s.hashed = base.transparent, base.hashed
	s.lostTimeouts = base.lostTimeouts
	s.errorFiles = append([]keptWord(nil), base.errorFiles...)
}

// inherit copies what a defaults section presets for a kind of proxy.
func inherit(base *section, kind Kind) Proxy {
	px := *base.px
	px.Kind, px.ID, px.Description, px.GUID = kind, 0, "", ""
	px.Binds, px.Servers = nil, nil
	px.Dispatch, px.DispatchPath = netip.AddrPort{}, ""
	px.Logs = append([]LogTarget(nil), px.Logs...)
	px.BackendRules, px.ServerRules, px.PersistRules, px.Captures = nil, nil, nil, nil
	px.StickTable, px.StickRules, px.BandwidthFilters = nil, nil, nil
	px.keepRoles()
	return px
}

// keepRoles clears the settings of the role that the proxy does not have.
func (px *Proxy) keepRoles() {
	px.keepRoleRules()
	if !px.Kind.HasFrontend() {
		px.Binds, px.Maxconn, px.Backlog, px.DefaultBackend, px.RateSessions = nil, 0, 0, "", 0
		px.TCPLog, px.DontLogNull, px.LogASAP, px.ClientKeepalive = false, false, false, false
		px.ClientProbes, px.SessionConns = Keepalive{}, 0
		px.Timeouts.Client, px.Timeouts.ClientFin, px.Timeouts.ClientHS = 0, 0, 0
		px.Flags.clearFront()
	}
	if !px.Kind.HasBackend() {
		px.Balance, px.Hash, px.Servers, px.Retries, px.Redispatch = Balance{}, Hash{}, nil, 0, 0
		px.AllBackups, px.ServerKeepalive, px.Fullconn = false, false, 0
		px.ServerProbes, px.RetryOn, px.Source, px.Persistence, px.State = Keepalive{}, nil, nil, nil, ServerState{}
		px.Dispatch, px.DispatchPath = netip.AddrPort{}, ""
		px.Timeouts = Timeouts{Client: px.Timeouts.Client, ClientFin: px.Timeouts.ClientFin, ClientHS: px.Timeouts.ClientHS}
		px.Flags.clearBack()
		px.Check, px.LogHealthChecks = nil, false
	}
}

// clearFront turns off what is for proxies that accept connections.
func (f *Flags) clearFront() {
	f.ContStats, f.DontLogNormal, f.LogSeparateErrors, f.SocketStats, f.SmartAccept = false, false, false, false, false
}

// clearBack turns off what is for proxies that have servers.
func (f *Flags) clearBack() {
	f.AbortOnClose, f.Persist, f.SmartConnect, f.Transparent = false, false, false, false
}

// addProxy registers the section under its name in each of its roles.
func (p *parser) addProxy(s *section) {
	p.sections = append(p.sections, s)
	kind, name := s.px.Kind, s.px.Name
	var old *section
	if kind.HasBackend() {
		old = p.backend[name]
		if old == nil {
			p.backend[name] = s
		}
	}
	if kind.HasFrontend() {
		if f := p.frontend[name]; f != nil {
			old = f
		} else {
			p.frontend[name] = s
		}
	}
	if at, used := p.logForwards[name]; used {
		p.report(Alert, s.name, "%s '%s' has the same name as the log-forward section declared at %s", kind, name, at).Accepted = "another name"
	}
	if old != nil && kind == Listen && old.px.Kind == Backend {
		p.report(Warning, s.name, "listen '%s' has the same name as backend '%s' declared at %s: the name leads to that one", name, name, old.name).Accepted = "another name"
		return
	}
	if old != nil {
		p.report(Alert, s.name, "%s '%s' has the same name as %s '%s' declared at %s", kind, name, old.px.Kind, name, old.name).Accepted = "another name"
	}
}

// checkName refuses characters that HAProxy does not allow in names.
func (p *parser) checkName(name Word, what string) bool {
	for i := 0; i < len(name.Text); i++ {
		c := name.Text[i]
		if !isAlnum(c) && c != '-' && c != '_' && c != '.' && c != ':' {
			at := Word{Col: name.Col + i}
			p.alert(at, "character %s is not permitted in %s name '%s'", printable(c), what, name.Text).Accepted = "letters, digits, '-', '_', '.', ':'"
			return false
		}
	}
	return true
}

func printable(c byte) string {
	if c < ' ' || c > '~' {
		return fmt.Sprintf("\\x%02x", c)
	}
	return "'" + string(c) + "'"
}
