package balance

// leastConn gives the next connection to the server with the fewest connections
// for its weight; servers with equal load take turns. Configuration manual,
// "balance leastconn". The key of a server without connections is 0 whatever its
// weight, otherwise (load+1)/weight scaled, so an idle server comes first and a
// heavier one gets its share earlier.
//
// Picking costs O(log n); the caller reports each change of load with SetLoad.
type leastConn struct {
	order  order
	weight []int
	load   []int
}

func newLeastConn(n int) Algorithm {
	return &leastConn{order: newOrder(n), weight: make([]int, n), load: make([]int, n)}
}

func (a *leastConn) SetWeight(i, weight int) {
	a.weight[i] = weight
	a.place(i)
}

func (a *leastConn) SetLoad(i, load int) {
	a.load[i] = load
	a.place(i)
}

func (a *leastConn) place(i int) {
	switch {
	case a.weight[i] == 0:
		a.order.remove(i)
	case a.load[i] == 0:
		a.order.set(i, 0)
	default:
		a.order.set(i, int64(a.load[i]+1)*WeightMax/int64(a.weight[i]))
	}
}

func (a *leastConn) Pick(full func(int) bool) int {
	return a.order.first(full)
}
