package config

import (
	"strconv"
	"strings"
)

// bindOptions are the words behind the addresses of "bind" (manual, section 5.1),
// but for those about TLS.
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
	{Name: "accept-proxy", Where: BindOption, Help: "expect a PROXY header in front of each connection",
		bind: func(_ *parser, b *bindLine, _ option) { b.options().AcceptProxy = true }},
	{Name: "accept-netscaler-cip", Where: BindOption, Args: "<magic>", Min: 1, Max: 1, State: Pending, Help: "expect a NetScaler client IP header with this magic number",
		bind: parseNetscaler},
	{Name: "defer-accept", Where: BindOption, Help: "accept a connection when its first data has come",
		bind: func(_ *parser, b *bindLine, _ option) { b.options().DeferAccept = true }},
	{Name: "tfo", Where: BindOption, Help: "accept TCP fast open",
		bind: func(_ *parser, b *bindLine, _ option) { b.options().TFO = true }},
	{Name: "transparent", Where: BindOption, Help: "listen on addresses that are not the machine's own",
		bind: func(_ *parser, b *bindLine, _ option) { b.options().Transparent = true }},
	{Name: "mss", Where: BindOption, Args: "<bytes>", Min: 1, Max: 1, Help: "greatest TCP segment; negative: reduction of what the kernel finds", bind: parseMSS},
	{Name: "tcp-ut", Where: BindOption, Args: "<time>", Min: 1, Max: 1, Help: "longest time that sent data may stay unacknowledged",
		bind: func(p *parser, b *bindLine, o option) {
			if d, ok := p.duration(o.arg, "tcp-ut"); ok {
				b.options().TCPUserTimeout = d
			}
		}},
	{Name: "namespace", Where: BindOption, Args: "<name>", Min: 1, Max: 1, Help: "network namespace to listen in",
		bind: func(_ *parser, b *bindLine, o option) { b.options().Namespace = o.arg.Text }},
	{Name: "nice", Where: BindOption, Args: "<number>", Min: 1, Max: 1, Default: "0", State: NoEffect, Why: "sessions are served in turn", Help: "priority of the sessions, -1024 to 1024", bind: parseNice},
	{Name: "process", Where: BindOption, Args: "<range>", Min: 1, Max: 1, State: Refused, Why: "HAProxy 2.5 removed it", Help: "process that serves the listener", instead: "thread"},
	{Name: "thread", Where: BindOption, Args: "[<group>/]<range>[,...]", Min: 1, Max: 1, Default: "all", State: NoEffect, Why: "all loops accept from all listeners", Help: "threads that serve the listener", bind: parseThreads},
	{Name: "shards", Where: BindOption, Args: "<number> | by-thread | by-group", Min: 1, Max: 1, State: NoEffect, Why: "all loops accept from all listeners", Help: "sockets on the same address", bind: parseBindShards},
	{Name: "mode", Where: BindOption, Args: "<octal>", Min: 1, Max: 1, Default: "as the umask makes it", Help: "permission bits of a UNIX socket", bind: parseSocketMode},
	{Name: "user", Where: BindOption, Args: "<name>", Min: 1, Max: 1, Help: "owner of a UNIX socket",
		bind: ownerName(userField)},
	{Name: "group", Where: BindOption, Args: "<name>", Min: 1, Max: 1, Help: "group of a UNIX socket",
		bind: ownerName(groupField)},
	{Name: "uid", Where: BindOption, Args: "<number>", Min: 1, Max: 1, Help: "owner of a UNIX socket by number",
		bind: ownerID(userField)},
	{Name: "gid", Where: BindOption, Args: "<number>", Min: 1, Max: 1, Help: "group of a UNIX socket by number",
		bind: ownerID(groupField)},
	{Name: "level", Where: BindOption, Args: "user | operator | admin", Min: 1, Max: 1, Default: "operator", State: NoEffect, Why: "it is for stats sockets", Help: "rights of its connections", bind: parseSocketLevel},
	{Name: "severity-output", Where: BindOption, Args: "none | number | string", Min: 1, Max: 1, Default: "none", State: NoEffect, Why: "it is for stats sockets", Help: "severity in front of answers", bind: parseSeverityOutput},
	{Name: "expose-fd", Where: BindOption, Args: "listeners", Min: 1, Max: 1, State: NoEffect, Why: "it is for stats sockets", Help: "hand listening sockets to a new process", bind: parseExposeFD},
	{Name: "guid-prefix", Where: BindOption, Args: "<prefix>", Min: 1, Max: 1, State: Pending, Help: "start of the global names of the listeners", bind: parseGUIDPrefix},
	{Name: "proto", Where: BindOption, Args: "none", Min: 1, Max: 1, Default: "none", Help: "protocol of the connections; others than none are for HTTP",
		bind: func(p *parser, b *bindLine, o option) {
			if p.muxProtocol(o.arg) {
				b.options().Proto = o.arg.Text
			}
		}},
	{Name: "nbconn", Where: BindOption, Args: "<number>", Min: 1, Max: 1, State: Refused, Why: "it is for reverse HTTP, which is experimental", Help: "connections kept to a reverse HTTP server", instead: "maxconn"},
	{Name: "quic-cc-algo", Where: BindOption, Args: "<algorithm>", Min: 1, Max: 1, State: Refused, Why: "this is a TCP proxy without QUIC", Help: "congestion control of QUIC"},
	{Name: "quic-force-retry", Where: BindOption, State: Refused, Why: "this is a TCP proxy without QUIC", Help: "make QUIC clients prove their address"},
	{Name: "quic-socket", Where: BindOption, Args: "connection | listener", Min: 1, Max: 1, State: Refused, Why: "this is a TCP proxy without QUIC", Help: "sockets of QUIC connections"},
}

// laterBindOptions came with later versions of HAProxy.
var laterBindOptions = []Keyword{
	{Name: "label", Where: BindOption, Args: "<name>", Min: 1, Max: 1, State: Refused, Since: "3.3", Help: "name of the listener in internal references"},
	{Name: "idle-ping", Where: BindOption, Args: "<time>", Min: 1, Max: 1, State: Refused, Since: "3.2", Help: "probe idle HTTP/2 connections"},
	{Name: "tcp-md5sig", Where: BindOption, Args: "<password>", Min: 1, Max: 1, State: Refused, Since: "3.3", Help: "TCP MD5 signatures"},
	{Name: "tcp-ss", Where: BindOption, Args: "<number>", Min: 1, Max: 1, State: Refused, Since: "3.3", Help: "keep the SYN packet for fingerprints"},
	{Name: "cc", Where: BindOption, Args: "<algorithm>", Min: 1, Max: 1, State: Refused, Since: "3.3", Help: "TCP congestion control"},
	{Name: "ktls", Where: BindOption, Args: "on | off", Min: 1, Max: 1, State: Refused, Since: "3.3", Help: "TLS in the kernel"},
	{Name: "ech", Where: BindOption, Args: "<directory>", Min: 1, Max: 1, State: Refused, Since: "3.3", Help: "encrypted client hello"},
	{Name: "no-strict-sni", Where: BindOption, State: Refused, Since: "3.1", Help: "accept clients that ask for a name without certificate"},
	{Name: "tls-tickets", Where: BindOption, State: Refused, Since: "3.1", Help: "session tickets"},
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
	id, err := strconv.ParseInt(w.Text, 10, 64)
	if err != nil || int32(id) <= 0 { // HAProxy keeps the lower 32 bits
		p.alert(w, "'id': custom id has to be > 0, got '%s'", w.Text).Accepted = "1 to 2147483647"
		return
	}
	b.common.ID, b.idAt = int(int32(id)), w
}

func parseNetscaler(p *parser, b *bindLine, o option) {
	n := atol(o.arg.Text)
	if n == 0 {
		p.alert(o.arg, "'accept-netscaler-cip': invalid value '%s'", o.arg.Text).Accepted = "a number above 0"
		return
	}
	b.options().NetscalerCIP = n
}

func parseMSS(p *parser, b *bindLine, o option) {
	n := atol(o.arg.Text)
	if n == 0 || n > 65535 || n < -65535 {
		p.alert(o.arg, "'mss' expects an MSS with an absolute value between 1 and 65535, got '%s'", o.arg.Text).Accepted = "1 to 65535 or -65535 to -1"
		return
	}
	b.options().MSS = n
}

func parseNice(p *parser, b *bindLine, o option) {
	n := atol(o.arg.Text)
	if n < -1024 || n > 1024 {
		p.alert(o.arg, "'nice': invalid value '%s'", o.arg.Text).Accepted = "-1024 to 1024"
		return
	}
	b.options().Nice = n
}

func parseBindShards(p *parser, b *bindLine, o option) {
	if by, found := strings.CutPrefix(o.arg.Text, "by-"); found && (by == "thread" || by == "group") {
		b.options().ShardsBy = by
		return
	}
	n := atol(o.arg.Text)
	if n < 1 || n > maxThreads {
		p.alert(o.arg, "'shards': invalid value '%s'", o.arg.Text).Accepted = "1 to 256, by-thread, by-group"
		return
	}
	b.options().Shards = n
}

// Limits of HAProxy's threads.
const (
	maxThreads      = 256
	maxThreadGroups = 16
	threadsInGroup  = 64
)

const threadForm = "all, odd, even, <first>[-<last>], with a group: 1/1-4; several parted by commas"

// parseThreads reads sets of threads: numbers of the whole process, or of a group
// in front of "/".
func parseThreads(p *parser, b *bindLine, o option) {
	grouped := false
	for _, w := range splitCommas(o.arg) {
		group, set, found := strings.Cut(w.Text, "/")
		limit := maxThreads
		if !found {
			set = w.Text
			if grouped && set != "" {
				p.alert(w, "'%s' counts over all groups, what is in front of it within one", set).Accepted = threadForm
				return
			}
		} else {
			limit, grouped = threadsInGroup, true
			n, err := strconv.Atoi(group)
			if err != nil || n < 1 || n > maxThreadGroups {
				p.alert(w, "invalid thread group number '%s'", group).Accepted = "1 to 16"
				return
			}
			b.group, b.threadAt = max(b.group, n), w
		}
		first, ok := p.threadSet(Word{Text: set, Col: w.Col + len(w.Text) - len(set)}, limit)
		if !ok {
			return
		}
		if first > 0 && b.threadAt.Text == "" {
			b.threadAt = w
		}
		b.firstThread(first)
	}
	b.options().Threads = append(b.options().Threads, o.arg.Text)
}

// threadSet reads "all", "odd", "even", "3", "3-", "3-5"; first is the lowest
// number, 0 for names.
func (p *parser) threadSet(w Word, limit int) (first int, ok bool) {
	switch w.Text {
	case "", "all", "odd", "even":
		return 0, true
	}
	lo, hi, isRange := strings.Cut(w.Text, "-")
	numbers := []string{lo}
	if isRange && hi != "" {
		numbers = append(numbers, hi)
	}
	for _, s := range numbers {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n < 1 || n > uint64(limit) {
			p.alert(w, "invalid thread number '%s', permitted range is 1..%d", s, limit).Accepted = threadForm
			return 0, false
		}
		if first == 0 || int(n) < first {
			first = int(n)
		}
	}
	return first, true
}

func userField(o *BindOptions) *string  { return &o.User }
func groupField(o *BindOptions) *string { return &o.Group }

// ownerName and ownerID read who owns a UNIX socket, by name and by number.
func ownerName(field func(*BindOptions) *string) func(*parser, *bindLine, option) {
	return func(_ *parser, b *bindLine, o option) { *field(b.options()) = o.arg.Text }
}

func ownerID(field func(*BindOptions) *string) func(*parser, *bindLine, option) {
	return func(p *parser, b *bindLine, o option) {
		*field(b.options()) = strconv.Itoa(p.looseInt(o.arg, o.kw.Name))
	}
}

func parseSocketMode(p *parser, b *bindLine, o option) {
	mode, err := strconv.ParseUint(o.arg.Text, 8, 32)
	if err != nil {
		p.alert(o.arg, "'mode': missing or invalid mode '%s'", o.arg.Text).Accepted = "an octal number up to 7777"
		return
	}
	b.options().Mode = uint32(mode & 0o7777)
}

var socketLevels = []string{"user", "operator", "admin"}

func parseSocketLevel(p *parser, b *bindLine, o option) {
	if p.oneOf(o.arg, "level", socketLevels) {
		b.options().Level = o.arg.Text
	}
}

func parseSeverityOutput(p *parser, b *bindLine, o option) {
	if p.oneOf(o.arg, "severity-output", []string{"none", "number", "string"}) {
		b.options().SeverityOutput = o.arg.Text
	}
}

func parseExposeFD(p *parser, b *bindLine, o option) {
	if p.oneOf(o.arg, "expose-fd", []string{"listeners"}) {
		b.options().ExposeListeners = true
	}
}

func parseGUIDPrefix(p *parser, b *bindLine, o option) {
	if p.given(o) {
		b.options().GUIDPrefix, b.guidAt = o.arg.Text, o.arg
	}
}

// lineProtocols are the protocols that HAProxy can be told to speak. In TCP mode
// only "none" is usable.
var lineProtocols = []string{"none", "h1", "h2", "fcgi", "quic"}

// muxProtocol judges the name of a protocol, and that the proxy's mode has it.
func (p *parser) muxProtocol(w Word) bool {
	if !p.oneOf(w, "MUX protocol", lineProtocols) {
		return false
	}
	if w.Text == "none" || p.px == nil || p.section == InDefaults {
		return true
	}
	s, pos := p.px, p.pos(w)
	p.atEnd(func() {
		if s.tcp() && !s.px.Disabled {
			p.report(Alert, pos, "MUX protocol '%s' is not usable in TCP mode", w.Text).Accepted = "proto none"
		}
	})
	return true
}

// tcp reports whether the section relays TCP.
func (s *section) tcp() bool { return s.mode == "" || s.mode == "tcp" }
