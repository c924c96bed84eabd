package balance

// random draws places of the ring at random and takes, of the servers they belong
// to, the one with the fewest connections for its weight: the power of two choices.
// Configuration manual, "balance random". If that server is full, the connection
// waits for any.
//
// A pick costs O(draws).
type random struct {
	ring    *ring
	bounded *bounded
	draws   int
	rand    func() uint32
}

func newRandom(m Method, servers []Server) Algorithm {
	a := &random{ring: newRing(servers), bounded: newBounded(m.Factor, len(servers)), draws: m.Draws, rand: m.Rand}
	if a.draws < 1 {
		a.draws = 2
	}
	return a
}

func (a *random) SetShares(i, shares int) {
	a.ring.set(i, shares)
	a.bounded.setShares(i, shares)
}

func (a *random) SetLoad(i, load int) { a.bounded.setLoad(i, load) }

func (a *random) Pick(_ Key, avoid int, full func(int) bool) (int, bool) {
	best := -1
	for range a.draws {
		i := a.ring.near(a.rand(), avoid, a.bounded.fit())
		if i < 0 {
			return -1, false
		}
		if best < 0 || !a.busier(i, best) {
			best = i
		}
	}
	if !open(best, full) {
		return -1, false
	}
	return best, true
}

// busier reports whether i has more connections for its weight than k.
func (a *random) busier(i, k int) bool {
	return a.bounded.load[i]*a.bounded.shares[k] > a.bounded.load[k]*a.bounded.shares[i]
}
