package config

// checkTables are the lines about health checks and alerts.
func checkTables() [][]Keyword {
	return [][]Keyword{
		checkOptions, checkGlobals, tcpCheckKeywords, httpCheckKeywords, serverCheckOptions, agentOptions,
		serverStateOptions, mailKeywords, knownChecks(),
	}
}

// knownChecks are those that later versions brought.
func knownChecks() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, "check-reuse-pool; no-check-reuse-pool", Keyword{Where: ServerOption, State: Refused, Since: "3.2", Why: "it is for HTTP", instead: "a line without it"})
	rows = appendKnown(rows, "check-pool-conn-name", Keyword{Where: ServerOption, Args: "<name>", Min: 1, State: Refused, Since: "3.2", Why: "it is for HTTP", instead: "a line without it"})
	rows = appendKnown(rows, "check-sni-auto; no-check-sni-auto", Keyword{Where: ServerOption, State: Refused, Since: "3.3", Why: "the name is given by 'check-sni'", instead: "check-sni <name>"})
	rows = appendKnown(rows, "init-state", Keyword{Where: ServerOption, Args: "<state>", Min: 1, State: Refused, Since: "3.1", Why: "servers start up", instead: "a line without it"})
	return appendKnown(rows, "healthcheck", Keyword{Where: ServerOption, Args: "<section>", Min: 1, State: Refused, Since: "3.4", Why: "checks belong to their backend", instead: "a line without it"})
}
