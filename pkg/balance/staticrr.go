package balance

// staticRR gives each server its turn in the order of the weighted map, over and
// over. Configuration manual, "balance static-rr". There, weights do not change
// while it runs; here they may, and the map is drawn up anew.
//
// A pick costs O(1) and one question to full for each slot passed over.
type staticRR struct{ slots *slots }

func newStaticRR(_ Method, servers []Server) Algorithm {
	return &staticRR{newSlots(len(servers))}
}

func (a *staticRR) SetShares(i, shares int) { a.slots.set(i, whole(shares)) }

// SetLoad does nothing: turns do not depend on the number of connections.
func (a *staticRR) SetLoad(int, int) {}

func (a *staticRR) Pick(_ Key, avoid int, full func(int) bool) (int, bool) {
	i := a.slots.turn(avoid, full)
	return i, i >= 0
}
