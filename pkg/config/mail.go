package config

import (
	"slices"
	"strings"
	"time"
)

// mailKeywords are the lines about alerts by mail: those of proxies (manual,
// section 4.2) and those of "mailers" sections (section 3.6).
var mailKeywords = []Keyword{
	{Name: "email-alert from", Where: inProxy, Args: "<address>", Max: -1, State: Pending, Help: "sender of alerts by mail",
		parse: mailText(func(m *EmailAlert) *string { return &m.From }, func(m *mailLines, _ Pos) { m.from = true })},
	{Name: "email-alert to", Where: inProxy, Args: "<address>", Max: -1, State: Pending, Help: "recipient of alerts by mail",
		parse: mailText(func(m *EmailAlert) *string { return &m.To }, func(m *mailLines, _ Pos) { m.to = true })},
	{Name: "email-alert mailers", Where: inProxy, Args: "<section>", Max: -1, State: Pending, Help: "section of the mail servers for alerts",
		parse: mailText(func(m *EmailAlert) *string { return &m.Mailers }, func(m *mailLines, at Pos) { m.mailers, m.mailersAt = true, at })},
	{Name: "email-alert myhostname", Where: inProxy, Args: "<name>", Max: -1, State: Pending, Default: "the system's name", Help: "host name to greet mail servers with",
		parse: mailText(func(m *EmailAlert) *string { return &m.MyHostname }, func(*mailLines, Pos) {})},
	{Name: "email-alert level", Where: inProxy, Args: "<severity>", Max: -1, State: Pending, Default: "alert", Help: "least severity of what is mailed", parse: parseMailLevel},

	{Name: "mailer", Where: InMailers, Args: "<name> <address>:<port>", Max: -1, State: Pending, Help: "a mail server", parse: parseMailer},
	{Name: "timeout mail", Where: InMailers, Args: "<time>", Min: 1, Max: -1, State: Pending, Default: "10s", Help: "time for a mail to be sent",
		parse: func(p *parser, st *statement) {
			if d, ok := p.duration(st.args[0], st.kw.Name); ok {
				p.mailersSection.Timeout = d
			}
			p.extra(st, 1)
		}},
}

// mailLines tells which "email-alert" lines have been seen, in this section or
// in its defaults.
type mailLines struct {
	seen              bool
	from, to, mailers bool
	at                Pos // the latest line
	mailersAt         Pos
}

// mailLevels are the severities of syslog.
var mailLevels = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// emailAlert returns the settings of the section for a change: a copy of what it
// took over from its defaults section.
func (p *parser) emailAlert(st *statement) *EmailAlert {
	m := EmailAlert{Level: "alert"}
	if old := p.px.px.EmailAlert; old != nil {
		m = *old
	}
	p.px.px.EmailAlert = &m
	p.px.mail.seen, p.px.mail.at = true, p.pos(st.name[0])
	return &m
}

// mailText reads a setting; HAProxy takes a missing one for an empty one.
func mailText(field func(*EmailAlert) *string, mark func(*mailLines, Pos)) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		w := st.arg(0)
		if w.Text == "" {
			p.remark(w, "'%s' lacks its argument", st.kw.Name).Accepted = st.kw.synopsis()
		}
		*field(p.emailAlert(st)) = w.Text
		mark(&p.px.mail, p.pos(w))
		p.extra(st, 1)
	}
}

func parseMailLevel(p *parser, st *statement) {
	w := st.arg(0)
	if !slices.Contains(mailLevels, w.Text) {
		d := p.alert(w, "'%s' is not a severity", w.Text)
		d.Accepted, d.Suggest = strings.Join(mailLevels, ", "), nearest(w.Text, mailLevels)
		return
	}
	p.emailAlert(st).Level = w.Text
	p.extra(st, 1)
}

// openMailers starts a "mailers" section.
func openMailers(p *parser, row *sectionRow, words []Word) {
	p.mailersSection, p.broken = &Mailers{Timeout: 10 * time.Second}, true
	if len(words) < 2 || words[1].Text == "" {
		p.alert(wordAfter(words[0]), "'%s' expects a name", row.name).Accepted = row.name + " " + row.args
		return
	}
	name := words[1]
	if !p.checkName(name, row.name) {
		return
	}
	if len(words) > 2 {
		p.remark(words[2], "'%s' behind the section name is ignored", words[2].Text)
	}
	if old := p.mailers[name.Text]; old != nil {
		p.alert(name, "mailers section '%s' was declared at %s already", name.Text, old.Pos).Accepted = "another name"
		return
	}
	p.broken = false
	p.mailersSection.Pos, p.mailersSection.Name = p.pos(name), name.Text
	p.mailers[name.Text] = p.mailersSection
	p.cfg.Mailers = append(p.cfg.Mailers, p.mailersSection)
}

func parseMailer(p *parser, st *statement) {
	const form = "<host>:<port>"
	name, w := st.arg(0), st.arg(1)
	if len(st.args) < 2 || w.Text == "" {
		p.alert(w, "'mailer' expects a name and an address").Accepted = st.kw.synopsis()
		return
	}
	if name.Text == "" {
		p.alert(name, "'mailer' expects a name").Accepted = st.kw.synopsis()
		return
	}
	if !p.checkName(name, "mailer") {
		return
	}
	addr, ok := p.checkAddress(w)
	switch {
	case !ok:
		return
	case addr.Path != "":
		p.alert(w, "a mail server is not reached by a UNIX socket: '%s'", w.Text).Accepted = form
		return
	case addr.Port == 0:
		p.alert(w, "'%s' has no port", w.Text).Accepted = form
		return
	}
	p.mailersSection.Servers = append(p.mailersSection.Servers, Mailer{Pos: p.pos(name), Name: name.Text, Host: addr.Host, Port: addr.Port})
	p.extra(st, 2)
}
