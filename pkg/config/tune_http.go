package config

import (
	"strings"
	"time"
)

// httpGlobals are the settings of section global about HTTP, QUIC, compression
// and scripts. They are judged so that a file is not refused on one side only.
var httpGlobals = []Keyword{
	idle("h1-accept-payload-with-any-method", "", 0, 0, notForTCP, "allow a body in every request", nil),
	idle("h1-do-not-close-on-insecure-transfer-encoding", "", 0, 0, notForTCP, "keep doubtful connections", nil),
	idle("h2-workaround-bogus-websocket-clients", "", 0, 0, notForTCP, "do not offer WebSocket over HTTP/2", nil),
	idle("h1-case-adjust", "<from> <to>", 2, 2, notForTCP, "spelling of a header name", parseCaseAdjust),
	idle("h1-case-adjust-file", "<file>", 1, 1, notForTCP, "file of header names", nil),
	idle("http-err-codes", "<ranges>...", 1, -1, notForTCP, "status codes that count as errors", parseCodeRanges),
	idle("http-fail-codes", "<ranges>...", 1, -1, notForTCP, "status codes that count as failures", parseCodeRanges),
	idle("httpclient.resolvers.disabled", "on|off", 1, 1, notForTCP, "do not resolve names", onOrOff),
	idle("httpclient.resolvers.id", "<name>", 1, 1, notForTCP, "resolvers section of the HTTP client", parseClientResolvers),
	idle("httpclient.resolvers.prefer", "ipv4|ipv6", 1, 1, notForTCP, "address family of the HTTP client", choice("ipv4", "ipv6")),
	idle("httpclient.retries", "<number>", 1, 1, notForTCP, "retries of the HTTP client", anyNumber.judge),
	idle("httpclient.ssl.ca-file", "<file>", 0, 1, notForTCP, "authorities of the HTTP client", nil),
	idle("httpclient.ssl.verify", "none|required", 0, 1, notForTCP, "whether the HTTP client checks certificates", choice("none", "required")),
	idle("httpclient.timeout.connect", "<time>", 1, 1, notForTCP, "longest wait of the HTTP client", span(0, 0, nil)),
	idle("limited-quic", "", 0, 0, notForTCP, "QUIC without all features", nil),
	idle("no-quic", "", 0, 0, notForTCP, "no QUIC", nil),
	idle("maxcompcpuusage", "<percent>", 1, 1, notForTCP, "CPU share above which compression ends", percent.judge),
	idle("maxcomprate", "<kilobytes>", 1, 1, notForTCP, "input of compression per second", anyNumber.judge),
	idle("maxzlibmem", "<megabytes>", 1, 1, notForTCP, "memory of compression", anyNumber.judge),
	idle("tune.comp.maxlevel", "<level>", 1, 1, notForTCP, "level of compression, 1 to 9", amount{lo: 1, hi: 9}.judge),
	idle("tune.http.cookielen", "<bytes>", 1, 1, notForTCP, "longest captured cookie", anyNumber.judge),
	idle("tune.http.logurilen", "<bytes>", 1, 1, notForTCP, "longest logged address", anyNumber.judge),
	idle("tune.http.maxhdr", "<number>", 1, 1, notForTCP, "most headers, 1 to 32767", amount{lo: 1, hi: 32767}.judge),
	idle("tune.h1.zero-copy-fwd-recv", "on|off", 1, 1, notForTCP, "receive without a copy", onOrOff),
	idle("tune.h1.zero-copy-fwd-send", "on|off", 1, 1, notForTCP, "send without a copy", onOrOff),
	idle("tune.h2.zero-copy-fwd-send", "on|off", 1, 1, notForTCP, "send without a copy", onOrOff),
	h2Number("be.glitches-threshold"), h2Number("be.initial-window-size"), h2Number("be.max-concurrent-streams"),
	h2Number("fe.glitches-threshold"), h2Number("fe.initial-window-size"), h2Number("fe.max-concurrent-streams"),
	h2Number("fe.max-total-streams"), h2Number("initial-window-size"), h2Number("max-concurrent-streams"),
	idle("tune.h2.header-table-size", "<bytes>", 1, 1, notForTCP, "HTTP/2 header table, 4096 to 65536", amount{lo: 4096, hi: 65536}.judge),
	idle("tune.h2.max-frame-size", "<bytes>", 1, 1, notForTCP, "HTTP/2 frame, 16384 to 16777215", amount{lo: 16384, hi: 16777215}.judge),

	idle("tune.quic.cc-hystart", "on|off", 1, 1, notForTCP, "slow start of QUIC", onOrOff),
	idle("tune.quic.zero-copy-fwd-send", "on|off", 1, 1, notForTCP, "send without a copy", onOrOff),
	idle("tune.quic.socket-owner", "listener|connection", 1, 1, notForTCP, "sockets of QUIC", choice("listener", "connection")),
	idle("tune.quic.reorder-ratio", "<percent>", 1, 1, notForTCP, "packets out of order, 1 to 100", amount{lo: 1, hi: 100}.judge),
	quicNumber("frontend.conn-tx-buffers.limit"), quicNumber("frontend.glitches-threshold"),
	quicNumber("frontend.max-streams-bidi"), quicNumber("max-frame-loss"), quicNumber("retry-threshold"),
	idle("tune.quic.frontend.max-idle-timeout", "<time>", 1, 1, notForTCP, "silence that ends a QUIC connection", span(0, 0, nil)),

	{Name: "lua-load", Where: InGlobal, Args: "<file> [<argument>...]", Min: 1, Max: -1, State: Refused, Why: noScripts, Help: "run a script"},
	{Name: "lua-load-per-thread", Where: InGlobal, Args: "<file> [<argument>...]", Min: 1, Max: -1, State: Refused, Why: noScripts, Help: "run a script in each thread"},
	idle("lua-prepend-path", "<path> [path|cpath]", 1, 2, notForTCP, "where scripts look for modules", parseLuaPath),
	idle("tune.lua.forced-yield", "<number>", 0, -1, notForTCP, "instructions before a script yields", wholeAmount.judge),
	idle("tune.lua.maxmem", "<megabytes>", 1, -1, notForTCP, "memory of scripts", wholeAmount.judge),
	idle("tune.lua.log.loggers", "on|off", 1, 1, notForTCP, "scripts log to the targets of 'log'", onOrOff),
	idle("tune.lua.log.stderr", "on|auto|off", 1, 1, notForTCP, "scripts log to the error output", choice("on", "auto", "off")),
	luaTimeout("burst"), luaTimeout("service"), luaTimeout("session"), luaTimeout("task"),
}

const noScripts = "this proxy runs no scripts"

func h2Number(name string) Keyword {
	return idle("tune.h2."+name, "<number>", 0, 1, notForTCP, "a limit of HTTP/2", notNegative.judge)
}

func quicNumber(name string) Keyword {
	return idle("tune.quic."+name, "<number>", 1, 1, notForTCP, "a limit of QUIC", amount{lo: 1, hi: 1<<31 - 1, flip: true}.judge)
}

func luaTimeout(name string) Keyword {
	return idle("tune.lua."+name+"-timeout", "<time>", 1, -1, notForTCP, "longest run of a script", span(0, time.Duration(0), nil))
}

func parseCaseAdjust(p *parser, st *statement) {
	from, to := st.args[0], st.args[1]
	if !strings.EqualFold(from.Text, to.Text) {
		p.alert(to, "'%s' and '%s' differ in more than the case", from.Text, to.Text).Accepted = "the same name in another spelling"
		return
	}
	if p.headerCase[from.Text] {
		p.alert(from, "the spelling of '%s' is set already", from.Text).Accepted = "one line for a name"
		return
	}
	if p.headerCase == nil {
		p.headerCase = map[string]bool{}
	}
	p.headerCase[from.Text] = true
}

const codeForm = "[+|-]<code>[-<code>][,...], codes are 100 to 599 in ascending order"

// parseCodeRanges judges lists such as "-404,500-503"; only the first has a sign.
func parseCodeRanges(p *parser, st *statement) {
	for _, w := range st.args {
		list := strings.TrimLeft(w.Text, "+-")
		for part := range strings.SplitSeq(list, ",") {
			lo, hi, _ := cutRange(part)
			if !digitsOnly(lo) || !digitsOnly(hi) || atol(lo) < 100 || atol(hi) > 599 || atol(lo) > atol(hi) || len(w.Text)-len(list) > 1 {
				p.alert(w, "'%s' is no list of status codes", w.Text).Accepted = codeForm
				return
			}
		}
	}
}

func parseClientResolvers(p *parser, st *statement) {
	w := st.args[0]
	at := p.pos(w)
	p.atEnd(func() {
		if _, ok := p.resolvers[w.Text]; !ok && w.Text != "default" {
			p.report(Alert, at, "no section 'resolvers %s'", w.Text).Accepted = "the name of a resolvers section"
		}
	})
}

func parseLuaPath(p *parser, st *statement) {
	if st.arg(1).Text != "" {
		p.oneOf(st.arg(1), "kind of path", []string{"path", "cpath"})
	}
}
