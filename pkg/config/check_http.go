package config

import (
	"slices"
)

// httpCheckKeywords are the steps of "option httpchk" (manual, section 4.2).
var httpCheckKeywords = []Keyword{
	{Name: "http-check connect", Where: inBack, Args: connectArgs, Max: -1, State: Pending, Help: "open a connection", parse: httpStep(parseCheckConnect)},
	{Name: "http-check send", Where: inBack, Args: "[meth <method>] [uri <uri>|uri-lf <format>] [ver <version>] [hdr <name> <format>]... [body <text>|body-lf <format>] [comment <text>]", Max: -1, State: Pending,
		Help: "send a request", parse: httpStep(parseCheckRequest)},
	{Name: "http-check expect", Where: inBack, Args: "[<option>...] [!]<match> <pattern>", Max: -1, State: Pending, Help: "judge the answer", parse: httpStep(parseCheckExpect)},
	{Name: "http-check comment", Where: inBack, Args: "<text>", Max: -1, State: Pending, Help: "explain the steps that follow, for the status of a failed check", parse: httpStep(parseCheckComment)},
	{Name: "http-check set-var", Where: inBack, Args: "(<name>[,<condition>...]) <expression>", Max: -1, State: Pending, Help: "set a variable", paren: true, parse: httpStep(parseCheckVar)},
	{Name: "http-check set-var-fmt", Where: inBack, Args: "(<name>[,<condition>...]) <format>", Max: -1, State: Pending, Help: "set a variable to what a log format yields", paren: true, parse: httpStep(parseCheckVar)},
	{Name: "http-check unset-var", Where: inBack, Args: "(<name>)", Max: -1, State: Pending, Help: "unset a variable", paren: true, parse: httpStep(parseCheckVar)},
	{Name: "http-check disable-on-404", Where: inBack, State: Pending, Default: "off", Help: "let the status 404 take a server out of service softly",
		parse: func(p *parser, _ *statement) { p.px.check.set.DisableOn404 = true }},
	{Name: "http-check send-state", Where: inBack, State: Pending, Default: "off", Help: "tell the server in each request how it is judged",
		parse: func(p *parser, _ *statement) { p.px.check.set.SendState = true }},
}

// httpStep adds a step to the section's own ones. Their order is judged only
// while "option httpchk" is in force, as in HAProxy.
func httpStep(parse func(*checkStep) bool) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		c := &p.px.check
		s := checkStep{p: p, st: st, http: true, rules: c.ownHTTP(), rule: CheckRule{Pos: p.pos(st.name[0])}}
		if !parse(&s) {
			c.http = nil // HAProxy starts anew behind a faulty step
			return
		}
		if c.kind != CheckHTTP || c.external {
			c.http.rules = append(c.http.rules, s.rule)
			c.httpIdle = &s.rule.Pos
			return
		}
		if c.list, c.httpIdle = c.http, nil; s.inOrder() {
			c.http.add(s.rule)
		}
	}
}

// step reports whether r does something with the connection.
func (r *CheckRule) step() bool {
	return r.Connect != nil || r.Send != nil || r.Request != nil || r.Expect != nil
}

// firstStep returns the index of the first rule from i on that is a step, -1 if
// there is none.
func (l *checkRules) firstStep(i int) int {
	for ; i < len(l.rules); i++ {
		if l.rules[i].step() {
			return i
		}
	}
	return -1
}

// inOrder judges a step of an HTTP check by the one before it: connections,
// requests and expectations take turns.
func (s *checkStep) inOrder() bool {
	last := len(s.rules.rules) - 1
	for last >= 0 && !s.rules.rules[last].step() {
		last--
	}
	if last < 0 {
		return true
	}
	prev, r, missing := &s.rules.rules[last], &s.rule, ""
	switch {
	case prev.Request != nil && prev.Request.Implied:
	case r.Request != nil && prev.Connect == nil:
		missing = "connect"
	case r.Expect != nil && prev.Request == nil && prev.Expect == nil:
		missing = "send"
	case r.Connect != nil && prev.Expect == nil:
		missing = "expect"
	}
	if missing == "" {
		return true
	}
	s.p.alert(s.st.name[1], "'%s' at this place lacks an 'http-check %s' before it", s.st.kw.Name, missing).Accepted = "the order connect, send, expect"
	return false
}

// add appends a step; the first request takes over what "option httpchk" said.
func (l *checkRules) add(r CheckRule) {
	if i := l.firstStep(0); r.Request != nil && i >= 0 && l.rules[i].Request != nil && l.rules[i].Request.Implied {
		r.Request = l.rules[i].Request.with(r.Request)
		l.rules = slices.Delete(l.rules, i, i+1)
	}
	l.rules = append(l.rules, r)
}

// imply puts the request of "option httpchk" in front, or below the request that
// there is already.
func (l *checkRules) imply(r CheckRule) {
	i := l.firstStep(0)
	if i >= 0 && l.rules[i].Connect != nil {
		i = l.firstStep(i + 1)
	}
	if i >= 0 && l.rules[i].Request != nil {
		old := &l.rules[i]
		if !old.Request.Implied {
			old.Request = old.Request.with(&CheckRequest{Method: r.Request.Method, URI: r.Request.URI, Version: r.Request.Version})
			return
		}
		l.rules = slices.Delete(l.rules, i, i+1)
	}
	l.rules = slices.Insert(l.rules, 0, r)
}

// with returns the request with what over has set.
func (r *CheckRequest) with(over *CheckRequest) *CheckRequest {
	n := *r
	n.Implied = false
	if over.Method != "" {
		n.Method = over.Method
	}
	if over.URI != "" || over.URIFormat != nil {
		n.URI, n.URIFormat = over.URI, over.URIFormat
	}
	if over.Version != "" {
		n.Version = over.Version
	}
	if len(over.Headers) > 0 {
		n.Headers = over.Headers
	}
	if over.Body != "" || over.BodyFormat != nil {
		n.Body, n.BodyFormat = over.Body, over.BodyFormat
	}
	return &n
}

var requestOptions = []string{"meth", "uri", "uri-lf", "ver", "hdr", "body", "body-lf", "comment"}

func parseCheckRequest(s *checkStep) bool {
	r := &CheckRequest{}
	for ; s.more(); s.i++ {
		if !s.requestOption(r) {
			return false
		}
	}
	s.rule.Request = r
	return true
}

func (s *checkStep) requestOption(r *CheckRequest) (ok bool) {
	name := s.word()
	switch {
	case name.Text == "comment":
		return s.comment()
	case name.Text == "hdr":
		return s.requestHeader(r)
	case !slices.Contains(requestOptions, name.Text):
		return s.unknown(requestOptions)
	}
	w, ok := s.value("a value")
	if !ok {
		return false
	}
	switch name.Text {
	case "meth":
		r.Method = w.Text
	case "ver":
		r.Version = w.Text
	case "uri":
		r.URI, r.URIFormat = w.Text, nil
	case "body":
		r.Body, r.BodyFormat = w.Text, nil
	case "uri-lf":
		r.URI = ""
		r.URIFormat, ok = s.format(w)
	case "body-lf":
		r.Body = ""
		r.BodyFormat, ok = s.format(w)
	}
	return ok
}

func (s *checkStep) requestHeader(r *CheckRequest) bool {
	name, value := s.st.arg(s.i+1), s.st.arg(s.i+2)
	if name.Text == "" || value.Text == "" {
		s.p.alert(wordAfter(s.word()), "'hdr' expects a name and a value").Accepted = "hdr <name> <format>"
		return false
	}
	s.i += 2
	format, ok := s.format(value)
	r.Headers = append(r.Headers, CheckHeader{Name: name.Text, Value: format})
	return ok
}
