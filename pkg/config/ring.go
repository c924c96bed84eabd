package config

import (
	"math"
	"strings"
	"time"
)

// ringKeywords are the lines of section ring (manual, section 3.7).
var ringKeywords = []Keyword{
	{Name: "description", Where: InRing, Args: "<text>", Min: 1, Max: -1, Default: "the name", State: Pending, Help: "text about the ring",
		parse: func(p *parser, st *statement) { p.px.ring.Description = st.args[0].Text; p.extra(st, 1) }},
	{Name: "format", Where: InRing, Args: "<format>", Min: 1, Max: -1, Default: "raw", State: Pending, Help: "framing of the lines, as on a 'log' line",
		parse: parseRingFormat},
	{Name: "maxlen", Where: InRing, Args: "<size>", Min: 1, Max: -1, Default: "1024", State: Pending, Help: "longest line in bytes",
		parse: func(p *parser, st *statement) { p.ringSize(st, &p.px.ring.MaxLength) }},
	{Name: "size", Where: InRing, Args: "<size>", Min: 1, Max: -1, Default: "16384", State: Pending, Help: "bytes of the buffer", parse: parseRingSize},
	{Name: "server", Where: InRing, Args: "<name> <address>[:<port>] [<option>...]", Min: 2, Max: -1, State: Pending,
		Help: "a syslog server that gets the lines over TCP", parse: func(p *parser, st *statement) { parseServer(p, st) }},
	{Name: "timeout", Where: InRing, Args: "connect|server <time>", Max: -1, State: Pending, Help: "a limit of the connections to the servers",
		parse: parseRingTimeout},
	{Name: "backing-file", Where: InRing, Args: "<file>", Min: 1, Max: -1, State: Pending, Help: "file that keeps the buffer over a restart",
		parse: parseBackingFile},
}

// builtinRings are the rings that exist without a section.
func builtinRings() map[string]Pos { return map[string]Pos{"stdout": {}, "stderr": {}, "buf0": {}} }

func beginRing(p *parser, name Word) {
	px := p.pseudoProxy(name)
	px.Kind = Backend
	ring := &Ring{Pos: px.Pos, Name: px.Name}
	p.px.ring = ring
	p.cfg.Rings = append(p.cfg.Rings, ring)
	p.atEnd(func() { ring.Servers = px.Servers })
}

func parseRingFormat(p *parser, st *statement) {
	if p.oneOf(st.args[0], "format", logFormats) {
		p.px.ring.Format = st.args[0].Text
	}
	p.extra(st, 1)
}

func parseRingSize(p *parser, st *statement) {
	if p.px.ring.BackingFile != "" {
		p.alert(st.name[0], "the backing file is mapped already").Accepted = "'size' before 'backing-file'"
		return
	}
	p.ringSize(st, &p.px.ring.Size)
}

func (p *parser) ringSize(st *statement, into *int) {
	if n, ok := p.byteSize(st.args[0], st.kw.Name); ok {
		*into = n
	}
	p.extra(st, 1)
}

// byteSize reads a positive number of bytes with the unit k, m or g (manual,
// section 2.7). What stands behind is ignored by HAProxy; it gets a warning.
func (p *parser) byteSize(w Word, what string) (int, bool) {
	digits := 0
	for digits < len(w.Text) && isDigit(w.Text[digits]) {
		digits++
	}
	n := atol(w.Text[:digits])
	if n == 0 {
		p.alert(w, "invalid size '%s' for '%s'", w.Text, what).Accepted = "a number of bytes above 0, with k, m or g behind it for bigger units"
		return 0, false
	}
	shift := map[string]int{"k": 10, "m": 20, "g": 30}
	unit := strings.ToLower(w.Text[digits:])
	if _, known := shift[unit]; unit != "" && !known {
		p.warn(w, "'%s' behind the size for '%s' is ignored", w.Text[digits:], what).Accepted = "k, m, g"
	}
	if n > math.MaxInt32>>shift[unit] {
		return math.MaxInt32, true
	}
	return n << shift[unit], true
}

func parseRingTimeout(p *parser, st *statement) {
	kind := st.arg(0)
	var into *time.Duration
	switch kind.Text {
	case "connect":
		into = &p.px.ring.Connect
	case "server":
		into = &p.px.ring.Server
	default:
		p.warn(kind, "'timeout %s' is ignored in section ring", kind.Text).Accepted = st.kw.synopsis()
		return
	}
	if st.arg(1).Text == "" {
		p.alert(st.arg(1), "'timeout %s' expects a time", kind.Text).Accepted = timeForm
		return
	}
	if d, ok := p.duration(st.args[1], "timeout "+kind.Text); ok {
		*into = d
	}
	p.extra(st, 2)
}

func parseBackingFile(p *parser, st *statement) {
	ring := p.px.ring
	if ring.BackingFile != "" {
		p.alert(st.name[0], "the ring has the backing file '%s' already", ring.BackingFile).Accepted = "one 'backing-file' line"
		return
	}
	ring.BackingFile = st.args[0].Text
	p.extra(st, 1)
}
