package balance

// bounded is consistent hashing with bounded loads (Mirrokni, Thorup and
// Zadimoghaddam, arXiv 1608.01350): no server has more than its share of the
// connections times a factor; what is beyond goes to the next on the ring.
// Configuration manual, "hash-balance-factor". A check costs O(1), and a pick one
// for each place passed over.
//
// The places for connections, rounded up, are dealt out in proportion to the shares,
// and the rest by where each server's shares lie in the sum of all; each server has
// one at least. As in HAProxy, where they lie is settled at the start and does not
// move when shares change, so that the rest is not dealt out exactly from then on.
type bounded struct {
	factor int // in percent; 0: no bound
	shares []int
	before []int // sum of the shares of the servers before, at the start
	load   []int
	total  int // of shares
	loads  int
	begun  bool
	check  func(int) bool
}

func newBounded(factor, n int) *bounded {
	b := &bounded{factor: factor, shares: make([]int, n), before: make([]int, n), load: make([]int, n)}
	b.check = b.fits
	return b
}

func (b *bounded) setShares(i, shares int) {
	b.total += shares - b.shares[i]
	b.shares[i] = shares
}

func (b *bounded) setLoad(i, load int) {
	b.loads += load - b.load[i]
	b.load[i] = load
}

// fit returns the check for ring.near, nil if there is no bound.
func (b *bounded) fit() func(int) bool {
	if b.factor == 0 {
		return nil
	}
	if !b.begun {
		b.start()
	}
	return b.check
}

func (b *bounded) start() {
	b.begun = true
	sum := 0
	for i, w := range b.shares {
		if w > 0 {
			b.before[i] = sum
			sum += w
		}
	}
}

func (b *bounded) fits(i int) bool {
	places := ((b.loads+1)*b.factor + 99) / 100
	whole, rest := places/b.total, places%b.total
	w := b.shares[i]
	mine := whole*w + (b.before[i]+w)*rest/b.total - b.before[i]*rest/b.total
	return b.load[i] < max(mine, 1)
}
