package config

import (
	"fmt"
	"strings"
)

// logForwardKeywords are the lines of section log-forward (manual, section 3.8).
var logForwardKeywords = []Keyword{
	{Name: "bind", Where: InLogForward, Args: bindForm + " [<option>...]", Max: -1, State: Pending,
		Help: "addresses to accept syslog connections at", parse: parseForwardBind},
	{Name: "dgram-bind", Where: InLogForward, Args: bindForm + " [<option>...]", Max: -1, State: Pending,
		Help: "addresses to receive syslog datagrams at", parse: parseDgramBind},
	{Name: "log", Where: InLogForward, Args: logForm, Max: -1, No: true, State: Pending, Help: "where the lines go", parse: parseLog},
	{Name: "maxconn", Where: InLogForward, Args: "<number>", Min: 1, Max: 1, Default: "10", State: Pending, Help: "concurrent connections",
		parse: func(p *parser, st *statement) { p.px.px.Maxconn = p.looseInt(st.args[0], "maxconn") }},
	{Name: "backlog", Where: InLogForward, Args: "<number>", Min: 1, Max: 1, Default: "maxconn", State: Pending, Help: "length of the listen queue",
		parse: func(p *parser, st *statement) { p.px.px.Backlog = p.looseInt(st.args[0], "backlog") }},
	{Name: "timeout client", Where: InLogForward, Args: "<time>", Min: 1, Max: -1, Default: "0, never", State: Pending, Help: "longest silence of a client",
		parse: parseForwardTimeout},
	later("option assume-rfc6587-ntf", InLogForward, "3.1", "lines are parted by line feeds only"),
	later("option dont-parse-log", InLogForward, "3.1", "lines are passed on as they are"),
	later("option host", InLogForward, "3.2", "which host the header names"),
}

func beginLogForward(p *parser, name Word) {
	px := p.pseudoProxy(name)
	forward := &LogForward{Pos: px.Pos, Name: px.Name}
	p.px.dgram = &forward.DgramBinds
	p.cfg.LogForwards = append(p.cfg.LogForwards, forward)
	if old := p.proxyCalled(px.Name); old != nil {
		p.alert(name, "log-forward section '%s' has the same name as %s '%s' declared at %s", px.Name, old.px.Kind, px.Name, old.name).Accepted = "another name"
	}
	p.atEnd(func() {
		forward.Binds, forward.Logs, forward.TimeoutClient = px.Binds, px.Logs, px.Timeouts.Client
		forward.Maxconn, forward.Backlog = px.Maxconn, px.Backlog
	})
}

// proxyCalled returns the frontend or backend of a name.
func (p *parser) proxyCalled(name string) *section {
	if s := p.frontend[name]; s != nil {
		return s
	}
	return p.backend[name]
}

func parseForwardBind(p *parser, st *statement) {
	if len(st.args) == 0 {
		p.warn(st.arg(0), "'bind' without an address is ignored").Accepted = st.kw.synopsis()
		return
	}
	parseBind(p, st)
}

func parseDgramBind(p *parser, st *statement) {
	if len(st.args) == 0 {
		p.warn(st.arg(0), "'dgram-bind' without an address is ignored").Accepted = st.kw.synopsis()
		return
	}
	line := bindLine{}
	ok := true
	for _, w := range splitCommas(st.args[0]) {
		binds, good := p.dgramAddress(w)
		if len(*p.px.dgram)+len(line.binds)+len(binds) > maxBinds {
			p.alert(w, "too many listening addresses in this section").Accepted = fmt.Sprintf("at most %d", maxBinds)
			return
		}
		line.binds = append(line.binds, binds...)
		ok = ok && good
	}
	ok = p.parseOptions(optionParser{
		what: "dgram-bind", rows: p.index.bind, words: st.args[1:],
		apply: func(o option) { o.kw.bind(p, &line, o) },
	}) && ok
	if !ok {
		return
	}
	for i := range line.binds {
		b := line.common
		b.Pos, b.Addr, b.Path = line.binds[i].Pos, line.binds[i].Addr, line.binds[i].Path
		*p.px.dgram = append(*p.px.dgram, b)
	}
}

// dgramAddress turns one element of the list into addresses. The prefixes of
// connections are wrong here, those of datagrams right.
func (p *parser) dgramAddress(w Word) ([]Bind, bool) {
	if streamPrefixed(w.Text) {
		p.alert(w, "stream-type address not acceptable in '%s'", w.Text).Accepted = "udp@<address>:<port>"
		return nil, false
	}
	plain := w
	for _, prefix := range []string{"udp@", "udp4@", "udp6@", "dgram+ipv4@", "dgram+ipv6@", "uxdg@"} {
		if rest, ok := strings.CutPrefix(w.Text, prefix); ok {
			family := map[string]string{"udp4@": "ipv4@", "dgram+ipv4@": "ipv4@", "udp6@": "ipv6@", "dgram+ipv6@": "ipv6@", "uxdg@": "unix@"}[prefix]
			plain.Text = family + rest
		}
	}
	return p.bindAddress(plain)
}

func parseForwardTimeout(p *parser, st *statement) {
	if d, ok := p.duration(st.args[0], "timeout client"); ok {
		p.px.px.Timeouts.Client = d
	}
	p.extra(st, 1)
}
