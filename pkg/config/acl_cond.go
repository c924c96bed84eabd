package config

import (
	"maps"
	"slices"
	"strings"
)

const conditionWords = "if|unless [!]<acl> ... [or [!]<acl> ...], or a test between { and }"

// parseCondition reads the condition at words[0], which is "if" or "unless", to
// the end of the line. place has one bit or several: where the condition is
// evaluated. An ACL that cannot match there gets a warning, as in HAProxy.
func (p *parser) parseCondition(words []Word, place Place) (*Condition, bool) {
	if len(words) == 0 || words[0].Text != "if" && words[0].Text != "unless" {
		w := Word{Col: p.width + 1}
		if len(words) > 0 {
			w = words[0]
		}
		p.alert(w, "conditions must start with 'if' or 'unless', got '%s'", w.Text).Accepted = conditionWords
		return nil, false
	}
	c := &Condition{Pos: p.pos(words[0]), Unless: words[0].Text == "unless"}
	var terms []Term
	not := false
	for i := 1; i < len(words); i++ {
		w := words[i]
		name := strings.TrimLeft(w.Text, "!")
		bangs := len(w.Text) - len(name)
		not = not != (bangs%2 == 1)
		w.Text, w.Col = name, w.Col+bangs
		switch {
		case name == "":
			continue
		case strings.EqualFold(name, "or") || name == "||":
			if terms != nil {
				c.Any = append(c.Any, terms)
			}
			terms, not = nil, false
			continue
		}
		acl, next := p.term(words, w, i)
		if acl == nil {
			return nil, false
		}
		p.judgeTerm(acl, w, place)
		terms = append(terms, Term{Not: not, ACL: acl})
		i, not = next, false
	}
	if terms != nil {
		c.Any = append(c.Any, terms)
	}
	return c, true
}

// term reads an ACL name, or a test between braces, at words[i]; it returns the
// place of the last word read. w is that word without exclamation marks.
func (p *parser) term(words []Word, w Word, i int) (acl *ACL, last int) {
	if w.Text != "{" {
		if acl = p.findACL(w.Text); acl == nil {
			d := p.alert(w, "no such ACL: '%s'", w.Text)
			d.Accepted = "an ACL of this section declared further up, a predefined one, or " + conditionWords
			if p.px != nil && len(p.px.acls) < maxCandidates {
				d.Suggest = nearest(w.Text, slices.Collect(maps.Keys(p.px.acls)))
			}
		}
		p.admitPredefined(acl, w)
		return acl, i
	}
	n := slices.IndexFunc(words[i+1:], func(w Word) bool { return w.Text == "}" })
	if n < 0 {
		p.alert(wordAfter(words[len(words)-1]), "missing closing '}' in condition").Accepted = "}"
		return nil, 0
	}
	inner := words[i+1 : i+1+n]
	if n == 0 {
		inner = []Word{{Col: words[i+1].Col}}
	}
	test := p.parseACLTest(inner)
	if test == nil {
		return nil, 0
	}
	return &ACL{Pos: test.Pos, Tests: []ACLTest{*test}}, i + 1 + n
}

// judgeTerm warns of an ACL whose samples are not to be had at place.
func (p *parser) judgeTerm(acl *ACL, w Word, place Place) {
	if place == 0 || len(acl.Tests) == 0 {
		return
	}
	places := Place(0)
	for i := range acl.Tests {
		places |= acl.Tests[i].Expr.Places
	}
	if places&place == 0 {
		name := acl.Name
		if name == "" {
			name = acl.Tests[0].Keyword
		}
		p.warn(w, "acl '%s' will never match because its samples come from %s, which is not available here", name, places).Accepted = "samples that are available in " + place.String()
	}
}

// admitPredefined refuses a predefined ACL whose sample is not to be had yet.
func (p *parser) admitPredefined(acl *ACL, w Word) {
	if acl == nil || acl.Pos.Line > 0 || p.lineState != Done {
		return
	}
	for i := range acl.Tests {
		if row := p.samples.fetches[acl.Tests[i].Expr.Fetch]; row.State == Pending {
			p.unsupported(w, "'%s' is not supported by this version yet: it needs '%s'", w.Text, row.Name)
			return
		}
	}
}
