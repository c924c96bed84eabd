package balance

import "math/bits"

// slots is the weighted map of servers that the map-based algorithms share: each
// server has as many slots as its weight, spread evenly, those of the first server
// first. Configuration manual, "hash-type map-based". All of it is drawn up anew at
// the first pick after a change of weights, in O(total weight); a look-up costs
// O(1).
//
// A slot goes to the server to which most is owed. With each slot every server is
// owed its weight more, and whoever gets it pays the total. What counts is only how
// many whole totals are owed; of equals, the first gets the slot.
type slots struct {
	weight []int
	known  []int // the last weight of each server that was not 0
	slot   []int32
	stale  bool
	next   int // whose turn it is, for keyless picks
}

func newSlots(n int) *slots {
	return &slots{weight: make([]int, n), known: make([]int, n)}
}

// whole is the weight that a number of shares stands for, rounded up.
func whole(shares int) int { return (shares + Scale - 1) / Scale }

func (m *slots) set(i, weight int) {
	if m.weight[i] != weight {
		m.weight[i], m.stale = weight, true
		if weight > 0 {
			m.known[i] = weight
		}
	}
}

// at returns the server for a hash, -1 if there is none.
func (m *slots) at(hash uint32) int {
	m.refresh()
	if len(m.slot) == 0 {
		return -1
	}
	return int(m.slot[hash%uint32(len(m.slot))])
}

// turn returns the server whose turn it is. What comes next is one further on in a
// map that may have grown by then; it goes back to the start only when it is used.
func (m *slots) turn(avoid int, full func(int) bool) int {
	m.refresh()
	if m.next >= len(m.slot) {
		m.next = 0
	}
	last, p := -1, m.next
	for range m.slot {
		i := int(m.slot[p])
		p++
		if i != last && open(i, full) {
			m.next = p
			if i != avoid {
				return i
			}
			last = i
		}
		if p == len(m.slot) {
			p = 0
		}
	}
	return last
}

func (m *slots) refresh() {
	if !m.stale {
		return
	}
	m.stale = false
	divisor, total := 0, 0
	for i, w := range m.weight {
		divisor, total = gcd(divisor, m.known[i]), total+w
	}
	if total == 0 {
		m.slot = m.slot[:0]
		return
	}
	f := newFiller(m.weight, divisor, total/divisor)
	m.slot = m.slot[:0]
	for len(m.slot) < f.total {
		m.slot = append(m.slot, f.fill(len(m.slot)+1))
	}
}

// The number of slots is divided by what the weights have in common, including
// those of servers that are away: whose turn it is should keep its meaning.
func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// filler draws up the slots. Server i is owed c whole totals (and the rest) from
// the step on at which weight*step reaches total*(c+got): these moments are known
// beforehand, so that a step touches only servers for which one has come.
type filler struct {
	total int
	share []int       // weight without the common divisor
	rank  []int       // 1 + whole totals owed; 0: owes itself
	rises []int       // number of rises so far: slots got + rank
	due   []int32     // first of the servers that rise at a step, -1: none
	more  []int32     // next one that rises at the same step
	at    [5][]uint64 // servers of each rank, as sets of bits
}

func newFiller(weight []int, divisor, total int) *filler {
	n := len(weight)
	f := &filler{total: total, share: make([]int, n), rank: make([]int, n), rises: make([]int, n), due: make([]int32, total+1), more: make([]int32, n)}
	for r := range f.at {
		f.at[r] = make([]uint64, (n+63)/64)
	}
	for t := range f.due {
		f.due[t] = -1
	}
	for i, w := range weight {
		if w == 0 {
			continue
		}
		f.share[i] = w / divisor
		f.rise(i)
	}
	return f
}

// rise puts server i one rank higher and notes when it rises again.
func (f *filler) rise(i int) {
	f.move(i, f.rank[i]+1)
	f.rises[i]++
	step := (f.total*f.rises[i] + f.share[i] - 1) / f.share[i]
	if step <= f.total {
		f.more[i] = f.due[step]
		f.due[step] = int32(i)
	}
}

func (f *filler) move(i, rank int) {
	f.at[f.rank[i]][i/64] &^= 1 << (i % 64)
	f.rank[i] = rank
	f.at[rank][i/64] |= 1 << (i % 64)
}

// fill returns the server for a step; steps count from 1.
func (f *filler) fill(step int) int32 {
	for i := f.due[step]; i >= 0; {
		next := f.more[i]
		f.rise(int(i))
		i = next
	}
	for r := len(f.at) - 1; r > 0; r-- {
		for k, word := range f.at[r] {
			if word != 0 {
				i := k*64 + bits.TrailingZeros64(word)
				f.move(i, r-1)
				return int32(i)
			}
		}
	}
	return -1 // not reached: the sum of what is owed is always positive
}
