package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Evaluate judges a condition as ".if" does; names are looked up by getenv, nil
// sets none. The text is cut into words first, like a line.
func Evaluate(text string, getenv func(name string) (string, bool)) (bool, error) {
	env := newEnviron(getenv).get
	words, fault := splitWords(text, env, nil)
	if fault != nil {
		return false, fmt.Errorf("%s; accepted: %s", fault.msg, fault.accepted)
	}
	e := expr{text: joinWords(words), env: env}
	result := len(words) > 0 && e.result()
	if e.fault == "" {
		return result, nil
	}
	d := Diagnostic{Message: e.fault, Suggest: e.suggest, Accepted: conditionForm}
	return false, errors.New(d.text())
}

// CompatVersion is the version of HAProxy whose language this package speaks.
const CompatVersion = "3.0.0"

// features are the names that feature() finds: HAProxy build options that have
// their counterpart here.
var features = []string{"ACCEPT4", "EPOLL", "GETADDRINFO", "LINUX_SPLICE", "NETFILTER", "THREAD"}

// Features lists the names that the predicate feature() knows as present.
func Features() []string { return slices.Clone(features) }

// predicate is a function of conditional expressions.
type predicate struct {
	name string
	args int
	eval func(e *expr, args []string) bool
}

var predicates = []predicate{
	{"defined", 1, func(e *expr, a []string) bool {
		_, ok := e.env(a[0])
		return ok && !strings.HasPrefix(a[0], ".") // pseudo-variables are not
	}},
	{"feature", 1, func(_ *expr, a []string) bool { return slices.Contains(features, a[0]) }},
	{"streq", 2, func(_ *expr, a []string) bool { return a[0] == a[1] }},
	{"strneq", 2, func(_ *expr, a []string) bool { return a[0] != a[1] }},
	{"strstr", 2, func(_ *expr, a []string) bool { return strings.Contains(a[0], a[1]) }},
	{"version_atleast", 1, func(_ *expr, a []string) bool { return compareVersions(CompatVersion, a[0]) >= 0 }},
	{"version_before", 1, func(_ *expr, a []string) bool { return compareVersions(CompatVersion, a[0]) < 0 }},
	// Without TLS there is no library, no version is reached and nothing like
	// "ssl" is enabled.
	{"openssl_version_atleast", 1, never},
	{"openssl_version_before", 1, never},
	{"ssllib_name_startswith", 1, never},
	{"enabled", 1, func(_ *expr, a []string) bool { return slices.Contains(enabledOptions, a[0]) }},
}

// enabledOptions are the tuning names of enabled() that hold here.
var enabledOptions = []string{"POLL", "EPOLL", "KQUEUE", "SPLICE", "GETADDRINFO", "REUSEPORT", "FAST-FORWARD"}

func never(*expr, []string) bool { return false }

const conditionForm = "an integer, <predicate>(<argument>, ...), !, &&, ||, ( )"

// maxConditionDepth bounds the nesting of parentheses and negations.
const maxConditionDepth = 64

// expr evaluates one conditional expression from left to right.
type expr struct {
	text    string
	at      int
	depth   int
	env     lookupFunc
	fault   string // the first fault; evaluation goes on harmlessly after it
	suggest string
}

func (e *expr) fail(msg string) {
	if e.fault == "" {
		e.fault = msg
	}
}

func (e *expr) space() {
	for e.at < len(e.text) && isSpace(e.text[e.at]) {
		e.at++
	}
}

// take skips token if it comes next.
func (e *expr) take(token string) bool {
	e.space()
	if !strings.HasPrefix(e.text[e.at:], token) {
		return false
	}
	e.at += len(token)
	return true
}

// result evaluates the whole text.
func (e *expr) result() bool {
	result := e.or()
	e.space()
	if e.fault == "" && e.at < len(e.text) {
		e.fail("unexpected text '" + e.text[e.at:] + "' at the end of the conditional expression")
	}
	return result && e.fault == ""
}

func (e *expr) or() bool {
	result := e.and()
	for e.fault == "" && e.take("||") {
		right := e.and()
		result = result || right
	}
	return result
}

func (e *expr) and() bool {
	result := e.term()
	for e.fault == "" && e.take("&&") {
		right := e.term()
		result = result && right
	}
	return result
}

func (e *expr) term() bool {
	if e.depth++; e.depth > maxConditionDepth {
		e.fail("conditional expression is nested too deeply")
		return false
	}
	defer func() { e.depth-- }()
	if e.take("!") {
		return !e.term()
	}
	if e.take("(") {
		result := e.or()
		if e.fault == "" && !e.take(")") {
			e.fail("expected ')' after conditional expression")
		}
		return result
	}
	e.space()
	rest := e.text[e.at:]
	if n := integerLen(rest); n > 0 {
		e.at += n
		return strings.Trim(rest[:n], "+-0") != ""
	}
	return e.call(rest)
}

func (e *expr) call(rest string) bool {
	n := 0
	for n < len(rest) && (isAlnum(rest[n]) || rest[n] == '_') {
		n++
	}
	i := slices.IndexFunc(predicates, func(p predicate) bool { return p.name == rest[:n] })
	if i < 0 {
		names := make([]string, len(predicates))
		for i := range predicates {
			names[i] = predicates[i].name
		}
		e.suggest = nearest(rest[:n], names)
		e.fail(fmt.Sprintf("unparsable conditional expression '%s'", rest))
		return false
	}
	e.at += n
	args := e.arguments()
	if e.fault != "" {
		return false
	}
	pred := predicates[i]
	if len(args) != pred.args {
		e.fail(fmt.Sprintf("predicate '%s' takes %d arguments (got %d)", pred.name, pred.args, len(args)))
		return false
	}
	return pred.eval(e, args)
}

// arguments reads "(a,b)"; quotes and backslashes protect commas and
// parentheses.
func (e *expr) arguments() []string {
	if e.at >= len(e.text) || e.text[e.at] != '(' {
		return []string{""}
	}
	var args []string
	var arg []byte
	quote := byte(0)
	for i := e.at + 1; i < len(e.text); i++ {
		c := e.text[i]
		switch {
		case quote != '\'' && c == '\\' && i+1 < len(e.text):
			i++
			arg = append(arg, e.text[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && c == ',':
			args, arg = append(args, string(arg)), nil
		case quote == 0 && c == ')':
			e.at = i + 1
			return append(args, string(arg))
		default:
			arg = append(arg, c)
		}
	}
	e.fail("missing ')' after the arguments of a predicate")
	return nil
}

// compareVersions orders versions such as "2.4-dev19" and "3.0.1"; missing parts
// are zero and a development version comes before its release.
func compareVersions(a, b string) int {
	va, vb := versionParts(a), versionParts(b)
	return slices.Compare(va[:], vb[:])
}

func versionParts(s string) [4]int {
	var parts [4]int
	number, dev, isDev := strings.Cut(strings.TrimPrefix(s, "v"), "-dev")
	for i, field := range strings.SplitN(number, ".", 3) {
		parts[i] = atol(field)
	}
	parts[3] = 1 << 20
	if isDev {
		parts[3] = atol(dev)
	}
	return parts
}
