package balance

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// picks runs n picks without releasing anything and returns the sequence.
func picks(a Algorithm, load []int, n int, full func(int) bool) string {
	var b strings.Builder
	for range n {
		i := a.Pick(full)
		if i < 0 {
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
		{"roundrobin two to one", "roundrobin", []int{2, 1}, nil, "", "abaabaaba"},
		{"roundrobin drained", "roundrobin", []int{1, 0, 1}, nil, "", "acacacac"},
		{"roundrobin full", "roundrobin", []int{1, 1, 1}, nil, "b", "acacac"},
		{"roundrobin none", "roundrobin", []int{0, 0}, nil, "", "--"},
		{"leastconn equal", "leastconn", []int{1, 1}, nil, "", "abababab"},
		{"leastconn behind", "leastconn", []int{1, 1}, []int{5, 0}, "", "bbbbb"},
		{"leastconn weights", "leastconn", []int{2, 1}, nil, "", "abaabaaba"},
		{"leastconn full", "leastconn", []int{1, 1}, nil, "a", "bbb"},
		{"leastconn all full", "leastconn", []int{1, 1}, nil, "ab", "---"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := New(tt.algorithm, len(tt.weights))
			load := make([]int, len(tt.weights))
			for i, w := range tt.weights {
				a.SetWeight(i, w)
				if tt.loads != nil {
					load[i] = tt.loads[i]
					a.SetLoad(i, load[i])
				}
			}
			full := func(i int) bool { return strings.ContainsRune(tt.full, rune('a'+i)) }
			if got := picks(a, load, len(tt.want), full); got != tt.want {
				t.Errorf("picks = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRoundRobinSharesFollowWeights(t *testing.T) {
	weights := []int{1, 7, 100, 256, 0}
	total := 364
	a := New("roundrobin", len(weights))
	for i, w := range weights {
		a.SetWeight(i, w)
	}
	count := make([]int, len(weights))
	for range 10 * total {
		count[a.Pick(nil)]++
	}
	for i, w := range weights {
		if d := count[i] - 10*w; d < -1 || d > 1 {
			t.Errorf("server with weight %d got %d of %d picks, want %d", w, count[i], 10*total, 10*w)
		}
	}
}

func TestReturningServerDoesNotCatchUp(t *testing.T) {
	a := New("roundrobin", 2)
	a.SetWeight(0, 1)
	a.SetWeight(1, 1)
	a.SetWeight(1, 0)
	load := make([]int, 2)
	picks(a, load, 100, nil)
	a.SetWeight(1, 1)
	if got := picks(a, load, 6, nil); strings.Count(got, "b") != 3 {
		t.Errorf("after its return picks = %s, want three of each", got)
	}
}

// leastConn is compared with the rule it optimises: no usable server has a lower
// key than the one picked.
func TestLeastConnAgainstScan(t *testing.T) {
	const n = 20
	rnd := rand.New(rand.NewPCG(1, 2))
	a := newLeastConn(n).(*leastConn)
	for step := range 20000 {
		i := rnd.IntN(n)
		switch rnd.IntN(3) {
		case 0:
			a.SetWeight(i, rnd.IntN(4)*rnd.IntN(86))
		case 1:
			a.SetLoad(i, rnd.IntN(30))
		case 2:
			barred := rnd.Uint32()
			full := func(i int) bool { return barred>>i&1 != 0 }
			got := a.Pick(full)
			for k := range n {
				if a.weight[k] == 0 || full(k) {
					continue
				}
				if got < 0 || key(a, k) < key(a, got) {
					t.Fatalf("step %d: picked %d, but %d has a lower key", step, got, k)
				}
			}
			if got >= 0 && (a.weight[got] == 0 || full(got)) {
				t.Fatalf("step %d: picked unusable server %d", step, got)
			}
		}
	}
}

func key(a *leastConn, i int) int {
	if a.load[i] == 0 {
		return 0
	}
	return (a.load[i] + 1) * WeightMax / a.weight[i]
}

func TestPickDoesNotAllocate(t *testing.T) {
	for _, name := range Names() {
		a := New(name, 100)
		for i := range 100 {
			a.SetWeight(i, 1+i)
		}
		full := func(i int) bool { return i%3 == 0 }
		a.Pick(full)
		if n := testing.AllocsPerRun(100, func() { a.SetLoad(a.Pick(full), 3) }); n != 0 {
			t.Errorf("%s: %v allocations a pick, want 0", name, n)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, name := range Names() {
		for _, n := range []int{2, 100, 4000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				a := New(name, n)
				load := make([]int, n)
				for i := range n {
					a.SetWeight(i, 1)
				}
				b.ReportAllocs()
				for b.Loop() {
					i := a.Pick(nil)
					load[i]++
					a.SetLoad(i, load[i])
				}
			})
		}
	}
}
