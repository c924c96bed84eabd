package balance

import (
	"cmp"
	"slices"
)

// first fills the servers one after the other in the order of their ids: a server
// gets a connection only while all before it are full, so the last ones may be
// switched off. Configuration manual, "balance first". How many shares a server has
// makes no difference.
//
// A pick costs one question to full for each server passed over.
type first struct {
	byID   []int32
	shares []int
}

func newFirst(_ Method, servers []Server) Algorithm {
	a := &first{byID: make([]int32, len(servers)), shares: make([]int, len(servers))}
	for i := range a.byID {
		a.byID[i] = int32(i)
	}
	slices.SortStableFunc(a.byID, func(i, k int32) int { return cmp.Compare(servers[i].ID, servers[k].ID) })
	return a
}

func (a *first) SetShares(i, shares int) { a.shares[i] = shares }

// SetLoad does nothing: full knows better.
func (a *first) SetLoad(int, int) {}

func (a *first) Pick(_ Key, avoid int, full func(int) bool) (int, bool) {
	last := -1
	for _, i := range a.byID {
		if a.shares[i] == 0 || !open(int(i), full) {
			continue
		}
		if int(i) != avoid {
			return int(i), true
		}
		last = avoid
	}
	return last, last >= 0
}
