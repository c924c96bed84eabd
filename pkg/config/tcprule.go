package config

import (
	"slices"
	"strings"
	"time"
)

// ruleKeywords are the TCP rules of proxies (manual, section 4.2).
var ruleKeywords = []Keyword{
	tcpRules(RequestConnection, Done, inFront, "what is done with a connection before anything is read from it"),
	tcpRules(RequestSession, Pending, inFront, "what is done with a session once the handshakes are over"),
	tcpRules(RequestContent, Pending, inProxy, "what is done with a session while its first bytes come in"),
	tcpRules(ResponseContent, Pending, inBack, "what is done with a session while the server's first bytes come in"),
	inspectDelay("tcp-request", inProxy, "longest wait for the bytes that content rules ask for", func(px *Proxy) *time.Duration { return &px.InspectDelay }),
	inspectDelay("tcp-response", inBack, "longest wait for the bytes of the server that content rules ask for", func(px *Proxy) *time.Duration { return &px.ResponseInspectDelay }),
}

func tcpRules(set RuleSet, state State, where Where, help string) Keyword {
	return Keyword{
		Name: set.String(), Where: where, Args: "<action> [if | unless <condition>]", Max: -1, State: state, Named: true, Strict: true,
		Help: help, parse: func(p *parser, st *statement) { p.parseTCPRule(st, set) },
	}
}

func inspectDelay(kind string, where Where, help string, field func(*Proxy) *time.Duration) Keyword {
	return Keyword{
		Name: kind + " inspect-delay", Where: where, Args: "<time>", Min: 1, Max: -1, Default: "0, no wait", State: Pending, Named: true, Strict: true, Help: help,
		parse: func(p *parser, st *statement) {
			d, ok := p.duration(st.arg(0), st.kw.Name)
			value := field(p.px.px)
			switch {
			case !ok:
			case *value != 0:
				p.warn(st.name[0], "'%s' is ignored, it was set before", st.kw.Name)
			default:
				*value = d
			}
			p.extra(st, 1)
		},
	}
}

// ruleState is what the rules of a section leave for later lines.
type ruleState struct {
	sets      RuleSet           // the rule sets that have rules
	http      bool              // there are HTTP rules
	ends      map[RuleSet]Pos   // unconditional rules that nothing gets past
	latest    int               // rank of the latest evaluated kind of rule
	filters   []string          // kinds of the "filter" lines
	bandwidth []BandwidthFilter // the "filter bwlim-" lines
	users     Kind              // of a defaults section: the last kind of proxy that started from it
	used      bool              // users is set
}

// any reports whether the section has rules at all.
func (r *ruleState) any() bool { return r.sets != 0 || r.http }

// place tells where the rules of a set of the open section are evaluated.
func (p *parser) place(set RuleSet) Place {
	front, back := p.section != InBackend, p.section != InFrontend
	var place Place
	switch set {
	case RequestConnection:
		return PlaceConnection
	case RequestSession:
		return PlaceSession
	case RequestContent:
		if front {
			place |= PlaceFrontContent
		}
		if back {
			place |= PlaceBackContent
		}
	case ResponseContent:
		place = PlaceBackResponse
		if front {
			place |= PlaceFrontResponse
		}
	}
	return place
}

func (p *parser) parseTCPRule(st *statement, set RuleSet) {
	row := p.findAction(st, set)
	if row == nil {
		return
	}
	name, before := st.args[0], p.alertCount
	a := &actionLine{p: p, row: row, set: set, place: p.place(set), name: name, wordReader: wordReader{st.args[1:], p.width + 1}}
	rule := TCPRule{Pos: p.pos(name), Set: set, Action: row.Name}
	ok := true
	if row.parse != nil {
		rule.Args, ok = row.parse(a)
	}
	if !ok {
		return
	}
	if rule.Cond, ok = p.ruleCondition(a.words, a.place, set.String()+" "+name.Text); !ok {
		return
	}
	p.warnOrder(st, rule)
	p.px.rules.sets |= set
	p.px.px.TCPRules = append(p.px.px.TCPRules, rule)
	switch {
	case row.State == Refused:
		p.unsupported(name, "'%s %s' is not supported: %s", set, row.Name, row.Why)
	case p.lineState == Done && row.done&set == 0 && p.alertCount == before:
		p.unsupported(name, "'%s %s' is not supported by this version yet", set, name.Text)
	}
}

// findAction returns the row of the action that the rule starts with, nil after
// an alert.
func (p *parser) findAction(st *statement, set RuleSet) *ActionRow {
	w := st.arg(0)
	row := actionRow(w.Text)
	switch {
	case row == nil:
		d := p.alert(w, "'%s' has no action '%s'", set, w.Text)
		names := actionNames(set)
		d.Accepted, d.Suggest = strings.Join(names, ", "), nearest(optionName(w.Text), names)
	case row.Since != "":
		p.alert(w, "'%s' is not supported: it came with HAProxy %s, the language spoken here is that of %s", row.Name, row.Since, CompatVersion).Accepted = strings.Join(actionNames(set), ", ")
	case row.Sets&set == 0:
		p.alert(w, "'%s' is not allowed in '%s' rules", w.Text, set).Accepted = "'" + row.Name + "' in " + row.Sets.String()
	default:
		return row
	}
	return nil
}

// ruleCondition reads what stands behind a rule: nothing, or a condition.
func (p *parser) ruleCondition(words []Word, place Place, what string) (*Condition, bool) {
	if len(words) == 0 || words[0].Text == "" {
		return nil, true
	}
	if w := words[0]; w.Text != "if" && w.Text != "unless" {
		d := p.alert(w, "'%s' only accepts 'if' or 'unless', got '%s'", what, w.Text)
		d.Accepted, d.Suggest = "if <condition>, unless <condition>", nearest(w.Text, []string{"if", "unless"})
		return nil, false
	}
	return p.parseCondition(words, place)
}

// The ranks tell the order in which rules are evaluated, whatever that of the lines.
const (
	rankUseBackend = 5
	rankUseServer  = 6
)

var ruleRanks = map[RuleSet]int{RequestConnection: 1, RequestSession: 2, RequestContent: 3}

// warnOrder warns of a rule that is evaluated earlier than its place suggests,
// and of one that is never reached.
func (p *parser) warnOrder(st *statement, rule TCPRule) {
	r := &p.px.rules
	if rank := ruleRanks[rule.Set]; rank != 0 {
		if rank < r.latest {
			p.warn(st.name[0], "this '%s' rule is evaluated before the rules of another kind above it", rule.Set)
		}
		r.latest = max(r.latest, rank)
	}
	if end, ended := r.ends[rule.Set]; ended {
		p.warn(st.name[0], "this '%s' rule is never reached: the one at %s ends the list", rule.Set, end)
		return
	}
	if rule.Cond == nil && slices.Contains([]string{"accept", "reject", "close", "silent-drop"}, rule.Action) {
		if r.ends == nil {
			r.ends = map[RuleSet]Pos{}
		}
		r.ends[rule.Set] = rule.Pos
	}
}

// admitInherited judges what a section may take over of the rules of the defaults
// section that it starts from: rules stand in one list for frontends or backends
// only, and they are not copied.
func (p *parser) admitInherited(at Word, base *section, kind Kind, isDefaults bool) {
	if base == nil || !base.rules.any() {
		return
	}
	alert := func(format string, a ...any) {
		p.alert(at, format, append(a, base.name)...).Accepted = "a defaults section without TCP and HTTP rules"
	}
	r := &base.rules
	switch {
	case isDefaults:
		alert("a defaults section cannot start from one with TCP or HTTP rules (declared at %s)")
	case kind == Listen:
		alert("a listen section cannot start from a defaults section with TCP or HTTP rules (declared at %s)")
	case kind == Backend && r.sets&(RequestConnection|RequestSession) != 0:
		alert("a backend section cannot start from a defaults section with 'tcp-request connection' or 'tcp-request session' rules (declared at %s)")
	case r.used && r.users != kind:
		alert("frontends and backends cannot start from the same defaults section if it has TCP or HTTP rules (declared at %s)")
	default:
		r.users, r.used = kind, true
	}
}

// whenUsed has f run at the end if the open section comes to be used: HAProxy
// judges neither disabled proxies nor defaults sections that none starts from.
func (p *parser) whenUsed(f func()) {
	s, isDefaults := p.px, p.section == InDefaults
	p.atEnd(func() {
		if s != nil && p.inUse(s, isDefaults) {
			f()
		}
	})
}

func (p *parser) inUse(s *section, isDefaults bool) bool {
	if !isDefaults {
		return !s.px.Disabled && !s.faulty
	}
	for _, px := range p.sections {
		if px.base == s && !px.px.Disabled {
			return true
		}
	}
	return false
}

// keepRoleRules clears the rules of the role that the proxy does not have.
func (px *Proxy) keepRoleRules() {
	var foreign RuleSet
	if !px.Kind.HasFrontend() {
		foreign |= RequestConnection | RequestSession
		px.BackendRules, px.Captures = nil, nil
	}
	if !px.Kind.HasBackend() {
		foreign |= ResponseContent
		px.ServerRules, px.PersistRules, px.StickRules, px.ResponseInspectDelay = nil, nil, nil, 0
	}
	if slices.ContainsFunc(px.TCPRules, func(r TCPRule) bool { return r.Set&foreign != 0 }) {
		px.TCPRules = slices.DeleteFunc(slices.Clone(px.TCPRules), func(r TCPRule) bool { return r.Set&foreign != 0 })
	}
	px.TCPRules = slices.Clip(px.TCPRules)
}
