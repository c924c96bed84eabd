package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// amount is how HAProxy reads a number: text behind the digits is mostly passed
// over, and what does not fit wraps around.
type amount struct {
	lo, hi int
	whole  bool // nothing may stand behind the digits
	wide   bool // no wrapping: the number is compared as it is
	flip   bool // negative numbers count as large ones
}

// fits reports whether the text is accepted.
func (a amount) fits(s string) bool {
	if a.whole && !wholeNumber(s) {
		return false
	}
	n := wideAtol(s)
	if !a.wide {
		n = int64(int32(n))
	}
	if a.flip && n < 0 {
		return true
	}
	return n >= int64(a.lo) && n <= int64(a.hi)
}

// wideAtol is atol with 64 bits.
func wideAtol(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	n, _ := strconv.ParseInt(s[:integerLen(s)], 10, 64) // saturates; no digits are 0
	return n
}

// judge is a parse function for the argument of a keyword, which may be missing
// if the row says so.
func (a amount) judge(p *parser, st *statement) { a.keep(nil)(p, st) }

// keep judges the argument and stores it.
func (a amount) keep(field func(*Global) *int) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		w := st.arg(0)
		if len(st.args) == 0 || w.Text == "" && st.kw.Min == 0 {
			return
		}
		if !a.fits(w.Text) {
			p.alert(w, "'%s' expects a number, got '%s'", st.kw.Name, w.Text).Accepted = a.accepted()
			return
		}
		if n := p.looseInt(w, st.kw.Name); field != nil {
			*field(&p.cfg.Global) = n
		}
	}
}

func (a amount) accepted() string {
	return strconv.Itoa(max(a.lo, 0)) + " to " + strconv.Itoa(min(a.hi, math.MaxInt32))
}

var (
	anyNumber   = amount{lo: math.MinInt, hi: math.MaxInt}
	wholeAmount = amount{lo: math.MinInt, hi: math.MaxInt, whole: true, wide: true}
	notNegative = amount{lo: 0, hi: math.MaxInt32}
	positive    = amount{lo: 1, hi: math.MaxInt32}
	percent     = amount{lo: 0, hi: 100}
)

// choice is a parse function for one of some words.
func choice(words ...string) func(*parser, *statement) {
	return func(p *parser, st *statement) { p.oneOf(st.arg(0), "value of '"+st.kw.Name+"'", words) }
}

// span is a parse function for a time between two limits; hi 0: none.
func span(lo, hi time.Duration, field func(*Global) *time.Duration) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		w := st.arg(0)
		d, ok := p.duration(w, st.kw.Name)
		if !ok {
			return
		}
		if d < lo || hi > 0 && d > hi {
			p.alert(w, "'%s' is out of range for '%s'", w.Text, st.kw.Name).Accepted = lo.String() + " to " + hi.String()
			return
		}
		if field != nil {
			*field(&p.cfg.Global) = d
		}
	}
}

// experimental lets a keyword be judged only behind "expose-experimental-directives".
func experimental(parse func(*parser, *statement)) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		if !p.exposed {
			p.alert(st.name[0], "'%s' is experimental", st.kw.Name).Accepted = "'expose-experimental-directives' further up in section global"
			return
		}
		if parse != nil {
			parse(p, st)
		}
	}
}
