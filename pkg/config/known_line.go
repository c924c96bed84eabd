package config

// lineTables are the "bind", "server" and "stats socket" lines with their options,
// and what section global and crt-store say about TLS.
func lineTables() [][]Keyword {
	return [][]Keyword{
		bindKeywords, bindOptions, laterBindOptions, socketOptions, serverKeywords, templateKeywords, serverOptions, laterServerOptions,
		tlsOptions(), tlsGlobalKeywords, certStoreKeywords,
	}
}
