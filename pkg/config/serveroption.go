package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// serverOptions are the words behind a server's address (manual, section 5.2), but
// for those about TLS and checks.
var serverOptions = []Keyword{
	{Name: "weight", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "1", Help: "share of the connections, 0 to 256; 0: no new ones",
		server: parseWeight},
	{Name: "maxconn", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "0, unlimited", Help: "concurrent connections to the server",
		server: func(p *parser, s *serverLine, o option) { s.Maxconn = p.looseInt(o.arg, "maxconn") }},
	{Name: "minconn", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "that of maxconn", Help: "concurrent connections to the server at low load",
		server: func(p *parser, s *serverLine, o option) { s.options().Minconn = p.looseInt(o.arg, "minconn") }},
	{Name: "maxqueue", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "0, unlimited", Help: "connections that wait for the server",
		server: func(p *parser, s *serverLine, o option) { s.options().Maxqueue = p.looseInt(o.arg, "maxqueue") }},
	{Name: "backup", Where: ServerOption, Help: "use the server only when no other is available",
		server: func(_ *parser, s *serverLine, _ option) { s.Backup = true }},
	{Name: "no-backup", Where: ServerOption, Help: "revoke 'backup' of a default-server line",
		server: func(_ *parser, s *serverLine, _ option) { s.Backup = false }},
	{Name: "disabled", Where: ServerOption, Help: "start in maintenance",
		server: func(_ *parser, s *serverLine, _ option) { s.Disabled = true }},
	{Name: "enabled", Where: ServerOption, Help: "revoke 'disabled' of a default-server line",
		server: func(_ *parser, s *serverLine, _ option) { s.Disabled = false }},
	{Name: "id", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "the place among the servers", Help: "number of the server in statistics",
		server: parseServerID},
	{Name: "guid", Where: ServerOption, Args: "<name>", Min: 1, Max: 1, State: Pending, Help: "name that nothing else has, for statistics that outlive a restart", server: parseServerGUID},
	{Name: "namespace", Where: ServerOption, Args: "<name> | *", Min: 1, Max: 1, Help: "network namespace to connect from; *: that of the client's connection",
		server: func(p *parser, s *serverLine, o option) {
			if p.given(o) {
				s.options().Namespace = o.arg.Text
			}
		}},
	{Name: "tcp-ut", Where: ServerOption, Args: "<time>", Min: 1, Max: 1, Help: "longest time that sent data may stay unacknowledged",
		server: func(p *parser, s *serverLine, o option) {
			if d, ok := p.duration(o.arg, "tcp-ut"); ok {
				s.options().TCPUserTimeout = d
			}
		}},
	{Name: "tfo", Where: ServerOption, Help: "connect with TCP fast open",
		server: func(_ *parser, s *serverLine, _ option) { s.options().TFO = true }},
	{Name: "no-tfo", Where: ServerOption, Help: "revoke 'tfo' of a default-server line",
		server: func(_ *parser, s *serverLine, _ option) { s.options().TFO = false }},
	{Name: "non-stick", Where: ServerOption, State: Pending, Help: "do not enter the server into stick tables",
		server: func(_ *parser, s *serverLine, _ option) { s.options().NonStick = true }},
	{Name: "stick", Where: ServerOption, Help: "revoke 'non-stick' of a default-server line",
		server: func(_ *parser, s *serverLine, _ option) { s.options().NonStick = false }},
	{Name: "shard", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, State: Pending, Help: "part of the stick tables that a peer gets",
		server: func(p *parser, s *serverLine, o option) { s.options().Shard = p.looseInt(o.arg, "shard") }},
	{Name: "hash-key", Where: ServerOption, Args: "id | addr | addr-port", Min: 1, Max: 1, Default: "id", Help: "what places the server on the ring of a consistent hash",
		server: serverWord([]string{"id", "addr", "addr-port"}, func(o *ServerOptions) *string { return &o.HashKey })},
	{Name: "socks4", Where: ServerOption, Args: "<address>:<port>", Min: 1, Max: 1, State: Pending, Help: "SOCKS4 proxy to connect through", server: parseSocks4},
	{Name: "source", Where: ServerOption, Args: "<address>[:<port>[-<port>]] [usesrc <address>] [interface <name>]", Min: 1, Max: maxWords, Help: "address that connections come from",
		takes: sourceWords, server: parseServerSource},
	{Name: "usesrc", Where: ServerOption, Max: 1, State: Refused, Why: "it belongs behind 'source'", Help: "a part of 'source'", instead: "source <address> usesrc <address>"},
	{Name: "send-proxy", Where: ServerOption, Help: "send a PROXY header of version 1",
		server: func(_ *parser, s *serverLine, _ option) { s.sendProxy().Version = 1 }},
	{Name: "send-proxy-v2", Where: ServerOption, Help: "send a PROXY header of version 2",
		server: func(_ *parser, s *serverLine, _ option) { s.sendProxy().Version = 2 }},
	{Name: "send-proxy-v2-ssl", Where: ServerOption, State: Pending, Help: "the same with facts about the client's TLS",
		server: func(_ *parser, s *serverLine, _ option) { x := s.sendProxy(); x.Version, x.SSL = 2, true }},
	{Name: "send-proxy-v2-ssl-cn", Where: ServerOption, State: Pending, Help: "the same with the name in the client's certificate",
		server: func(_ *parser, s *serverLine, _ option) { x := s.sendProxy(); x.Version, x.SSL, x.CN = 2, true, true }},
	{Name: "no-send-proxy", Where: ServerOption, Help: "revoke 'send-proxy' of a default-server line", server: noSendProxy},
	{Name: "no-send-proxy-v2", Where: ServerOption, Help: "revoke 'send-proxy-v2' of a default-server line", server: noSendProxy},
	{Name: "no-send-proxy-v2-ssl", Where: ServerOption, Help: "revoke 'send-proxy-v2-ssl' of a default-server line", server: noSendProxy},
	{Name: "no-send-proxy-v2-ssl-cn", Where: ServerOption, Help: "revoke 'send-proxy-v2-ssl-cn' of a default-server line", server: noSendProxy},
	{Name: "proxy-v2-options", Where: ServerOption, Args: strings.Join(proxyV2Options, " | ") + "[,...]", Min: 1, Max: 1, Help: "more fields in a PROXY header of version 2", server: parseProxyV2Options},
	{Name: "set-proxy-v2-tlv-fmt", Where: ServerOption, Args: "(<id>) <format>", Max: 1, State: Pending, Help: "field of one's own in a PROXY header of version 2", server: parseTLV},
	{Name: "init-addr", Where: ServerOption, Args: "last | libc | none | <address>[,...]", Min: 1, Max: 1, Default: "last,libc", State: Pending, Help: "where the server's address comes from at the start", server: parseInitAddr},
	{Name: "resolvers", Where: ServerOption, Args: "<section>", Min: 1, Max: 1, State: Pending, Help: "resolvers section that looks up the server's name", server: parseServerResolvers},
	{Name: "resolve-opts", Where: ServerOption, Args: "allow-dup-ip | prevent-dup-ip | ignore-weight[,...]", Min: 1, Max: 1, State: Pending, Help: "rules for addresses from name servers", server: parseResolveOpts},
	{Name: "resolve-prefer", Where: ServerOption, Args: "ipv4 | ipv6", Min: 1, Max: 1, Default: "ipv6", State: Pending, Help: "family of addresses that is taken first",
		server: func(p *parser, s *serverLine, o option) {
			if p.oneOf(o.arg, "resolve-prefer", []string{"ipv4", "ipv6"}) {
				s.resolve().Prefer = o.arg.Text
			}
		}},
	{Name: "resolve-net", Where: ServerOption, Args: "<network>[,...]", Min: 1, Max: 1, State: Pending, Help: "networks whose addresses are taken first", server: parseResolveNet},
	{Name: "proto", Where: ServerOption, Args: "none", Min: 1, Max: 1, Default: "none", Help: "protocol of the connections; others than none are for HTTP",
		server: func(p *parser, s *serverLine, o option) {
			if p.oneOf(o.arg, "MUX protocol", lineProtocols) {
				s.options().Proto = o.arg.Text
				s.note(p, o)
			}
		}},
	{Name: "cookie", Where: ServerOption, Args: "<value>", Min: 1, Max: 1, State: NoEffect, Why: "it is for HTTP", Help: "value of the persistence cookie",
		server: serverText(func(o *ServerOptions) *string { return &o.Cookie })},
	{Name: "redir", Where: ServerOption, Args: "<prefix>", Min: 1, Max: 1, State: Refused, Why: "redirection is for HTTP", Help: "start of the place that HTTP clients are sent to", instead: "a server without 'redir'"},
	{Name: "ws", Where: ServerOption, Args: "auto | h1 | h2", Min: 1, Max: 1, State: NoEffect, Why: "it is for HTTP", Help: "HTTP version of WebSocket connections",
		server: serverWord([]string{"auto", "h1", "h2"}, func(o *ServerOptions) *string { return &o.WebSocket })},
	{Name: "log-proto", Where: ServerOption, Args: "legacy | octet-count", Min: 1, Max: 1, State: NoEffect, Why: "it is for servers of logs", Help: "framing of log lines",
		server: serverWord([]string{"legacy", "octet-count"}, func(o *ServerOptions) *string { return &o.LogProto })},
	{Name: "log-bufsize", Where: ServerOption, Args: "<bytes>", Min: 1, Max: 1, State: NoEffect, Why: "it is for servers of logs", Help: "buffer of log lines",
		server: func(p *parser, s *serverLine, o option) {
			if n := atol(o.arg.Text); n <= 0 {
				p.alert(o.arg, "'log-bufsize' has to be > 0, got '%s'", o.arg.Text).Accepted = "1 to 2147483647"
			} else {
				s.options().LogBufSize = n
			}
		}},
	{Name: "pool-conn-name", Where: ServerOption, Args: "<expression>", Min: 1, Max: 1, State: NoEffect, Why: noPool, Help: "name of an idle connection",
		server: func(p *parser, s *serverLine, o option) {
			if p.given(o) {
				s.options().Pool.Name = p.oneWordExpr(o.arg)
			}
		}},
	{Name: "pool-low-conn", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, State: NoEffect, Why: noPool, Help: "idle connections that are not shared",
		server: func(p *parser, s *serverLine, o option) {
			s.options().Pool.LowConn = p.looseInt(o.arg, "pool-low-conn")
		}},
	{Name: "pool-max-conn", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "-1, unlimited", State: NoEffect, Why: noPool, Help: "idle connections that are kept",
		server: func(p *parser, s *serverLine, o option) {
			if n := atol(o.arg.Text); n < -1 {
				p.alert(o.arg, "'pool-max-conn' must be >= -1, got '%s'", o.arg.Text).Accepted = "-1 to 2147483647"
			} else {
				s.options().Pool.MaxConn = n
			}
		}},
	{Name: "pool-purge-delay", Where: ServerOption, Args: "<time>", Min: 1, Max: 1, Default: "5s", State: NoEffect, Why: noPool, Help: "time between purges of idle connections",
		server: func(p *parser, s *serverLine, o option) {
			if d, ok := p.duration(o.arg, "pool-purge-delay"); ok {
				s.options().Pool.PurgeDelay = d
			}
		}},
	{Name: "max-reuse", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "-1, unlimited", State: NoEffect, Why: noPool, Help: "how often a connection is used again",
		server: func(p *parser, s *serverLine, o option) {
			if p.given(o) {
				s.options().Pool.MaxReuse = atol(o.arg.Text)
			}
		}},
}

const noPool = "a TCP connection to a server ends with its session"

// laterServerOptions came with later versions of HAProxy.
var laterServerOptions = []Keyword{
	{Name: "sni-auto", Where: ServerOption, State: Refused, Since: "3.3", Help: "ask for the server name that the client asked for"},
	{Name: "no-sni-auto", Where: ServerOption, State: Refused, Since: "3.3", Help: "revoke 'sni-auto'"},
	{Name: "renegotiate", Where: ServerOption, State: Refused, Since: "3.3", Help: "allow TLS renegotiation"},
	{Name: "no-renegotiate", Where: ServerOption, State: Refused, Since: "3.3", Help: "forbid TLS renegotiation"},
	{Name: "strict-maxconn", Where: ServerOption, State: Refused, Since: "3.2", Help: "count idle connections against maxconn"},
	{Name: "idle-ping", Where: ServerOption, Args: "<time>", Min: 1, Max: 1, State: Refused, Since: "3.2", Help: "probe idle HTTP/2 connections"},
	{Name: "tcp-md5sig", Where: ServerOption, Args: "<password>", Min: 1, Max: 1, State: Refused, Since: "3.3", Help: "TCP MD5 signatures"},
	{Name: "cc", Where: ServerOption, Args: "<algorithm>", Min: 1, Max: 1, State: Refused, Since: "3.3", Help: "TCP congestion control"},
	{Name: "ktls", Where: ServerOption, Args: "on | off", Min: 1, Max: 1, State: Refused, Since: "3.3", Help: "TLS in the kernel"},
	{Name: "no-verifyhost", Where: ServerOption, State: Refused, Since: "3.3", Help: "revoke 'verifyhost'"},
}

func parseWeight(p *parser, s *serverLine, o option) {
	w := o.arg
	n := atol(w.Text)
	if n < 0 || n > 256 {
		p.alert(w, "weight is not within 0 and 256 (%s)", w.Text).Accepted = "0 to 256"
		return
	}
	s.Weight = p.looseInt(w, "weight")
}

func parseServerID(p *parser, s *serverLine, o option) {
	w := o.arg
	if s.template {
		p.warn(w, "'id' is ignored in a default-server line")
		return
	}
	if atol(w.Text) <= 0 {
		p.alert(w, "'id': custom id has to be > 0, got '%s'", w.Text).Accepted = "1 to 2147483647"
		return
	}
	s.ID, s.idAt = p.looseInt(w, "id"), w
}

func parseServerGUID(p *parser, s *serverLine, o option) {
	if s.template {
		p.warn(o.name, "'guid' is ignored in a default-server line")
		return
	}
	if p.given(o) {
		s.options().GUID, s.guidAt = o.arg.Text, o.arg
	}
}

// serverWord builds the rule of an option with one of several values.
func serverWord(values []string, field func(*ServerOptions) *string) func(*parser, *serverLine, option) {
	return func(p *parser, s *serverLine, o option) {
		if p.oneOf(o.arg, o.name.Text, values) {
			*field(s.options()) = o.arg.Text
		}
	}
}

func serverText(field func(*ServerOptions) *string) func(*parser, *serverLine, option) {
	return func(p *parser, s *serverLine, o option) {
		if p.given(o) {
			*field(s.options()) = o.arg.Text
		}
	}
}

func parseSocks4(p *parser, s *serverLine, o option) {
	ep, ok := p.parseEndpoint(o.arg, false)
	if !ok {
		return
	}
	if ep.path == "" {
		if ep.port == "" {
			p.alert(o.arg, "missing port specification in '%s'", o.arg.Text).Accepted = o.kw.synopsis()
			return
		}
		if _, _, ok := p.sourceAddress(o.arg); !ok {
			return
		}
	}
	s.options().Socks4 = o.arg.Text
}

// sourceWords counts the words that belong to "source".
func sourceWords(words []Word) int {
	n := 1
	for n < len(words) && (words[n].Text == "usesrc" || words[n].Text == "interface") {
		n += 2
	}
	return n
}

func parseServerSource(p *parser, s *serverLine, o option) {
	src := &ConnSource{Pos: p.pos(o.arg)}
	addr := o.arg
	if i := strings.LastIndexByte(addr.Text, ':'); i >= 0 {
		if lo, hi, ranged := strings.Cut(addr.Text[i+1:], "-"); ranged && lo != "" && !strings.HasSuffix(addr.Text, "]") {
			if _, _, ok := p.portRange(addr, addr.Text[i+1:]); !ok {
				return
			}
			src.LastPort, addr.Text = atol(hi), addr.Text[:i+1+len(lo)]
		}
	}
	var ok bool
	if src.Addr, src.Path, ok = p.sourceAddress(addr); !ok {
		return
	}
	if src.Path != "" {
		p.unsupported(addr, "a path as source address ('%s') is not supported", addr.Text)
	}
	for words := o.args[1:]; len(words) > 0; words = words[2:] {
		if len(words) == 1 || words[1].Text == "" {
			p.alert(wordAfter(words[0]), "'%s' expects an argument", words[0].Text).Accepted = o.kw.synopsis()
			return
		}
		_, occurrence, found := strings.Cut(words[1].Text, ",")
		if found && strings.HasPrefix(words[1].Text, "hdr_ip(") && atol(occurrence) < -10 {
			p.alert(words[1], "occurrences below -10 are not supported").Accepted = "hdr_ip(<name>,<occurrence>) with -10 or more"
			return
		}
		if words[0].Text == "interface" {
			src.Interface = words[1].Text
		} else if !p.useSource(src, words[1]) {
			return
		}
	}
	s.Source = src
}

func noSendProxy(_ *parser, s *serverLine, _ option) {
	if s.SendProxy != nil {
		s.sendProxy().Version = 0
	}
}

var proxyV2Options = []string{"ssl", "cert-cn", "ssl-cipher", "cert-sig", "cert-key", "authority", "crc32c", "unique-id"}

// proxyV2TLS are those of proxyV2Options that tell of the client's TLS.
const proxyV2TLS = 5

func parseProxyV2Options(p *parser, s *serverLine, o option) {
	var names []string
	for _, w := range splitSet(o.arg, ",") {
		if !p.oneOf(w, "proxy v2 option", proxyV2Options) {
			return
		}
		if slices.Contains(proxyV2Options[:proxyV2TLS], w.Text) {
			p.unsupported(w, "'proxy-v2-options': '%s' is not supported by this version yet", w.Text)
		}
		names = append(names, w.Text)
	}
	s.sendProxy().Options = names
}

// parseTLV reads "set-proxy-v2-tlv-fmt(<id>) <format>". Without parentheses it does
// nothing, as in HAProxy.
func parseTLV(p *parser, s *serverLine, o option) {
	_, text, found := strings.Cut(o.name.Text, "(")
	if !found {
		p.remark(o.name, "'%s' without a number in parentheses has no effect", o.name.Text).Accepted = o.kw.synopsis()
		return
	}
	number, _, closed := strings.Cut(text, ")")
	id, err := strconv.ParseInt(number, 0, 64)
	if !closed || err != nil || id < 0 || id > 255 {
		p.alert(o.name, "'%s': expects a number from 0 to 255 in parentheses", o.name.Text).Accepted = o.kw.synopsis()
		return
	}
	if o.arg.Text == "" {
		return
	}
	if f, ok := p.parseLogFormat(o.arg, PlaceServer); ok {
		list := &s.sendProxy().TLVs
		*list = append((*list)[:len(*list):len(*list)], TLV{ID: int(id), Format: f})
	}
}

// parseInitAddr reads methods in order; one of them may be an address.
func parseInitAddr(p *parser, s *serverLine, o option) {
	var methods []string
	literal := false
	for _, w := range splitSet(o.arg, ",") {
		addr, err := netip.ParseAddr(w.Text)
		switch {
		case w.Text == "":
			continue
		case slices.Contains([]string{"last", "libc", "none"}, w.Text):
		case err != nil || addr.Zone() != "":
			d := p.alert(w, "'init-addr': unknown method '%s'", w.Text)
			d.Accepted, d.Suggest = "last, libc, none or an address", nearest(w.Text, []string{"last", "libc", "none"})
			return
		case literal:
			p.alert(w, "'init-addr': initial address already specified, cannot add '%s'", w.Text).Accepted = "one address"
			return
		default:
			literal = true
		}
		methods = append(methods, w.Text)
	}
	s.resolve().InitAddr = methods
}

func parseServerResolvers(p *parser, s *serverLine, o option) {
	s.resolve().Resolvers = o.arg.Text
	s.note(p, o)
}

func parseResolveOpts(p *parser, s *serverLine, o option) {
	r := s.resolve()
	for _, w := range splitSet(o.arg, ",") {
		switch w.Text {
		case "allow-dup-ip":
			r.AllowDupIP = true
		case "prevent-dup-ip":
			r.AllowDupIP = false
		case "ignore-weight":
			r.IgnoreWeight = true
		case "":
		default:
			p.oneOf(w, "resolve-opts option", []string{"allow-dup-ip", "prevent-dup-ip", "ignore-weight"})
			return
		}
	}
}

// maxNets is how many networks HAProxy keeps for a server.
const maxNets = 5

func parseResolveNet(p *parser, s *serverLine, o option) {
	if !p.given(o) {
		return
	}
	var nets []string
	for _, w := range splitCommas(o.arg) {
		if _, err := netip.ParsePrefix(w.Text); err != nil {
			if _, err := netip.ParseAddr(w.Text); err != nil {
				p.alert(w, "'resolve-net': invalid network '%s'", w.Text).Accepted = "<address>[/<bits>], parted by commas"
				return
			}
		}
		if nets = append(nets, w.Text); len(nets) > maxNets {
			p.alert(w, "'resolve-net': too many networks").Accepted = "at most " + strconv.Itoa(maxNets)
			return
		}
	}
	s.resolve().Nets = nets
}
