package balance

import "slices"

// WeightMax is the greatest weight of a server (configuration manual, "weight").
const WeightMax = 256

// Algorithm picks servers. Its servers are numbered from 0 in configuration
// order; all start with weight 0, which takes no new connection.
type Algorithm interface {
	// SetWeight changes the share of server i: 1 to WeightMax, or 0 for none.
	SetWeight(i, weight int)
	// SetLoad tells how many connections server i has now, served and queued.
	SetLoad(i, load int)
	// Pick returns the server for the next connection and counts it as picked, or
	// -1 if none has a weight. A server for which full reports true is passed over
	// and keeps its place.
	Pick(full func(i int) bool) int
}

// algorithm is one row of the table.
type algorithm struct {
	name string
	make func(n int) Algorithm
}

var algorithms = []algorithm{
	{"roundrobin", newRoundRobin},
	{"leastconn", newLeastConn},
}

// Names lists the algorithms in the words of the "balance" keyword.
func Names() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = a.name
	}
	return names
}

// New returns the named algorithm for n servers, or nil if there is none of that
// name.
func New(name string, n int) Algorithm {
	i := slices.IndexFunc(algorithms, func(a algorithm) bool { return a.name == name })
	if i < 0 {
		return nil
	}
	return algorithms[i].make(n)
}
