package balance

// leastConn gives the next connection to the server with the fewest connections
// for its weight; servers with equal load take turns. Configuration manual,
// "balance leastconn". The key of a server without connections is 0 whatever its
// weight, otherwise (load+1)/shares scaled, so an idle server comes first and a
// heavier one gets its share earlier. A server whose key stays the same keeps its
// place among its equals; a new weight puts it behind them.
//
// A pick costs O(1), or O(n) if the first server is full; the caller reports each
// change of load with SetLoad, which costs O(log n).
type leastConn struct {
	order  *order
	shares []int
	load   []int
}

func newLeastConn(_ Method, servers []Server) Algorithm {
	n := len(servers)
	return &leastConn{order: newOrder(n), shares: make([]int, n), load: make([]int, n)}
}

func (a *leastConn) SetShares(i, shares int) {
	if a.shares[i] == shares {
		return
	}
	a.shares[i] = shares
	a.order.remove(i)
	if shares > 0 {
		a.order.put(i, a.key(i))
	}
}

func (a *leastConn) SetLoad(i, load int) {
	a.load[i] = load
	if a.shares[i] > 0 && a.order.key[i] != a.key(i) {
		a.order.put(i, a.key(i))
	}
}

func (a *leastConn) key(i int) uint64 {
	if a.load[i] == 0 {
		return 0
	}
	return uint64(a.load[i]+1) * WeightMax * Scale / uint64(a.shares[i])
}

func (a *leastConn) Pick(_ Key, avoid int, full func(int) bool) (int, bool) {
	i := a.order.firstOpen(avoid, full)
	return i, i >= 0
}
