package config

import (
	"regexp/syntax"
	"strconv"
	"strings"
)

const regexForm = "a regular expression of PCRE that has no look-around, back-reference, atomic group or possessive quantifier"

// regexFault tells what is wrong with a regular expression, "" if nothing is;
// unsupported reports that PCRE accepts what Go cannot match. With capture plain
// parentheses count as groups for back-references.
func regexFault(text string, capture bool) (fault string, unsupported bool) {
	_, err := syntax.Parse(text, syntax.Perl)
	if err == nil {
		return "", false
	}
	r := relaxer{text: text, capture: capture}
	relaxed := r.run()
	if r.fault != "" {
		return "regex '" + text + "' is invalid: " + r.fault, false
	}
	if _, again := syntax.Parse(relaxed, syntax.Perl); again != nil {
		if e, ok := again.(*syntax.Error); ok && largeRepeat(e) {
			return "regex '" + text + "' is not supported: " + e.Expr, true
		}
		return "regex '" + text + "' is invalid: " + again.Error(), false
	}
	return "regex '" + text + "' is not supported: " + err.Error(), true
}

// largeRepeat reports a count that only Go finds too large.
func largeRepeat(e *syntax.Error) bool {
	if e.Code != syntax.ErrInvalidRepeatSize && e.Code != syntax.ErrLarge {
		return false
	}
	lo, hi, ranged := strings.Cut(strings.Trim(e.Expr, "{}"), ",")
	n, err := strconv.Atoi(lo)
	m, err2 := n, error(nil)
	if ranged && hi != "" {
		m, err2 = strconv.Atoi(hi)
	}
	return err == nil && err2 == nil && n <= m && m <= 65535
}

// relaxer replaces what only PCRE knows by something of the same shape, so that
// the rest can be judged.
type relaxer struct {
	text    string
	at      int
	out     strings.Builder
	capture bool
	fault   string
}

// relaxedGroups are the openings of groups that become plain ones.
var relaxedGroups = []string{"(?<=", "(?<!", "(?=", "(?!", "(?>", "(?|"}

// relaxedEscapes are escapes without a counterpart.
var relaxedEscapes = map[byte]string{
	'h': `[ \t]`, 'H': `[^ \t]`, 'R': `(?:\n)`, 'N': `.`, 'K': ``, 'Z': `\z`, 'G': ``, 'X': `.`, 'e': `\x1b`, 'V': `.`,
}

func (r *relaxer) run() string {
	for r.at < len(r.text) && r.fault == "" {
		rest := r.text[r.at:]
		switch {
		case rest[0] == '\\':
			r.escape(rest)
		case rest[0] == '[':
			r.class(rest)
		case strings.HasPrefix(rest, "(?#"):
			end := strings.IndexByte(rest, ')')
			if end < 0 {
				r.fault = "missing ) after (?# comment"
				return ""
			}
			r.at += end + 1
		case strings.HasPrefix(rest, "(?"):
			r.group(rest)
		case rest[0] == '+' && r.at > 0 && strings.IndexByte("+*?}", r.text[r.at-1]) >= 0 && r.possessive():
			r.at++
		default:
			r.out.WriteByte(rest[0])
			r.at++
		}
	}
	return r.out.String()
}

// possessive reports whether the "+" at hand belongs to the quantifier before it.
func (r *relaxer) possessive() bool {
	before := r.text[:r.at-1]
	return before != "" && before[len(before)-1] != '\\' && (strings.IndexByte("+*?}", before[len(before)-1]) < 0)
}

func (r *relaxer) escape(rest string) {
	if len(rest) == 1 {
		r.fault = `\ at end of pattern`
		return
	}
	c := rest[1]
	size := 2
	switch {
	case c >= '1' && c <= '9':
		for size < len(rest) && isDigit(rest[size]) && size < 3 {
			size++
		}
		if n := atol(rest[1:size]); n > r.groups() && n < 10 {
			r.fault = "reference to a group that does not exist"
			return
		}
	case c == '0':
		r.out.WriteString(`\x00`)
	case c == 'k' || c == 'g':
		name := strings.TrimLeft(rest[2:], "<{'")
		end := strings.IndexAny(name, ">}'")
		if end < 0 {
			r.fault = "a name is missing in a reference"
			return
		}
		size = len(rest) - len(name) + end + 1
		if n := atol(name[:end]); n == 0 && !r.named(name[:end]) || n > r.groups() {
			r.fault = "reference to a group that does not exist"
			return
		}
	default:
		s, ok := relaxedEscapes[c]
		if !ok {
			s = rest[:2]
		}
		r.out.WriteString(s)
	}
	if size > 2 || c >= '1' && c <= '9' {
		r.out.WriteString("(?:)")
	}
	r.at += size
}

// named reports whether a group has a name.
func (r *relaxer) named(name string) bool {
	return strings.Contains(r.text, "(?<"+name+">") || strings.Contains(r.text, "(?P<"+name+">") || strings.Contains(r.text, "(?'"+name+"'")
}

// groups counts the groups that can be referred to.
func (r *relaxer) groups() int {
	named := strings.Count(r.text, "(?<") - strings.Count(r.text, "(?<=") - strings.Count(r.text, "(?<!") + strings.Count(r.text, "(?P<")
	if !r.capture {
		return named
	}
	return named + strings.Count(r.text, "(") - strings.Count(r.text, "(?") - strings.Count(r.text, `\(`)
}

// class copies a character class.
func (r *relaxer) class(rest string) {
	i := 1
	if strings.HasPrefix(rest, "[^") {
		i = 2
	}
	if i < len(rest) && rest[i] == ']' {
		i++
	}
	for i < len(rest) && rest[i] != ']' {
		switch {
		case rest[i] == '\\':
			i++
		case strings.HasPrefix(rest[i:], "[:"):
			if end := strings.Index(rest[i:], ":]"); end > 0 {
				i += end + 1
			}
		}
		i++
	}
	i = min(i+1, len(rest))
	s := strings.ReplaceAll(strings.ReplaceAll(rest[:i], `\h`, ` \t`), `\R`, `\n`)
	r.out.WriteString(s)
	r.at += i
}

func (r *relaxer) group(rest string) {
	for _, open := range relaxedGroups {
		if strings.HasPrefix(rest, open) {
			r.out.WriteString("(?:")
			r.at += len(open)
			return
		}
	}
	if strings.HasPrefix(rest, "(?P=") || strings.HasPrefix(rest, "(?R)") || strings.HasPrefix(rest, "(?P>") || strings.HasPrefix(rest, "(?&") {
		if end := strings.IndexByte(rest, ')'); end > 0 {
			r.out.WriteString("(?:)")
			r.at += end + 1
			return
		}
	}
	r.out.WriteString("(?")
	r.at += 2
}
