package config

import (
	"slices"
	"strings"
)

// proxyKeywords are the keywords of defaults, frontend, listen and backend
// sections (manual, section 4) that have no table of their own.
var proxyKeywords = []Keyword{
	{Name: "mode", Where: inProxy, Args: "tcp", Min: 1, Max: 1, Default: "tcp", Help: "what the proxy understands of the stream", parse: parseMode},
	{Name: "default_backend", Where: inFront, Args: "<backend>", Min: 1, Max: 1, Help: "backend of a frontend", parse: parseDefaultBackend},
	{Name: "maxconn", Where: inFront, Args: "<number>", Min: 1, Max: 1, Default: "that of global", Help: "concurrent connections of a frontend",
		parse: proxyInt(func(px *Proxy) *int { return &px.Maxconn })},
	{Name: "backlog", Where: inFront, Args: "<number>", Min: 1, Max: 1, Default: "net.core.somaxconn", Help: "length of the listen queue",
		parse: proxyInt(func(px *Proxy) *int { return &px.Backlog })},
	{Name: "fullconn", Where: inBack, Args: "<number>", Min: 1, Max: 1, Default: "a tenth of the maxconn of its frontends",
		Help:  "connections of a backend at which servers reach their maxconn",
		parse: proxyInt(func(px *Proxy) *int { return &px.Fullconn })},
	{Name: "retries", Where: inBack, Args: "<number>", Min: 1, Max: 1, Default: "3", Help: "connection attempts after the first",
		parse: proxyInt(func(px *Proxy) *int { return &px.Retries })},
	{Name: "rate-limit sessions", Where: inFront, Args: "<number>", Min: 1, Max: -1, Default: "0, unlimited",
		Help: "new sessions per second that a frontend accepts", parse: parseRateLimit},
	{Name: "retry-on", Where: inBack, Strict: true, Args: "none | <event>...", Min: 1, Max: -1, Default: "conn-failure", State: Pending,
		Help: "what makes a failed attempt be tried again", parse: parseRetryOn},
	{Name: "max-session-srv-conns", Where: inFront, Args: "<number>", Min: 1, Max: -1, Default: "5", State: NoEffect,
		Why: "a session has one server connection", Help: "idle server connections that a session may keep", parse: parseSessionConns},
	{Name: "log-tag", Where: inProxy, Args: "<tag>", Min: 1, Max: -1, Default: "that of global", State: Pending, Help: "tag of the log lines",
		parse: func(p *parser, st *statement) { p.px.px.LogTag = st.args[0].Text; p.extra(st, 1) }},
	{Name: "log-steps", Where: inFront, Max: -1, State: Refused, Since: "3.1", Help: "steps of a session that are logged"},
	{Name: "crt", Where: inFront &^ InDefaults, Max: -1, State: Refused, Since: "3.3", Help: "a certificate of the frontend"},
	{Name: "persist", Where: inBack, Args: "rdp-cookie[(<name>)]", Min: 1, Max: -1, State: Pending,
		Help: "send a client to the server that its RDP cookie names", parse: parsePersist},
	{Name: "load-server-state-from-file", Where: inBack, Args: "global | local | none", Min: 1, Max: -1, Default: "none", State: Pending,
		Help: "where the state of the servers is read from at start", parse: parseLoadState},
	{Name: "server-state-file-name", Where: inBack, Args: "[<file> | use-backend-name]", Max: 1, Default: "the name of the backend", State: Pending,
		Help: "file for 'load-server-state-from-file local'", parse: parseStateFile},
	{Name: "guid", Where: inProxy &^ InDefaults, Args: "<name>", Min: 1, Max: -1, State: Pending, Help: "name that no other proxy, listener or server has",
		parse: parseGUID},
	{Name: "disabled", Where: inProxy, Help: "keep the proxy out of service",
		parse: func(p *parser, _ *statement) { p.px.px.Disabled = true }},
	{Name: "enabled", Where: inProxy, Help: "revoke 'disabled' of a defaults section",
		parse: func(p *parser, _ *statement) { p.px.px.Disabled = false }},
	{Name: "id", Where: InFrontend | InListen | InBackend, Args: "<number>", Min: 1, Max: 1, Default: "the place among the proxies",
		Help: "number of the proxy in statistics", parse: parseProxyID},
	{Name: "description", Where: InFrontend | InListen | InBackend, Args: "<text>...", Min: 1, Max: -1, State: NoEffect, Why: noStatsPage,
		Help:  "text shown in statistics",
		parse: func(p *parser, st *statement) { p.px.px.Description = joinWords(st.args) }},
}

func proxyInt(field func(*Proxy) *int) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		*field(p.px.px) = p.looseInt(st.arg(0), st.kw.Name)
	}
}

// laterModes came with versions of the language after the one spoken here.
var laterModes = []string{"spop", "haterm"}

func parseMode(p *parser, st *statement) {
	switch w := st.arg(0); {
	case w.Text == "tcp", w.Text == "http", w.Text == "log" && p.section != InFrontend:
		p.px.mode, p.px.modeAt = w.Text, p.pos(w)
	case w.Text == "health":
		p.alert(w, "'mode health' doesn't exist anymore").Accepted = "mode tcp"
	case slices.Contains(laterModes, w.Text):
		p.alert(w, "'mode %s' came with a later version of HAProxy than %s", w.Text, CompatVersion).Accepted = "mode tcp"
	default:
		d := p.alert(w, "unknown proxy mode '%s'", w.Text)
		d.Accepted, d.Suggest = "mode tcp", nearest(w.Text, []string{"tcp", "http"})
	}
}

func parseDefaultBackend(p *parser, st *statement) {
	p.px.px.DefaultBackend = st.arg(0).Text
	p.px.defaultBackend = p.pos(st.arg(0))
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

func parseSessionConns(p *parser, st *statement) {
	p.px.px.SessionConns = p.looseInt(st.args[0], st.kw.Name)
	p.extra(st, 1)
}

func parsePersist(p *parser, st *statement) {
	w := st.args[0]
	if !strings.HasPrefix(w.Text, "rdp-cookie") {
		d := p.alert(w, "unknown persist method '%s'", w.Text)
		d.Accepted, d.Suggest = st.kw.synopsis(), nearest(w.Text, []string{"rdp-cookie"})
		return
	}
	if name, ok := p.rdpCookie(w, "msts"); ok {
		p.px.px.Persistence = &Persistence{Pos: p.pos(w), Cookie: name}
	}
	p.extra(st, 1)
}

func parseLoadState(p *parser, st *statement) {
	if p.oneOf(st.args[0], "place of the servers' state", []string{"global", "local", "none"}) {
		p.px.px.State.From = st.args[0].Text
	}
	p.extra(st, 1)
}

func parseStateFile(p *parser, st *statement) {
	name := st.arg(0).Text
	if name == "use-backend-name" {
		name = ""
	}
	p.px.px.State.File = name
}

func parseGUID(p *parser, st *statement) {
	if old := p.px.px.GUID; old != "" {
		delete(p.guids, old)
	}
	if p.claimGUID(st.args[0], p.px.px.Kind.String()+" '"+p.px.px.Name+"'") {
		p.px.px.GUID = st.args[0].Text
	}
	p.extra(st, 1)
}

// maxGUID is the longest guid in bytes.
const maxGUID = 127

// claimGUID checks a guid and that nothing else has it; owner is who wants it.
func (p *parser) claimGUID(w Word, owner string) bool {
	for i := 0; i < len(w.Text); i++ {
		if c := w.Text[i]; !isAlnum(c) && c != '-' && c != '_' && c != '.' && c != ':' {
			p.alert(Word{Col: w.Col + i}, "'guid': invalid character %s", printable(c)).Accepted = "letters, digits, '-', '_', '.', ':'"
			return false
		}
	}
	if len(w.Text) > maxGUID {
		p.alert(w, "'guid': invalid length").Accepted = "1 to 127 characters"
		return false
	}
	if old, used := p.guids[w.Text]; used {
		p.alert(w, "'guid': '%s' is that of %s", w.Text, old).Accepted = "another name"
		return false
	}
	p.guids[w.Text] = owner
	return true
}
