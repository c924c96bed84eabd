package config

// sampleTables are the lines about ACLs and log formats.
func sampleTables() [][]Keyword { return [][]Keyword{aclKeywordRows, knownSample()} }

// knownSample are those that have no table of their own.
func knownSample() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, "error-log-format; log-format; log-format-sd", Keyword{Where: inFront, State: Pending})
	rows = appendKnown(rows, "unique-id-format", Keyword{Where: inProxy, State: Pending})
	return appendKnown(rows, "set-var; set-var-fmt", Keyword{Where: InGlobal, State: Pending})
}
