package config

import (
	"maps"
	"slices"
	"strings"
)

// switchKeywords are the lines that choose backends and servers, and the places
// for captured samples.
var switchKeywords = []Keyword{
	{Name: "use_backend", Where: inFront &^ InDefaults, Args: "<backend> [if | unless <condition>]", Min: 1, Max: -1,
		Help: "the backend of sessions for which a condition holds", parse: parseUseBackend},
	{Name: "use-server", Where: inBack &^ InDefaults, Args: "<server> if | unless <condition>", Min: 1, Max: -1,
		Help: "the server of sessions for which a condition holds", parse: parseUseServer},
	{Name: "force-persist", Where: inBack &^ InDefaults, Args: "if | unless <condition>", Max: -1, State: Pending,
		Help: "keep sessions at their server though it is down", parse: parsePersistRule},
	{Name: "ignore-persist", Where: inBack &^ InDefaults, Args: "if | unless <condition>", Max: -1, State: Pending,
		Help: "do not keep sessions at a server", parse: parsePersistRule},
	{Name: "declare capture", Where: inFront &^ InDefaults, Args: "request | response len <bytes>", Max: -1, State: Pending, Strict: true,
		Help: "make room for a captured sample", parse: parseDeclareCapture},
	{Name: "force-be-switch", Where: inFront &^ InDefaults, Args: "if | unless <condition>", Max: -1, State: Refused, Since: "3.4", Why: "it came with HAProxy 3.4",
		Help: "use a backend though it is not published"},
	{Name: "be-unpublished", Where: inBack &^ InDefaults, State: Refused, Since: "3.4", Why: "it came with HAProxy 3.4",
		Help: "keep a backend away from switching rules"},
}

// literalName reports whether a name that may be a log-format string is none.
func literalName(s string) bool { return !strings.Contains(strings.ReplaceAll(s, "%%", ""), "%") }

// computedName reads a name that is made for each session, which is not done yet.
func (p *parser) computedName(w Word, place Place) (*LogFormat, bool) {
	before := p.alertCount
	format, ok := p.parseLogFormat(w, place)
	if ok && p.alertCount == before {
		p.unsupported(w, "a computed name is not supported by this version yet: '%s'", w.Text)
	}
	return format, ok
}

// switchCondition judges what stands behind the name; required tells whether
// there must be a condition.
func (p *parser) switchCondition(st *statement, words []Word, place Place, required bool) (*Condition, bool) {
	if required && (len(words) == 0 || words[0].Text != "if" && words[0].Text != "unless") {
		at := st.arg(len(st.args))
		if len(words) > 0 {
			at = words[0]
		}
		p.alert(at, "'%s' requires 'if' or 'unless' and a condition", st.kw.Name).Accepted = st.kw.synopsis()
		return nil, false
	}
	return p.ruleCondition(words, place, st.kw.Name)
}

func parseUseBackend(p *parser, st *statement) {
	w := st.args[0]
	cond, ok := p.switchCondition(st, st.args[1:], PlaceUseBackend, false)
	if !ok {
		return
	}
	rule := BackendRule{Pos: p.pos(w), Backend: w.Text, Cond: cond}
	r := &p.px.rules
	if end, ended := r.ends[0]; ended {
		p.warn(w, "this 'use_backend' rule is never reached: the one at %s has no condition", end)
	} else if cond == nil {
		if r.ends == nil {
			r.ends = map[RuleSet]Pos{}
		}
		r.ends[0] = rule.Pos
	}
	r.latest = max(r.latest, rankUseBackend)
	if !literalName(w.Text) {
		if rule.Format, ok = p.computedName(w, PlaceUseBackend); !ok {
			return
		}
	} else {
		p.needBackend(rule)
	}
	p.px.px.BackendRules = append(p.px.px.BackendRules, rule)
}

// needBackend judges the name behind "use_backend" when all sections are known.
func (p *parser) needBackend(rule BackendRule) {
	s := p.px
	p.whenUsed(func() {
		target := p.backend[rule.Backend]
		switch {
		case target == nil:
			d := p.report(Alert, rule.Pos, "unable to find required use_backend: '%s'", rule.Backend)
			d.Accepted, d.Suggest = "the name of a backend or listen section", nearest(rule.Backend, p.backendNames())
		case target == s:
			p.report(Alert, rule.Pos, "loop detected for use_backend: '%s'", rule.Backend).Accepted = "another backend"
		case !reaches(s.mode, target.mode):
			p.report(Alert, rule.Pos, "%s '%s' cannot use backend '%s', which is in another mode", s.px.Kind, s.px.Name, rule.Backend).Accepted = "a backend of the same mode"
		}
	})
}

// reaches reports whether a frontend of one mode can use a backend of another:
// TCP can be upgraded to HTTP.
func reaches(from, to string) bool {
	if from == "" {
		from = "tcp"
	}
	if to == "" {
		to = "tcp"
	}
	return from == to || from == "tcp" && to == "http"
}

func parseUseServer(p *parser, st *statement) {
	w := st.args[0]
	cond, ok := p.switchCondition(st, st.args[1:], PlaceSetServer, true)
	if !ok {
		return
	}
	rule := ServerRule{Pos: p.pos(w), Server: w.Text, Cond: cond}
	p.px.rules.latest = max(p.px.rules.latest, rankUseServer)
	if !literalName(w.Text) {
		if rule.Format, ok = p.computedName(w, PlaceSetServer); !ok {
			return
		}
	} else {
		s := p.px
		p.whenUsed(func() {
			if _, known := s.serverLines[rule.Server]; known {
				return
			}
			d := p.report(Alert, rule.Pos, "unable to find server '%s' referenced in a 'use-server' rule", rule.Server)
			d.Accepted, d.Suggest = "the name of a server of the section", nearest(rule.Server, slices.Collect(maps.Keys(s.serverLines)))
		})
	}
	p.px.px.ServerRules = append(p.px.px.ServerRules, rule)
}

func parsePersistRule(p *parser, st *statement) {
	cond, ok := p.switchCondition(st, st.args, PlaceSetServer, true)
	if ok {
		rule := PersistRule{Pos: p.pos(st.name[0]), Ignore: st.kw.Name == "ignore-persist", Cond: cond}
		p.px.px.PersistRules = append(p.px.px.PersistRules, rule)
	}
}

func parseDeclareCapture(p *parser, st *statement) {
	direction, word, length := st.arg(0), st.arg(1), st.arg(2)
	fault := func(w Word, format string, a ...any) {
		p.alert(w, "'declare capture' "+format, a...).Accepted = st.kw.synopsis()
	}
	n, ok := cInteger(length.Text, 10)
	switch {
	case direction.Text != "request" && direction.Text != "response":
		fault(direction, "requires a direction, got '%s'", direction.Text)
		return
	case word.Text != "len":
		fault(word, "requires 'len', got '%s'", word.Text)
		return
	case !ok || n <= 0:
		fault(length, "requires a length above 0, got '%s'", length.Text)
		return
	}
	p.extra(st, 3)
	slot := CaptureSlot{Pos: p.pos(st.name[0]), Response: direction.Text == "response", Length: int(min(n, 1<<31-1))}
	p.px.px.Captures = append(p.px.px.Captures, slot)
}
