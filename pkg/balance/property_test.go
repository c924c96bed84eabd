package balance

import (
	"fmt"
	"testing"

	"github.com/sluice-lb/sluice/pkg/hash"
	"pgregory.net/rapid"
)

// anyMethod draws an algorithm with what refines it.
func anyMethod(t *rapid.T) Method {
	m := Method{
		Name:  rapid.SampledFrom(Names()).Draw(t, "name"),
		Hash:  HashType{Consistent: rapid.Bool().Draw(t, "consistent"), Function: CRC32},
		Draws: rapid.IntRange(1, 4).Draw(t, "draws"),
		Rand:  func() uint32 { return rapid.Uint32().Draw(t, "random") },
	}
	if rapid.Bool().Draw(t, "bounded") {
		m.Factor = rapid.IntRange(101, 300).Draw(t, "factor")
	}
	return m
}

// A server without shares or a full one never gets a connection, whatever happened
// before; and somebody gets it if there is a server that is neither, unless the key
// or chance has decided for one that is full.
func TestNobodyUnfitIsPicked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMethod(t)
		n := rapid.IntRange(1, 12).Draw(t, "servers")
		a := New(m, Numbered(n))
		shares, load, limit := make([]int, n), make([]int, n), make([]int, n)
		full := func(i int) bool { return limit[i] > 0 && load[i] >= limit[i] }
		server := rapid.IntRange(0, n-1)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := server.Draw(t, "server")
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				shares[i] = rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 9*Scale)).Draw(t, "shares")
				a.SetShares(i, shares[i])
			case 1:
				load[i] = max(0, load[i]-1)
				a.SetLoad(i, load[i])
			case 2:
				limit[i] = rapid.IntRange(0, 5).Draw(t, "limit")
			default:
				key := Key{rapid.Uint32().Draw(t, "hash"), rapid.Bool().Draw(t, "keyed")}
				got, ok := a.Pick(key, rapid.IntRange(-1, n-1).Draw(t, "avoid"), full)
				checkPick(t, m, key, got, ok, shares, full)
				if ok {
					load[got]++
					a.SetLoad(got, load[got])
				}
			}
		}
	})
}

func checkPick(t *rapid.T, m Method, key Key, got int, ok bool, shares []int, full func(int) bool) {
	t.Helper()
	fit := 0
	for i, w := range shares {
		if w > 0 && !full(i) {
			fit++
		}
	}
	byKey := key.valid && (m.Name == "hash" || m.Name == "source" || m.Name == "rdp-cookie")
	switch {
	case ok && (got < 0 || shares[got] == 0 || full(got)):
		t.Fatalf("%+v picked %d, with sharess %v", m, got, shares)
	case !ok && got >= 0 && (!byKey || shares[got] == 0 || !full(got)):
		t.Fatalf("%+v lets %+v wait for %d, with sharess %v", m, key, got, shares)
	case !ok && fit > 0 && !byKey && m.Name != "random":
		t.Fatalf("%+v picked none of %d", m, fit)
	}
}

// When a server comes, leaves or changes its shares, only keys from or to it move;
// when it is as before, so are they.
func TestConsistentHashingMovesOnlyWhatItMust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 20).Draw(t, "servers")
		a := New(Method{Name: "hash", Hash: DefaultHash(true)}, Numbered(n))
		shares := make([]int, n)
		for i := range shares {
			shares[i] = rapid.IntRange(1, 20*Scale).Draw(t, "shares")
			a.SetShares(i, shares[i])
		}
		owners := func() (o [500]int) {
			for k := range o {
				o[k], _ = a.Pick(DefaultHash(true).Key(fmt.Append(nil, "key ", k)), -1, nil)
			}
			return o
		}
		before := owners()
		i := rapid.IntRange(0, n-1).Draw(t, "changed")
		w := rapid.IntRange(0, 40*Scale).Draw(t, "to")
		a.SetShares(i, w)
		for k, owner := range owners() {
			if was := before[k]; owner != was && (w <= shares[i] && was != i || w >= shares[i] && owner != i) {
				t.Fatalf("key %d moved from %d to %d when %d went from %d to %d", k, was, owner, i, shares[i], w)
			}
		}
		a.SetShares(i, shares[i])
		if owners() != before {
			t.Fatalf("keys did not return when %d did", i)
		}
	})
}

// The ring is compared with its definition.
func TestRingAgainstScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "servers")
		r := newRing(Numbered(n))
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			r.set(rapid.IntRange(0, n-1).Draw(t, "server"), rapid.IntRange(0, 12*Scale).Draw(t, "shares"))
		}
		for range 20 {
			h := rapid.Uint32().Draw(t, "hash")
			got, want, away := r.near(h, -1, nil), -1, uint32(0)
			for i, w := range r.shares {
				for k := range uint32(w) {
					pos := hash.Avalanche(r.base[i] + k)
					if d := min(pos-h, h-pos); want < 0 || d < away || d == away && h-pos == d {
						want, away = i, d
					}
				}
			}
			if got != want {
				t.Fatalf("near(%#x) = %d, want %d", h, got, want)
			}
		}
	})
}
