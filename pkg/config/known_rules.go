package config

// ruleTables are the rule sets, the switching of backends and stickiness.
func ruleTables() [][]Keyword {
	return [][]Keyword{ruleKeywords, switchKeywords, stickKeywords, filterKeywords}
}
