package balance

// bounded is consistent hashing with bounded loads (Mirrokni, Thorup and
// Zadimoghaddam, arXiv 1608.01350): no server has more than its share of the
// connections times a factor; what is beyond goes to the next on the ring.
// Configuration manual, "hash-balance-factor". A check costs O(1), and a pick one
// for each place passed over.
//
// The places for connections, rounded up, are dealt out in proportion to the weights,
// and the rest by where each server's weight lies in the sum of all; each server has
// one at least. As in HAProxy, where it lies is settled at the start and does not
// move when weights change, so that the rest is not dealt out exactly from then on.
type bounded struct {
	factor int // in percent; 0: no bound
	weight []int
	before []int // sum of the weights of the servers before, at the start
	load   []int
	total  int // of weights
	loads  int
	begun  bool
	check  func(int) bool
}

func newBounded(factor, n int) *bounded {
	b := &bounded{factor: factor, weight: make([]int, n), before: make([]int, n), load: make([]int, n)}
	b.check = b.fits
	return b
}

func (b *bounded) setWeight(i, weight int) {
	b.total += (weight - b.weight[i]) * scale
	b.weight[i] = weight
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
	for i, w := range b.weight {
		if w > 0 {
			b.before[i] = sum
			sum += w * scale
		}
	}
}

func (b *bounded) fits(i int) bool {
	places := ((b.loads+1)*b.factor + 99) / 100
	whole, rest := places/b.total, places%b.total
	w := b.weight[i] * scale
	mine := whole*w + (b.before[i]+w)*rest/b.total - b.before[i]*rest/b.total
	return b.load[i] < max(mine, 1)
}
