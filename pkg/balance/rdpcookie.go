package balance

// newRDPCookie gives a user of the Remote Desktop Protocol always the same server.
// Configuration manual, "balance rdp-cookie". It is balance hash with the bytes of
// the cookie as key, which HashType.Key hashes. It costs as much as balance hash.
func newRDPCookie(m Method, servers []Server) Algorithm { return newHash(m, servers) }
