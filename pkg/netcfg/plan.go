package netcfg

import (
	"fmt"
	"slices"
	"time"
)

// OpKind is what an operation does.
type OpKind int

// The operations, in the words of ip(8) and sysctl(8).
const (
	OpSysctl OpKind = iota
	OpLinkMAC
	OpLinkMTU
	OpLinkUp
	OpAddrReplace
	OpAddrDel
	OpRouteReplace
	OpRouteDel
)

// Op is one change to the kernel. It is comparable.
type Op struct {
	Kind   OpKind
	Index  int    // of the link
	Link   string // its name
	MAC    string
	MTU    int
	Addr   Address
	Renew  bool // the address is there and gets a new lifetime only
	Route  Route
	Sysctl Sysctl
}

// String returns the operation as the command an administrator would type.
func (o Op) String() string {
	switch o.Kind {
	case OpSysctl:
		return fmt.Sprintf("sysctl %s=%s", o.Sysctl.Key, o.Sysctl.Value)
	case OpLinkMAC:
		return fmt.Sprintf("link set %s address %s", o.Link, o.MAC)
	case OpLinkMTU:
		return fmt.Sprintf("link set %s mtu %d", o.Link, o.MTU)
	case OpLinkUp:
		return fmt.Sprintf("link set %s up", o.Link)
	case OpAddrReplace:
		return fmt.Sprintf("addr replace %s dev %s", o.Addr, o.Link)
	case OpAddrDel:
		return fmt.Sprintf("addr del %s dev %s", o.Addr.Prefix, o.Link)
	case OpRouteReplace:
		return fmt.Sprintf("route replace %s dev %s", o.Route, o.Link)
	default:
		return fmt.Sprintf("route del %s dev %s", o.Route, o.Link)
	}
}

// Plan returns the operations that turn the observed state into the desired one,
// in an order that is safe to stop after any of them: settings and links first,
// then new addresses, then routes, and only then what is no longer wanted. What
// does not carry Protocol is never removed. No difference is an empty list.
func Plan(d *Desired, s *State) []Op {
	p := &planner{desired: d, state: s}
	for i := range d.Links {
		p.link(&d.Links[i])
	}
	for i := range d.Links {
		p.addrs(&d.Links[i])
	}
	p.routes(false) // the ways to gateways before the routes over them
	p.routes(true)
	p.removeRoutes()
	p.removeAddrs()
	return p.ops
}

type planner struct {
	desired *Desired
	state   *State
	ops     []Op
}

func (p *planner) link(d *DesiredLink) {
	l := p.state.link(d.Index)
	if l == nil {
		return
	}
	for _, c := range d.Sysctls {
		if got, known := p.state.Sysctls[c.Key]; known && got != c.Value {
			p.ops = append(p.ops, Op{Kind: OpSysctl, Index: d.Index, Link: d.Name, Sysctl: c})
		}
	}
	if d.MAC != "" && d.MAC != l.MAC {
		p.ops = append(p.ops, Op{Kind: OpLinkMAC, Index: d.Index, Link: d.Name, MAC: d.MAC})
	}
	if d.MTU != 0 && d.MTU != l.MTU {
		p.ops = append(p.ops, Op{Kind: OpLinkMTU, Index: d.Index, Link: d.Name, MTU: d.MTU})
	}
	if !l.Up {
		p.ops = append(p.ops, Op{Kind: OpLinkUp, Index: d.Index, Link: d.Name})
	}
}

func (p *planner) addrs(d *DesiredLink) {
	for _, want := range d.Addrs {
		clash := p.clash(d.Index, want.Address)
		if clash != nil {
			p.ops = append(p.ops, Op{Kind: OpAddrDel, Index: d.Index, Link: d.Name, Addr: clash.Address})
		}
		got := p.observed(d.Index, want.Address)
		set := clash != nil || got == nil || got.Protocol != Protocol || got.Deprecated != want.Deprecated
		if set || otherLifetime(got.Address, want.Address) {
			p.ops = append(p.ops, Op{Kind: OpAddrReplace, Index: d.Index, Link: d.Name, Addr: want.Address, Renew: !set})
		}
	}
}

// sameAddr tells whether the kernel takes both for one address.
func sameAddr(a, b Address) bool {
	if a.Prefix.Addr().Is6() {
		return a.Prefix.Addr() == b.Prefix.Addr()
	}
	return a.Prefix == b.Prefix && a.Peer == b.Peer
}

// otherLifetime tells whether the addresses end at different times; the kernel
// counts in whole seconds.
func otherLifetime(got, want Address) bool {
	return got.Expires.IsZero() != want.Expires.IsZero() || got.Expires.Sub(want.Expires).Abs() > 2*time.Second
}

func (p *planner) observed(index int, want Address) *LinkAddr {
	for i := range p.state.Addrs {
		if a := &p.state.Addrs[i]; a.Index == index && sameAddr(a.Address, want) {
			return a
		}
	}
	return nil
}

// clash returns the observed address that has to go before want can come: the
// kernel changes neither label nor peer nor an IPv6 prefix length in place.
func (p *planner) clash(index int, want Address) *LinkAddr {
	got := p.observed(index, want)
	if got == nil {
		return nil
	}
	// A label that nobody asked for may stay on an address that is taken over.
	relabel := got.Label != want.Label && (want.Label != "" || got.Protocol == Protocol)
	if got.Prefix != want.Prefix || got.Peer != want.Peer || relabel {
		return got
	}
	return nil
}

func (p *planner) routes(gateways bool) {
	for i := range p.desired.Links {
		d := &p.desired.Links[i]
		for _, want := range d.Routes {
			if want.Gateway.IsValid() != gateways {
				continue
			}
			have := LinkRoute{Index: d.Index, Route: want, Protocol: Protocol}
			if !slices.Contains(p.state.Routes, have) {
				p.ops = append(p.ops, Op{Kind: OpRouteReplace, Index: d.Index, Link: d.Name, Route: want})
			}
		}
	}
}

func (p *planner) removeRoutes() {
	wanted := map[routeID]bool{}
	for _, d := range p.desired.Links {
		for _, r := range d.Routes {
			wanted[r.id()] = true
		}
	}
	for _, r := range p.state.Routes {
		if r.Protocol == Protocol && !wanted[r.id()] {
			p.ops = append(p.ops, Op{Kind: OpRouteDel, Index: r.Index, Link: p.name(r.Index), Route: r.Route})
		}
	}
}

func (p *planner) removeAddrs() {
	for _, a := range p.state.Addrs {
		if a.Protocol != Protocol || p.wanted(a) {
			continue
		}
		p.ops = append(p.ops, Op{Kind: OpAddrDel, Index: a.Index, Link: p.name(a.Index), Addr: a.Address})
	}
}

func (p *planner) wanted(a LinkAddr) bool {
	for _, d := range p.desired.Links {
		if d.Index == a.Index && slices.ContainsFunc(d.Addrs, func(w DesiredAddr) bool { return sameAddr(w.Address, a.Address) }) {
			return true
		}
	}
	return false
}

func (p *planner) name(index int) string {
	if l := p.state.link(index); l != nil {
		return l.Name
	}
	return fmt.Sprintf("link%d", index)
}
