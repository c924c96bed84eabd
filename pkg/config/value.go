package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// maxTimer is the longest time that HAProxy's timers hold.
const maxTimer = math.MaxInt32 * time.Millisecond

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
	{"", time.Millisecond},
}

const timeForm = "a number with a unit us, ms (default), s, m, h or d, at most 24d"

// duration reads a time (manual, section 2.5); fractions of a millisecond are
// rounded up.
func (p *parser) duration(w Word, what string) (time.Duration, bool) {
	digits := 0
	for digits < len(w.Text) && isDigit(w.Text[digits]) {
		digits++
	}
	unit := time.Duration(0)
	for _, u := range timeUnits {
		if digits > 0 && w.Text[digits:] == u.suffix {
			unit = u.unit
			break
		}
	}
	if unit == 0 {
		at := w
		if digits > 0 {
			at.Col += digits
		}
		p.alert(at, "unexpected character '%s' in '%s'", badTimeChar(w.Text, digits), what).Accepted = timeForm
		return 0, false
	}
	n, err := strconv.ParseInt(w.Text[:digits], 10, 64)
	if err != nil || n > int64(maxTimer/unit) {
		p.alert(w, "timer overflow in argument '%s' to '%s' (maximum value is 2147483647 ms or ~24.8 days)", w.Text, what).Accepted = timeForm
		return 0, false
	}
	if digits == len(w.Text) && n > 0 && n < 100 {
		p.remark(w, "'%s %s' is %d milliseconds: is a unit missing?", what, w.Text, n).Accepted = w.Text + "s or " + w.Text + "ms"
	}
	d := time.Duration(n) * unit
	return (d + time.Millisecond - 1).Truncate(time.Millisecond), true
}

// badTimeChar returns the part of a time that is not understood.
func badTimeChar(s string, digits int) string {
	if digits == len(s) {
		return ""
	}
	return s[digits : digits+1]
}
