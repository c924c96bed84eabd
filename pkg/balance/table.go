package balance

import (
	"net/netip"
	"slices"
)

// WeightMax is the greatest weight of a server (configuration manual, "weight").
const WeightMax = 256

// Scale is the number of shares that one unit of weight stands for: places on the
// ring, turns of a round. A server that warms up has fewer for its weight.
const Scale = 16

// Algorithm picks servers. Its servers are numbered from 0 in configuration
// order; all begin with no share, which takes no new connection. Those set
// before the first pick are the start; a later change from or to 0 is a server
// that comes or goes.
type Algorithm interface {
	// SetShares changes the part of server i: Scale for each unit of its weight, up to
	// WeightMax*Scale, or 0 for none. The map-based algorithms count whole units, and
	// a part of one as a whole.
	SetShares(i, shares int)
	// SetLoad tells how many connections server i has now, served and queued.
	SetLoad(i, load int)
	// Pick returns the server for the next connection and counts it as picked. ok
	// is false if there is none that is not full. Then the connection waits: for
	// server i, to which its key belongs, or if i is -1 for any. The server avoid,
	// where a connection has failed, is the last choice; -1 avoids none. A nil full
	// means that no server is full.
	Pick(key Key, avoid int, full func(i int) bool) (i int, ok bool)
}

// Key is what the hashing algorithms look up. The zero Key stands for a connection
// without one, which gets its server by turns; other algorithms look at none.
type Key struct {
	hash  uint32
	valid bool
}

// Method is the "balance" line and the lines that refine it.
type Method struct {
	Name   string        // algorithm, in the words of the "balance" keyword
	Hash   HashType      // source, hash, rdp-cookie
	Factor int           // "hash-balance-factor" in percent, 0 for none: consistent hashing, random
	Draws  int           // random: servers drawn for a pick; less than 1: 2
	Rand   func() uint32 // random: uniform over all 32 bits
}

// Server is what distinguishes a server for an algorithm.
type Server struct {
	ID      uint32         // "id", 1 at least: first, and the places on the ring
	HashKey HashKey        // "hash-key"
	Addr    netip.AddrPort // for HashKeyAddr and HashKeyAddrPort; invalid: unknown
}

// Numbered returns n servers with the ids 1 to n, which servers have by default.
func Numbered(n int) []Server {
	servers := make([]Server, n)
	for i := range servers {
		servers[i].ID = uint32(i + 1)
	}
	return servers
}

// algorithm is one row of the table.
type algorithm struct {
	name string
	make func(Method, []Server) Algorithm
}

var algorithms = []algorithm{
	{"roundrobin", newRoundRobin},
	{"static-rr", newStaticRR},
	{"leastconn", newLeastConn},
	{"first", newFirst},
	{"source", newSource},
	{"random", newRandom},
	{"hash", newHash},
	{"rdp-cookie", newRDPCookie},
}

// Names lists the algorithms in the words of the "balance" keyword.
func Names() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = a.name
	}
	return names
}

// New returns the algorithm that m describes for the servers, or nil if there is
// none of that name. Servers with new ids or addresses need a new one.
func New(m Method, servers []Server) Algorithm {
	i := slices.IndexFunc(algorithms, func(a algorithm) bool { return a.name == m.Name })
	if i < 0 {
		return nil
	}
	return algorithms[i].make(m, servers)
}

// open reports whether server i takes another connection.
func open(i int, full func(int) bool) bool { return full == nil || !full(i) }
