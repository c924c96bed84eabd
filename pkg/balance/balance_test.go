package balance

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-lb/sluice/pkg/hash"
)

// method completes a name for tests that want any of its kind.
func method(name string) Method {
	return Method{Name: name, Rand: rand.New(rand.NewPCG(1, 2)).Uint32}
}

// farm makes an algorithm with the given weights.
func farm(m Method, weights []int) Algorithm {
	a := New(m, Numbered(len(weights)))
	for i, w := range weights {
		a.SetShares(i, w*Scale)
	}
	return a
}

// picks runs n picks without releasing anything and returns the sequence.
func picks(a Algorithm, load []int, n int, full func(int) bool) string {
	var b strings.Builder
	for range n {
		i, ok := a.Pick(Key{}, -1, full)
		if !ok {
			b.WriteByte('-')
			continue
		}
		load[i]++
		a.SetLoad(i, load[i])
		b.WriteByte(byte('a' + i))
	}
	return b.String()
}

func TestSequences(t *testing.T) {
	tests := []struct {
		name, algorithm string
		weights, loads  []int
		full            string
		want            string
	}{
		{"roundrobin equal", "roundrobin", []int{1, 1, 1}, nil, "", "abcabcabc"},
		{"roundrobin two to one", "roundrobin", []int{2, 1}, nil, "", "aabaabaab"},
		{"roundrobin heaviest first", "roundrobin", []int{1, 3}, nil, "", "bbbabbba"},
		{"roundrobin drained", "roundrobin", []int{1, 0, 1}, nil, "", "acacacac"},
		{"roundrobin full", "roundrobin", []int{1, 1, 1}, nil, "b", "acacac"},
		{"roundrobin none", "roundrobin", []int{0, 0}, nil, "", "--"},
		{"roundrobin all full", "roundrobin", []int{1, 1}, nil, "ab", "--"},
		{"static-rr equal", "static-rr", []int{1, 1, 1}, nil, "", "abcabcabc"},
		{"static-rr order of configuration", "static-rr", []int{1, 3}, nil, "", "abbbabbb"},
		{"static-rr full", "static-rr", []int{1, 1, 1}, nil, "b", "acacac"},
		{"static-rr none", "static-rr", []int{0, 0}, nil, "", "--"},
		{"static-rr all full", "static-rr", []int{1, 1}, nil, "ab", "--"},
		{"leastconn equal", "leastconn", []int{1, 1}, nil, "", "abababab"},
		{"leastconn behind", "leastconn", []int{1, 1}, []int{5, 0}, "", "bbbbb"},
		{"leastconn weights", "leastconn", []int{2, 1}, nil, "", "abaabaaba"},
		{"leastconn full", "leastconn", []int{1, 1}, nil, "a", "bbb"},
		{"leastconn all full", "leastconn", []int{1, 1}, nil, "ab", "---"},
		{"first", "first", []int{0, 1, 9}, nil, "", "bbb"},
		{"first full", "first", []int{1, 1, 1}, nil, "ab", "ccc"},
		{"first all full", "first", []int{1, 1}, nil, "ab", "--"},
		{"hash without a key", "hash", []int{1, 2}, nil, "", "abbabb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := farm(method(tt.algorithm), tt.weights)
			load := make([]int, len(tt.weights))
			for i := range tt.loads {
				load[i] = tt.loads[i]
				a.SetLoad(i, load[i])
			}
			full := func(i int) bool { return strings.ContainsRune(tt.full, rune('a'+i)) }
			if got := picks(a, load, len(tt.want), full); got != tt.want {
				t.Errorf("picks = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAvoid(t *testing.T) {
	for _, name := range Names() {
		a := farm(method(name), []int{1, 1, 1})
		for range 50 {
			if i, ok := a.Pick(Key{}, 1, nil); i == 1 || !ok {
				t.Errorf("%s: Pick avoiding 1 = %d, %v", name, i, ok)
			}
		}
		others := func(i int) bool { return i != 1 }
		if i, ok := a.Pick(Key{}, 1, others); name != "random" && (i != 1 || !ok) {
			t.Errorf("%s: Pick avoiding the only one = %d, %v, want 1", name, i, ok)
		}
	}
}

func TestFirstGoesByID(t *testing.T) {
	a := New(Method{Name: "first"}, []Server{{ID: 30}, {ID: 10}, {ID: 20}})
	for i := range 3 {
		a.SetShares(i, Scale)
	}
	for _, want := range []int{1, 2, 0} {
		got, _ := a.Pick(Key{}, -1, nil)
		if got != want {
			t.Errorf("Pick = %d, want %d", got, want)
		}
		a.SetShares(got, 0)
	}
}

func TestSharesFollowWeights(t *testing.T) {
	weights := []int{1, 7, 100, 256, 0}
	total := 364
	for _, tt := range []struct {
		name     string
		of, most int // tolerance: most/of of the right number
	}{{"roundrobin", 1, 0}, {"static-rr", 1, 0}, {"hash", 1, 0}, {"random", 4, 1}} {
		a := farm(method(tt.name), weights)
		count := make([]int, len(weights))
		for range 100 * total {
			i, _ := a.Pick(Key{}, -1, nil)
			count[i]++
		}
		for i, w := range weights {
			if d := count[i] - 100*w; d*d > 2+(100*w*tt.most/tt.of)*(100*w*tt.most/tt.of) {
				t.Errorf("%s: server with weight %d got %d of %d picks, want %d", tt.name, w, count[i], 100*total, 100*w)
			}
		}
	}
}

func TestReturningServerDoesNotCatchUp(t *testing.T) {
	a := farm(method("roundrobin"), []int{1, 1})
	load := make([]int, 2)
	picks(a, load, 4, nil)
	a.SetShares(1, 0)
	picks(a, load, 100, nil)
	a.SetShares(1, Scale)
	if got := picks(a, load, 32, nil); strings.Count(got, "b") < 14 || strings.Contains(got, "bbb") {
		t.Errorf("after its return picks = %s, want them to alternate", got)
	}
}

// leastConn is compared with the rule it optimises: no usable server has a lower
// key than the one picked.
func TestLeastConnAgainstScan(t *testing.T) {
	const n = 20
	rnd := rand.New(rand.NewPCG(1, 2))
	a := newLeastConn(Method{}, Numbered(n)).(*leastConn)
	for step := range 20000 {
		i := rnd.IntN(n)
		switch rnd.IntN(3) {
		case 0:
			a.SetShares(i, rnd.IntN(4)*rnd.IntN(86)*Scale)
		case 1:
			a.SetLoad(i, rnd.IntN(30))
		case 2:
			barred := rnd.Uint32()
			full := func(i int) bool { return barred>>i&1 != 0 }
			got, _ := a.Pick(Key{}, -1, full)
			for k := range n {
				if a.shares[k] == 0 || full(k) {
					continue
				}
				if got < 0 || a.key(k) < a.key(got) {
					t.Fatalf("step %d: picked %d, but %d has a lower key", step, got, k)
				}
			}
			if got >= 0 && (a.shares[got] == 0 || full(got)) {
				t.Fatalf("step %d: picked unusable server %d", step, got)
			}
		}
	}
}

// The map is compared with its definition: each step owes every server its share
// more, and whoever is owed most whole totals pays one for the slot.
func TestSlotsAgainstDefinition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		m := newSlots(1 + rnd.IntN(80))
		total, most := 0, 1+rnd.IntN(40)
		for i := range m.weight {
			m.set(i, rnd.IntN(most+1))
			total += m.weight[i]
		}
		owed := make([]int, len(m.weight))
		for h := range total {
			best := -1
			for i, w := range m.weight {
				if owed[i] += w; w > 0 && (best < 0 || (owed[i]+total)/total > (owed[best]+total)/total) {
					best = i
				}
			}
			owed[best] -= total
			if got := m.at(uint32(h)); got != best {
				t.Fatalf("weights %v: slot %d = %d, want %d", m.weight, h, got, best)
			}
		}
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	hash := DefaultHash(true)
	addr := []byte("192.0.2.1")
	for _, m := range methods() {
		a := New(m, Numbered(100))
		for i := range 100 {
			a.SetShares(i, (1+i)*Scale)
		}
		full := func(i int) bool { return i%3 == 0 }
		a.Pick(Key{}, -1, full)
		if n := testing.AllocsPerRun(100, func() {
			if i, ok := a.Pick(hash.Key(addr), 7, full); ok {
				a.SetLoad(i, 3)
			}
			a.Pick(Key{}, -1, full)
		}); n != 0 {
			t.Errorf("%+v: %v allocations a pick, want 0", m, n)
		}
	}
}

// methods has each algorithm, the hashing ones with all that refines them.
func methods() []Method {
	var all []Method
	for _, name := range Names() {
		all = append(all, method(name))
	}
	consistent := method("hash")
	consistent.Hash = DefaultHash(true)
	bounded := consistent
	bounded.Factor = 125
	return append(all, consistent, bounded)
}

func (m Method) label() string {
	s := m.Name
	if m.Hash.Consistent {
		s += "-consistent"
	}
	if m.Factor > 0 {
		s += "-bounded"
	}
	return s
}

func BenchmarkPick(b *testing.B) {
	for _, m := range methods() {
		for _, n := range []int{2, 100, 4000} {
			b.Run(fmt.Sprintf("%s/%d", m.label(), n), func(b *testing.B) {
				a := New(m, Numbered(n))
				load := make([]int, n)
				for i := range n {
					a.SetShares(i, Scale)
				}
				key := uint32(0)
				b.ReportAllocs()
				for b.Loop() {
					key++
					i, _ := a.Pick(Key{hash: hash.Avalanche(key), valid: true}, -1, nil)
					load[i]++
					a.SetLoad(i, load[i])
				}
			})
		}
	}
}

// BenchmarkRingBuild builds the largest ring that is common, of 16 million places.
func BenchmarkRingBuild(b *testing.B) {
	m := method("hash")
	m.Hash = DefaultHash(true)
	for b.Loop() {
		a := New(m, Numbered(4000))
		for i := range 4000 {
			a.SetShares(i, WeightMax*Scale)
		}
		a.Pick(Key{valid: true}, -1, nil)
	}
}

// BenchmarkChange takes a server out and back and picks after each.
func BenchmarkChange(b *testing.B) {
	for _, m := range methods() {
		for _, weight := range []int{1, WeightMax} {
			b.Run(fmt.Sprintf("%s/4000x%d", m.label(), weight), func(b *testing.B) {
				a := New(m, Numbered(4000))
				for i := range 4000 {
					a.SetShares(i, weight*Scale)
				}
				for b.Loop() {
					a.SetShares(1234, 0)
					a.Pick(Key{valid: true}, -1, nil)
					a.SetShares(1234, weight*Scale)
					a.Pick(Key{valid: true}, -1, nil)
				}
			})
		}
	}
}
