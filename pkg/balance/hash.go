package balance

// hashing gives a key always the same server, found in the weighted map or on the
// ring. Configuration manual, "balance hash", "hash-type". The server's places are
// of no account: if it is full, its connections wait for it. A connection without a
// key gets the next server of the map or the ring.
//
// A pick costs O(1); a change of weight costs what slots and ring say.
type hashing struct {
	slots   *slots // nil: consistent
	ring    *ring
	bounded *bounded
}

func newHash(m Method, servers []Server) Algorithm {
	if !m.Hash.Consistent {
		return &hashing{slots: newSlots(len(servers))}
	}
	return &hashing{ring: newRing(servers), bounded: newBounded(m.Factor, len(servers))}
}

func (a *hashing) SetShares(i, shares int) {
	if a.slots != nil {
		a.slots.set(i, whole(shares))
		return
	}
	a.ring.set(i, shares)
	a.bounded.setShares(i, shares)
}

// SetLoad matters only to hash-balance-factor.
func (a *hashing) SetLoad(i, load int) {
	if a.slots == nil {
		a.bounded.setLoad(i, load)
	}
}

func (a *hashing) Pick(key Key, avoid int, full func(int) bool) (int, bool) {
	if !key.valid {
		i := a.turn(avoid, full)
		return i, i >= 0
	}
	i := a.find(key.hash, avoid)
	return i, i >= 0 && open(i, full)
}

// find returns the server that a hash belongs to. The map knows no second choice.
func (a *hashing) find(hash uint32, avoid int) int {
	if a.slots != nil {
		return a.slots.at(hash)
	}
	return a.ring.near(hash, avoid, a.bounded.fit())
}

func (a *hashing) turn(avoid int, full func(int) bool) int {
	if a.slots != nil {
		return a.slots.turn(avoid, full)
	}
	return a.ring.turn(avoid, full)
}
