package config

import "strings"

// checkOptions are the lines that choose the kind of a backend's health checks
// (manual, section 4.2). The last of them counts.
var checkOptions = []Keyword{
	{Name: "option tcp-check", Where: inBack, State: Pending, Default: "a connection alone", Help: "check servers by the steps of 'tcp-check' lines", parse: parseTCPCheck},
	{Name: "option httpchk", Where: inBack, Args: "[[<method>] <uri> [<version>]]", Max: 3, State: Pending, Default: "OPTIONS / HTTP/1.0",
		Help: "check servers by an HTTP request", parse: parseHTTPCheck},
	{Name: "option mysql-check", Where: inBack, Args: "[user <name> [post-41|pre-41]]", Max: 3, State: Pending, Help: "check servers by a MySQL login", parse: parseMySQLCheck},
	{Name: "option pgsql-check", Where: inBack, Args: "user <name>", Max: 2, State: Pending, Help: "check servers by a PostgreSQL start packet", parse: parsePgSQLCheck},
	{Name: "option redis-check", Where: inBack, State: Pending, Help: "check servers by a Redis PING", parse: presetCheck(CheckRedis)},
	{Name: "option ldap-check", Where: inBack, State: Pending, Help: "check servers by an anonymous LDAPv3 bind", parse: presetCheck(CheckLDAP)},
	{Name: "option smtpchk", Where: inBack, Args: "[HELO|EHLO <domain>]", Max: 2, State: Pending, Default: "HELO localhost", Help: "check servers by an SMTP greeting", parse: parseSMTPCheck},
	{Name: "option ssl-hello-chk", Where: inBack, State: Pending, Help: "check servers by an SSLv3 hello", parse: presetCheck(CheckSSLHello)},
	{Name: "option spop-check", Where: inBack, State: Pending, Help: "check servers by a hello of HAProxy's offload protocol", parse: presetCheck(CheckSPOP)},
	{Name: "option external-check", Where: inBack, State: Pending, Help: "check servers by a program", parse: parseExternalCheck},
	{Name: "option log-health-checks", Where: inBack, No: true, Default: "off", Help: "log each check whose result changed",
		parse: proxyFlag(func(px *Proxy) *bool { return &px.LogHealthChecks })},
	{Name: "external-check command", Where: inProxy, Args: "<file>", Min: 1, Max: 1, State: Pending, Help: "the program of 'option external-check'",
		parse: func(p *parser, st *statement) { p.px.check.set.Command = st.arg(0).Text }},
	{Name: "external-check path", Where: inProxy, Args: "<path>", Min: 1, Max: 1, State: Pending, Help: "the PATH that the program of 'option external-check' gets",
		parse: func(p *parser, st *statement) { p.px.check.set.Path = st.arg(0).Text }},
}

// checkRules is a list of steps; proxies that take it over from a defaults
// section share it.
type checkRules struct{ rules []CheckRule }

// checkLines is what the lines of a section have said about health checks.
type checkLines struct {
	kind       CheckKind   // whose steps list holds
	list       *checkRules // the steps in force; nil: a connection alone
	external   bool        // "option external-check" is the latest choice
	externalAt Pos
	tls        bool // some step connects by TLS

	set HealthCheck // everything but Kind and Rules

	// What a proxy does not take over from its defaults section.
	tcp, http         *checkRules // those of this section's own lines
	tcpIdle, httpIdle *Pos        // a line of theirs that no option put in force
}

// inherited is what a section starts from.
func (c checkLines) inherited() checkLines {
	c.tcp, c.http, c.tcpIdle, c.httpIdle = nil, nil, nil, nil
	return c
}

// health builds the model; nil when checks only connect.
func (c *checkLines) health() *HealthCheck {
	h := c.set
	switch {
	case c.external:
		h.Kind = CheckExternal
	case c.kind == CheckConnection:
		return nil
	default:
		h.Kind = c.kind
		h.Rules = c.list.rules
	}
	return &h
}

// ownTCP returns the steps of the section's own "tcp-check" lines.
func (c *checkLines) ownTCP() *checkRules {
	if c.tcp == nil {
		c.tcp = &checkRules{}
	}
	return c.tcp
}

func (c *checkLines) ownHTTP() *checkRules {
	if c.http == nil {
		c.http = &checkRules{}
	}
	return c.http
}

// choose puts steps in force.
func (c *checkLines) choose(kind CheckKind, list *checkRules) {
	c.kind, c.list, c.external, c.tcpIdle, c.httpIdle = kind, list, false, nil, nil
}

// parseTCPCheck keeps the steps of the defaults section in force, if it had them
// in force, until the proxy has its own.
func parseTCPCheck(p *parser, _ *statement) {
	c := &p.px.check
	if c.kind == CheckTCP {
		c.external = false
		return
	}
	c.choose(CheckTCP, c.ownTCP())
}

func presetCheck(kind CheckKind) func(*parser, *statement) {
	return func(p *parser, _ *statement) { p.px.check.choose(kind, &checkRules{}) }
}

func parseHTTPCheck(p *parser, st *statement) {
	r := CheckRequest{Method: "OPTIONS", URI: "/", Version: "HTTP/1.0", Implied: true}
	switch len(st.args) {
	case 0:
	case 1:
		r.URI = st.args[0].Text
	default:
		r.Method, r.URI = st.args[0].Text, st.args[1].Text
	}
	if v := st.arg(2); len(st.args) > 2 {
		if i := strings.Index(v.Text, "\r\n"); i >= 0 {
			p.alert(v, "'%s' does not accept headers or a body behind the version", st.kw.Name).Accepted = "'http-check send' lines with 'hdr' and 'body'"
			return
		}
		r.Version = v.Text
	}
	c := &p.px.check
	c.choose(CheckHTTP, c.ownHTTP())
	c.list.imply(CheckRule{Pos: p.pos(st.name[0]), Request: &r})
}

func parseMySQLCheck(p *parser, st *statement) {
	user, old := "", false
	if w := st.arg(0); w.Text != "" {
		if w.Text != "user" {
			d := p.alert(w, "'%s' does not know '%s'", st.kw.Name, w.Text)
			d.Accepted, d.Suggest = st.kw.synopsis(), nearest(w.Text, []string{"user"})
			return
		}
		if user = st.arg(1).Text; user == "" {
			p.alert(st.arg(1), "'%s user' expects a name", st.kw.Name).Accepted = st.kw.synopsis()
			return
		}
		switch w := st.arg(2); w.Text {
		case "", "post-41":
		case "pre-41":
			old = true
		default:
			p.alert(w, "'%s user' does not know '%s'", st.kw.Name, w.Text).Accepted = "post-41, pre-41"
			return
		}
	}
	p.px.check.choose(CheckMySQL, &checkRules{})
	p.px.check.set.User, p.px.check.set.PreMySQL41 = user, old
}

func parsePgSQLCheck(p *parser, st *statement) {
	if len(st.args) < 2 || st.args[0].Text != "user" || st.args[1].Text == "" {
		p.alert(st.arg(0), "'%s' expects 'user <name>'", st.kw.Name).Accepted = st.kw.synopsis()
		return
	}
	p.px.check.choose(CheckPostgreSQL, &checkRules{})
	p.px.check.set.User = st.args[1].Text
}

// parseSMTPCheck passes over what is no greeting, as HAProxy does.
func parseSMTPCheck(p *parser, st *statement) {
	hello := "HELO localhost"
	if cmd := st.arg(0).Text; len(st.args) == 2 && (cmd == "HELO" || cmd == "EHLO") {
		hello = cmd + " " + st.args[1].Text
	} else if len(st.args) > 0 {
		p.remark(st.args[0], "'%s' sends '%s', not '%s'", st.kw.Name, hello, joinWords(st.args)).Accepted = st.kw.synopsis()
	}
	p.px.check.choose(CheckSMTP, &checkRules{})
	p.px.check.set.Hello = hello
}

func parseExternalCheck(p *parser, st *statement) {
	p.px.check.external, p.px.check.externalAt = true, p.pos(st.name[0])
}

// checkGlobals are the lines of section global about checks (manual, section 3).
var checkGlobals = []Keyword{
	{Name: "spread-checks", Where: InGlobal, Args: "<percent>", Max: 1, Default: "0",
		Help: "vary the interval of checks at random by 0 to 50 per cent", parse: parseSpreadChecks},
	{Name: "max-spread-checks", Where: InGlobal, Args: "<time>", Min: 1, Max: 1, Default: "unlimited",
		Help: "longest time over which the first checks are spread", parse: parseMaxSpreadChecks},
	{Name: "external-check", Where: InGlobal, Args: "[preserve-env]", Max: 1, State: Pending, Default: "off",
		Help: "allow 'option external-check'", parse: parseGlobalExternal},
	{Name: "tune.max-checks-per-thread", Where: InGlobal, Args: "<number>", Max: 1, State: NoEffect, Why: "checks do not load a loop noticeably",
		Default: "0, unlimited", Help: "checks that one loop runs at a time",
		parse: func(p *parser, st *statement) {
			if len(st.args) > 0 {
				p.looseInt(st.args[0], st.kw.Name)
			}
		}},
}

func parseSpreadChecks(p *parser, st *statement) {
	g, w := &p.cfg.Global, st.arg(0)
	if g.SpreadChecks != 0 {
		p.warn(st.name[0], "'%s' is set already, this line is ignored", st.kw.Name)
		return
	}
	if w.Text == "" {
		p.alert(w, "'%s' expects an argument", st.kw.Name).Accepted = st.kw.synopsis()
		return
	}
	if n := atol(w.Text); n < 0 || n > 50 {
		g.SpreadChecks = n
		p.alert(w, "'%s' is not within 0 and 50 (%s)", st.kw.Name, w.Text).Accepted = "0 to 50"
		return
	}
	g.SpreadChecks = p.looseInt(w, st.kw.Name)
}

func parseMaxSpreadChecks(p *parser, st *statement) {
	if d, ok := p.duration(st.args[0], st.kw.Name); ok {
		p.cfg.Global.MaxSpreadChecks = d
	}
}

func parseGlobalExternal(p *parser, st *statement) {
	if w := st.arg(0); w.Text != "" && w.Text != "preserve-env" {
		d := p.alert(w, "'%s' does not know '%s'", st.kw.Name, w.Text)
		d.Accepted, d.Suggest = "preserve-env", nearest(w.Text, []string{"preserve-env"})
		return
	}
	p.cfg.Global.ExternalCheck = true
	p.cfg.Global.ExternalCheckEnv = len(st.args) > 0
}
