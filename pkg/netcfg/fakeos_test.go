package netcfg

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// render prints the state as text, one line per fact, sorted within a link.
func render(s *State) string {
	var b strings.Builder
	for _, l := range s.Links {
		state := word(l.Up, "up", "down")
		fmt.Fprintf(&b, "link %s %s mtu %d mac %s\n", l.Name, state, l.MTU, l.MAC)
		var lines []string
		for i, a := range s.Addrs {
			if a.Index == l.Index {
				// IPv4 addresses keep their order: the first of a subnet is its primary.
				lines = append(lines, fmt.Sprintf("%03d addr %s proto %d\n", i, a.Address, a.Protocol))
			}
		}
		slices.Sort(lines)
		for i := range lines {
			lines[i] = lines[i][3:]
		}
		var routes []string
		for _, r := range s.Routes {
			if r.Index == l.Index {
				routes = append(routes, fmt.Sprintf(" route %s proto %d\n", r.Route, r.Protocol))
			}
		}
		slices.Sort(routes)
		b.WriteString(strings.Join(append(lines, routes...), ""))
	}
	return b.String()
}

// fakeOS behaves as the kernel does where the order of operations matters.
type fakeOS struct{ State }

func newFakeOS() *fakeOS {
	return &fakeOS{State{
		Links: []Link{
			{Index: 1, Name: "lo", Type: "loopback", MTU: 65536, MAC: "00:00:00:00:00:00"},
			{Index: 2, Name: "eth0", Type: "ether", Driver: "virtio_net", MTU: 1500, MAC: "52:54:00:00:00:02"},
			{Index: 3, Name: "eth1", Type: "ether", Driver: "e1000", MTU: 1500, MAC: "52:54:00:00:00:03"},
		},
		Addrs: []LinkAddr{{Index: 3, Address: Address{Prefix: netip.MustParsePrefix("203.0.113.9/24")}}},
		Sysctls: map[string]string{
			"net/ipv4/conf/eth0/promote_secondaries": "0", "net/ipv4/conf/eth1/promote_secondaries": "0",
			"net/ipv6/conf/eth0/disable_ipv6": "0", "net/ipv6/conf/eth1/disable_ipv6": "1",
			"net/ipv6/conf/eth0/accept_ra": "1", "net/ipv6/conf/eth1/accept_ra": "1",
		},
	}}
}

func (f *fakeOS) apply(op Op) error {
	l := f.link(op.Index)
	if l == nil {
		return fmt.Errorf("%s: no such device", op)
	}
	switch op.Kind {
	case OpSysctl:
		f.Sysctls[op.Sysctl.Key] = op.Sysctl.Value
	case OpLinkMAC:
		l.MAC = op.MAC
	case OpLinkMTU:
		l.MTU = op.MTU
	case OpLinkUp:
		l.Up, l.Carrier = true, true
	case OpAddrReplace:
		return f.replaceAddr(l, op)
	case OpAddrDel:
		return f.deleteAddr(l, op)
	case OpRouteReplace:
		return f.replaceRoute(l, op)
	case OpRouteDel:
		i := slices.IndexFunc(f.Routes, func(r LinkRoute) bool { return r.id() == op.Route.id() && r.Index == op.Index })
		if i < 0 {
			return fmt.Errorf("%s: no such process", op)
		}
		f.Routes = slices.Delete(f.Routes, i, i+1)
	}
	return nil
}

func (f *fakeOS) replaceAddr(l *Link, op Op) error {
	is6 := op.Addr.Prefix.Addr().Is6()
	if is6 && (f.Sysctls["net/ipv6/conf/"+l.Name+"/disable_ipv6"] == "1" || !l.Up) {
		return fmt.Errorf("%s: permission denied", op)
	}
	for i := range f.Addrs {
		a := &f.Addrs[i]
		if a.Index == op.Index && sameAddr(a.Address, op.Addr) {
			// In place only protocol and lifetime change.
			a.Protocol, a.Deprecated, a.Expires = Protocol, op.Addr.Deprecated, op.Addr.Expires
			return nil
		}
	}
	f.Addrs = append(f.Addrs, LinkAddr{Index: op.Index, Address: op.Addr, Protocol: Protocol})
	return nil
}

func (f *fakeOS) deleteAddr(l *Link, op Op) error {
	i := slices.IndexFunc(f.Addrs, func(a LinkAddr) bool { return a.Index == op.Index && a.Prefix == op.Addr.Prefix })
	if i < 0 {
		return fmt.Errorf("%s: cannot assign requested address", op)
	}
	gone := f.Addrs[i].Prefix
	primary := !slices.ContainsFunc(f.Addrs[:i], func(a LinkAddr) bool { return a.Index == op.Index && a.Prefix.Masked() == gone.Masked() })
	f.Addrs = slices.Delete(f.Addrs, i, i+1)
	if gone.Addr().Is4() && primary && f.Sysctls["net/ipv4/conf/"+l.Name+"/promote_secondaries"] == "0" {
		f.Addrs = slices.DeleteFunc(f.Addrs, func(a LinkAddr) bool { return a.Index == op.Index && a.Prefix.Masked() == gone.Masked() })
	}
	f.Routes = slices.DeleteFunc(f.Routes, func(r LinkRoute) bool { return r.Source == gone.Addr() })
	return nil
}

func (f *fakeOS) replaceRoute(l *Link, op Op) error {
	if !l.Up {
		return fmt.Errorf("%s: network is down", op)
	}
	if gw := op.Route.Gateway; gw.IsValid() && !op.Route.OnLink && !gw.IsLinkLocalUnicast() {
		onLink := slices.ContainsFunc(f.Addrs, func(a LinkAddr) bool { return a.Index == op.Index && a.Prefix.Contains(gw) }) ||
			slices.ContainsFunc(f.Routes, func(r LinkRoute) bool { return !r.Gateway.IsValid() && r.Dst.Contains(gw) })
		if !onLink {
			return fmt.Errorf("%s: network is unreachable", op)
		}
	}
	if src := op.Route.Source; src.IsValid() && !slices.ContainsFunc(f.Addrs, func(a LinkAddr) bool { return a.Prefix.Addr() == src }) {
		return fmt.Errorf("%s: invalid argument", op)
	}
	f.Routes = slices.DeleteFunc(f.Routes, func(r LinkRoute) bool { return r.id() == op.Route.id() })
	f.Routes = append(f.Routes, LinkRoute{Index: op.Index, Route: op.Route, Protocol: Protocol})
	return nil
}
