package config

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stickKeywords are the lines about stick tables of proxies (manual, section 11.1).
var stickKeywords = []Keyword{
	{Name: "stick-table", Where: inProxy &^ InDefaults, Args: stickTableForm, Max: -1, State: Pending,
		Help: "the stick table of the proxy: what is remembered of clients", parse: parseStickTableLine},
	stickRule("on", "send a session to the server that its key is bound to, and bind the key to a server"),
	stickRule("match", "send a session to the server that its key is bound to"),
	stickRule("store-request", "bind a key of the request to the server that was chosen"),
	stickRule("store-response", "bind a key of the response to the server that sent it"),
	{Name: "stick", Where: inBack &^ InDefaults, Args: "on | match | store-request | store-response", Max: -1, State: Pending,
		Help: "bind keys to servers", parse: parseStickRule},
	{Name: "tune.stick-counters", Where: InGlobal, Args: "<number>", Max: -1, Default: "3", State: NoEffect, Why: "tracked counters are not supported yet",
		Help: "how many entries of stick tables a session can track", parse: parseStickCounters},
}

const stickTableForm = "type ip | ipv6 | integer | string [len <bytes>] | binary [len <bytes>] size <entries> [expire <time>] [nopurge] [peers <section>] [srvkey name | addr] [write-to <table>] [store <data>[,<data>]...]"

func parseStickCounters(p *parser, st *statement) {
	w := st.arg(0)
	n, ok := cInteger(w.Text, 10)
	if w.Text == "" {
		n, ok = 0, true
	}
	if !ok || n < 0 {
		p.alert(w, "'tune.stick-counters' expects a number, got '%s'", w.Text).Accepted = "0 to 2147483647"
		return
	}
	p.stickCounters = int(min(n, math.MaxInt32))
}

// tableTypes are the words behind "type" in a stick table.
var tableTypes = map[string]SampleType{
	"ip": TypeIPv4, "ipv6": TypeIPv6, "integer": TypeInt, "string": TypeString, "binary": TypeBinary,
}

// dataType is a kind of data that entries of stick tables can hold.
type dataType struct {
	name  string
	array bool // takes a number of elements
	rate  bool // takes a period
}

var dataTypes = []dataType{
	{name: "server_id"}, {name: "server_key"}, {name: "server_name"},
	{name: "gpt", array: true}, {name: "gpt0"},
	{name: "gpc", array: true}, {name: "gpc_rate", array: true, rate: true},
	{name: "gpc0"}, {name: "gpc0_rate", rate: true}, {name: "gpc1"}, {name: "gpc1_rate", rate: true},
	{name: "conn_cnt"}, {name: "conn_cur"}, {name: "conn_rate", rate: true},
	{name: "sess_cnt"}, {name: "sess_rate", rate: true},
	{name: "http_req_cnt"}, {name: "http_req_rate", rate: true},
	{name: "http_err_cnt"}, {name: "http_err_rate", rate: true},
	{name: "http_fail_cnt"}, {name: "http_fail_rate", rate: true},
	{name: "bytes_in_cnt"}, {name: "bytes_in_rate", rate: true},
	{name: "bytes_out_cnt"}, {name: "bytes_out_rate", rate: true},
	{name: "glitch_cnt"}, {name: "glitch_rate", rate: true},
}

func (d dataType) form() string {
	switch {
	case d.array && d.rate:
		return d.name + "(<elements>,<time>)"
	case d.array:
		return d.name + "(<elements>)"
	case d.rate:
		return d.name + "(<time>)"
	}
	return d.name
}

func parseStickTableLine(p *parser, st *statement) {
	name := p.px.px.Name
	if old := p.tables[name]; old != nil && old.Type != TypeAny {
		p.alert(st.name[0], "stick-table '%s' was declared already at %s", name, old.Pos).Accepted = "one stick-table for each name"
		return
	}
	t, ok := p.stickTable(name, st.name[0], st.args)
	p.tables[name] = t
	if ok {
		p.px.px.StickTable = t
	}
}

// parsePeersTable reads a "table" line of a peers section: others call the table
// "<section>/<name>".
func parsePeersTable(p *parser, st *statement) {
	w := st.arg(0)
	if w.Text == "" {
		p.alert(w, "'table' expects a name").Accepted = st.kw.synopsis()
		return
	}
	name := p.sectionName + "/" + w.Text
	if old := p.tables[name]; old != nil && old.Type != TypeAny {
		p.alert(w, "table '%s' was declared already at %s", name, old.Pos).Accepted = "one table for each name"
		return
	}
	p.tables[name], _ = p.stickTable(name, w, st.args[1:])
}

// stickTable reads what stands behind "stick-table", or behind the name in a
// "table" line of a peers section. After an alert the table has no type and ok
// is false: the caller enters it in p.tables all the same, so that no follow-up
// faults are reported.
func (p *parser) stickTable(name string, keyword Word, words []Word) (t *StickTable, ok bool) {
	t = &StickTable{Pos: p.pos(keyword), Name: name}
	tp := &tableParser{p: p, t: t, wordReader: wordReader{words, p.width + 1}, inPeers: p.section == InPeers}
	for len(tp.words) > 0 && tp.words[0].Text != "" {
		if !tp.argument() {
			t.Type = TypeAny
			return t, false
		}
	}
	for _, missing := range []struct {
		is   bool
		what string
	}{{t.Size == 0, "size"}, {t.Type == TypeAny, "type"}} {
		if missing.is {
			tp.fault(tp.next(), "stick-table: missing %s", missing.what)
			t.Type = TypeAny
			return t, false
		}
	}
	if !tp.conflicts() {
		t.Type = TypeAny
		return t, false
	}
	return t, true
}

// tableParser walks the arguments of a stick table.
type tableParser struct {
	p *parser
	t *StickTable
	wordReader
	store   Word // the latest word behind "store"
	inPeers bool // a "table" line
}

func (tp *tableParser) fault(w Word, format string, a ...any) bool {
	tp.p.alert(w, format, a...).Accepted = stickTableForm
	return false
}

func (tp *tableParser) argument() bool {
	p, t, word := tp.p, tp.t, tp.take()
	switch word.Text {
	case "type":
		return tp.keyType()
	case "nopurge":
		t.NoPurge = true
		return true
	case "store":
		tp.store = tp.take()
		return tp.stored(tp.store)
	case "srvkey":
		w := tp.take()
		if t.SrvKey = w.Text; w.Text != "name" && w.Text != "addr" {
			p.alert(w, "stick-table: unknown server key type '%s'", w.Text).Accepted = "name, addr"
			return false
		}
		return true
	case "size", "expire", "peers", "write-to":
	case "recv-only", "brates-factor":
		p.alert(word, "stick-table: '%s' came with a later version of HAProxy than %s", word.Text, CompatVersion).Accepted = stickTableForm
		return false
	default:
		d := p.alert(word, "stick-table: unknown argument '%s'", word.Text)
		d.Accepted = stickTableForm
		d.Suggest = nearest(word.Text, []string{"type", "size", "expire", "nopurge", "peers", "srvkey", "write-to", "store"})
		return false
	}
	w := tp.take()
	if w.Text == "" {
		return tp.fault(w, "stick-table: missing argument after '%s'", word.Text)
	}
	ok := true
	switch word.Text {
	case "size":
		t.Size, ok = p.size(w, "stick-table: size")
	case "expire":
		t.Expire, ok = p.duration(w, "stick-table: expire")
	case "peers":
		if tp.inPeers {
			return tp.fault(word, "table: unknown argument 'peers'")
		}
		t.Peers = w.Text
		p.needPeers(w)
	case "write-to":
		t.WriteTo = w.Text
		p.needTable(tableUse{at: p.pos(w), name: w.Text, by: "write-to", like: t})
	}
	return ok
}

// keyType reads the type, with the length of those that have one.
func (tp *tableParser) keyType() bool {
	w := tp.take()
	t, known := tableTypes[w.Text]
	if !known {
		d := tp.p.alert(w, "stick-table: unknown type '%s'", w.Text)
		names := slices.Sorted(maps.Keys(tableTypes))
		d.Accepted, d.Suggest = strings.Join(names, ", "), nearest(w.Text, names)
		return false
	}
	if tp.t.Type = t; t != TypeString && t != TypeBinary {
		return true
	}
	if tp.t.Length = 32; t == TypeString {
		tp.t.Length = 31
	}
	if tp.next().Text != "len" {
		return true
	}
	tp.take()
	w = tp.take()
	n, ok := cInteger(w.Text, 10)
	if !ok || n == 0 {
		tp.p.alert(w, "stick-table: 'len' expects a positive integer, got '%s'", w.Text).Accepted = "a number of bytes"
		return false
	}
	if n < 0 {
		tp.p.warn(w, "'%s' is not a valid length, there is no limit", w.Text).Accepted = "a number of bytes"
		n = math.MaxInt32
	}
	tp.t.Length = int(min(n, math.MaxInt32))
	return true
}

// stored reads the list behind "store": names parted by commas, some with
// arguments in parentheses.
func (tp *tableParser) stored(w Word) bool {
	for rest := w; rest.Text != ""; {
		n := strings.IndexAny(rest.Text, ",(")
		at, args, given := rest, "", false
		switch {
		case n < 0:
			rest.Text = ""
		case rest.Text[n] == ',':
			at.Text, rest = rest.Text[:n], Word{Text: rest.Text[n+1:], Col: rest.Col + n + 1}
		default:
			at.Text, given = rest.Text[:n], true
			end := n + strings.IndexByte(rest.Text[n:], ')')
			if end < n {
				return tp.fault(at, "stick-table: missing closing parenthesis behind '%s'", at.Text)
			}
			args = rest.Text[n+1 : end]
			skip := len(rest.Text)
			if comma := strings.IndexByte(rest.Text[end:], ','); comma >= 0 {
				skip = end + comma + 1
			}
			rest = Word{Text: rest.Text[skip:], Col: rest.Col + skip}
		}
		if !tp.data(at, args, given) {
			return false
		}
	}
	return true
}

// data adds one element to the entries of the table.
func (tp *tableParser) data(at Word, args string, given bool) bool {
	p := tp.p
	i := slices.IndexFunc(dataTypes, func(d dataType) bool { return d.name == at.Text })
	if i < 0 {
		var names, forms []string
		for _, d := range dataTypes {
			names, forms = append(names, d.name), append(forms, d.form())
		}
		d := p.alert(at, "stick-table: unknown data type '%s'", at.Text)
		d.Accepted, d.Suggest = strings.Join(forms, ", "), nearest(at.Text, names)
		return false
	}
	d := dataTypes[i]
	bad := func(format string, a ...any) bool {
		p.alert(at, format, a...).Accepted = d.form()
		return false
	}
	stored := StoredData{Name: d.name}
	first, second, _ := strings.Cut(args, ",")
	switch {
	case given && !d.array && !d.rate:
		return bad("stick-table: data type '%s' has no argument", d.name)
	case !given && (d.array || d.rate), d.array && d.rate && !strings.Contains(args, ","):
		return bad("stick-table: missing argument of data type '%s'", d.name)
	}
	period := first
	if d.array {
		if stored.Count = atol(first); stored.Count < 1 || stored.Count > 100 {
			return bad("stick-table: '%s' cannot have %s elements, the range is 1 to 100", d.name, strconv.Quote(first))
		}
		period, _, _ = strings.Cut(second, ",")
	}
	if d.rate {
		var ok bool
		if stored.Period, ok = plainDuration(period); !ok {
			return bad("stick-table: invalid time '%s' of data type '%s'", period, d.name)
		}
	}
	if slices.ContainsFunc(tp.t.Store, func(old StoredData) bool { return old.Name == d.name }) {
		p.warn(at, "stick-table: '%s' is stored already", d.name)
		return true
	}
	tp.t.Store = append(tp.t.Store, stored)
	return true
}

// conflicts refuses arrays beside the elements that they replace.
func (tp *tableParser) conflicts() bool {
	has := map[string]bool{}
	for _, d := range tp.t.Store {
		has[d.Name] = true
	}
	for _, c := range []struct{ array, single string }{
		{"gpt", "gpt0"}, {"gpc", "gpc0"}, {"gpc", "gpc1"}, {"gpc_rate", "gpc0_rate"}, {"gpc_rate", "gpc1_rate"},
	} {
		if has[c.array] && has[c.single] {
			tp.p.alert(tp.store, "stick-table: '%s' and '%s' cannot be in one table", c.array, c.single).Accepted = "one of them: '" + c.array + "' contains '" + c.single + "'"
			return false
		}
	}
	return true
}

// sizeOf reads a number with an optional unit k, m or g; at is the index of what
// is wrong in it.
func sizeOf(s string) (n uint64, at int, ok bool) {
	for at < len(s) && isDigit(s[at]) {
		if n = n*10 + uint64(s[at]-'0'); n > math.MaxUint32 {
			return 0, at, false
		}
		at++
	}
	shift := 0
	if at > 0 && at == len(s)-1 {
		shift = map[byte]int{'k': 10, 'm': 20, 'g': 30}[s[at]|0x20]
	}
	if at == 0 || shift == 0 && at < len(s) || n<<shift > math.MaxUint32 {
		return 0, at, false
	}
	return n << shift, at, true
}

const sizeForm = "a number with an optional unit k, m or g"

// size reads a size (manual, section 2.5).
func (p *parser) size(w Word, what string) (int, bool) {
	n, at, ok := sizeOf(w.Text)
	if !ok {
		p.alert(Word{Col: w.Col + at}, "%s: unexpected character '%s' in '%s'", what, badTimeChar(w.Text, at), w.Text).Accepted = sizeForm
		return 0, false
	}
	return int(n), true
}

// plainDuration reads a time without saying what is wrong with it.
func plainDuration(s string) (time.Duration, bool) {
	quiet := &parser{}
	return quiet.duration(Word{Text: s, Col: 1}, "")
}
