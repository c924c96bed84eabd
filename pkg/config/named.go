package config

// headerFault is what can be wrong with the header of a section.
type headerFault uint8

const (
	noName headerFault = 1 << iota
	badName
	extraWord
	sameName
	anyFault = noName | badName | extraWord | sameName
)

// namedRule tells what HAProxy says to the header of a section that needs a name.
type namedRule struct {
	names   func(*parser) map[string]Pos
	extra   bool        // more words are ignored
	anyName bool        // all characters are allowed
	ignored bool        // a second section of the name is ignored with a warning
	goesOn  headerFault // after these the lines of the section are judged nevertheless
	begin   func(p *parser, name Word)
}

// openNamed starts a section that is known under its name only.
func openNamed(rule namedRule) func(*parser, *sectionRow, []Word) {
	return func(p *parser, row *sectionRow, words []Word) {
		name := wordAfter(words[0])
		if len(words) > 1 {
			name = words[1]
			p.sectionName = name.Text
		}
		if fault := p.namedFault(&rule, row, name, words); fault&^rule.goesOn != 0 {
			p.broken = true
			return
		}
		if rule.begin != nil {
			rule.begin(p, name)
		}
	}
}

// namedFault reports what is wrong with the header, and registers the name.
func (p *parser) namedFault(rule *namedRule, row *sectionRow, name Word, words []Word) headerFault {
	form := row.name + " " + row.args
	switch {
	case name.Text == "":
		p.alert(name, "section '%s' expects a name", row.name).Accepted = form
		return noName
	case !rule.anyName && !p.checkName(name, "'"+row.name+"'"):
		return badName
	case len(words) > 2 && rule.extra:
		p.warn(words[2], "'%s' behind the section name is ignored", words[2].Text).Accepted = form
	case len(words) > 2:
		p.alert(words[2], "'%s' cannot handle unexpected argument '%s'", row.name, words[2].Text).Accepted = form
		return extraWord
	}
	known := rule.names(p)
	if old, used := known[name.Text]; used {
		sev := Alert
		if rule.ignored {
			sev = Warning
		}
		p.report(sev, p.pos(name), "section '%s %s' exists already, see %s", row.name, name.Text, old).Accepted = "another name"
		return sameName
	}
	known[name.Text] = p.pos(name)
	return 0
}

// pseudoProxy lets the lines about listeners, servers and logs of a section work
// on a proxy that is not one.
func (p *parser) pseudoProxy(name Word) *Proxy {
	px := &Proxy{Pos: p.pos(name), Name: name.Text, Kind: Listen}
	p.px = &section{px: px, name: p.pos(name), template: Server{Weight: 1}}
	return px
}
