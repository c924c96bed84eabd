package config

import (
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
)

// tcpCheckKeywords are the steps of "option tcp-check" (manual, section 4.2).
var tcpCheckKeywords = []Keyword{
	{Name: "tcp-check connect", Where: inBack, Args: connectArgs, Max: -1, State: Pending, Help: "open a connection", parse: tcpStep(parseCheckConnect)},
	{Name: "tcp-check send", Where: inBack, Args: "<text> [comment <text>]", Max: -1, State: Pending, Help: "send a text", parse: tcpStep(parseCheckSend)},
	{Name: "tcp-check send-lf", Where: inBack, Args: "<format> [comment <text>]", Max: -1, State: Pending, Help: "send what a log format yields", parse: tcpStep(parseCheckSend)},
	{Name: "tcp-check send-binary", Where: inBack, Args: "<hex> [comment <text>]", Max: -1, State: Pending, Help: "send bytes", parse: tcpStep(parseCheckSend)},
	{Name: "tcp-check send-binary-lf", Where: inBack, Args: "<format> [comment <text>]", Max: -1, State: Pending, Help: "send the bytes whose hexadecimal digits a log format yields", parse: tcpStep(parseCheckSend)},
	{Name: "tcp-check expect", Where: inBack, Args: "[<option>...] [!]<match> <pattern>", Max: -1, State: Pending, Help: "judge what the server has sent", parse: tcpStep(parseCheckExpect)},
	{Name: "tcp-check comment", Where: inBack, Args: "<text>", Max: -1, State: Pending, Help: "explain the steps that follow, for the status of a failed check", parse: tcpStep(parseCheckComment)},
	{Name: "tcp-check set-var", Where: inBack, Args: "(<name>[,<condition>...]) <expression>", Max: -1, State: Pending, Help: "set a variable", paren: true, parse: tcpStep(parseCheckVar)},
	{Name: "tcp-check set-var-fmt", Where: inBack, Args: "(<name>[,<condition>...]) <format>", Max: -1, State: Pending, Help: "set a variable to what a log format yields", paren: true, parse: tcpStep(parseCheckVar)},
	{Name: "tcp-check unset-var", Where: inBack, Args: "(<name>)", Max: -1, State: Pending, Help: "unset a variable", paren: true, parse: tcpStep(parseCheckVar)},
}

const connectArgs = "[default] [port <number>|<expression>] [addr <address>] [send-proxy] [via-socks4] [ssl] [sni <name>] [alpn <names>] [proto <name>] [linger] [comment <text>]"

// checkStep is one "tcp-check" or "http-check" line under construction.
type checkStep struct {
	p     *parser
	st    *statement
	http  bool
	rules *checkRules // the steps so far
	rule  CheckRule
	i     int // the argument being looked at
}

// tcpStep adds a step to the section's own ones; these are in force from the
// first line on if "option tcp-check" is.
func tcpStep(parse func(*checkStep) bool) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		c := &p.px.check
		s := checkStep{p: p, st: st, rules: c.ownTCP(), rule: CheckRule{Pos: p.pos(st.name[0])}}
		if !parse(&s) {
			c.tcp = nil // HAProxy starts anew behind a faulty step
			return
		}
		c.tcp.rules = append(c.tcp.rules, s.rule)
		if c.kind == CheckTCP && !c.external {
			c.list, c.tcpIdle = c.tcp, nil
		} else {
			c.tcpIdle = &s.rule.Pos
		}
	}
}

// more reports whether there is another argument; an empty one ends the line.
func (s *checkStep) more() bool { return s.st.arg(s.i).Text != "" }

// word returns the argument being looked at.
func (s *checkStep) word() Word { return s.st.arg(s.i) }

// value moves on to the value of the option being looked at.
func (s *checkStep) value(what string) (Word, bool) {
	name := s.word()
	s.i++
	if !s.more() {
		s.p.alert(wordAfter(name), "'%s': '%s' expects %s", s.st.kw.Name, name.Text, what).Accepted = name.Text + " <" + strings.TrimPrefix(strings.TrimPrefix(what, "a "), "an ") + ">"
		return Word{}, false
	}
	return s.word(), true
}

// unknown reports the argument being looked at.
func (s *checkStep) unknown(names []string) bool {
	w := s.word()
	d := s.p.alert(w, "'%s' does not know '%s'", s.st.kw.Name, w.Text)
	d.Accepted, d.Suggest = strings.Join(names, ", "), nearest(w.Text, names)
	return false
}

// comment reads the text behind "comment".
func (s *checkStep) comment() bool {
	w, ok := s.value("a text")
	s.rule.Comment = w.Text
	return ok
}

func (s *checkStep) format(w Word) (*LogFormat, bool) { return s.p.parseLogFormat(w, PlaceCheck) }

// expr reads an expression that is one word.
func (s *checkStep) expr(w Word) (*Expr, bool) {
	e, _, ok := s.p.parseExpr([]Word{w}, PlaceCheck)
	return e, ok
}

func parseCheckComment(s *checkStep) bool {
	if !s.more() {
		s.p.alert(s.word(), "'%s' expects a text", s.st.kw.Name).Accepted = s.st.kw.synopsis()
		return false
	}
	s.rule.Comment = s.word().Text
	s.p.extra(s.st, 1)
	return true
}

var connectOptions = []string{"default", "port", "addr", "send-proxy", "via-socks4", "ssl", "sni", "alpn", "proto", "linger", "comment"}

func parseCheckConnect(s *checkStep) bool {
	if !s.firstConnect() {
		return false
	}
	s.rule.Connect = &CheckConnect{}
	for ; s.more(); s.i++ {
		if !s.connectOption(s.rule.Connect) {
			return false
		}
	}
	if s.rule.Connect.SSL {
		s.p.px.check.tls = true
	}
	return true
}

// firstConnect judges the order: if there are connect steps, they come first.
func (s *checkStep) firstConnect() bool {
	for i := range s.rules.rules {
		r := &s.rules.rules[i]
		if r.Connect != nil {
			return true
		}
		if r.Send == nil && r.Expect == nil && (r.Request == nil || r.Request.Implied) {
			continue
		}
		s.p.alert(s.st.name[1], "the steps must begin with a 'connect' to have another one, but the one at %s does something else", r.Pos).
			Accepted = "'connect' as the first step but for comments and variables"
		return false
	}
	return true
}

func (s *checkStep) connectOption(c *CheckConnect) (ok bool) {
	switch s.word().Text {
	case "default":
		c.Default = true
	case "send-proxy":
		c.SendProxy = true
	case "via-socks4":
		c.ViaSOCKS4 = true
	case "ssl":
		c.SSL = true
	case "linger":
		c.Linger = true
	case "comment":
		return s.comment()
	case "port":
		return s.connectPort(c)
	case "addr":
		w, ok := s.value("an address")
		if ok {
			c.Addr, ok = s.p.checkAddress(w)
		}
		return ok
	case "sni":
		w, ok := s.value("a server name")
		c.SNI = w.Text
		return ok
	case "alpn":
		w, ok := s.value("protocol names")
		c.ALPN = w.Text
		return ok && s.p.checkALPN(w)
	case "proto":
		w, ok := s.value("a multiplexer")
		c.Proto = w.Text
		return ok && s.p.muxProto(w, s.http, s.st.kw.Name)
	default:
		return s.unknown(connectOptions)
	}
	return true
}

func (s *checkStep) connectPort(c *CheckConnect) (ok bool) {
	w, ok := s.value("a port or an expression")
	if !ok {
		return false
	}
	c.Port, c.PortExpr = 0, nil
	if strings.Trim(w.Text, "0123456789") != "" {
		c.PortExpr, ok = s.expr(w)
		return ok
	}
	if c.Port = atol(w.Text); c.Port < 1 || c.Port > math.MaxUint16 {
		s.p.alert(w, "'%s' is not a port", w.Text).Accepted = "1 to 65535, or an expression"
		return false
	}
	return true
}

func parseCheckSend(s *checkStep) (ok bool) {
	data := s.word()
	if data.Text == "" {
		s.p.alert(data, "'%s' expects an argument", s.st.kw.Name).Accepted = s.st.kw.synopsis()
		return false
	}
	for s.i++; s.more(); s.i++ {
		if s.word().Text != "comment" {
			return s.unknown([]string{"comment"})
		}
		if !s.comment() {
			return false
		}
	}
	s.rule.Send = &CheckSend{}
	switch s.st.name[1].Text {
	case "send":
		s.rule.Send.Data = []byte(data.Text)
	case "send-lf":
		s.rule.Send.Format, ok = s.format(data)
		return ok
	case "send-binary-lf":
		s.rule.Send.Hex, ok = s.format(data)
		return ok
	default:
		s.rule.Send.Data, ok = s.p.hexString(data)
		return ok
	}
	return true
}

// hexString reads bytes in hexadecimal.
func (p *parser) hexString(w Word) ([]byte, bool) {
	data, err := hex.DecodeString(w.Text)
	if err != nil {
		p.alert(w, "'%s' is not a string of bytes in hexadecimal", w.Text).Accepted = "an even number of digits 0 to 9 and a to f"
		return nil, false
	}
	return data, true
}

// muxes are the multiplexers of connections, true for those of HTTP.
var muxes = map[string]bool{"h1": true, "h2": true, "fcgi": true, "quic": true, "none": false}

// muxProto judges the name of a multiplexer that speaks HTTP or not.
func (p *parser) muxProto(w Word, http bool, what string) bool {
	isHTTP, known := muxes[w.Text]
	var fit []string
	for name, is := range muxes {
		if is == http {
			fit = append(fit, name)
		}
	}
	slices.Sort(fit)
	switch {
	case !known:
		p.alert(w, "unknown multiplexer '%s'", w.Text).Accepted = strings.Join(fit, ", ")
		return false
	case isHTTP != http:
		p.alert(w, "multiplexer '%s' does not fit '%s'", w.Text, what).Accepted = strings.Join(fit, ", ")
		return false
	}
	return true
}

// checkALPN judges a list of protocol names, each of at most 255 bytes.
func (p *parser) checkALPN(w Word) bool {
	for name := range strings.SplitSeq(w.Text, ",") {
		if len(name) > math.MaxUint8 {
			p.alert(w, "protocol name '%s' is too long", name).Accepted = "names of at most 255 bytes, parted by commas"
			return false
		}
	}
	return true
}

// checkAddress reads where checks go: an address with an optional port, or a
// UNIX socket.
func (p *parser) checkAddress(w Word) (CheckAddr, bool) {
	const form = "<address>[:<port>] | <path>"
	if strings.HasPrefix(w.Text, "fd@") {
		p.alert(w, "a file descriptor is not an address to connect to: '%s'", w.Text).Accepted = form
		return CheckAddr{}, false
	}
	ep, ok := p.parseEndpoint(w, false)
	if !ok {
		return CheckAddr{}, false
	}
	if ep.path != "" {
		return CheckAddr{Path: ep.path}, true
	}
	addr := CheckAddr{Host: ep.host}
	if ip, ok := ep.literal(); ok {
		addr.Host = ip.String()
	} else if ep.family != 0 || !isHostName(ep.host) {
		p.alert(w, "invalid address: '%s' in '%s'", ep.host, w.Text).Accepted = form
		return CheckAddr{}, false
	}
	if strings.Trim(ep.port, "0") == "" {
		return addr, true
	}
	if strings.ContainsAny(ep.port, "+-") {
		p.alert(w, "port range or offset not permitted here in '%s'", w.Text).Accepted = form
		return CheckAddr{}, false
	}
	addr.Port, _, ok = p.portRange(w, ep.port)
	return addr, ok
}

// varScopes are where variables live.
var varScopes = []string{"proc", "sess", "txn", "req", "res", "check"}

var varConds = []string{"ifexists", "ifnotexists", "ifempty", "ifnotempty", "ifset", "ifnotset", "ifgt", "iflt"}

// parseCheckVar reads "set-var(<name>[,<condition>...]) <expression>" and its
// relatives.
func parseCheckVar(s *checkStep) (ok bool) {
	action := s.st.name[1]
	name, args, open := strings.Cut(action.Text, "(")
	if !open || !strings.HasSuffix(args, ")") {
		s.p.alert(action, "'%s' lacks a variable in parentheses", action.Text).Accepted = name + "(<scope>.<name>)"
		return false
	}
	args = strings.TrimSuffix(args, ")")
	v := &CheckVar{Unset: name == "unset-var"}
	var conds string
	v.Name, conds, _ = strings.Cut(args, ",")
	if !s.p.varName(Word{Text: v.Name, Col: action.Col + len(name) + 1}) || !s.varConds(v, conds) {
		return false
	}
	s.rule.Var = v
	switch {
	case v.Unset:
		s.p.extra(s.st, 0)
		return true
	case name == "set-var-fmt":
		v.Format, ok = s.format(s.word())
		s.p.extra(s.st, 1)
		return ok
	case !s.more():
		s.p.alert(s.word(), "'%s' expects an expression", action.Text).Accepted = s.st.kw.synopsis()
		return false
	}
	var rest []Word
	v.Expr, rest, ok = s.p.parseExpr(s.st.args, PlaceCheck)
	s.p.extra(s.st, len(s.st.args)-len(rest))
	return ok
}

func (s *checkStep) varConds(v *CheckVar, conds string) bool {
	action := s.st.name[1]
	if conds == "" {
		return true
	}
	if v.Unset {
		s.p.alert(action, "'unset-var' does not take conditions").Accepted = "unset-var(" + v.Name + ")"
		return false
	}
	for cond := range strings.SplitSeq(strings.TrimSuffix(conds, ","), ",") {
		if !slices.Contains(varConds, cond) {
			d := s.p.alert(action, "unknown condition '%s'", cond)
			d.Accepted, d.Suggest = strings.Join(varConds, ", "), nearest(cond, varConds)
			return false
		}
		v.Conds = append(v.Conds, cond)
	}
	return true
}

// varName judges the name of a variable, "<scope>.<name>" (manual, section 2.8).
func (p *parser) varName(w Word) bool {
	scope, name, _ := strings.Cut(w.Text, ".")
	if name == "" || !slices.Contains(varScopes, scope) {
		d := p.alert(w, "'%s' is not the name of a variable with its scope", w.Text)
		d.Accepted, d.Suggest = strings.Join(varScopes, ", ")+", each with '.<name>' behind it", nearest(scope, varScopes)
		return false
	}
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && c != '_' && c != '.' {
			p.alert(w, "character %s is not permitted in variable name %s", printable(c), strconv.Quote(w.Text)).Accepted = "letters, digits, '_', '.'"
			return false
		}
	}
	return true
}
