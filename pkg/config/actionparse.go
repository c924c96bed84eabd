package config

import (
	"slices"
	"strconv"
	"strings"
)

// actionLine is the part of a rule that belongs to its action. A parse function
// takes the arguments off words; what it leaves is the condition.
type actionLine struct {
	p     *parser
	row   *ActionRow
	set   RuleSet
	place Place
	name  Word // as written: "set-var(txn.x)"
	wordReader
}

// fault reports a fault of an argument.
func (a *actionLine) fault(w Word, format string, args ...any) (ActionArgs, bool) {
	a.p.alert(w, "'%s %s': "+format, append([]any{a.set, a.name.Text}, args...)...).Accepted = a.row.synopsis()
	return nil, false
}

// expr reads a sample expression.
func (a *actionLine) expr() (*Expr, bool) {
	if a.next().Text == "" {
		a.fault(a.next(), "missing fetch method")
		return nil, false
	}
	e, rest, ok := a.p.parseExpr(a.words, a.place)
	a.words = rest
	return e, ok
}

func parseLayer4(a *actionLine) (ActionArgs, bool) {
	if w := a.take(); w.Text != "layer4" {
		return a.fault(w, "only 'layer4' is supported, got '%s'", w.Text)
	}
	return nil, true
}

func parseSampleAction(a *actionLine) (ActionArgs, bool) {
	e, ok := a.expr()
	return ValueArgs{Expr: e}, ok
}

// parseNumberOrSample reads what "set-mark" and its relatives take; anything that
// is not quite a number is a sample.
func parseNumberOrSample(a *actionLine) (ActionArgs, bool) {
	w := a.next()
	if w.Text == "" {
		return a.fault(w, "expects an argument")
	}
	if n, ok := cInteger(w.Text, 0); ok {
		a.take()
		return ValueArgs{Number: n}, true
	}
	return parseSampleAction(a)
}

// cInteger reads all of s as strtol does: blanks and a sign may stand in front,
// base 0 knows 0x and a leading 0. What does not fit saturates.
func cInteger(s string, base int) (int64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	digits := strings.TrimPrefix(s, "-")
	if digits == s {
		digits = strings.TrimPrefix(s, "+")
	}
	if strings.ContainsAny(digits, "_+-") || len(digits) > 1 && digits[0] == '0' && strings.ContainsAny(digits[1:2], "oObB") {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(s, "+"), base, 64)
	return n, err == nil || strings.HasSuffix(err.Error(), strconv.ErrRange.Error())
}

func parseCaptureAction(a *actionLine) (ActionArgs, bool) {
	e, ok := a.expr()
	if !ok {
		return nil, false
	}
	if a.p.section == InBackend {
		return a.fault(a.name, "backend '%s' has no frontend capability", a.p.sectionName)
	}
	if a.next().Text != "len" {
		return a.fault(a.next(), "a positive 'len' argument is mandatory")
	}
	a.take()
	w := a.take()
	n := atol(w.Text)
	if n <= 0 {
		return a.fault(w, "length must be > 0")
	}
	return CaptureArgs{Expr: e, Length: n}, true
}

func parseTrack(a *actionLine) (ActionArgs, bool) {
	digits := strings.TrimPrefix(a.name.Text, "track-sc")
	at := Word{Text: digits, Col: a.name.Col + len("track-sc")}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil && digits != "" {
		return a.fault(at, "wrong number '%s'", digits)
	}
	if !a.counter(at, int(n)) {
		return nil, false
	}
	e, ok := a.expr()
	if !ok {
		return nil, false
	}
	args := TrackArgs{Counter: int(n), Key: e}
	at = a.name
	if a.next().Text == "table" {
		a.take()
		at = a.take()
		args.Table = at.Text
		a.p.needTable(tableUse{at: a.p.pos(at), name: at.Text, key: e, by: "track-sc" + digits})
		return args, true
	}
	a.p.needTable(tableUse{at: a.p.pos(at), name: a.p.px.px.Name, key: e, by: "track-sc" + digits})
	return args, true
}

// counter judges the number of a tracked counter.
func (a *actionLine) counter(at Word, n int) bool {
	most := a.p.stickCounters
	switch {
	case most == 0:
		a.p.alert(at, "'%s %s': there are no counters because of 'tune.stick-counters 0'", a.set, a.name.Text).Accepted = "a 'tune.stick-counters' above 0 further up"
	case n >= most:
		a.p.alert(at, "'%s %s': %d exceeds the highest counter, %d", a.set, a.name.Text, n, most-1).Accepted = "0 to " + strconv.Itoa(most-1) + ", or a larger 'tune.stick-counters' further up"
	default:
		return true
	}
	return false
}

// counterAction builds the parser of an action on an element of a tracked entry.
// Arrays have their index and the number of the counter in the parenthesis, the
// others the number only.
func counterAction(element string, valued bool) func(*actionLine) (ActionArgs, bool) {
	array := element == "gpc" || element == "gpt"
	return func(a *actionLine) (ActionArgs, bool) {
		rest := a.name.Text[len(a.row.Name):]
		at := Word{Col: a.name.Col + len(a.row.Name)}
		args := CounterArgs{Element: element}
		inner, open := strings.CutPrefix(rest, "(")
		if !open && (array || rest != "") {
			return a.fault(at, "a number in parentheses is expected, got '%s'", rest)
		}
		if array {
			index, more, ok := leadingInteger(inner, ',')
			if !ok {
				return a.fault(at, "missing index in '%s'", rest)
			}
			at.Col += len(rest) - len(more)
			args.Index, inner = uint32(index), more
		}
		if open {
			n, _, ok := leadingInteger(inner, ')')
			if !ok {
				return a.fault(at, "missing or invalid number of the counter in '%s'", rest)
			}
			args.Counter = int(int32(n))
		}
		if !a.counter(at, args.Counter) {
			return nil, false
		}
		args.Counter = max(0, args.Counter)
		if !valued || a.next().Text == "" {
			return args, true
		}
		var ok bool
		if args.Value, ok = cInteger(a.next().Text, 10); ok {
			a.take()
			return args, true
		}
		args.Expr, ok = a.expr()
		return args, ok
	}
}

// leadingInteger reads the number at the start of s, which may be empty, up to
// the given delimiter, and returns what follows that.
func leadingInteger(s string, until byte) (n int64, rest string, ok bool) {
	text, rest, found := strings.Cut(s, string(until))
	if !found {
		return 0, "", false
	}
	if text == "" {
		return 0, rest, true
	}
	n, ok = cInteger(text, 10)
	return n, rest, ok
}

func parseSetVar(a *actionLine) (ActionArgs, bool) {
	rest := a.name.Text[len(a.row.Name):]
	at := Word{Col: a.name.Col + len(a.row.Name)}
	inner, ok := strings.CutPrefix(rest, "(")
	if ok {
		inner, ok = strings.CutSuffix(inner, ")")
	}
	if !ok {
		return a.fault(at, "a variable in parentheses is expected, got '%s'", rest)
	}
	at.Col++
	name, conds, several := strings.Cut(inner, ",")
	if fault := varFault(name); fault != "" {
		a.p.alert(at, "'%s %s': %s", a.set, a.name.Text, fault).Accepted = varForm
		return nil, false
	}
	args := VariableArgs{Name: name}
	if several && a.row.Name == "unset-var" {
		return a.fault(at, "conditions are for 'set-var' and 'set-var-fmt' only")
	}
	at.Col += len(name) + 1
	for cond := range strings.SplitSeq(conds, ",") {
		if cond != "" && !slices.Contains(setVarConditions, cond) {
			d := a.p.alert(at, "'%s %s': unknown condition '%s'", a.set, a.name.Text, cond)
			d.Accepted, d.Suggest = strings.Join(setVarConditions, ", "), nearest(cond, setVarConditions)
			return nil, false
		}
		if cond != "" {
			args.If = append(args.If, cond)
		}
		at.Col += len(cond) + 1
	}
	switch a.row.Name {
	case "set-var":
		args.Expr, ok = a.expr()
	case "set-var-fmt":
		args.Format, ok = a.p.parseLogFormat(a.take(), a.place)
	}
	return args, ok
}

func parseSilentDrop(a *actionLine) (ActionArgs, bool) {
	if a.next().Text != "rst-ttl" {
		return DropArgs{}, true
	}
	a.take()
	w := a.take()
	if w.Text == "" {
		return a.fault(w, "missing rst-ttl value")
	}
	n, ok := cInteger(w.Text, 10)
	if !ok || n < 1 || n > 255 {
		a.p.alert(w, "'%s silent-drop': invalid rst-ttl value '%s'", a.set, w.Text).Accepted = "1 to 255"
		return nil, false
	}
	return DropArgs{ResetTTL: int(n)}, true
}
