package config

// sectionTables are the headers of sections and the lines of those that are not
// proxies.
func sectionTables() [][]Keyword {
	return [][]Keyword{
		sectionKeywords(), laterSections, peersKeywords, resolversKeywords, userlistKeywords,
		ringKeywords, logForwardKeywords, programKeywords, cacheKeywords, httpErrorsKeywords, fcgiKeywords,
	}
}
