package config

import (
	"strings"
)

// proxyKeywords are the keywords of defaults, frontend, listen and backend
// sections (manual, section 4) that have no table of their own.
var proxyKeywords = []Keyword{
	{Name: "mode", Where: inProxy, Args: "tcp", Min: 1, Max: 1, Default: "tcp", Help: "what the proxy understands of the stream", parse: parseMode},
	{Name: "default_backend", Where: inFront, Args: "<backend>", Min: 1, Max: 1, Help: "backend of a frontend", parse: parseDefaultBackend},
	{Name: "balance", Where: inBack, Args: "roundrobin | leastconn", Max: -1, Default: "roundrobin", Help: "how a server is chosen", parse: parseBalance},
	{Name: "maxconn", Where: inFront, Args: "<number>", Min: 1, Max: 1, Default: "that of global", Help: "concurrent connections of a frontend",
		parse: proxyInt(func(px *Proxy) *int { return &px.Maxconn })},
	{Name: "backlog", Where: inFront, Args: "<number>", Min: 1, Max: 1, Default: "maxconn", Help: "length of the listen queue",
		parse: proxyInt(func(px *Proxy) *int { return &px.Backlog })},
	{Name: "fullconn", Where: inBack, Args: "<number>", Min: 1, Max: 1, Default: "a tenth of the maxconn of its frontends",
		State: NoEffect, Why: "it only matters to servers with 'minconn', which is not supported yet",
		Help:  "connections of a backend at which servers reach their maxconn",
		parse: proxyInt(func(px *Proxy) *int { return &px.Fullconn })},
	{Name: "retries", Where: inBack, Args: "<number>", Min: 1, Max: 1, Default: "3", Help: "connection attempts after the first",
		parse: proxyInt(func(px *Proxy) *int { return &px.Retries })},
	{Name: "rate-limit sessions", Where: inFront, Args: "<number>", Min: 1, Max: -1, Default: "0, unlimited",
		Help: "new sessions per second that a frontend accepts", parse: parseRateLimit},
	{Name: "disabled", Where: inProxy, Help: "keep the proxy out of service",
		parse: func(p *parser, _ *statement) { p.px.px.Disabled = true }},
	{Name: "enabled", Where: inProxy, Help: "revoke 'disabled' of a defaults section",
		parse: func(p *parser, _ *statement) { p.px.px.Disabled = false }},
	{Name: "id", Where: InFrontend | InListen | InBackend, Args: "<number>", Min: 1, Max: 1, Default: "the place among the proxies",
		Help: "number of the proxy in statistics", parse: parseProxyID},
	{Name: "description", Where: InFrontend | InListen | InBackend, Args: "<text>...", Min: 1, Max: -1, Help: "text shown in statistics",
		parse: func(p *parser, st *statement) { p.px.px.Description = joinWords(st.args) }},
}

func proxyInt(field func(*Proxy) *int) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		*field(p.px.px) = p.looseInt(st.arg(0), st.kw.Name)
	}
}

func parseMode(p *parser, st *statement) {
	switch w := st.arg(0); w.Text {
	case "tcp", "http", "log", "spop", "haterm":
		p.px.mode, p.px.modeAt = w.Text, p.pos(w)
	case "health":
		p.alert(w, "'mode health' doesn't exist anymore").Accepted = "mode tcp"
	default:
		d := p.alert(w, "unknown proxy mode '%s'", w.Text)
		d.Accepted, d.Suggest = "mode tcp", nearest(w.Text, []string{"tcp", "http"})
	}
}

func parseDefaultBackend(p *parser, st *statement) {
	p.px.px.DefaultBackend = st.arg(0).Text
	p.px.defaultBackend = p.pos(st.arg(0))
}

// balanceStates lists HAProxy's algorithms; a name ends at "(".
var balanceStates = []struct {
	name  string
	state State
}{
	{"roundrobin", Done}, {"leastconn", Done},
	{"static-rr", Pending}, {"first", Pending}, {"source", Pending}, {"random", Pending},
	{"rdp-cookie", Pending}, {"hash", Pending}, {"sticky", Pending}, {"log-hash", Pending},
	{"uri", Refused}, {"url_param", Refused}, {"hdr", Refused},
}

func parseBalance(p *parser, st *statement) {
	if len(st.args) == 0 {
		p.warn(st.arg(0), "'balance' without an algorithm is ignored").Accepted = st.kw.synopsis()
		return
	}
	w := st.args[0]
	name, _, _ := strings.Cut(w.Text, "(")
	var names []string
	for _, alg := range balanceStates {
		if alg.name != name || (alg.state == Done && w.Text != name) {
			names = append(names, alg.name)
			continue
		}
		if alg.state != Done {
			p.unsupported(w, "'balance %s' is %s", name, balanceFault(alg.state))
			return
		}
		p.extra(st, 1)
		p.px.px.Balance = Balance{Algorithm: name, Pos: p.pos(w)}
		return
	}
	d := p.alert(w, "unknown balance algorithm '%s'", w.Text)
	d.Accepted, d.Suggest = "roundrobin, leastconn", nearest(w.Text, names)
}

func balanceFault(state State) string {
	if state == Refused {
		return "not supported: it needs HTTP"
	}
	return "not supported by this version yet"
}

func parseRateLimit(p *parser, st *statement) {
	w := st.arg(0)
	digits := strings.TrimLeft(w.Text, "+-")
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 || digits == "" {
		p.alert(w, "'rate-limit sessions' expects an integer, got '%s'", w.Text).Accepted = "sessions per second, 0 is unlimited"
		return
	}
	p.px.px.RateSessions = p.looseInt(w, "rate-limit sessions")
	p.extra(st, 1)
}

func parseProxyID(p *parser, st *statement) {
	w := st.arg(0)
	if atol(w.Text) <= 0 {
		p.alert(w, "custom id has to be > 0, got '%s'", w.Text).Accepted = "1 to 2147483647"
		return
	}
	id := p.looseInt(w, "id")
	if p.px.px.ID != 0 {
		p.alert(w, "%s '%s' has the id %d already", p.px.px.Kind, p.px.px.Name, p.px.px.ID).Accepted = "one 'id' line"
		return
	}
	if other := p.proxyIDs[id]; other != nil {
		p.alert(w, "custom id %d already used by %s '%s' at %s", id, other.px.Kind, other.px.Name, other.name).Accepted = "another number"
		return
	}
	p.px.px.ID, p.proxyIDs[id] = id, p.px
}
