package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// httpKeywords are the lines that are for HTTP. A TCP proxy does nothing with
// them, but it judges them as HAProxy does.
var httpKeywords = []Keyword{
	forHTTP(Keyword{Name: "cookie", Where: inBack, Args: "<name> [rewrite | insert | prefix] [<option>...]", Min: 1, Max: -1, Help: "stickiness by a cookie", parse: parseCookie}),
	forHTTP(Keyword{Name: "dynamic-cookie-key", Where: inBack, Args: "<key>", Min: 1, Max: -1, Help: "secret of cookies that name servers"}),
	forHTTP(Keyword{Name: "capture cookie", Where: inFront &^ InDefaults, Args: "<name> len <length>", Min: 3, Max: -1, Help: "log a cookie"}),
	forHTTP(Keyword{Name: "capture request", Where: inFront &^ InDefaults, Args: "header <name> len <length>", Max: 4, Help: "log a header of requests", parse: parseCapture}),
	forHTTP(Keyword{Name: "capture response", Where: inFront &^ InDefaults, Args: "header <name> len <length>", Max: 4, Help: "log a header of responses", parse: parseCapture}),
	forHTTP(Keyword{Name: "compression algo", Where: inProxy, Args: "<algorithm>...", Max: -1, Help: "compress responses", parse: parseCompressionAlgo}),
	forHTTP(Keyword{Name: "compression algo-req", Where: inProxy, Args: "<algorithm>", Max: -1, Help: "compress requests", parse: parseCompressionAlgo}),
	forHTTP(Keyword{Name: "compression algo-res", Where: inProxy, Args: "<algorithm>...", Max: -1, Help: "compress responses", parse: parseCompressionAlgo}),
	forHTTP(Keyword{Name: "compression type", Where: inProxy, Args: "<type>...", Min: 1, Max: -1, Help: "media types of responses to compress"}),
	forHTTP(Keyword{Name: "compression type-req", Where: inProxy, Args: "<type>...", Min: 1, Max: -1, Help: "media types of requests to compress"}),
	forHTTP(Keyword{Name: "compression type-res", Where: inProxy, Args: "<type>...", Min: 1, Max: -1, Help: "media types of responses to compress"}),
	forHTTP(Keyword{Name: "compression offload", Where: inProxy, Max: -1, Help: "keep servers from compressing"}),
	forHTTP(Keyword{Name: "compression direction", Where: inProxy, Args: "request | response | both", Min: 1, Max: -1, Help: "what is compressed",
		parse: choice("request", "response", "both")}),
	forHTTP(Keyword{Name: "errorfile", Where: inProxy, Args: "<code> <file>", Min: 2, Max: 2, Help: "file with an error response", parse: parseErrorStatus}),
	forHTTP(Keyword{Name: "errorfiles", Where: inProxy, Args: "<name> [<code>...]", Min: 1, Max: -1, Help: "error responses of a section", parse: parseErrorFiles}),
	forHTTP(Keyword{Name: "errorloc", Where: inProxy, Args: "<code> <url>", Min: 2, Max: 2, Help: "redirection for an error", parse: parseErrorStatus}),
	forHTTP(Keyword{Name: "errorloc302", Where: inProxy, Args: "<code> <url>", Min: 2, Max: 2, Help: "redirection for an error", parse: parseErrorStatus}),
	forHTTP(Keyword{Name: "errorloc303", Where: inProxy, Args: "<code> <url>", Min: 2, Max: 2, Help: "redirection for an error", parse: parseErrorStatus}),
	forHTTP(Keyword{Name: "http-error", Where: inProxy, Args: "status <code> [<option>...]", Max: -1, Help: "an error response", parse: parseHTTPError}),
	forHTTP(Keyword{Name: "http-reuse", Where: inBack, Args: "never | safe | aggressive | always", Min: 1, Max: 1, Help: "sharing of server connections",
		parse: choice("never", "safe", "aggressive", "always")}),
	forHTTP(Keyword{Name: "http-send-name-header", Where: inBack, Args: "<header>", Min: 1, Max: -1, Help: "header with the name of the server"}),
	forHTTP(Keyword{Name: "max-keep-alive-queue", Where: inBack, Args: "<number>", Min: 1, Max: -1, Help: "queue of a server above which clients move", parse: parseKeepAliveQueue}),
	forHTTP(Keyword{Name: "monitor", Where: inFront &^ InDefaults, Args: "fail if | unless <condition>", Max: -1, Help: "when the monitor fails", parse: parseMonitor}),
	forHTTP(Keyword{Name: "monitor-uri", Where: inFront, Args: "<uri>", Min: 1, Max: 1, Help: "request that is answered at once"}),
	forHTTP(Keyword{Name: "redirect", Where: inProxy &^ InDefaults, Args: redirectForm, Max: -1, Help: "answer with a redirection", parse: parseRedirect}),
	forHTTP(Keyword{Name: "unique-id-header", Where: inProxy, Args: "<header>", Min: 1, Max: -1, Help: "header with the id of the request"}),
	forHTTP(Keyword{Name: "use-fcgi-app", Where: inBack &^ InDefaults, Strict: true, Args: "<name>", Min: 1, Max: -1, Help: "speak FastCGI to the servers", parse: parseFCGI}),
	{Name: "quic-initial", Where: inFront, Max: -1, State: Refused, Since: "3.1", Help: "rules for the first packet of QUIC"},

	forHTTP(Keyword{Name: "http-request", Where: inProxy, Args: "<action> [if | unless <condition>]", Max: -1, Named: true, Help: "a rule about requests", parse: httpRule(requestActions)}),
	forHTTP(Keyword{Name: "http-response", Where: inProxy, Args: "<action> [if | unless <condition>]", Max: -1, Named: true, Help: "a rule about responses", parse: httpRule(responseActions)}),
	forHTTP(Keyword{Name: "http-after-response", Where: inProxy, Args: "<action> [if | unless <condition>]", Max: -1, Named: true, Help: "a rule about all responses", parse: httpRule(afterActions)}),
}

// forHTTP completes the row of a line that a TCP proxy only judges.
func forHTTP(kw Keyword) Keyword {
	kw.State, kw.Why = NoEffect, "it is for HTTP"
	return kw
}

const cookieForm = "cookie <name> [rewrite | insert | prefix] [indirect] [nocache] [postonly] [preserve] [httponly] [secure] [domain <domain>] [maxidle <idle>] [maxlife <life>] [dynamic] [attr <value>]"

// parseCookie judges the options of a "cookie" line and how they go together.
func parseCookie(p *parser, st *statement) {
	set := map[string]bool{}
	for i := 1; i < len(st.args); i++ {
		w := st.args[i]
		value := func() Word { i++; return st.arg(i) }
		switch w.Text {
		case "":
			i = len(st.args)
		case "rewrite", "insert", "prefix", "indirect", "nocache", "postonly", "preserve", "httponly", "secure", "dynamic":
			set[w.Text] = true
		case "domain", "attr":
			if !p.cookieText(w.Text, value()) {
				return
			}
		case "maxidle", "maxlife":
			v := value()
			if v.Text == "" {
				p.alert(v, "'%s' expects a time in seconds", w.Text).Accepted = cookieForm
				return
			}
			if _, ok := p.timer(v, w.Text, time.Second); !ok {
				return
			}
		default:
			p.alert(w, "'cookie' does not take '%s'", w.Text).Accepted = cookieForm
			return
		}
	}
	modes := 0
	for _, mode := range []string{"rewrite", "insert", "prefix"} {
		if set[mode] {
			modes++
		}
	}
	switch {
	case modes > 1:
		p.alert(st.args[0], "cookie modes 'rewrite', 'insert' and 'prefix' exclude each other").Accepted = cookieForm
	case set["rewrite"] && set["indirect"]:
		p.alert(st.args[0], "cookie modes 'rewrite' and 'indirect' exclude each other").Accepted = cookieForm
	case set["preserve"] && !set["insert"] && !set["indirect"]:
		p.alert(st.args[0], "cookie 'preserve' requires 'insert' or 'indirect'").Accepted = cookieForm
	}
}

// cookieText judges the value of "domain" and "attr".
func (p *parser) cookieText(what string, w Word) bool {
	if w.Text == "" {
		p.alert(w, "'%s' expects a value", what).Accepted = cookieForm
		return false
	}
	for i := 0; i < len(w.Text); i++ {
		c := w.Text[i]
		if c == ';' || c < ' ' || c == 127 || what == "domain" && !isAlnum(c) && c != '-' && c != '.' {
			p.alert(Word{Col: w.Col + i}, "character %s is not permitted in the value of '%s'", printable(c), what).Accepted = "a value without ';' and control characters"
			return false
		}
	}
	return true
}

func parseCapture(p *parser, st *statement) {
	if st.arg(0).Text != "header" || len(st.args) < 4 || st.args[2].Text != "len" {
		p.alert(st.arg(0), "'%s' expects 'header', a name, 'len' and a length", st.kw.Name).Accepted = st.kw.synopsis()
	}
}

var compressions = []string{"identity", "gzip", "deflate", "raw-deflate"}

func parseCompressionAlgo(p *parser, st *statement) {
	if len(st.args) == 0 {
		p.alert(st.arg(0), "'%s' expects an algorithm", st.kw.Name).Accepted = strings.Join(compressions, ", ")
	}
	for _, w := range st.args {
		if w.Text == "" || !p.oneOf(w, "compression algorithm", compressions) {
			return
		}
	}
}

// errorStatuses are those that HAProxy answers with itself.
var errorStatuses = []int{200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 421, 422, 425, 429, 500, 501, 502, 503, 504}

// errorStatus judges an HTTP status.
func (p *parser) errorStatus(w Word, what string) bool {
	if slices.Contains(errorStatuses, atol(w.Text)) {
		return true
	}
	var codes []string
	for _, n := range errorStatuses {
		codes = append(codes, strconv.Itoa(n))
	}
	p.alert(w, "%s: status code '%s' not handled", what, w.Text).Accepted = strings.Join(codes, ", ")
	return false
}

func parseErrorStatus(p *parser, st *statement) { p.errorStatus(st.args[0], st.kw.Name) }

func parseFCGI(p *parser, st *statement) { p.px.fcgi = p.keepWord(st.args[0]) }

func parseErrorFiles(p *parser, st *statement) {
	p.px.errorFiles = append(p.px.errorFiles, p.keepWord(st.args[0]))
	for _, w := range st.args[1:] {
		if w.Text == "" || !p.errorStatus(w, st.kw.Name) {
			return
		}
	}
}

// httpErrorArgs counts the arguments of the options of "http-error".
var httpErrorArgs = map[string]int{
	"content-type": 1, "errorfiles": 1, "errorfile": 1, "default-errorfiles": 0, "file": 1, "lf-file": 1, "string": 1, "lf-string": 1, "hdr": 2,
}

func parseHTTPError(p *parser, st *statement) {
	if st.arg(0).Text != "status" || len(st.args) < 2 {
		p.alert(st.arg(0), "'http-error' expects a status").Accepted = st.kw.synopsis()
		return
	}
	if !p.errorStatus(st.args[1], st.kw.Name) {
		return
	}
	for i := 2; i < len(st.args) && st.args[i].Text != ""; i++ {
		w := st.args[i]
		n, known := httpErrorArgs[w.Text]
		if !known {
			p.alert(w, "'http-error': unknown keyword '%s'", w.Text).Accepted = st.kw.synopsis()
			return
		}
		if i += n; i >= len(st.args) {
			p.alert(wordAfter(w), "'http-error': '%s' expects an argument", w.Text).Accepted = st.kw.synopsis()
		}
	}
}

func parseKeepAliveQueue(p *parser, st *statement) {
	p.wholeNumber(st.args[0], st.kw.Name)
	p.extra(st, 1)
}

func parseMonitor(p *parser, st *statement) {
	if st.arg(0).Text != "fail" || len(st.args) == 0 {
		p.alert(st.arg(0), "'monitor' only supports 'fail'").Accepted = st.kw.synopsis()
		return
	}
	p.requireCondition(st.args[1:], st, PlaceFrontHeader)
}

// requireCondition judges the condition that a line must have.
func (p *parser) requireCondition(words []Word, st *statement, place Place) {
	if len(words) == 0 || words[0].Text != "if" && words[0].Text != "unless" {
		at := st.arg(len(st.args))
		if len(words) > 0 {
			at = words[0]
		}
		p.alert(at, "'%s' requires either 'if' or 'unless' followed by a condition", st.kw.Name).Accepted = st.kw.synopsis()
		return
	}
	p.httpCondition(words, place)
}

// httpCondition judges a condition; HAProxy takes an empty one for no condition.
func (p *parser) httpCondition(words []Word, place Place) {
	if len(words) > 1 && words[1].Text != "" {
		p.parseCondition(words, place)
	}
}

const redirectForm = "location <url> | prefix <url> | scheme <scheme> [code <code>] [<option>...] [if | unless <condition>]"

func parseRedirect(p *parser, st *statement) { p.redirectRule(st, st.args) }

// redirectRule judges a redirection; other rules contain it too.
func (p *parser) redirectRule(st *statement, words []Word) {
	target := false
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch w.Text {
		case "location", "prefix", "scheme", "code", "set-cookie", "set-cookie-fmt", "clear-cookie":
			if i++; i >= len(words) || words[i].Text == "" {
				p.alert(wordAfter(w), "redirect: missing argument for '%s'", w.Text).Accepted = redirectForm
				return
			}
			if w.Text == "code" && !slices.Contains([]int{301, 302, 303, 307, 308}, atol(words[i].Text)) {
				p.alert(words[i], "redirect: unsupported HTTP code '%s'", words[i].Text).Accepted = "301, 302, 303, 307, 308"
				return
			}
			target = target || w.Text == "location" || w.Text == "prefix" || w.Text == "scheme"
		case "drop-query", "append-slash", "ignore-empty":
		case "if", "unless":
			p.httpCondition(words[i:], PlaceFrontHeader)
			i = len(words)
		default:
			p.alert(w, "redirect does not take '%s'", w.Text).Accepted = redirectForm
			return
		}
	}
	if !target {
		p.alert(st.arg(0), "redirect expects 'location', 'prefix' or 'scheme'").Accepted = redirectForm
	}
}

// httpRule returns a parse function for a rule whose action is one of actions;
// a name that ends in "(" takes arguments in parentheses.
func httpRule(actions []string) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		p.px.rules.http = true
		p.httpAction(st, actions)
	}
}

func (p *parser) httpAction(st *statement, actions []string) {
	w := st.arg(0)
	if len(st.args) == 0 || !slices.ContainsFunc(actions, func(name string) bool {
		return w.Text == name || (strings.HasSuffix(name, "(") || strings.HasSuffix(name, "-sc")) && strings.HasPrefix(w.Text, name)
	}) {
		d := p.alert(w, "'%s' does not know the action '%s'", st.kw.Name, w.Text)
		d.Accepted, d.Suggest = strings.Join(actions, ", "), nearest(w.Text, actions)
		return
	}
	if n, counted := httpActionArgs[w.Text]; counted {
		p.httpArguments(st, n)
	}
	switch w.Text {
	case "redirect":
		p.redirectRule(st, st.args[1:])
	case "deny", "tarpit", "return":
		p.httpReply(st)
	case "auth":
		rest := st.args[1:]
		if len(rest) > 1 && rest[0].Text == "realm" {
			rest = rest[2:]
		}
		p.ruleEnd(st, rest)
	}
}

// httpArguments judges an action with n arguments and perhaps a condition.
func (p *parser) httpArguments(st *statement, n int) {
	rest := st.args[1:]
	if len(rest) < n {
		p.alert(st.arg(len(st.args)), "'%s %s' expects %s", st.kw.Name, st.args[0].Text, plural(n)).Accepted = st.kw.synopsis()
		return
	}
	p.ruleEnd(st, rest[n:])
}

// ruleEnd judges what follows an action.
func (p *parser) ruleEnd(st *statement, rest []Word) {
	if len(rest) == 0 || rest[0].Text == "" {
		return
	}
	if rest[0].Text != "if" && rest[0].Text != "unless" {
		p.alert(rest[0], "'%s %s' expects 'if' or 'unless' here, got '%s'", st.kw.Name, st.args[0].Text, rest[0].Text).Accepted = st.kw.synopsis()
		return
	}
	p.httpCondition(rest, PlaceFrontHeader)
}

// replyOptions count the arguments of the options of an answer.
var replyOptions = map[string]int{
	"status": 1, "deny_status": 1, "content-type": 1, "errorfiles": 1, "errorfile": 1, "default-errorfiles": 0,
	"file": 1, "lf-file": 1, "string": 1, "lf-string": 1, "hdr": 2,
}

// httpReply judges "deny", "tarpit" and "return".
func (p *parser) httpReply(st *statement) {
	i := 1
	for i < len(st.args) {
		n, known := replyOptions[st.args[i].Text]
		if !known {
			break
		}
		if i+n >= len(st.args) {
			p.alert(st.arg(len(st.args)), "'%s' expects %s", st.args[i].Text, plural(n)).Accepted = st.kw.synopsis()
			return
		}
		if status := st.args[i].Text == "status" || st.args[i].Text == "deny_status"; status && !p.replyStatus(st, st.args[i+1]) {
			return
		}
		i += n + 1
	}
	p.ruleEnd(st, st.args[i:])
}

// replyStatus judges the status of an answer: "return" has more of them.
func (p *parser) replyStatus(st *statement, w Word) bool {
	if st.args[0].Text != "return" {
		return p.errorStatus(w, st.kw.Name)
	}
	if n := atol(w.Text); n < 200 || n > 599 {
		p.alert(w, "'%s return': unexpected status code '%s'", st.kw.Name, w.Text).Accepted = "200 to 599"
		return false
	}
	return true
}

// exceptArgument judges the network behind "except".
func (p *parser) exceptArgument(w Word, what string) bool {
	addr, mask, masked := strings.Cut(w.Text, "/")
	_, err := netip.ParseAddr(addr)
	if err == nil && masked {
		if _, err = netip.ParsePrefix(w.Text); err != nil {
			_, err = netip.ParseAddr(mask)
		}
	}
	if err != nil {
		p.alert(w, "'%s except' expects an address or a network, got '%s'", what, w.Text).Accepted = "except <address>[/<mask>]"
	}
	return err == nil
}
