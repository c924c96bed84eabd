package config

// sampleTables are the lines about ACLs and log formats.
func sampleTables() [][]Keyword { return [][]Keyword{aclKeywordRows, logFormatKeywords} }
