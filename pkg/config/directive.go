package config

import (
	"strings"
)

// directives are the lines that start with a dot (manual, section 2.4). The
// parser handles them before it looks at sections.
var directives = []Keyword{
	{Name: ".if", Where: Directive, Args: "<condition>", Max: -1, Help: "keep the lines up to the next branch if the condition holds"},
	{Name: ".elif", Where: Directive, Args: "<condition>", Max: -1, Help: "the same, if no branch before was kept"},
	{Name: ".else", Where: Directive, Help: "keep the lines if no branch before was kept"},
	{Name: ".endif", Where: Directive, Help: "end of the .if block"},
	{Name: ".diag", Where: Directive, Args: "<message>", Max: 1, Help: "a message for diagnostic mode (option -dD)"},
	{Name: ".notice", Where: Directive, Args: "<message>", Max: 1, Help: "a message"},
	{Name: ".warning", Where: Directive, Args: "<message>", Max: 1, Help: "a warning"},
	{Name: ".alert", Where: Directive, Args: "<message>", Max: 1, Help: "a message that refuses the configuration"},
}

// branch is the state of one .if block.
type branch int

const (
	taking   branch = iota // lines are kept
	seeking                // no branch was kept yet
	finished               // a branch was kept already, or an outer block is skipped
)

// conditional is an open .if block.
type conditional struct {
	at       Pos
	state    branch
	elseSeen bool
}

// skipping reports whether the current line is in a branch that is not kept.
func (p *parser) skipping() bool {
	return len(p.ifs) > 0 && p.ifs[len(p.ifs)-1].state != taking
}

func (p *parser) parseDirective(words []Word) {
	name, args := words[0], words[1:]
	switch name.Text {
	case ".if":
		p.openIf(name, args)
	case ".elif", ".else", ".endif":
		p.continueIf(name, args)
	case ".diag", ".notice", ".warning", ".alert":
		if !p.skipping() {
			p.message(name, args)
		}
	default:
		if p.skipping() {
			return
		}
		names := make([]string, len(directives))
		for i := range directives {
			names[i] = directives[i].Name
		}
		d := p.alert(name, "unknown directive '%s'", name.Text)
		d.Accepted, d.Suggest = strings.Join(names, ", "), nearest(name.Text, names)
	}
}

func (p *parser) openIf(name Word, args []Word) {
	c := conditional{at: p.pos(name), state: finished}
	if !p.skipping() {
		c.state = seeking
		if p.condition(name, args) {
			c.state = taking
		}
	}
	p.ifs = append(p.ifs, c)
}

func (p *parser) continueIf(name Word, args []Word) {
	if len(p.ifs) == 0 {
		p.alert(name, "lone '%s' with no matching '.if'", name.Text).Accepted = ".if <condition> on a line before"
		return
	}
	if name.Text != ".elif" && len(args) > 0 {
		p.alert(args[0], "unexpected argument '%s' for '%s'", args[0].Text, name.Text).Accepted = name.Text
		return
	}
	c := &p.ifs[len(p.ifs)-1]
	if name.Text == ".endif" {
		p.ifs = p.ifs[:len(p.ifs)-1]
		return
	}
	if c.elseSeen {
		p.alert(name, "'%s' after '.else' is not permitted", name.Text).Accepted = ".endif"
		return
	}
	c.elseSeen = name.Text == ".else"
	switch {
	case c.state == taking:
		c.state = finished
	case c.state == seeking && (c.elseSeen || p.condition(name, args)):
		c.state = taking
	}
}

// closeConditionals reports the blocks that a file leaves open.
func (p *parser) closeConditionals() {
	for _, c := range p.ifs {
		p.alert(Word{Col: 1}, "non-terminated '.if' block, opened at %s", c.at).Accepted = ".endif"
	}
	p.ifs = p.ifs[:0]
}

// message passes on what the author of the file has to say.
func (p *parser) message(name Word, args []Word) {
	if len(args) > 1 {
		p.alert(args[1], "unexpected argument '%s' for '%s'", args[1].Text, name.Text).Accepted = "quotes around a message with spaces"
		return
	}
	text := ""
	if len(args) == 1 {
		text = args[0].Text
	}
	switch name.Text {
	case ".alert":
		p.alert(name, "'%s'", text)
	case ".warning":
		p.warn(name, "'%s'", text)
	case ".notice":
		p.report(Notice, p.pos(name), "'%s'", text)
	case ".diag":
		if p.opt.Diag {
			p.report(Diag, p.pos(name), "'%s'", text)
		}
	}
}

// condition evaluates the words behind .if or .elif; an alert counts as false.
func (p *parser) condition(name Word, args []Word) bool {
	if len(args) == 0 {
		return false
	}
	e := expr{text: joinWords(args), env: p.lookup}
	result := e.result()
	if e.fault != "" {
		d := p.alert(args[0], "%s in '%s'", e.fault, name.Text)
		d.Accepted, d.Suggest = conditionForm, e.suggest
		return false
	}
	return result
}
