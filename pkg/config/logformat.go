package config

import (
	"slices"
	"strings"
)

// LogFormat is a log-format string taken apart (manual, section 8.2.6).
type LogFormat struct {
	Pos   Pos
	Text  string
	Parts []LogPart
}

// LogPart is literal text, a variable or a sample expression. Exactly one of
// Text, Variable and Expr is set.
type LogPart struct {
	Text     string
	Variable string // name without the percent sign
	Expr     *Expr
	Name     string // "%(name)": the key in structured formats
	Type     string // "%(name:type)": str, sint, bool, raw; "": that of the sample
	Flags    []LogFlag
}

// LogFlag is one of "{+Q,-X}" before a variable.
type LogFlag struct {
	Name string // "Q", "X", "E", "M", "bin", "json", "cbor"; others mean nothing
	Off  bool   // written with a minus sign
}

const logFormatForm = "text with %<variable>, %{+<flag>,...}<variable>, %(<name>[:<type>])<variable>, %[<expression>] and %%"

// parseLogFormat reads a log-format string. place is where it is evaluated.
func (p *parser) parseLogFormat(w Word, place Place) (*LogFormat, bool) {
	f := formatParser{p: p, word: w, text: w.Text, place: place}
	f.out.Pos, f.out.Text = p.pos(w), w.Text
	for f.at < len(f.text) {
		i := strings.IndexByte(f.text[f.at:], '%')
		if i < 0 {
			f.literal(f.text[f.at:])
			break
		}
		f.literal(f.text[f.at : f.at+i])
		f.at += i + 1
		if !f.item() {
			return nil, false
		}
	}
	if f.refused.Text != "" {
		p.unsupported(f.refused, "log variable '%%%s' is not supported: %s", f.refused.Text, f.why)
		return nil, false
	}
	if f.pending.Text != "" && p.lineState == Done {
		p.unsupported(f.pending, "flag '%s' is not supported by this version yet", f.pending.Text)
		return nil, false
	}
	return &f.out, true
}

// formatParser goes through one format string.
type formatParser struct {
	p       *parser
	word    Word
	text    string
	at      int // next byte of text
	place   Place
	out     LogFormat
	refused Word // the first variable that this version does not know
	why     string
	pending Word // the first flag that is not there yet
}

// here is the place of the next byte.
func (f *formatParser) here() Word { return Word{Col: f.word.Col + f.at} }

func (f *formatParser) fail(format string, a ...any) bool {
	f.p.alert(f.here(), format, a...).Accepted = logFormatForm
	return false
}

// literal adds text as it is.
func (f *formatParser) literal(text string) {
	parts := f.out.Parts
	if n := len(parts); n > 0 && parts[n-1].Text != "" {
		parts[n-1].Text += text
	} else if text != "" {
		f.out.Parts = append(parts, LogPart{Text: text})
	}
}

// item reads what stands behind a percent sign.
func (f *formatParser) item() bool {
	var part LogPart
	for f.rest("(") {
		if !f.name(&part) {
			return false
		}
	}
	flags := f.rest("{")
	if flags && !f.flags(&part) {
		return false
	}
	switch {
	case f.at == len(f.text) && flags:
		return f.fail("flags without a variable")
	case f.at == len(f.text):
		return f.fail("the line is cut off behind '%%'")
	case f.rest("["):
		return f.expr(part)
	case isAlpha(f.text[f.at]):
		return f.variable(part)
	case flags:
		return f.fail("flags without a variable before '%s'", f.text[f.at:])
	case f.rest("%"):
		f.literal("%")
		f.at++
		return true
	case f.text[f.at] == ' ' || isDigit(f.text[f.at]):
		return f.fail("'%%' before '%s': a percent sign is written as '%%%%'", f.text[f.at:])
	}
	return true
}

func (f *formatParser) rest(prefix string) bool { return strings.HasPrefix(f.text[f.at:], prefix) }

func isAlpha(c byte) bool { return isAlnum(c) && !isDigit(c) }

var logTypes = []string{"str", "sint", "bool", "raw"}

// name reads "(name)" or "(name:type)".
func (f *formatParser) name(part *LogPart) bool {
	f.at++
	start := f.at
	for f.at < len(f.text) && (isAlnum(f.text[f.at]) || f.text[f.at] == '_' || f.text[f.at] == '-') {
		f.at++
	}
	part.Name, part.Type = f.text[start:f.at], ""
	if f.rest(":") {
		f.at++
		start = f.at
		for f.at < len(f.text) && f.text[f.at] != ')' && f.text[f.at] != ':' {
			f.at++
		}
		if part.Type = f.text[start:f.at]; !slices.Contains(logTypes, part.Type) {
			f.at = start
			f.p.alert(f.here(), "unknown output type '%s'", part.Type).Accepted = strings.Join(logTypes, ", ")
			return false
		}
	}
	if !f.rest(")") {
		return f.fail("invalid character in the name of a log variable, or no ')' behind it")
	}
	f.at++
	return true
}

// flags reads "{+Q,-X}".
func (f *formatParser) flags(part *LogPart) bool {
	end := strings.IndexByte(f.text[f.at:], '}')
	if end < 0 {
		return f.fail("no '}' behind the flags '%s'", f.text[f.at:])
	}
	for _, flag := range strings.Split(f.text[f.at+1:f.at+end], ",") {
		flag = strings.TrimSpace(flag)
		if name := strings.TrimLeft(flag, "+-"); name != "" {
			part.Flags = append(part.Flags, LogFlag{Name: name, Off: flag[0] == '-'})
			if f.pending.Text == "" && flag[0] != '-' && (name == "json" || name == "cbor") {
				f.pending = f.here()
				f.pending.Text = name
			}
		}
	}
	f.at += end + 1
	return true
}

func (f *formatParser) variable(part LogPart) bool {
	start := f.at
	for f.at < len(f.text) && isAlnum(f.text[f.at]) {
		f.at++
	}
	part.Variable = f.text[start:f.at]
	w := Word{Text: part.Variable, Col: f.word.Col + start}
	row := logVariable(part.Variable)
	if row == nil {
		d := f.p.alert(w, "no such log variable: '%%%s'; a percent sign is written as '%%%%'", part.Variable)
		d.Suggest, d.Accepted = nearest(part.Variable, logVariableNames()), logFormatForm
		return false
	}
	if row.Since != "" {
		f.p.alert(w, "log variable '%%%s' is not supported: it came with HAProxy %s, the language spoken here is that of %s",
			row.Name, row.Since, CompatVersion).Accepted = logFormatForm
		return false
	}
	if row.State == Refused && f.refused.Text == "" {
		f.refused, f.why = w, row.Why
	}
	f.out.Parts = append(f.out.Parts, part)
	return true
}

// expr reads "[expression]".
func (f *formatParser) expr(part LogPart) bool {
	f.at++
	if f.at == len(f.text) || f.rest("]") {
		return f.fail("missing fetch method")
	}
	w := f.here()
	w.Text = f.text[f.at:]
	x := exprParser{p: f.p, words: []Word{w}, text: w.Text, closer: ']'}
	if !x.fetch("") || !x.converters() {
		return false
	}
	f.at = len(f.text) - len(x.text)
	if !f.rest("]") {
		return f.fail("missing ']' behind '%s'", w.Text[:len(w.Text)-len(x.text)])
	}
	if !x.admitPlace(f.place) || !x.admitState() {
		return false
	}
	part.Expr = x.expr()
	part.Expr.Text = w.Text[:len(w.Text)-len(x.text)]
	f.at++
	f.out.Parts = append(f.out.Parts, part)
	return true
}
