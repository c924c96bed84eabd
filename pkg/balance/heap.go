package balance

// order is a binary heap of servers by (key, seq): the least key first, and among
// equals the one that was put in first. Servers need not be in it.
type order struct {
	heap []int32 // server numbers
	at   []int32 // place in heap, -1: not in it
	key  []uint64
	seq  []uint64
	last uint64
}

func newOrder(n int) *order {
	o := &order{at: make([]int32, n), key: make([]uint64, n), seq: make([]uint64, n)}
	for i := range o.at {
		o.at[i] = -1
	}
	return o
}

func (o *order) has(i int) bool { return o.at[i] >= 0 }

// put puts server i at key, behind those that have the same key already.
func (o *order) put(i int, key uint64) {
	o.last++
	o.key[i], o.seq[i] = key, o.last
	if o.at[i] < 0 {
		o.at[i] = int32(len(o.heap))
		o.heap = append(o.heap, int32(i))
	}
	o.up(o.at[i])
	o.down(o.at[i])
}

func (o *order) remove(i int) {
	p := o.at[i]
	if p < 0 {
		return
	}
	end := int32(len(o.heap) - 1)
	o.swap(p, end)
	o.heap = o.heap[:end]
	o.at[i] = -1
	if p < end {
		o.up(p)
		o.down(p)
	}
}

// first returns the first server, or -1.
func (o *order) first() int {
	if len(o.heap) == 0 {
		return -1
	}
	return int(o.heap[0])
}

// firstOpen returns the first server that is not full and, unless there is no
// other, not avoid; -1 if all are full. It costs O(1) if the very first will do,
// O(n) otherwise.
func (o *order) firstOpen(avoid int, full func(int) bool) int {
	if i := o.first(); i >= 0 && i != avoid && open(i, full) {
		return i
	}
	best := -1
	for _, i := range o.heap {
		if int(i) != avoid && (best < 0 || o.before(int(i), best)) && open(int(i), full) {
			best = int(i)
		}
	}
	if best < 0 && avoid >= 0 && o.has(avoid) && open(avoid, full) {
		return avoid
	}
	return best
}

func (o *order) before(a, b int) bool {
	if o.key[a] != o.key[b] {
		return o.key[a] < o.key[b]
	}
	return o.seq[a] < o.seq[b]
}

func (o *order) less(p, q int32) bool { return o.before(int(o.heap[p]), int(o.heap[q])) }

func (o *order) swap(p, q int32) {
	o.heap[p], o.heap[q] = o.heap[q], o.heap[p]
	o.at[o.heap[p]], o.at[o.heap[q]] = p, q
}

func (o *order) up(p int32) {
	for p > 0 && o.less(p, (p-1)/2) {
		o.swap(p, (p-1)/2)
		p = (p - 1) / 2
	}
}

func (o *order) down(p int32) {
	for {
		c := 2*p + 1
		if c >= int32(len(o.heap)) {
			return
		}
		if c+1 < int32(len(o.heap)) && o.less(c+1, c) {
			c++
		}
		if !o.less(c, p) {
			return
		}
		o.swap(p, c)
		p = c
	}
}
