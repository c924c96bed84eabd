package config

import (
	"math"
	"slices"
	"strings"
)

// The words of "tcp-check expect" and "http-check expect".
var (
	expectOptions = []string{"min-recv", "comment", "ok-status", "error-status", "tout-status", "on-success", "on-error", "status-code"}
	expectTCP     = []string{"string", "rstring", "binary", "rbinary", "string-lf", "binary-lf", "custom"}
	expectHTTP    = []string{"status", "rstatus", "string", "rstring", "string-lf", "hdr", "fhdr", "custom"}
)

// checkStatuses are what "ok-status" and its relatives accept.
var checkStatuses = map[string][]string{
	"ok-status":    {"L4OK", "L6OK", "L7OK", "L7OKC"},
	"error-status": {"L4CON", "L6RSP", "L7OKC", "L7RSP", "L7STS"},
	"tout-status":  {"L4TOUT", "L6TOUT", "L7TOUT"},
}

func parseCheckExpect(s *checkStep) bool {
	if !s.more() {
		s.p.alert(s.word(), "'%s' expects a pattern", s.st.kw.Name).Accepted = s.st.kw.synopsis()
		return false
	}
	e := &CheckExpect{MinRecv: -1}
	for ; s.more(); s.i++ {
		w, negated := s.negation(e)
		if slices.Contains(s.matches(), w.Text) {
			if !s.expectMatch(e, w) {
				return false
			}
			continue
		}
		if !slices.Contains(expectOptions, w.Text) {
			d := s.p.alert(w, "'%s' does not know '%s'", s.st.kw.Name, w.Text)
			d.Accepted = strings.Join(slices.Concat(s.matches(), expectOptions), ", ")
			d.Suggest = nearest(w.Text, slices.Concat(s.matches(), expectOptions))
			return false
		}
		if negated {
			s.p.alert(w, "'!' does not go with '%s'", w.Text).Accepted = "'!' in front of a match: " + strings.Join(s.matches(), ", ")
			return false
		}
		if !s.expectOption(e, w.Text) {
			return false
		}
	}
	if e.What == "" {
		s.p.alert(s.word(), "'%s' lacks a pattern", s.st.kw.Name).Accepted = s.st.kw.synopsis()
		return false
	}
	s.rule.Expect = e
	return true
}

func (s *checkStep) matches() []string {
	if s.http {
		return expectHTTP
	}
	return expectTCP
}

// negation reads the exclamation marks in front of the next match, which may be
// words of their own, and returns the word behind them.
func (s *checkStep) negation(e *CheckExpect) (w Word, found bool) {
	for {
		w = s.word()
		for strings.HasPrefix(w.Text, "!") {
			w.Text, w.Col = w.Text[1:], w.Col+1
			e.Not, found = !e.Not, true
		}
		if w.Text != "" || !s.more() {
			return w, found
		}
		s.i++
	}
}

// expectMatch reads what the server must have sent.
func (s *checkStep) expectMatch(e *CheckExpect, name Word) (ok bool) {
	if e.What != "" {
		s.p.alert(name, "'%s' has the pattern '%s' already", s.st.kw.Name, e.What).Accepted = "one pattern"
		return false
	}
	switch e.What = name.Text; name.Text {
	case "custom":
		return true
	case "hdr", "fhdr":
		return s.expectHeader(e)
	}
	s.i++
	w := s.word()
	if w.Text == "" {
		s.p.alert(w, "'%s' expects a pattern", name.Text).Accepted = name.Text + " <pattern>"
		return false
	}
	switch name.Text {
	case "string-lf", "binary-lf":
		e.Format, ok = s.format(w)
		return ok
	case "binary":
		_, ok = s.p.hexString(w)
	case "status":
		e.Codes, ok = s.p.statusRanges(w)
	case "string":
		ok = true
	default:
		ok = s.p.checkRegex(w)
	}
	e.Pattern = w.Text
	return ok
}

func (s *checkStep) expectOption(e *CheckExpect, name string) (ok bool) {
	if name == "comment" {
		return s.comment()
	}
	w, ok := s.value("a value")
	if !ok {
		return false
	}
	switch name {
	case "min-recv":
		return s.minRecv(e, w)
	case "ok-status":
		e.OK, ok = s.status(name, w)
	case "error-status":
		e.Error, ok = s.status(name, w)
	case "tout-status":
		e.Timeout, ok = s.status(name, w)
	case "on-success":
		e.OnSuccess, ok = s.format(w)
	case "on-error":
		e.OnError, ok = s.format(w)
	case "status-code":
		words, rest := s.st.args[s.i:], []Word(nil)
		e.StatusCode, rest, ok = s.p.parseExpr(words, PlaceCheck)
		s.i += len(words) - len(rest) - 1
	}
	return ok
}

func (s *checkStep) minRecv(e *CheckExpect, w Word) bool {
	n := atol(w.Text)
	if n < -1 || n > math.MaxInt32 {
		s.p.alert(w, "'min-recv' is not a number of bytes: '%s'", w.Text).Accepted = "-1 to 2147483647"
		return false
	}
	if e.MinRecv = n; n >= 0 {
		e.MinRecv = s.p.looseInt(w, "min-recv")
	}
	return true
}

func (s *checkStep) status(name string, w Word) (string, bool) {
	accepted := checkStatuses[name]
	up := strings.ToUpper(w.Text)
	if !slices.Contains(accepted, up) {
		d := s.p.alert(w, "'%s' is not a status for '%s'", w.Text, name)
		d.Accepted, d.Suggest = strings.Join(accepted, ", "), nearest(up, accepted)
		return "", false
	}
	return up, true
}

// statusRanges reads HTTP status codes, "200,300-399".
func (p *parser) statusRanges(w Word) ([]StatusRange, bool) {
	var codes []StatusRange
	digits := func(text string) (int, string) {
		rest := strings.TrimLeft(text, "0123456789")
		return atol(text[:len(text)-len(rest)]), rest
	}
	for part := range strings.SplitSeq(w.Text, ",") {
		if part == "" {
			continue
		}
		r := StatusRange{}
		rest := ""
		r.First, rest = digits(part)
		r.Last = r.First
		if strings.HasPrefix(rest, "-") {
			r.Last, rest = digits(rest[1:])
		}
		if rest != "" {
			p.alert(w, "invalid character %s in the list of status codes '%s'", printable(rest[0]), w.Text).Accepted = "codes and ranges parted by commas: 200,300-399"
			return nil, false
		}
		if r.Last < r.First {
			p.alert(w, "'%s' is not a range of status codes", part).Accepted = "<first>-<last> with <first> not above <last>"
			return nil, false
		}
		codes = append(codes, r)
	}
	return codes, true
}

// headerMethods are how names and values of headers are compared.
var headerMethods = []string{"str", "beg", "end", "sub", "reg"}

// expectHeader reads "{ name | name-lf } [-m <method>] <name>" and an optional
// "{ value | value-lf } [-m <method>] <value>".
func (s *checkStep) expectHeader(e *CheckExpect) bool {
	what := s.word()
	if name := s.st.arg(s.i + 1); name.Text != "name" && name.Text != "name-lf" || s.st.arg(s.i+2).Text == "" {
		s.p.alert(name, "'%s' expects 'name' and a pattern behind it", what.Text).Accepted = what.Text + " name <name>"
		return false
	}
	s.i++
	if !s.headerMatch(&e.Name, s.word().Text == "name-lf") {
		return false
	}
	value := s.st.arg(s.i + 1)
	if value.Text != "value" && value.Text != "value-lf" {
		return true
	}
	if s.st.arg(s.i+2).Text == "" {
		s.p.alert(wordAfter(value), "'%s' expects a pattern", value.Text).Accepted = value.Text + " <value>"
		return false
	}
	s.i++
	return s.headerMatch(&e.Value, value.Text == "value-lf")
}

// headerMatch reads the method and the pattern behind the word being looked at.
func (s *checkStep) headerMatch(m *CheckMatch, format bool) (ok bool) {
	m.Method = "str"
	if s.i++; s.word().Text == "-m" {
		s.i++
		w := s.word()
		if !slices.Contains(headerMethods, w.Text) {
			d := s.p.alert(w, "'-m' does not know '%s'", w.Text)
			d.Accepted, d.Suggest = strings.Join(headerMethods, ", "), nearest(w.Text, headerMethods)
			return false
		}
		m.Method = w.Text
		s.i++
	}
	w := s.word()
	m.Pattern = w.Text
	switch {
	case format && m.Method == "reg":
		s.p.alert(w, "a log format is not compared by a regular expression").Accepted = "-m str, -m beg, -m end, -m sub"
		return false
	case format:
		m.Format, ok = s.format(w)
		return ok
	case m.Method == "reg":
		return s.p.checkRegex(w)
	}
	return true
}

// checkRegex judges a regular expression.
func (p *parser) checkRegex(w Word) bool {
	fault, unsupported := regexFault(w.Text, false)
	if fault == "" {
		return true
	}
	if unsupported {
		p.unsupported(w, "%s", fault)
		return true
	}
	p.alert(w, "%s", fault).Accepted = regexForm
	return false
}
