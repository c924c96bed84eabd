package config

// proxyTables are the settings of proxy sections.
func proxyTables() [][]Keyword {
	return [][]Keyword{proxyKeywords, optionKeywords, timeoutKeywords, logKeywords, logOptions, obsolete, knownProxy()}
}

// knownProxy are the settings that have no table of their own.
func knownProxy() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, pendingFront, Keyword{Where: inFront, State: Pending})
	rows = appendKnown(rows, pendingBack, Keyword{Where: inBack, State: Pending})
	rows = appendKnown(rows, pendingBoth, Keyword{Where: inProxy, State: Pending})
	rows = appendKnown(rows, "crt", Keyword{Where: inFront &^ InDefaults, State: Pending})
	rows = appendKnown(rows, "server-template; dispatch", Keyword{Where: inBack &^ InDefaults, State: Pending})
	rows = appendKnown(rows, "guid", Keyword{Where: inProxy &^ InDefaults, State: Pending})
	rows = appendKnown(rows, httpProxy, Keyword{Where: inProxy, State: NoEffect, Why: "it is for HTTP"})
	return appendKnown(rows, "bind-process", Keyword{Where: inProxy, State: NoEffect, Why: "there is one process"})
}

const pendingFront = `log-steps; max-session-srv-conns; monitor-net; clitcpka-cnt; clitcpka-idle; clitcpka-intvl; timeout client-hs;
option contstats; option dontlog-normal; option log-separate-errors; option socket-stats; option tcp-smart-accept;
grace`

const pendingBack = `hash-balance-factor; hash-type; load-server-state-from-file; option persist; option prefer-last-server;
option tcp-smart-connect; option use-small-buffers; option transparent; persist rdp-cookie; retry-on;
server-state-file-name; source; transparent; srvtcpka-cnt; srvtcpka-idle; srvtcpka-intvl`

const pendingBoth = `log-tag; option abortonclose; option nolinger; option splice-auto; option splice-request; option splice-response;
option independent-streams`

const httpProxy = `capture cookie; capture request; capture response; compression; cookie; dynamic-cookie-key; errorfile; errorfiles; errorloc; errorloc302;
errorloc303; hash-preserve-affinity; http-after-response; http-error; http-request; http-response; http-reuse; http-send-name-header;
max-keep-alive-queue; monitor; monitor-uri; option checkcache; option disable-h2-upgrade; option forwardfor;
option forwarded; option h1-case-adjust-bogus-client; option h1-case-adjust-bogus-server; option http-buffer-request;
option http-drop-request-trailers; option http-drop-response-trailers; option http-ignore-probes; option http-keep-alive;
option http-no-delay; option http-pretend-keepalive; option http-restrict-req-hdr-names; option http-server-close;
option http-use-proxy-header; option httpclose; option httpslog; option idle-close-on-response; option originalto;
quic-initial; redirect; stats admin; stats auth; stats enable; stats hide-version; stats http-request; stats realm; stats refresh;
stats scope; stats show-desc; stats show-legends; stats show-modules; stats show-node; stats show-version; stats uri; unique-id-header; use-fcgi-app;
option http-use-htx; option accept-invalid-http-request; option accept-invalid-http-response; option http_proxy`

// obsolete keywords are alerts in HAProxy too; their rows name the successor.
var obsolete = []Keyword{
	gone("srvtimeout", "timeout server"), gone("contimeout", "timeout connect"), gone("clitimeout", "timeout client"),
	gone("redispatch", "option redispatch"), gone("reqadd", "http-request add-header"), gone("block", "http-request deny"),
}

func gone(name, successor string) Keyword {
	return Keyword{
		Name: name, Where: inProxy, Max: -1, State: Refused, Why: "HAProxy dropped it in version 2.1",
		Help: "dropped in favour of '" + successor + "'", instead: successor,
	}
}
