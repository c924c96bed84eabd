package config

import (
	"math"
	"strconv"
	"strings"
)

// templateKeywords is the "server-template" line (manual, section 4.2).
var templateKeywords = []Keyword{
	{Name: "server-template", Where: InListen | InBackend, Args: "<prefix> <number> | <first>-<last> " + serverForm + " [<option>...]", Min: 3, Max: -1, Strict: true,
		State: Pending, Help: "servers of one name or address, numbered behind the prefix", parse: parseServerTemplate},
}

// maxTemplate bounds what one line can ask for.
const maxTemplate = 100_000

func parseServerTemplate(p *parser, st *statement) {
	prefix, rangeWord := st.args[0], st.args[1]
	lo, hi, ok := p.templateRange(rangeWord)
	if !ok || !p.checkName(prefix, "server-template prefix") {
		return
	}
	line := serverLine{Server: p.px.template}
	line.Pos = p.pos(prefix)
	ok = p.serverEndpoint(&line, st.args[2])
	ok = p.parseServerOptions(&line, prefix.Text, st.args[3:]) && ok
	if !ok {
		return
	}
	p.judgeServerAtEnd(&line)
	for n := lo; n <= hi; n++ {
		each := line
		each.Name = prefix.Text + strconv.Itoa(n)
		if n > lo {
			each.ID, each.idAt, each.guidAt = 0, Word{}, Word{} // they go to the first
			if each.Options != nil && each.Options.GUID != "" {
				each.own.options = false
				each.options().GUID = ""
			}
		}
		before := p.alertCount
		if p.claimServer(&each, prefix); p.alertCount > before {
			return
		}
		p.px.px.Servers = append(p.px.px.Servers, each.Server)
	}
}

// templateRange reads "3", which is "1-3", or "2-5". What follows a number is
// passed over, as HAProxy does.
func (p *parser) templateRange(w Word) (lo, hi int, ok bool) {
	first, last, ranged := strings.Cut(w.Text, "-")
	if lo, hi = 1, atol(first); ranged {
		lo, hi = atol(first), atol(last)
	}
	if hi < 1 || hi > math.MaxInt32 || lo < 0 || lo > hi || first == "" || ranged && last == "" || !isDigit(w.Text[0]) {
		p.alert(w, "wrong server-template number or range '%s'", w.Text).Accepted = "<number> or <first>-<last>"
		return 0, 0, false
	}
	if hi-lo >= maxTemplate {
		p.unsupported(w, "more than %d servers in one line are not supported", maxTemplate)
		return 0, 0, false
	}
	return lo, hi, true
}

// judgeServerAtEnd has a server judged by what other lines say; servers of disabled
// proxies are not.
func (p *parser) judgeServerAtEnd(line *serverLine) {
	preset := p.px.template.TLS // "no-ssl" does not spare what it revokes
	withTLS := line.TLS != nil && (line.TLS.Enabled || preset != nil && preset.Enabled)
	withResolvers := line.Resolve != nil && line.Resolve.Resolvers != ""
	withProto := line.Options != nil && line.Options.Proto != "" && line.Options.Proto != "none"
	if !withTLS && !withResolvers && !withProto {
		return
	}
	s, at, main, what := p.px, line.at, line.Pos, "server '"+line.Name+"'"
	t, r := line.TLS, line.Resolve
	p.atEnd(func() {
		if s.px.Disabled {
			return
		}
		c := tlsCheck{p: p, what: what, tls: t, defaults: &p.cfg.Global.TLS.Server, at: at, main: main, lowest: "TLSv1.0"}
		if withTLS {
			c.server()
			c.clientCertificate()
		}
		if withProto && s.tcp() {
			c.alert("proto", "proto none", "MUX protocol is not usable in TCP mode")
		}
		if withResolvers {
			if _, known := p.resolvers[r.Resolvers]; !known {
				c.alert("resolvers", "the name of a resolvers section", "unable to find required resolvers '%s'", r.Resolvers)
			}
		}
	})
}
