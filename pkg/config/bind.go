package config

import (
	"cmp"
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

// maxBinds bounds what a few port ranges in one section can ask for.
const maxBinds = 100_000

// bindLine is a "bind" or "stats socket" line under construction: the options go
// to all addresses.
type bindLine struct {
	binds    []Bind
	common   Bind
	idAt     Word
	guidAt   Word
	threadAt Word           // the thread set that is judged at the end
	group    int            // greatest thread group named
	lowest   int            // lowest thread named, 0: none
	at       map[string]Pos // where the TLS options are
	refused  bool           // one of them was refused
}

// tls returns the TLS settings for a row to write to.
func (b *bindLine) tls() *TLS {
	if b.common.TLS == nil {
		b.common.TLS, b.at = &TLS{}, map[string]Pos{}
	}
	return b.common.TLS
}

// options returns the rare settings for a row to write to.
func (b *bindLine) options() *BindOptions {
	if b.common.Options == nil {
		b.common.Options = &BindOptions{}
	}
	return b.common.Options
}

// note keeps where a TLS option is.
func (b *bindLine) note(p *parser, o option) { b.at[o.kw.Name] = p.optionPos(o) }

func (b *bindLine) firstThread(n int) {
	if n > 0 && (b.lowest == 0 || n < b.lowest) {
		b.lowest = n
	}
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
	if line.guidAt.Text != "" {
		p.claimBindGUIDs(&line)
	}
	p.judgeBindAtEnd(&line, st)
	if !ok || !p.px.px.Kind.HasFrontend() {
		return
	}
	for i := range line.binds {
		b, at := line.common, line.binds[i]
		b.Pos, b.Addr, b.Path, b.Abstract, b.FD = at.Pos, at.Addr, at.Path, at.Abstract, at.FD
		if b.Path != "" {
			b.Options = p.cfg.Global.UnixBind.fill(b.Options)
		}
		p.px.px.Binds = append(p.px.px.Binds, b)
	}
}

// fill returns the options of a UNIX listener, with those of "unix-bind" where its
// line says nothing.
func (u *UnixBind) fill(o *BindOptions) *BindOptions {
	if u.Mode == 0 && u.User == "" && u.Group == "" {
		return o
	}
	var filled BindOptions
	if o != nil {
		filled = *o
	}
	filled.Mode = cmp.Or(filled.Mode, u.Mode)
	filled.User, filled.Group = cmp.Or(filled.User, u.User), cmp.Or(filled.Group, u.Group)
	return &filled
}

// judgeBindAtEnd has the line judged by what other lines say: global settings of
// TLS and threads. Disabled proxies are judged too, but for the threads.
func (p *parser) judgeBindAtEnd(line *bindLine, st *statement) {
	s, main := p.px, p.pos(st.name[0])
	if line.common.TLS != nil && line.common.TLS.Enabled {
		p.atEnd(func() {
			c := tlsCheck{p: p, what: "bind", tls: line.common.TLS, defaults: &p.cfg.Global.TLS.Bind, at: line.at, main: main, lowest: "TLSv1.2", refused: line.refused}
			c.bind()
		})
	}
	if line.threadAt.Text == "" {
		return
	}
	at := p.pos(line.threadAt)
	p.atEnd(func() {
		threads := p.cfg.Global.NbThread
		if s.px.Disabled {
			return
		}
		if _, grouped := p.once["thread-groups"]; line.group > 1 && !grouped {
			p.report(Alert, at, "thread group %d does not exist", line.group).Accepted = "1, or more groups by 'thread-groups' in section global"
		} else if threads > 0 && line.lowest > threads {
			p.report(Alert, at, "only threads that do not exist are named").Accepted = fmt.Sprintf("1 to %d, which is 'nbthread'", threads)
		}
	})
}

// claimBindGUIDs gives each listener of the line its global name.
func (p *parser) claimBindGUIDs(line *bindLine) {
	w := line.guidAt
	for i := range line.binds {
		name := w
		name.Text += "-" + strconv.Itoa(i+1)
		if !p.claimGUID(name, "a listener at "+p.pos(w).String()) {
			return
		}
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
	return p.listenAddress(w, p.cfg.Global.UnixBind.Prefix)
}

// listenAddress is bindAddress with a prefix for the paths of UNIX sockets.
func (p *parser) listenAddress(w Word, prefix string) ([]Bind, bool) {
	ep, ok := p.parseAddress(w)
	if !ok {
		return nil, false
	}
	if ep.dgram && ep.kind != fdAddress {
		p.alert(w, "dgram-type address not acceptable in '%s'", w.Text).Accepted = "tcp@<address>"
		return nil, false
	}
	if ep.kind != ipAddress {
		return p.bindSpecial(w, ep, prefix)
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

// bindSpecial turns what is not an IP address into a listener.
func (p *parser) bindSpecial(w Word, ep endpoint, prefix string) ([]Bind, bool) {
	b := Bind{Pos: p.pos(w)}
	switch ep.kind {
	case unixAddress:
		if b.Path = prefix + ep.path; len(b.Path) > maxUnixPath {
			p.alert(w, "socket path '%s' too long (max %d)", b.Path, maxUnixPath).Accepted = "a shorter path"
			return nil, false
		}
		if ep.path == "" {
			p.unsupported(w, "'%s' has no path", w.Text)
		}
		return []Bind{b}, ep.path != ""
	case abstractAddress:
		if b.Abstract = ep.path; ep.path == "" {
			p.unsupported(w, "'%s' has no name", w.Text)
		}
		return []Bind{b}, ep.path != ""
	case fdAddress:
		b.FD = ep.fd + 1
		p.unsupported(w, "inherited sockets ('%s') are not supported by this version yet", w.Text)
	case sockpairAddress:
		p.unsupported(w, "'%s' is not supported: it connects processes of HAProxy", w.Text)
	case quicAddress:
		d := p.alert(w, "'%s' is not supported: QUIC is for HTTP, this is a TCP proxy", w.Text)
		d.Accepted, d.Unsupported = bindForm, p.px == nil
	case reverseAddress:
		p.alert(w, "'%s' is not supported: reverse HTTP is experimental, and this is a TCP proxy", w.Text).Accepted = bindForm
	}
	return nil, false
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
