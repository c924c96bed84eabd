package config

// obsolete keywords are alerts in HAProxy too; their rows name the successor.
var obsolete = []Keyword{
	gone("srvtimeout", "timeout server"), gone("contimeout", "timeout connect"), gone("clitimeout", "timeout client"),
	gone("redispatch", "option redispatch"), gone("block", "http-request deny"), gone("appsession", "stick-table"),
	gone("monitor-net", "tcp-request connection accept"), gone("bind-process", "bind ... thread"), gone("grace", "hard-stop-after"),
	gone("reqadd", "http-request add-header"), gone("rspadd", "http-response add-header"),
	gone("reqallow", "http-request allow"), gone("reqiallow", "http-request allow"),
	gone("reqdel", "http-request del-header"), gone("reqidel", "http-request del-header"),
	gone("rspdel", "http-response del-header"), gone("rspidel", "http-response del-header"),
	gone("reqdeny", "http-request deny"), gone("reqideny", "http-request deny"),
	gone("rspdeny", "http-response deny"), gone("rspideny", "http-response deny"),
	gone("reqpass", "http-request allow"), gone("reqipass", "http-request allow"),
	gone("reqrep", "http-request replace-header"), gone("reqirep", "http-request replace-header"),
	gone("rsprep", "http-response replace-header"), gone("rspirep", "http-response replace-header"),
	gone("reqtarpit", "http-request tarpit"), gone("reqitarpit", "http-request tarpit"),
	gone("cliexp", "http-request replace-header"), gone("srvexp", "http-response replace-header"),
}

func gone(name, successor string) Keyword {
	return Keyword{
		Name: name, Where: inProxy, Max: -1, State: Refused, Why: "HAProxy dropped it",
		Help: "dropped in favour of '" + successor + "'", instead: successor,
	}
}
