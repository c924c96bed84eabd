package balance

// order is a binary heap of servers by (key, seq): the least key first, and among
// equals the one that has waited longest. Servers with weight 0 are not in it.
type order struct {
	heap []int32 // server numbers
	at   []int32 // place in heap, -1: not in it
	key  []int64
	seq  []uint64
	last uint64
	skip []int32 // taken out during a pick
}

func newOrder(n int) order {
	o := order{at: make([]int32, n), key: make([]int64, n), seq: make([]uint64, n)}
	for i := range o.at {
		o.at[i] = -1
	}
	return o
}

// set puts server i at key, behind those that have the same key already. A server
// that is in the heap and keeps its key keeps its place.
func (o *order) set(i int, key int64) {
	if o.at[i] >= 0 && o.key[i] == key {
		return
	}
	o.last++
	o.key[i], o.seq[i] = key, o.last
	if o.at[i] < 0 {
		o.push(int32(i))
		return
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

// first returns the first server that is not full, or -1.
func (o *order) first(full func(int) bool) int {
	found := -1
	for len(o.heap) > 0 {
		i := int(o.heap[0])
		if full == nil || !full(i) {
			found = i
			break
		}
		o.remove(i)
		o.skip = append(o.skip, int32(i))
	}
	for _, i := range o.skip {
		o.push(i)
	}
	o.skip = o.skip[:0]
	return found
}

func (o *order) push(i int32) {
	o.at[i] = int32(len(o.heap))
	o.heap = append(o.heap, i)
	o.up(o.at[i])
}

func (o *order) less(p, q int32) bool {
	a, b := o.heap[p], o.heap[q]
	if o.key[a] != o.key[b] {
		return o.key[a] < o.key[b]
	}
	return o.seq[a] < o.seq[b]
}

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
