package config

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// ACL is a named test: the "acl" lines of one name (manual, section 7). It
// matches if one of its lines does.
type ACL struct {
	Pos   Pos    // of the first line
	Name  string // "": anonymous, written between braces in a condition
	Tests []ACLTest
}

// ACLTest is one "acl" line: a sample and the patterns it is compared with.
type ACLTest struct {
	Pos        Pos
	Keyword    string // the fetch or the ACL keyword as written: "req_ssl_sni"
	Expr       *Expr
	Match      Match
	IgnoreCase bool // "-i"
	NoDNS      bool // "-n"
	Map        bool // "-M": the files are map files
	ID         int  // "-u"; -1: none
	Patterns   []Pattern
	Files      []string // "-f"
	Texts      []string // what the files contain
}

// All returns the patterns of the line and those of its files; numbers, addresses
// and networks are read.
func (t *ACLTest) All() iter.Seq[Pattern] {
	return func(yield func(Pattern) bool) {
		for _, p := range t.Patterns {
			if !yield(p) {
				return
			}
		}
		for _, text := range t.Texts {
			for line := range strings.Lines(text) {
				p, fault := t.filePattern(line)
				if p.Text != "" && fault == nil && !yield(p) {
					return
				}
			}
		}
	}
}

// filePattern reads a line of a file, which may have no pattern.
func (t *ACLTest) filePattern(line string) (Pattern, *patternFault) {
	text := patternLine(line)
	if t.Map {
		text, _, _ = strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	}
	if text == "" {
		return Pattern{}, nil
	}
	return parsePattern(text, t.Match, !t.NoDNS)
}

// Condition is what stands behind "if" or "unless": the alternatives that "or"
// parts, each a list of terms that must all hold. Without a term it holds.
type Condition struct {
	Pos    Pos
	Unless bool
	Any    [][]Term
}

// Term is an ACL in a condition.
type Term struct {
	Not bool
	ACL *ACL
}

// aclKeywords are names that are fetches in ACLs only, or that compare otherwise
// than the fetch of that name would.
var aclKeywords = map[string]struct {
	fetch string
	match Match
}{
	"req.ssl_ver": {"req.ssl_ver", MatchVersion}, "req_ssl_ver": {"req.ssl_ver", MatchVersion},
	"req_ssl_sni": {"req.ssl_sni", MatchString}, "ssl_fc_sni_end": {"ssl_fc_sni", MatchEnd}, "ssl_fc_sni_reg": {"ssl_fc_sni", MatchRegex},
	"payload": {"req.payload", MatchBinary}, "payload_lv": {"req.payload_lv", MatchBinary},
	"req_rdp_cookie": {"req.rdp_cookie", MatchString}, "req_rdp_cookie_cnt": {"req.rdp_cookie_cnt", MatchInt},
	"http_auth_group": {"http_auth_group", MatchString}, "method": {"method", MatchMethod},
	"req_ver": {"req.ver", MatchString}, "resp_ver": {"res.ver", MatchString},
	"base": {"base", MatchString}, "cook": {"req.cook", MatchString}, "hdr": {"req.hdr", MatchString}, "path": {"path", MatchString},
	"scook": {"res.cook", MatchString}, "shdr": {"res.hdr", MatchString}, "url": {"url", MatchString}, "urlp": {"urlp", MatchString},
}

// aclSuffixes are the endings that choose the matching method of an HTTP fetch.
var aclSuffixes = []Match{MatchBegin, MatchDir, MatchDomain, MatchEnd, MatchLength, MatchRegex, MatchSub}

// aclKeyword finds an ACL keyword by name: the fetch and how it is compared.
func aclKeyword(name string) (fetch string, m Match, ok bool) {
	if kw, ok := aclKeywords[name]; ok {
		return kw.fetch, kw.match, true
	}
	base, suffix, found := strings.Cut(name, "_")
	if !found || !slices.Contains(aclSuffixes, Match(suffix)) || !slices.Contains([]string{"base", "cook", "hdr", "path", "scook", "shdr", "url", "urlp"}, base) {
		return "", "", false
	}
	return aclKeywords[base].fetch, Match(suffix), true
}

// predefinedACLs exist without a line (manual, section 7.4).
var predefinedACLs = map[string]string{
	"FALSE": "always_false", "TRUE": "always_true", "LOCALHOST": "src_is_local",
	"HTTP": "req.proto_http", "HTTP_CONTENT": "req.hdr_val(content-length) gt 0",
	"HTTP_1.0": "req.ver 1.0", "HTTP_1.1": "req.ver 1.1", "HTTP_2.0": "req.ver 2.0", "HTTP_3.0": "req.ver 3.0",
	"HTTP_URL_ABS": "url_reg ^[^/:]*://", "HTTP_URL_SLASH": "url_beg /", "HTTP_URL_STAR": "url *",
	"METH_CONNECT": "method CONNECT", "METH_DELETE": "method DELETE", "METH_GET": "method GET HEAD", "METH_HEAD": "method HEAD",
	"METH_OPTIONS": "method OPTIONS", "METH_POST": "method POST", "METH_PUT": "method PUT", "METH_TRACE": "method TRACE",
	"RDP_COOKIE": "req.rdp_cookie_cnt gt 0", "REQ_CONTENT": "req.len gt 0", "WAIT_END": "wait_end",
}

const aclForm = "acl <name> <fetch>[,<converter>]... [-i] [-n] [-m <method>] [-f <file>] [--] [<pattern>]..."

var aclKeywordRows = []Keyword{
	{Name: "acl", Where: inProxy, Args: "<name> <expression> [<flag>]... [<pattern>]...", Max: -1, Named: true,
		Help: "name a test of a sample for use in conditions", parse: parseACL},
}

func parseACL(p *parser, st *statement) {
	name := st.arg(0)
	if name.Text == "" {
		p.alert(name, "'acl' expects a name").Accepted = aclForm
		return
	}
	if !p.checkName(name, "acl") {
		return
	}
	if strings.EqualFold(name.Text, "or") {
		p.alert(name, "acl name '%s' will never match: in a condition it parts alternatives", name.Text).Accepted = "another name"
		return
	}
	words := st.args[1:]
	if len(words) == 0 {
		words = []Word{st.arg(1)}
		words[0].Text = ""
	}
	before := p.alertCount
	test := p.parseACLTest(words)
	if test == nil {
		if p.alertCount > before {
			p.px.declareACL(name.Text, p.pos(name))
		}
		return
	}
	acl := p.px.declareACL(name.Text, p.pos(name))
	if p.refersTo(test.Expr, acl) {
		p.alert(words[0], "ACL '%s' refers to itself", name.Text).Accepted = "another ACL"
		return
	}
	acl.Tests = append(acl.Tests, *test)
}

// refersTo reports whether an expression asks for an ACL, be it through others.
func (p *parser) refersTo(e *Expr, acl *ACL) bool {
	if e.Fetch != "acl" {
		return false
	}
	for _, arg := range e.Args {
		other := p.px.acls[strings.TrimPrefix(arg.Text, "!")]
		if other == acl {
			return true
		}
		if other != nil && slices.ContainsFunc(other.Tests, func(t ACLTest) bool { return p.refersTo(t.Expr, acl) }) {
			return true
		}
	}
	return false
}

// declareACL returns the ACL of a name. A faulty line declares it too, so that it
// is not reported as missing where it is used.
func (s *section) declareACL(name string, pos Pos) *ACL {
	if s.acls == nil {
		s.acls = map[string]*ACL{}
	}
	if s.acls[name] == nil {
		s.acls[name] = &ACL{Pos: pos, Name: name}
	}
	return s.acls[name]
}

// findACL returns an ACL of the section by name, or a predefined one, or nil.
func (p *parser) findACL(name string) *ACL {
	if p.px != nil && p.px.acls[name] != nil {
		return p.px.acls[name]
	}
	text, ok := predefinedACLs[name]
	if !ok {
		return nil
	}
	q := &parser{px: p.px, samples: p.samples, patterns: map[string]bool{}}
	var words []Word
	for _, word := range strings.Fields(text) {
		words = append(words, Word{Text: word})
	}
	acl := &ACL{Name: name}
	if test := q.parseACLTest(words); test != nil {
		acl.Tests = append(acl.Tests, *test)
	}
	return acl
}

// aclTester reads the flags and patterns of one test.
type aclTester struct {
	p      *parser
	test   ACLTest
	loaded bool // patterns were read: "-m" comes too late
}

// parseACLTest reads a test: the expression, flags, patterns. After an alert it
// returns nil.
func (p *parser) parseACLTest(words []Word) *ACLTest {
	if words[0].Text == "" {
		p.alert(words[0], "missing fetch method in ACL expression").Accepted = aclForm
		return nil
	}
	x := exprParser{p: p, words: words, text: words[0].Text}
	fetch, match, alias := aclKeyword(sampleName(x.text))
	if !x.fetch(fetch) || !x.converters() {
		return nil
	}
	t := aclTester{p: p, test: ACLTest{Pos: p.pos(words[0]), Keyword: x.steps[0].at.Text, Expr: x.expr(), ID: -1}}
	if t.test.Match = match; !alias || len(x.out.Converters) > 0 {
		t.test.Match = defaultMatch(x.out.Type)
	}
	// Converters in words of their own are patterns, too: HAProxy reads them twice.
	rest := words[1:]
	if len(rest) == 0 && t.test.Match != MatchBool && t.test.Match != "" {
		p.warn(words[0], "no pattern to match against: this ACL never matches").Accepted = "patterns, '-m found', or '--' if that is intended"
	}
	rest, ok := t.flags(rest)
	if !ok || !t.patterns(rest) || !x.admitState() {
		return nil
	}
	return &t.test
}

// defaultMatch is how a sample is compared without "-m"; "" if one is needed.
func defaultMatch(t SampleType) Match {
	switch t {
	case TypeBool:
		return MatchBool
	case TypeInt:
		return MatchInt
	case TypeAddr, TypeIPv4, TypeIPv6:
		return MatchIP
	case TypeString:
		return MatchString
	case TypeMethod:
		return MatchMethod
	}
	return ""
}

// flags reads the words that start with a dash.
func (t *aclTester) flags(words []Word) (rest []Word, ok bool) {
	for len(words) > 0 && strings.HasPrefix(words[0].Text, "-") {
		w, arg := words[0], wordAfter(words[0])
		words = words[1:]
		if len(words) > 0 {
			arg = words[0]
		}
		switch w.Text {
		case "--":
			return words, true
		case "-i":
			t.test.IgnoreCase = true
			continue
		case "-n":
			t.test.NoDNS = true
			continue
		case "-M":
			t.test.Map = true
			continue
		case "-f":
			ok = t.file(arg)
		case "-m":
			ok = t.method(arg)
		case "-u":
			ok = t.id(arg)
		default:
			t.p.alert(w, "'%s' is not an ACL option; put '--' before patterns that begin with a dash", w.Text).Accepted = "-i, -n, -m <method>, -f <file>, -M, -u <id>, --"
		}
		if !ok {
			return nil, false
		}
		if len(words) > 0 {
			words = words[1:]
		}
	}
	return words, true
}

func (t *aclTester) id(arg Word) bool {
	n, err := strconv.Atoi(arg.Text)
	if err != nil && arg.Text != "" {
		t.p.alert(arg, "the argument of '-u' must be an integer").Accepted = "a number that no other ACL has"
		return false
	}
	if t.p.aclIDs[n] {
		t.p.alert(arg, "the id %d is used already", n).Accepted = "a number that no other ACL has"
		return false
	}
	t.p.aclIDs[n] = true
	t.test.ID = n
	return true
}

func (t *aclTester) method(arg Word) bool {
	m := Match(arg.Text)
	if t.loaded {
		t.p.alert(arg, "'-m' must stand before patterns and files").Accepted = aclForm
		return false
	}
	need, ok := matchTypes[m]
	if !ok {
		d := t.p.alert(arg, "unknown matching method '%s'", arg.Text)
		d.Accepted = matchForm
		d.Suggest = nearest(arg.Text, strings.Split(matchForm, ", "))
		return false
	}
	if !t.test.Expr.Type.castable(need) {
		t.p.alert(arg, "matching method '%s' cannot be used with '%s', which is of type %s", m, t.test.Keyword, t.test.Expr.Type).Accepted = "a method for that type: " + matchForm
		return false
	}
	t.test.Match = m
	return true
}

// needMethod refuses patterns for a sample that is compared in no obvious way.
func (t *aclTester) needMethod() bool {
	if t.test.Match != "" {
		return true
	}
	t.p.alertAt(t.test.Pos, "'%s' yields a sample of type %s: the matching method must be given with '-m' first", t.test.Keyword, t.test.Expr.Type).Accepted = "-m " + matchForm
	return false
}

func (t *aclTester) file(arg Word) bool {
	if !t.needMethod() {
		return false
	}
	text, err := t.p.patternFile(arg.Text)
	if err != nil {
		t.p.alert(arg, "failed to open pattern file '%s': %v", arg.Text, err).Accepted = "a file with one pattern on each line"
		return false
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if _, fault := t.test.filePattern(line); fault != nil {
			d := t.p.alert(arg, "%s at line %d of file '%s'", fault.msg, n, arg.Text)
			d.Accepted, d.Unsupported = fault.accepted, fault.unsupported
			return false
		}
	}
	t.loaded = true
	t.test.Files, t.test.Texts = append(t.test.Files, arg.Text), append(t.test.Texts, text)
	return true
}

// patterns reads the rest of the line.
func (t *aclTester) patterns(words []Word) bool {
	if !t.needMethod() {
		return false
	}
	op := "eq"
	numeric := t.test.Match == MatchInt || t.test.Match == MatchLength || t.test.Match == MatchVersion
	for _, w := range words {
		if w.Text == "" {
			return true
		}
		if numeric && slices.Contains(operators, w.Text) {
			op = w.Text
			continue
		}
		text, fault := w.Text, (*patternFault)(nil)
		if numeric {
			text, fault = withOperator(op, w.Text, t.test.Match)
		}
		var pat Pattern
		if fault == nil {
			pat, fault = parsePattern(text, t.test.Match, !t.test.NoDNS)
		}
		if fault != nil {
			d := t.p.alert(w, "%s", fault.msg)
			d.Accepted, d.Unsupported = fault.accepted, fault.unsupported
			return false
		}
		pat.Text = w.Text
		t.test.Patterns = append(t.test.Patterns, pat)
	}
	return true
}
