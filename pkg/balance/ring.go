package balance

import (
	"math/bits"

	"github.com/sluice-lb/sluice/pkg/hash"
)

// ring is the circle of the consistent algorithms: each server has a place on it for
// each of its shares, and a hash belongs to the nearest. A server that
// comes or goes moves only the hashes near its own places. Configuration manual,
// "hash-type consistent".
//
// The places lie in buckets by their upper bits, a few in each, so a look-up costs
// O(1), and a change of shares O(places of that server).
type ring struct {
	base   []uint32 // of each server: place k is at hash.Avalanche(base+k)
	shares []int
	most   []int // greatest number of shares that the server ever had
	bucket [][]place
	shift  int // from a position to its bucket
	places int
	built  bool   // places are put in from the first look-up on
	last   uint32 // position of the last keyless pick
	begun  bool   // false: there was none, or nothing was left behind it
}

type place struct {
	pos    uint32
	server int32
}

func newRing(servers []Server) *ring {
	r := &ring{base: make([]uint32, len(servers)), shares: make([]int, len(servers)), most: make([]int, len(servers)), bucket: make([][]place, 1), shift: 32}
	for i, s := range servers {
		r.base[i] = s.ringBase()
	}
	return r
}

// set adds or takes away the last places of a server. If it has not had that many
// yet it leaves the ring before: HAProxy makes room for them then, and it shows in
// whose turn it is.
func (r *ring) set(i, shares int) {
	now := r.shares[i]
	r.shares[i] = shares
	if !r.built {
		return
	}
	r.grow(r.places + shares - now)
	if shares > r.most[i] {
		r.most[i] = shares
		r.shrink(i, now, 0)
		now = 0
	}
	r.shrink(i, now, shares)
	for k := now; k < shares; k++ {
		r.insert(place{hash.Avalanche(r.base[i] + uint32(k)), int32(i)})
	}
}

func (r *ring) shrink(i, from, to int) {
	for k := from; k > to; k-- {
		r.remove(place{hash.Avalanche(r.base[i] + uint32(k-1)), int32(i)})
	}
}

// ready builds the ring unless it is there.
func (r *ring) ready() {
	if !r.built {
		r.build()
	}
}

// A region of the circle is what a ring is built of: regionBits of a position tell its
// buckets apart, cellBits more the cells of a bucket, which have one place or none, as
// a rule. What one region needs, 700 KiB, stays in a processor's cache.
const (
	regionBits = 12
	cellBits   = 3
)

// build puts the places of all servers in, one behind those at the same position. They
// come in no order, and each one that went straight to its bucket would wait for
// memory. So they are parted by their upper bits first, into regions that are written
// from front to back, and then sorted region by region.
func (r *ring) build() {
	r.built = true
	for i, w := range r.shares {
		r.most[i] = w
		r.places += w
	}
	r.widen(r.places)
	width := min(len(r.bucket), 1<<regionBits)
	room, region, next := make([]place, r.places), []place(nil), make([]int32, width<<cellBits+1)
	begin := 0
	for k, end := range r.part(room, len(r.bucket)/width) {
		region = append(region[:0], room[begin:end]...)
		r.sort(room[begin:end:end], region, next)
		from := int32(0)
		for b := range width {
			to := next[b<<cellBits+1<<cellBits-1]
			r.bucket[k*width+b] = room[begin+int(from) : begin+int(to) : begin+int(to)]
			from = to
		}
		begin = end
	}
}

// sort writes the places of a region to room in the order of their positions. It leaves
// the end of each cell in next.
func (r *ring) sort(room, region []place, next []int32) {
	shift, mask := max(r.shift-cellBits, 0), uint32(len(next)-2)
	clear(next)
	for _, p := range region {
		next[p.pos>>shift&mask+1]++
	}
	for k := range next[1:] {
		next[k+1] += next[k]
	}
	for _, p := range region {
		c := &next[p.pos>>shift&mask]
		room[*c] = p
		*c++
	}
	for i := 1; i < len(room); i++ {
		p, k := room[i], i
		for ; k > 0 && room[k-1].pos > p.pos; k-- {
			room[k] = room[k-1]
		}
		room[k] = p
	}
}

// part writes the places of all servers to room, parted into regions of the circle,
// and returns the end of each.
func (r *ring) part(room []place, regions int) []int {
	shift := 32 - bits.TrailingZeros(uint(regions))
	next := make([]int, regions+1)
	for i, w := range r.shares {
		for k := range uint32(w) {
			next[hash.Avalanche(r.base[i]+k)>>shift+1]++
		}
	}
	for k := range regions {
		next[k+1] += next[k]
	}
	for i, w := range r.shares {
		for k := range uint32(w) {
			pos := hash.Avalanche(r.base[i] + k)
			at := &next[pos>>shift]
			room[*at] = place{pos, int32(i)}
			*at++
		}
	}
	return next[:regions]
}

// grow makes more buckets if there are too few for n places.
func (r *ring) grow(n int) {
	if n <= 8*len(r.bucket) {
		return
	}
	old := r.bucket
	r.widen(n)
	for _, b := range old {
		for _, p := range b {
			k := p.pos >> r.shift
			r.bucket[k] = append(r.bucket[k], p)
		}
	}
}

// widen makes empty buckets, for four to eight of n places each.
func (r *ring) widen(n int) {
	width := min(bits.Len(uint(n/8)), 26)
	r.shift = 32 - width
	r.bucket = make([][]place, 1<<width)
}

// insert puts a place behind those at the same position.
func (r *ring) insert(p place) {
	b := &r.bucket[p.pos>>r.shift]
	k := len(*b)
	*b = append(*b, p)
	for ; k > 0 && (*b)[k-1].pos > p.pos; k-- {
		(*b)[k] = (*b)[k-1]
	}
	(*b)[k] = p
	r.places++
}

func (r *ring) remove(p place) {
	b := &r.bucket[p.pos>>r.shift]
	for k, q := range *b {
		if q == p {
			if r.begun && q.pos == r.last {
				r.stepOn(cursor{int(p.pos >> r.shift), k})
			}
			*b = append((*b)[:k], (*b)[k+1:]...)
			r.places--
			return
		}
	}
}

// stepOn prepares for the removal of the place of the last keyless pick: the one
// behind it takes its part, and so loses its turn.
func (r *ring) stepOn(c cursor) {
	pos := r.place(r.succ(c)).pos
	r.last, r.begun = pos, pos >= r.last && r.places > 1
}

// cursor is a place's bucket and index in it.
type cursor struct{ bucket, index int }

func (r *ring) place(c cursor) place { return r.bucket[c.bucket][c.index] }

// after returns the first place at pos or behind it. The ring is not empty.
func (r *ring) after(pos uint32) cursor {
	c := cursor{int(uint64(pos) >> r.shift), 0}
	b := r.bucket[c.bucket]
	for c.index < len(b) && b[c.index].pos < pos {
		c.index++
	}
	if c.index == len(b) {
		return r.skip(c.bucket)
	}
	return c
}

// skip returns the first place behind a bucket.
func (r *ring) skip(bucket int) cursor {
	for {
		if bucket++; bucket == len(r.bucket) {
			bucket = 0
		}
		if len(r.bucket[bucket]) > 0 {
			return cursor{bucket, 0}
		}
	}
}

func (r *ring) succ(c cursor) cursor {
	if c.index+1 < len(r.bucket[c.bucket]) {
		return cursor{c.bucket, c.index + 1}
	}
	return r.skip(c.bucket)
}

func (r *ring) pred(c cursor) cursor {
	if c.index > 0 {
		return cursor{c.bucket, c.index - 1}
	}
	for {
		if c.bucket--; c.bucket < 0 {
			c.bucket = len(r.bucket) - 1
		}
		if n := len(r.bucket[c.bucket]); n > 0 {
			return cursor{c.bucket, n - 1}
		}
	}
}

// near returns the server of the place nearest to a hash, the one before it if two
// are equally near. Servers that are not fit, and avoid, are passed over as long as
// there are others behind. It returns -1 if the ring is empty.
func (r *ring) near(hash uint32, avoid int, fit func(int) bool) int {
	r.ready()
	if r.places == 0 {
		return -1
	}
	c := r.after(hash)
	if p := r.pred(c); hash-r.place(p).pos <= r.place(c).pos-hash {
		c = p
	}
	i := int(r.place(c).server)
	for n := 0; n < r.places && (i == avoid || fit != nil && !fit(i)); n++ {
		c = r.succ(c)
		i = int(r.place(c).server)
	}
	return i
}

// turn returns the server of the next place on the circle.
func (r *ring) turn(avoid int, full func(int) bool) int {
	r.ready()
	if r.places == 0 {
		return -1
	}
	c := r.after(0)
	if r.begun && r.last != ^uint32(0) {
		c = r.after(r.last + 1)
	}
	last := -1
	for range r.places {
		p := r.place(c)
		r.last, r.begun = p.pos, true
		if i := int(p.server); i != last && open(i, full) {
			if i != avoid {
				return i
			}
			last = i
		}
		c = r.succ(c)
	}
	return last
}
