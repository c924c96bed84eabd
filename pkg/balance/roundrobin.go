package balance

// roundRobin gives each server its turn, in proportion to the weights and evenly
// spread. Configuration manual, "balance roundrobin".
//
// Each server has a virtual time at which its next turn comes; a turn moves it on
// by an amount in inverse proportion to the weight. The first turn lies half a
// stride ahead so that, with weights 3 and 1, the lighter server's turn falls
// between those of the heavier one. A server that comes back joins at the present
// virtual time and does not catch up on missed turns. Picking costs O(log n).
type roundRobin struct {
	order  order
	weight []int
	now    int64
}

// stride is the virtual time between two turns of a server with weight 1: a
// number that all weights up to 256 divide with little rounding.
const stride = 1 << 24

func newRoundRobin(n int) Algorithm {
	return &roundRobin{order: newOrder(n), weight: make([]int, n)}
}

func (a *roundRobin) SetWeight(i, weight int) {
	old := a.weight[i]
	a.weight[i] = weight
	switch {
	case weight == 0:
		a.order.remove(i)
	case weight != old:
		a.order.set(i, a.now+stride/int64(2*weight))
	}
}

// SetLoad does nothing: turns do not depend on the number of connections.
func (a *roundRobin) SetLoad(int, int) {}

func (a *roundRobin) Pick(full func(int) bool) int {
	i := a.order.first(full)
	if i < 0 {
		return -1
	}
	a.now = max(a.now, a.order.key[i])
	// A server that was passed over while full gets one turn for its patience, not
	// one for each turn that it missed.
	a.order.set(i, a.now+stride/int64(a.weight[i]))
	return i
}
