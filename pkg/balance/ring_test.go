package balance

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// TestRingBuiltAtOnce compares rings of all sizes with those that got their places one
// server after the other. Some servers have the same places.
func TestRingBuiltAtOnce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{0, 1, 2, 3, 9, 40, 300} {
		servers := Numbered(n)
		for i := range servers {
			if i%5 == 4 { // of one address
				servers[i].HashKey, servers[i].Addr = HashKeyAddr, netip.MustParseAddrPort("192.0.2.1:80")
			}
		}
		once, grown := newRing(servers), newRing(servers)
		grown.ready()
		for i := range servers {
			shares := rnd.IntN(WeightMax*Scale + 1)
			once.set(i, shares)
			grown.set(i, shares)
		}
		once.ready()
		if once.places != grown.places {
			t.Fatalf("%d servers: %d places, want %d", n, once.places, grown.places)
		}
		var c, d cursor
		if once.places > 0 {
			c, d = once.after(0), grown.after(0)
		}
		for k := range once.places {
			if got, want := once.place(c), grown.place(d); got != want {
				t.Fatalf("%d servers: place %d is %v, want %v", n, k, got, want)
			}
			c, d = once.succ(c), grown.succ(d)
		}
	}
}
