package balance

// newSource gives a client's address always the same server. Configuration manual,
// "balance source". It is balance hash with another key, which HashType.AddrKey
// makes: the function of "hash-type" takes no part, its avalanche does. It costs as
// much as balance hash.
func newSource(m Method, servers []Server) Algorithm { return newHash(m, servers) }
