package config

import (
	"slices"
	"strings"
)

// filterKeywords are the "filter" lines (manual, section 9).
var filterKeywords = []Keyword{
	{Name: "filter", Where: inProxy &^ InDefaults, Args: "bwlim-in | bwlim-out <name> <settings>", Min: 1, Max: -1, State: Pending,
		Help: "something that sessions pass through", parse: parseFilter},
	{Name: "filter-sequence", Where: inProxy &^ InDefaults, Args: "request | response <filters>", Max: -1, State: Refused, Since: "3.4", Why: "it came with HAProxy 3.4",
		Help: "the order of filters"},
}

// filterRow is one kind of filter.
type filterRow struct {
	name  string
	args  string
	state State
	why   string
	parse func(p *parser, row *filterRow, words []Word) bool
}

var filterRows = []filterRow{
	{"bwlim-in", bandwidthForm, Pending, "", parseBandwidthFilter},
	{"bwlim-out", bandwidthForm, Pending, "", parseBandwidthFilter},
	{"compression", "", NoEffect, "it is for HTTP", parseNoArguments},
	{"trace", "[name <name>] [random-forwarding] [hexdump] [quiet]", NoEffect, "it is for debugging HAProxy", parseTraceFilter},
	{"cache", "<cache>", Refused, "it is for HTTP", parseNamedFilter},
	{"fcgi-app", "<application>", Refused, "it is for HTTP", parseFCGIFilter},
	{"spoe", "[engine <name>] config <file>", Refused, "SPOE agents are not supported", parseFileFilter},
	{"opentracing", "[id <id>] config <file>", Refused, "OpenTracing is not supported", parseFileFilter},
}

const bandwidthForm = "<name> default-limit <size> default-period <time> [min-size <size>], <name> limit <size> key <sample> [table <table>] [min-size <size>]"

func parseFilter(p *parser, st *statement) {
	w := st.args[0]
	var names []string
	for i := range filterRows {
		row := &filterRows[i]
		if row.name != w.Text {
			names = append(names, row.name)
			continue
		}
		if !row.parse(p, row, st.args) {
			return
		}
		p.px.rules.filters = append(p.px.rules.filters, row.name)
		switch row.state {
		case NoEffect:
			kw := *st.kw // the line is not pending
			kw.State = NoEffect
			st.kw = &kw
			p.warn(w, "'filter %s' has no effect: %s", row.name, row.why)
		case Refused:
			p.unsupported(w, "'filter %s' is not supported: %s", row.name, row.why)
		case Pending:
			p.unsupported(w, "'filter %s' is not supported by this version yet", row.name)
		}
		return
	}
	d := p.alert(w, "'filter': unknown filter '%s'", w.Text)
	d.Accepted, d.Suggest = strings.Join(names, ", "), nearest(w.Text, names)
}

func (row *filterRow) fault(p *parser, w Word, format string, a ...any) bool {
	p.alert(w, "'filter "+row.name+"': "+format, a...).Accepted = strings.TrimSpace("filter " + row.name + " " + row.args)
	return false
}

// wordAt returns word i, an empty one at the end of the line when there is none.
func (p *parser) wordAt(words []Word, i int) Word {
	if i < len(words) {
		return words[i]
	}
	return Word{Col: p.width + 1}
}

func parseNoArguments(p *parser, row *filterRow, words []Word) bool {
	if w := p.wordAt(words, 1); w.Text != "" {
		return row.fault(p, w, "unknown keyword '%s'", w.Text)
	}
	return true
}

func parseTraceFilter(p *parser, row *filterRow, words []Word) bool {
	for i := 1; p.wordAt(words, i).Text != ""; i++ {
		switch w := words[i]; w.Text {
		case "name":
			if i++; p.wordAt(words, i).Text == "" {
				return row.fault(p, p.wordAt(words, i), "'name' without a value")
			}
		case "random-forwarding", "hexdump", "quiet":
		default:
			return row.fault(p, w, "unknown keyword '%s'", w.Text)
		}
	}
	return true
}

func parseNamedFilter(p *parser, row *filterRow, words []Word) bool {
	if w := p.wordAt(words, 1); w.Text == "" {
		return row.fault(p, w, "expects a name")
	}
	return true
}

// parseFCGIFilter alerts at the end: the application cannot be had in TCP mode.
func parseFCGIFilter(p *parser, row *filterRow, words []Word) bool {
	if !parseNamedFilter(p, row, words) {
		return false
	}
	s, at := p.px, p.pos(words[0])
	p.whenUsed(func() {
		if s.mode != "http" {
			p.report(Alert, at, "'filter fcgi-app' requires mode http").Accepted = "mode http"
		}
	})
	return true
}

// parseFileFilter reads the filters that are set up by a file of their own.
func parseFileFilter(p *parser, row *filterRow, words []Word) bool {
	id, _, _ := strings.Cut(strings.TrimPrefix(row.args, "["), " ")
	file := false
	for i := 1; p.wordAt(words, i).Text != ""; i++ {
		w := words[i]
		if w.Text != id && w.Text != "config" {
			return row.fault(p, w, "unknown keyword '%s'", w.Text)
		}
		if i++; p.wordAt(words, i).Text == "" {
			return row.fault(p, p.wordAt(words, i), "'%s' without a value", w.Text)
		}
		file = file || w.Text == "config"
	}
	if !file {
		return row.fault(p, p.wordAt(words, len(words)), "missing config file")
	}
	return true
}

// parseBandwidthFilter reads a limit that is either the stream's own
// ("default-limit", "default-period") or shared by key ("limit", "key", "table").
func parseBandwidthFilter(p *parser, row *filterRow, words []Word) bool {
	name := p.wordAt(words, 1)
	if name.Text == "" {
		return row.fault(p, name, "a name is expected")
	}
	for _, old := range p.px.rules.bandwidth {
		if old.Name == name.Text {
			return row.fault(p, name, "'%s' is declared already at %s", name.Text, old.Pos)
		}
	}
	b := &bandwidthParser{p: p, row: row, words: words[2:]}
	b.f = BandwidthFilter{Pos: p.pos(words[0]), Name: name.Text, Out: row.name == "bwlim-out"}
	for len(b.words) > 0 && b.words[0].Text != "" {
		if !b.argument() {
			return false
		}
	}
	if !b.complete() {
		return false
	}
	if f := b.f; f.Key != nil {
		use := tableUse{at: f.Pos, name: p.px.px.Name, key: f.Key, by: "filter " + row.name, data: "bytes_in_rate"}
		if f.Table != "" {
			use.at, use.name = p.pos(b.table), f.Table
		}
		if f.Out {
			use.data = "bytes_out_rate"
		}
		p.needTable(use)
	}
	p.px.rules.bandwidth = append(p.px.rules.bandwidth, b.f)
	p.px.px.BandwidthFilters = append(p.px.px.BandwidthFilters, b.f)
	return true
}

// bandwidthParser walks the arguments of a bandwidth filter.
type bandwidthParser struct {
	p      *parser
	row    *filterRow
	words  []Word
	f      BandwidthFilter
	table  Word
	shared bool // one of "limit", "key" and "table" was there
	single bool // one of "default-limit" and "default-period" was there
}

func (b *bandwidthParser) argument() bool {
	p, word, rest := b.p, b.words[0], b.words[1:]
	shared := slices.Contains([]string{"limit", "key", "table"}, word.Text)
	single := slices.Contains([]string{"default-limit", "default-period"}, word.Text)
	if !shared && !single && word.Text != "min-size" {
		d := p.alert(word, "'filter %s': unknown keyword '%s'", b.row.name, word.Text)
		d.Accepted, d.Suggest = "filter "+b.row.name+" "+b.row.args, nearest(word.Text, []string{"limit", "key", "table", "default-limit", "default-period", "min-size"})
		return false
	}
	if shared && b.single || single && b.shared {
		return b.row.fault(p, word, "'%s' cannot be combined with the settings before it", word.Text)
	}
	b.shared, b.single = b.shared || shared, b.single || single
	w := p.wordAt(rest, 0)
	if w.Text == "" {
		return b.row.fault(p, w, "the value of '%s' is missing", word.Text)
	}
	b.words = rest[1:]
	what, ok, n := "filter "+b.row.name+": "+word.Text, true, 0
	switch word.Text {
	case "limit", "default-limit":
		n, ok = p.size(w, what)
		b.f.Limit = int64(n)
	case "min-size":
		n, ok = p.size(w, what)
		b.f.MinSize = int64(n)
	case "default-period":
		b.f.Period, ok = p.duration(w, what)
	case "table":
		b.f.Table, b.table = w.Text, w
	case "key":
		b.f.Key, b.words, ok = p.parseExpr(rest, 0)
	}
	return ok
}

// complete judges what is missing.
func (b *bandwidthParser) complete() bool {
	prefix, second := "default-", "default-period"
	missing := b.f.Period == 0
	if b.shared {
		prefix, second, missing = "", "key", b.f.Key == nil
	}
	at := b.p.wordAt(nil, 0)
	switch {
	case missing:
		return b.row.fault(b.p, at, "'%s' is missing", second)
	case b.f.Limit == 0:
		return b.row.fault(b.p, at, "'%slimit' is missing or zero", prefix)
	}
	return true
}

// needFilter judges a "set-bandwidth-limit" rule when all filters are known.
func (p *parser) needFilter(at Pos, args BandwidthArgs) {
	s := p.px
	p.whenUsed(func() {
		var names []string
		for _, f := range s.rules.bandwidth {
			names = append(names, f.Name)
			if f.Name != args.Filter {
				continue
			}
			if f.Key != nil && (args.Limit != 0 || args.LimitExpr != nil || args.Period != 0 || args.PeriodExpr != nil) {
				p.report(Alert, at, "'set-bandwidth-limit' cannot change the shared filter '%s'", f.Name).Accepted = "a filter with 'default-limit'"
			}
			return
		}
		d := p.report(Alert, at, "unable to find bwlim filter '%s' referenced by 'set-bandwidth-limit'", args.Filter)
		d.Accepted, d.Suggest = "the name of a 'filter bwlim-in' or 'filter bwlim-out' of the section", nearest(args.Filter, names)
	})
}
