package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// looseInt reads a number as HAProxy's atol does: digits as far as they go,
// otherwise 0. What atol would pass over silently gets a warning. The result is
// within 0 and 2^31-1.
func (p *parser) looseInt(w Word, what string) int {
	n := atol(w.Text)
	got := max(0, min(n, math.MaxInt32))
	if plain, err := strconv.ParseUint(w.Text, 10, 64); err != nil || plain != uint64(got) {
		p.remark(w, "'%s' is not a valid number for '%s', %d is used", w.Text, what, got).Accepted = "0 to 2147483647"
	}
	return got
}

// atol reads a leading decimal number with an optional sign, 0 if there is none.
// It saturates.
func atol(s string) int {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	n := 0
	for i := 0; i < len(s) && isDigit(s[i]); i++ {
		n = n*10 + int(s[i]-'0')
		if n > math.MaxInt32 {
			n = math.MaxInt32 + 1
			break
		}
	}
	if neg {
		return -n
	}
	return n
}

// integerLen returns the length of the integer that s starts with.
func integerLen(s string) int {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	start := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if i == start {
		return 0
	}
	return i
}

// wholeNumber reports whether s is an integer with nothing behind it.
func wholeNumber(s string) bool { return s != "" && integerLen(s) == len(s) }

func digitsOnly(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// cutRange parts "3-5"; a number alone is both ends. ranged reports that there was a
// "-", with last as written, which may be empty.
func cutRange(s string) (first, last string, ranged bool) {
	if first, last, ranged = strings.Cut(s, "-"); !ranged {
		last = first
	}
	return first, last, ranged
}

// strictInt reads a number that must not have anything behind it.
func (p *parser) strictInt(w Word, what string, lo, hi int) (int, bool) {
	n, err := strconv.Atoi(w.Text)
	accepted := strconv.Itoa(lo) + " to " + strconv.Itoa(hi)
	if err != nil {
		p.alert(w, "'%s' expects an integer, got '%s'", what, w.Text).Accepted = accepted
		return 0, false
	}
	if n < lo || n > hi {
		p.alert(w, "'%s' value must be between %d and %d (was %d)", what, lo, hi, n).Accepted = accepted
		return 0, false
	}
	return n, true
}

var timeUnits = []struct {
	suffix string
	unit   time.Duration
}{
	{"us", time.Microsecond},
	{"ms", time.Millisecond},
	{"s", time.Second},
	{"m", time.Minute},
	{"h", time.Hour},
	{"d", 24 * time.Hour},
}

const timeForm = "a number with a unit us, ms (default), s, m, h or d, at most 24d"

// duration reads a time (manual, section 2.5); fractions of a millisecond are
// rounded up.
func (p *parser) duration(w Word, what string) (time.Duration, bool) {
	return p.timer(w, what, time.Millisecond)
}

// timer reads a time that has a unit of its own when none is written; fractions
// of it are rounded up, and its greatest value is 2^31-1 of them. What follows
// the unit is passed over, as HAProxy does.
func (p *parser) timer(w Word, what string, own time.Duration) (time.Duration, bool) {
	digits := 0
	for digits < len(w.Text) && isDigit(w.Text[digits]) {
		digits++
	}
	unit, rest, ok := timeUnit(w.Text[digits:], own)
	if digits == 0 || !ok {
		at := w
		at.Col += digits
		p.alert(at, "unexpected character '%s' in '%s'", badTimeChar(w.Text, digits), what).Accepted = timeForm
		return 0, false
	}
	n, err := strconv.ParseInt(w.Text[:digits], 10, 64)
	if err != nil || n > math.MaxInt32*int64(own)/int64(unit) {
		p.alert(w, "timer overflow in argument '%s' to '%s' (maximum value is 2147483647 ms or ~24.8 days)", w.Text, what).Accepted = timeForm
		return 0, false
	}
	if rest != "" {
		at := Word{Col: w.Col + len(w.Text) - len(rest)}
		p.warn(at, "'%s' behind the time '%s' is ignored, later versions of HAProxy refuse it", rest, w.Text).Accepted = timeForm
	}
	if digits == len(w.Text) && own == time.Millisecond && n > 0 && n < 100 {
		p.remark(w, "'%s %s' is %d milliseconds: is a unit missing?", what, w.Text, n).Accepted = w.Text + "s or " + w.Text + "ms"
	}
	d := time.Duration(n) * unit
	return (d + own - 1).Truncate(own), true
}

// timeUnit takes the unit off the start of s; own holds when there is none.
func timeUnit(s string, own time.Duration) (unit time.Duration, rest string, ok bool) {
	if s == "" {
		return own, "", true
	}
	for _, u := range timeUnits {
		if rest, ok := strings.CutPrefix(s, u.suffix); ok {
			return u.unit, rest, true
		}
	}
	return 0, s, false
}

// badTimeChar returns the part of a time that is not understood.
func badTimeChar(s string, digits int) string {
	if digits == len(s) {
		return ""
	}
	return s[digits : digits+1]
}
