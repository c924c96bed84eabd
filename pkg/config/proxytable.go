package config

// proxyTables are the settings of proxy sections.
func proxyTables() [][]Keyword {
	return [][]Keyword{
		proxyKeywords, balanceKeywords, sourceKeywords, optionKeywords, timeoutKeywords, logKeywords, logOptions,
		httpKeywords, httpOptions, obsolete,
	}
}
