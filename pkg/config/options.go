package config

import (
	"cmp"
	"strings"
)

// option is one option behind the fixed part of a line, with its arguments.
type option struct {
	kw   *Keyword
	name Word   // as written: "set-proxy-v2-tlv-fmt(0xE1)"
	arg  Word   // the first argument; without one, the place behind the name
	args []Word // all of them: Keyword.Min, and up to Keyword.Max while they last
}

// wordReader walks the words of a line one by one.
type wordReader struct {
	words []Word // those that are left
	end   int    // column behind the line
}

// next returns the first of the remaining words, an empty one at the end of the
// line when there are none.
func (r *wordReader) next() Word {
	if len(r.words) > 0 {
		return r.words[0]
	}
	return Word{Col: r.end}
}

// take returns the next word and moves behind it.
func (r *wordReader) take() Word {
	w := r.next()
	if len(r.words) > 0 {
		r.words = r.words[1:]
	}
	return w
}

// optionParser walks the options behind the fixed part of a line.
type optionParser struct {
	what  string
	name  string // what the line is about; may be empty
	rows  map[string]*Keyword
	words []Word
	apply func(o option)
}

func (op *optionParser) label() string { return strings.TrimSpace(op.what + " " + op.name) }

// parseOptions reports whether all options were understood. It stops at the first
// unknown word, since what follows may be its arguments. Options that are not acted
// on yet are judged like the others and then refused; they count as understood.
func (p *parser) parseOptions(op optionParser) bool {
	before := p.faults()
	for i := 0; i < len(op.words); {
		w := op.words[i]
		kw := op.rows[optionName(w.Text)]
		if kw == nil {
			d := p.alert(w, "'%s': unknown keyword '%s'", op.label(), w.Text)
			d.Suggest = nearest(w.Text, keys(op.rows))
			d.Accepted = strings.Join(doneKeys(op.rows), ", ")
			return false
		}
		if i++; i+kw.Min > len(op.words) {
			p.alert(wordAfter(w), "'%s': '%s' expects an argument", op.label(), w.Text).Accepted = kw.synopsis()
			return false
		}
		n := min(max(kw.Min, kw.Max), len(op.words)-i)
		if kw.takes != nil {
			n = min(n, kw.takes(op.words[i:]))
		}
		o := option{kw: kw, name: w, arg: wordAfter(w), args: op.words[i : i+n]}
		if n > 0 {
			o.arg = o.args[0]
		}
		i += n
		p.applyOption(&op, o)
	}
	return p.faults() == before
}

// applyOption lets a row judge its arguments and says what comes of it.
func (p *parser) applyOption(op *optionParser, o option) {
	before := p.alertCount
	if o.kw.hasOption() && o.kw.State != Refused {
		op.apply(o)
	}
	if p.alertCount != before {
		return
	}
	switch o.kw.State {
	case Pending:
		p.unsupported(o.name, "'%s': '%s' is not supported by this version yet", op.label(), o.name.Text)
	case Refused:
		why := o.kw.Why
		if o.kw.Since != "" {
			why = "it came with HAProxy " + o.kw.Since + ", the language spoken here is that of " + CompatVersion
		}
		d := p.alert(o.name, "'%s': '%s' is not supported: %s", op.label(), o.name.Text, why)
		d.Unsupported, d.Accepted = o.kw.Since == "" && o.kw.instead == "", cmp.Or(o.kw.instead, "the line without it")
		if d.Unsupported {
			p.pendingCount++
		}
	case NoEffect:
		p.remark(o.name, "'%s': '%s' has no effect: %s", op.label(), o.name.Text, o.kw.Why)
	}
}

// hasOption reports whether the row of an option judges its arguments.
func (kw *Keyword) hasOption() bool { return kw.bind != nil || kw.server != nil }

// optionPos is where an option is: at its argument, if it has one.
func (p *parser) optionPos(o option) Pos {
	if o.arg.Text != "" {
		return p.pos(o.arg)
	}
	return p.pos(o.name)
}

// wordAfter is an empty word placed behind w.
func wordAfter(w Word) Word { return Word{Col: w.Col + len(w.Text)} }

// optionName cuts the parenthesis off "set-proxy-v2-tlv-fmt(0xE1)".
func optionName(s string) string {
	name, _, _ := strings.Cut(s, "(")
	return name
}
