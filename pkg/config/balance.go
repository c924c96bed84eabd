package config

import (
	"math"
	"slices"
	"strings"
)

// balanceKeywords choose among the servers of a backend.
var balanceKeywords = []Keyword{
	{Name: "balance", Where: inBack, Args: "roundrobin | leastconn | static-rr | first | source | random[(<draws>)] | hash <expression> | rdp-cookie[(<name>)]",
		Max: -1, Default: "roundrobin", Help: "how a server is chosen", parse: parseBalance},
	{Name: "hash-type", Where: inBack, Args: "map-based | consistent [sdbm | djb2 | wt6 | crc32 | none [avalanche]]", Max: -1, Default: "map-based sdbm",
		Help: "how a hash is made and mapped to a server", parse: parseHashType},
	{Name: "hash-balance-factor", Where: inBack, Args: "<percent>", Min: 1, Max: -1, Default: "0, no limit",
		Help: "load that 'hash-type consistent' allows a server, in per cent of the mean", parse: parseBalanceFactor},
	{Name: "hash-preserve-affinity", Where: inBack, Max: -1, State: Refused, Since: "3.2", Help: "what becomes of a hash when its server is full"},
}

// algorithm is one way to choose a server.
type algorithm struct {
	name  string
	state State
	args  func(p *parser, b *Balance, st *statement) bool // nil: what follows the name is ignored
}

// algorithms lists HAProxy's; the name ends at "(".
var algorithms = []algorithm{
	{"roundrobin", Done, nil}, {"leastconn", Done, nil}, {"static-rr", Done, nil}, {"first", Done, nil},
	{"source", Done, nil}, {"random", Done, balanceRandom}, {"hash", Done, balanceHash},
	{"rdp-cookie", Pending, balanceCookie}, {"sticky", Pending, nil}, {"log-hash", Pending, balanceLogHash},
	{"uri", Refused, balanceURI}, {"url_param", Refused, balanceParam}, {"hdr", Refused, balanceHeader},
}

// balanceForms names the algorithms that are for TCP.
const balanceForms = "roundrobin, leastconn, static-rr, first, source, random, hash, rdp-cookie"

func parseBalance(p *parser, st *statement) {
	w := st.arg(0)
	if w.Text == "" {
		p.warn(w, "'balance' without an algorithm is 'balance roundrobin'").Accepted = st.kw.synopsis()
		return
	}
	alg := findAlgorithm(w.Text)
	if alg == nil {
		names := make([]string, len(algorithms))
		for i := range algorithms {
			names[i] = algorithms[i].name
		}
		d := p.alert(w, "unknown balance algorithm '%s'", w.Text)
		d.Accepted, d.Suggest = balanceForms, nearest(w.Text, names)
		return
	}
	b := Balance{Algorithm: alg.name, Pos: p.pos(w)}
	for _, arg := range st.args[1:] {
		b.Args = append(b.Args, arg.Text)
	}
	if alg.args != nil {
		if !alg.args(p, &b, st) {
			return
		}
	} else {
		b.Args = nil
		p.extra(st, 1)
	}
	switch alg.state {
	case Pending:
		p.unsupported(w, "'balance %s' is not supported by this version yet", alg.name)
	case Refused:
		p.unsupported(w, "'balance %s' is not supported: it needs HTTP", alg.name)
	}
	p.px.px.Balance = b
}

// findAlgorithm finds the row of a word. HAProxy takes whatever follows "random"
// and "rdp-cookie" for their argument; the others must be spelt exactly.
func findAlgorithm(text string) *algorithm {
	for i := range algorithms {
		switch name := algorithms[i].name; name {
		case "random", "rdp-cookie":
			if strings.HasPrefix(text, name) {
				return &algorithms[i]
			}
		case "hdr":
			if strings.HasPrefix(text, "hdr(") {
				return &algorithms[i]
			}
		default:
			if text == name {
				return &algorithms[i]
			}
		}
	}
	return nil
}

// balanceRandom reads "random(<draws>)".
func balanceRandom(p *parser, b *Balance, st *statement) bool {
	w := st.args[0]
	b.Args, b.Draws = nil, 2
	p.extra(st, 1)
	inner, ok := strings.CutPrefix(w.Text, "random(")
	if !ok {
		if w.Text != "random" {
			p.warn(w, "'%s' is read as 'random'", w.Text).Accepted = "random[(<draws>)]"
		}
		return true
	}
	inner, _, closed := strings.Cut(inner, ")")
	at := Word{Text: inner, Col: w.Col + len("random(")}
	digits := strings.TrimLeft(inner, "+-")
	switch {
	case strings.Trim(digits, "0123456789") != "":
		p.alert(at, "balance random: unexpected character in number of draws '%s'", inner).Accepted = "random(<draws>)"
		return false
	case !closed:
		p.alert(w, "balance random: missing closing parenthesis").Accepted = "random(<draws>)"
		return false
	case inner == "":
		return true
	case atol(inner) < 1:
		p.alert(at, "balance random: number of draws must be at least 1").Accepted = "1 to 2147483647"
		return false
	}
	b.Draws = min(atol(inner), math.MaxInt32)
	return true
}

// balanceHash keeps the expression: it is judged in each proxy that has it.
func balanceHash(p *parser, b *Balance, st *statement) bool {
	if st.arg(1).Text == "" || len(st.args) < 2 {
		p.alert(st.arg(1), "balance hash requires a sample expression").Accepted = "balance hash <expression>"
		return false
	}
	if len(st.args) > 2 && st.args[2].Text != "" {
		p.alert(st.args[2], "balance hash takes no other argument, got '%s'", st.args[2].Text).Accepted = "balance hash <expression>"
		return false
	}
	b.Args = nil
	p.px.hashed = p.keepWord(st.args[1])
	return true
}

// keptWord is a word that is judged when all lines are known.
type keptWord struct {
	word       Word
	file       string
	line, cols int
}

func (p *parser) keepWord(w Word) keptWord {
	return keptWord{word: w, file: p.file, line: p.line, cols: p.width}
}

// at runs f with the place of a kept word as the current one.
func (p *parser) at(k keptWord, f func()) {
	file, line, cols := p.file, p.line, p.width
	p.file, p.line, p.width = k.file, k.line, k.cols
	f()
	p.file, p.line, p.width = file, line, cols
}

// balanceCookie reads "rdp-cookie[(<name>)]".
func balanceCookie(p *parser, b *Balance, st *statement) bool {
	name, ok := p.rdpCookie(st.args[0], "mstshash")
	b.Args, b.Cookie = nil, name
	p.extra(st, 1)
	return ok
}

// rdpCookie reads "rdp-cookie" or "rdp-cookie(<name>)".
func (p *parser) rdpCookie(w Word, preset string) (string, bool) {
	if w.Text == "rdp-cookie" {
		return preset, true
	}
	inner, ok := strings.CutPrefix(w.Text, "rdp-cookie(")
	name, _, closed := strings.Cut(inner, ")")
	if !ok || !closed || name == "" {
		p.alert(w, "'%s' requires an rdp cookie name in parentheses", w.Text).Accepted = "rdp-cookie, rdp-cookie(<name>)"
		return "", false
	}
	return name, true
}

func balanceLogHash(p *parser, _ *Balance, st *statement) bool {
	if len(st.args) < 2 || st.args[1].Text == "" {
		p.alert(st.arg(1), "balance log-hash requires a converter list").Accepted = "balance log-hash <converter>[,<converter>...]"
		return false
	}
	p.px.hashed = p.keepWord(st.args[1])
	return true
}

// balanceURI reads "uri [len <n>] [depth <n>] [whole] [path-only]".
func balanceURI(p *parser, _ *Balance, st *statement) bool {
	const form = "balance uri [len <length>] [depth <depth>] [whole] [path-only]"
	for i := 1; i < len(st.args); i++ {
		switch w := st.args[i]; w.Text {
		case "len", "depth":
			if i++; atol(st.arg(i).Text) <= 0 {
				p.alert(st.arg(i), "balance uri: '%s' expects a positive integer, got '%s'", w.Text, st.arg(i).Text).Accepted = form
				return false
			}
		case "whole", "path-only":
		default:
			d := p.alert(w, "balance uri does not take '%s'", w.Text)
			d.Accepted, d.Suggest = form, nearest(w.Text, []string{"len", "depth", "whole", "path-only"})
			return false
		}
	}
	return true
}

func balanceParam(p *parser, _ *Balance, st *statement) bool {
	const form = "balance url_param <name> [check_post]"
	if st.arg(1).Text == "" || len(st.args) < 2 {
		p.alert(st.arg(1), "balance url_param requires the name of a parameter").Accepted = form
		return false
	}
	if len(st.args) > 2 && st.args[2].Text != "check_post" {
		p.alert(st.args[2], "balance url_param only takes 'check_post', got '%s'", st.args[2].Text).Accepted = form
		return false
	}
	return true
}

func balanceHeader(p *parser, _ *Balance, st *statement) bool {
	const form = "balance hdr(<name>) [use_domain_only]"
	name, _, closed := strings.Cut(strings.TrimPrefix(st.args[0].Text, "hdr("), ")")
	if !closed || name == "" {
		p.alert(st.args[0], "balance hdr requires the name of a header").Accepted = form
		return false
	}
	if len(st.args) > 1 && st.args[1].Text != "use_domain_only" {
		p.alert(st.args[1], "balance hdr only takes 'use_domain_only', got '%s'", st.args[1].Text).Accepted = form
		return false
	}
	return true
}

var hashFunctions = []string{"sdbm", "djb2", "wt6", "crc32", "none"}

func parseHashType(p *parser, st *statement) {
	h := Hash{BalanceFactor: p.px.px.Hash.BalanceFactor}
	switch w := st.arg(0); {
	case w.Text == "consistent" && len(st.args) > 0:
		h.Consistent = true
	case w.Text == "map-based":
	default:
		d := p.alert(w, "'hash-type' does not support '%s'", w.Text)
		d.Accepted, d.Suggest = st.kw.synopsis(), nearest(w.Text, []string{"map-based", "consistent"})
		return
	}
	if len(st.args) > 1 && st.args[1].Text != "" {
		if !p.oneOf(st.args[1], "hash function", hashFunctions) {
			return
		}
		h.Function = st.args[1].Text
	}
	if len(st.args) > 2 && st.args[2].Text != "" {
		if !p.oneOf(st.args[2], "modifier of a hash function", []string{"avalanche"}) {
			return
		}
		h.Avalanche = true
	}
	p.extra(st, 3)
	p.px.px.Hash = h
}

func parseBalanceFactor(p *parser, st *statement) {
	w := st.args[0]
	if n := atol(w.Text); n != 0 && n <= 100 {
		p.alert(w, "'hash-balance-factor' must be 0 or greater than 100, got '%s'", w.Text).Accepted = "0, 101 to 2147483647"
		return
	}
	p.px.px.Hash.BalanceFactor = p.looseInt(w, st.kw.Name)
	p.extra(st, 1)
}

// retryEvents are the words of "retry-on".
var retryEvents = []string{
	"none", "conn-failure", "empty-response", "response-timeout", "0rtt-rejected", "junk-response", "all-retryable-errors",
	"401", "403", "404", "408", "425", "429", "500", "501", "502", "503", "504",
}

func parseRetryOn(p *parser, st *statement) {
	var events []string
	for _, w := range st.args {
		if w.Text == "" {
			break
		}
		if !slices.Contains(retryEvents, w.Text) {
			d := p.alert(w, "'retry-on': unknown keyword '%s'", w.Text)
			d.Accepted, d.Suggest = strings.Join(retryEvents, ", "), nearest(w.Text, retryEvents)
			return
		}
		if w.Text == "none" && len(st.args) > 1 {
			p.alert(w, "'retry-on none' stands alone").Accepted = "retry-on none"
			return
		}
		events = append(events, w.Text)
	}
	p.px.px.RetryOn = events
}
