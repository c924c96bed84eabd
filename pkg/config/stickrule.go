package config

import (
	"maps"
	"slices"
)

const stickForm = "stick on | match | store-request | store-response <key> [table <table>] [if | unless <condition>]"

func stickRule(kind, help string) Keyword {
	return Keyword{
		Name: "stick " + kind, Where: inBack &^ InDefaults, Args: "<key> [table <table>] [if | unless <condition>]", Max: -1, State: Pending, Help: help,
		parse: parseStickRule,
	}
}

// parseStickRule reads a "stick" line. "stick store" is short for "store-request".
// In a section without servers HAProxy does not look at the line any further.
func parseStickRule(p *parser, st *statement) {
	if p.section == InFrontend {
		return
	}
	kind, words := "store-request", st.args
	if len(st.name) > 1 {
		kind = st.name[1].Text
	} else if w := st.arg(0); w.Text == "store" {
		words = words[1:]
	} else {
		d := p.alert(w, "'stick' expects 'on', 'match' or 'store', got '%s'", w.Text)
		d.Accepted, d.Suggest = stickForm, nearest(w.Text, []string{"on", "match", "store-request", "store-response"})
		return
	}
	rule := StickRule{Pos: p.pos(st.name[0]), Kind: kind}
	place := PlaceSetServer
	switch kind {
	case "store-request":
		place = PlaceSetServer
	case "store-response":
		place = PlaceStoreResponse
	}
	if len(words) == 0 || words[0].Text == "" {
		p.alert(st.arg(len(st.args)), "'stick' expects a fetch method").Accepted = stickForm
		return
	}
	e, rest, ok := p.parseExpr(words, place)
	if !ok {
		return
	}
	rule.Expr = e
	use := tableUse{at: rule.Pos, name: p.px.px.Name, key: e, by: "stick " + kind}
	if len(rest) > 0 && rest[0].Text == "table" {
		at := wordAfter(rest[0])
		if rest = rest[1:]; len(rest) > 0 {
			at, rest = rest[0], rest[1:]
		}
		rule.Table = at.Text
		use.at, use.name = p.pos(at), at.Text
	}
	if len(rest) > 0 && rest[0].Text != "" && rest[0].Text != "if" && rest[0].Text != "unless" {
		d := p.alert(rest[0], "'stick': unknown keyword '%s'", rest[0].Text)
		d.Accepted, d.Suggest = stickForm, nearest(rest[0].Text, []string{"table", "if", "unless"})
		return
	}
	if rule.Cond, ok = p.ruleCondition(rest, place, "stick "+kind); !ok {
		return
	}
	p.needTable(use)
	p.px.px.StickRules = append(p.px.px.StickRules, rule)
}

// tableUse is a line that needs a stick table.
type tableUse struct {
	at   Pos
	name string      // of the table
	key  *Expr       // what it is looked up by; nil: nothing
	by   string      // for messages
	data string      // what its entries must hold; "": anything
	like *StickTable // a table that must have the same type; nil: none
}

// needTable judges the use of a table when all tables are known.
func (p *parser) needTable(use tableUse) {
	p.whenUsed(func() {
		t := p.tables[use.name]
		switch {
		case t == nil:
			d := p.report(Alert, use.at, "unable to find table '%s' referenced by '%s'", use.name, use.by)
			d.Accepted, d.Suggest = "the name of a proxy with a stick-table", nearest(use.name, slices.Collect(maps.Keys(p.tables)))
		case t.Type == TypeAny: // its line was refused
		case use.key != nil && !use.key.Type.castable(t.Type):
			p.report(Alert, use.at, "stick-table '%s' (declared at %s) cannot have the key of '%s'", use.name, t.Pos, use.by).Accepted = "a key that fits the type of the table"
		case use.like != nil && use.like.Type != TypeAny && (use.like.Type != t.Type || use.like.Length != t.Length):
			p.report(Alert, use.at, "'%s': stick-table '%s' (declared at %s) has keys of another type or length", use.by, use.name, t.Pos).Accepted = "a table with the same type"
		case use.data != "" && !slices.ContainsFunc(t.Store, func(d StoredData) bool { return d.Name == use.data }):
			p.report(Alert, use.at, "stick-table '%s' (declared at %s) does not store what '%s' needs", use.name, t.Pos, use.by).Accepted = "'store " + use.data + "(<time>)' in the table"
		}
	})
}

// needPeers judges the name of a peers section when all sections are known.
func (p *parser) needPeers(w Word) {
	at := p.pos(w)
	p.whenUsed(func() {
		if _, known := p.peers[w.Text]; known {
			return
		}
		d := p.report(Alert, at, "unable to find peers section '%s'", w.Text)
		d.Accepted, d.Suggest = "the name of a peers section", nearest(w.Text, slices.Collect(maps.Keys(p.peers)))
	})
}
