package config

import "slices"

// tables returns the rows by area: the rows live beside their parse functions.
func tables() [][]Keyword {
	return slices.Concat(
		globalTables(), proxyTables(), lineTables(), sampleTables(), ruleTables(),
		checkTables(), sectionTables(), [][]Keyword{directives},
	)
}

// globalTables are the keywords of section global.
func globalTables() [][]Keyword {
	return [][]Keyword{globalKeywords, processKeywords, tuneKeywords, httpGlobals, statsKeywords, environKeywords, knownGlobal()}
}

// proxyTables are the settings of proxy sections.
func proxyTables() [][]Keyword {
	return [][]Keyword{
		proxyKeywords, balanceKeywords, sourceKeywords, optionKeywords, timeoutKeywords, logKeywords, logOptions,
		httpKeywords, httpOptions, obsolete,
	}
}

// lineTables are the "bind", "server" and "stats socket" lines with their options,
// and what section global and crt-store say about TLS.
func lineTables() [][]Keyword {
	return [][]Keyword{
		bindKeywords, bindOptions, laterBindOptions, socketOptions, serverKeywords, templateKeywords, serverOptions, laterServerOptions,
		tlsOptions(), tlsGlobalKeywords, certStoreKeywords,
	}
}

// sampleTables are the lines about ACLs and log formats.
func sampleTables() [][]Keyword { return [][]Keyword{aclKeywordRows, logFormatKeywords} }

// ruleTables are the rule sets, the switching of backends and stickiness.
func ruleTables() [][]Keyword {
	return [][]Keyword{ruleKeywords, switchKeywords, stickKeywords, filterKeywords}
}

// checkTables are the lines about health checks and alerts.
func checkTables() [][]Keyword {
	return [][]Keyword{
		checkOptions, checkGlobals, tcpCheckKeywords, httpCheckKeywords, serverCheckOptions, agentOptions,
		serverStateOptions, mailKeywords, knownChecks(),
	}
}

// sectionTables are the headers of sections and the lines of those that are not
// proxies.
func sectionTables() [][]Keyword {
	return [][]Keyword{
		sectionKeywords(), laterSections, peersKeywords, resolversKeywords, userlistKeywords,
		ringKeywords, logForwardKeywords, programKeywords, cacheKeywords, httpErrorsKeywords, fcgiKeywords,
	}
}
