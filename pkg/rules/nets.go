package rules

import (
	"cmp"
	"math"
	"net/netip"
	"slices"

	"github.com/sluice-lb/sluice/pkg/config"
)

// nets is a set of networks: ranges of addresses, sorted and without overlap, so
// that a look-up costs O(log n) and an IPv4 network eight bytes. Masks that are no
// prefixes are compared one by one.
type nets struct {
	v4  [][2]uint32
	v6  [][2]netip.Addr
	odd []config.Pattern
}

func newNets(t *config.ACLTest) *nets {
	n := &nets{}
	for p := range t.All() {
		lo, hi, prefix := span(p.Net, p.Mask)
		switch {
		case !prefix:
			n.odd = append(n.odd, p)
		case p.Net.Is4():
			n.v4 = append(n.v4, [2]uint32{number32(lo), number32(hi)})
		default:
			n.v6 = append(n.v6, [2]netip.Addr{lo, hi})
		}
	}
	n.v4 = merge(n.v4, cmp.Compare[uint32], func(a uint32) (uint32, bool) { return a + 1, a < math.MaxUint32 })
	n.v6 = merge(n.v6, netip.Addr.Compare, func(a netip.Addr) (netip.Addr, bool) { return a.Next(), a.Next().IsValid() })
	return n
}

// span returns the first and last address of a network; prefix is false if its
// mask has holes.
func span(addr, mask netip.Addr) (lo, hi netip.Addr, prefix bool) {
	a, m := addr.AsSlice(), mask.AsSlice()
	first, last := make([]byte, len(a)), make([]byte, len(a))
	prefix, ended := true, false
	for i := range a {
		first[i], last[i] = a[i]&m[i], a[i]&m[i]|^m[i]
		for bit := byte(0x80); bit != 0; bit >>= 1 {
			one := m[i]&bit != 0
			prefix = prefix && !(one && ended)
			ended = ended || !one
		}
	}
	lo, _ = netip.AddrFromSlice(first)
	hi, _ = netip.AddrFromSlice(last)
	return lo, hi, prefix
}

// has looks an address up. As in HAProxy, an IPv4 address is also found in IPv6
// networks by its mapped form, and an IPv6 address that stands for an IPv4 address
// in IPv4 networks.
func (n *nets) has(a netip.Addr) bool {
	if v4, ok := embedded4(a); ok && (find(n.v4, number32(v4), cmp.Compare[uint32]) || n.hasOdd(v4)) {
		return true
	}
	v6 := netip.AddrFrom16(a.As16())
	return find(n.v6, v6, netip.Addr.Compare) || n.hasOdd(v6)
}

func find[T any](r [][2]T, x T, compare func(a, b T) int) bool {
	_, ok := slices.BinarySearchFunc(r, x, func(r [2]T, x T) int {
		switch {
		case compare(r[1], x) < 0:
			return -1
		case compare(r[0], x) > 0:
			return 1
		}
		return 0
	})
	return ok
}

func (n *nets) hasOdd(a netip.Addr) bool {
	for i := range n.odd {
		if p := &n.odd[i]; p.Net.Is4() == a.Is4() && masked(a, p.Mask) == masked(p.Net, p.Mask) {
			return true
		}
	}
	return false
}

func masked(a, mask netip.Addr) netip.Addr {
	if a.Is4() {
		x, m := a.As4(), mask.As4()
		for i := range x {
			x[i] &= m[i]
		}
		return netip.AddrFrom4(x)
	}
	x, m := a.As16(), mask.As16()
	for i := range x {
		x[i] &= m[i]
	}
	return netip.AddrFrom16(x)
}
