package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// bindKeywords is the "bind" line.
var bindKeywords = []Keyword{
	{Name: "bind", Where: InFrontend | InListen, Args: bindForm + " [<option>...]", Min: 1, Max: -1,
		Help: "addresses to accept connections at", parse: parseBind},
}

const bindForm = "[<address>]:<port>[-<port>][, ...] | <path>[, ...]"

// bindOptions are the words behind the addresses (manual, section 5.1).
var bindOptions = []Keyword{
	{Name: "name", Where: BindOption, Args: "<name>", Min: 1, Max: 1, Help: "label in logs and statistics",
		bind: func(_ *parser, b *bindLine, o option) { b.common.Name = o.arg.Text }},
	{Name: "interface", Where: BindOption, Args: "<interface>", Min: 1, Max: 1, Help: "accept only what arrives on this network interface",
		bind: func(_ *parser, b *bindLine, o option) { b.common.Interface = o.arg.Text }},
	{Name: "maxconn", Where: BindOption, Args: "<number>", Min: 1, Max: 1, Default: "that of the frontend", Help: "concurrent connections of the listener",
		bind: func(p *parser, b *bindLine, o option) { p.bindInt(&b.common.Maxconn, o.arg, "maxconn") }},
	{Name: "backlog", Where: BindOption, Args: "<number>", Min: 1, Max: 1, Default: "that of the frontend", Help: "length of the listen queue",
		bind: func(p *parser, b *bindLine, o option) { p.bindInt(&b.common.Backlog, o.arg, "backlog") }},
	{Name: "id", Where: BindOption, Args: "<number>", Min: 1, Max: 1, Default: "the place among the listeners", Help: "number of the listener in statistics",
		bind: parseBindID},
	{Name: "v4v6", Where: BindOption, Help: "an IPv6 wildcard accepts IPv4 too",
		bind: func(_ *parser, b *bindLine, _ option) { b.common.V4V6 = true }},
	{Name: "v6only", Where: BindOption, Help: "an IPv6 wildcard does not accept IPv4",
		bind: func(_ *parser, b *bindLine, _ option) { b.common.V6Only = true }},
}

// maxBinds bounds what a few port ranges in one section can ask for.
const maxBinds = 100_000

// bindLine is a "bind" line under construction: the options go to all addresses.
type bindLine struct {
	binds  []Bind
	common Bind
	idAt   Word
}

func parseBind(p *parser, st *statement) {
	line := bindLine{}
	p.px.sawBind = true
	ok := true
	for _, w := range splitCommas(st.args[0]) {
		more, good := p.bindAddress(w)
		if len(p.px.px.Binds)+len(line.binds)+len(more) > maxBinds {
			p.alert(w, "too many listening addresses in this section").Accepted = fmt.Sprintf("at most %d", maxBinds)
			ok = false
			break
		}
		line.binds = append(line.binds, more...)
		ok = ok && good
	}
	ok = p.parseOptions(optionParser{
		what: "bind", rows: p.index.bind, words: st.args[1:],
		apply: func(o option) { o.kw.bind(p, &line, o) },
	}) && ok
	if line.idAt.Text != "" && ok {
		p.claimBindID(&line)
	}
	if !ok || !p.px.px.Kind.HasFrontend() {
		return
	}
	for i := range line.binds {
		b := line.common
		b.Pos, b.Addr, b.Path = line.binds[i].Pos, line.binds[i].Addr, line.binds[i].Path
		p.px.px.Binds = append(p.px.px.Binds, b)
	}
}

// splitCommas parts a list; one comma at its end is allowed.
func splitCommas(w Word) []Word {
	var parts []Word
	for text, col := w.Text, w.Col; ; {
		part, rest, more := strings.Cut(text, ",")
		parts = append(parts, Word{Text: part, Col: col})
		if !more || rest == "" {
			return parts
		}
		text, col = rest, col+len(part)+1
	}
}

// bindAddress turns one element of the list into listeners.
func (p *parser) bindAddress(w Word) ([]Bind, bool) {
	ep, ok := p.parseEndpoint(w, false)
	if !ok {
		return nil, false
	}
	if ep.path != "" {
		return []Bind{{Pos: p.pos(w), Path: ep.path}}, true
	}
	if ep.port == "" {
		p.alert(w, "missing port specification in '%s'", w.Text).Accepted = bindForm
		return nil, false
	}
	if ep.port[0] == '+' || ep.port[0] == '-' {
		p.alert(w, "port offset not permitted here in '%s'", w.Text).Accepted = bindForm
		return nil, false
	}
	lo, hi, ok := p.portRange(w, ep.port)
	if !ok {
		return nil, false
	}
	addr, ok := ep.literal()
	if !ok {
		d := p.alert(w, "invalid address: '%s' in '%s'", ep.host, w.Text)
		d.Accepted = "an IPv4 or IPv6 address, '*' or nothing; names are not resolved"
		d.Unsupported = isHostName(ep.host)
		return nil, false
	}
	binds := make([]Bind, 0, hi-lo+1)
	for port := lo; port <= hi; port++ {
		binds = append(binds, Bind{Pos: p.pos(w), Addr: netip.AddrPortFrom(addr, uint16(port))})
	}
	return binds, true
}

func (p *parser) bindInt(field *int, w Word, what string) {
	if n := atol(w.Text); n < 0 {
		p.alert(w, "'%s': invalid value %s, must be >= 0", what, w.Text).Accepted = "0 to 2147483647"
		return
	}
	*field = p.looseInt(w, what)
}

func parseBindID(p *parser, b *bindLine, o option) {
	w := o.arg
	id, err := strconv.Atoi(w.Text)
	if err != nil || id <= 0 {
		p.alert(w, "'id': custom id has to be > 0, got '%s'", w.Text).Accepted = "1 to 2147483647"
		return
	}
	b.common.ID, b.idAt = id, w
}

// claimBindID checks that the id names one listener only.
func (p *parser) claimBindID(line *bindLine) {
	if len(line.binds) > 1 {
		p.alert(line.idAt, "'id' can only be used with a single socket").Accepted = "one address and one port"
		return
	}
	if p.px.bindIDs == nil {
		p.px.bindIDs = map[int]Pos{}
	}
	if old, used := p.px.bindIDs[line.common.ID]; used {
		p.alert(line.idAt, "'id': custom id %d already used at %s", line.common.ID, old).Accepted = "another number"
		return
	}
	p.px.bindIDs[line.common.ID] = p.pos(line.idAt)
}
