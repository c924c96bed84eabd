package netcfg

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// Protocol marks what netd owns: the address protocol (IFA_PROTO) of addresses
// and the route protocol of routes.
const Protocol = 83

// State is what the kernel has.
type State struct {
	Links  []Link // by index
	Addrs  []LinkAddr
	Routes []LinkRoute // unicast routes of all tables but local
	// Sysctls holds the values of the keys that were asked for and exist.
	Sysctls map[string]string
}

// Address protocols (IFA_PROTO) that the kernel uses, linux/if_addr.h.
const (
	protoLoopback  = 1
	protoRA        = 2
	protoLinkLocal = 3
)

// Link is one network link.
type Link struct {
	Index   int
	Name    string
	Type    string // ether, loopback, ...
	Driver  string // "" when the link has none
	MAC     string
	MTU     int
	Up      bool // administratively
	Carrier bool
}

// LinkAddr is one address of a link.
type LinkAddr struct {
	Index int
	Address
	Protocol  uint8
	Tentative bool // duplicate address detection runs
	Duplicate bool // duplicate address detection failed
}

// LinkRoute is one route over a link.
type LinkRoute struct {
	Index int
	Route
	Protocol int
}

// routeID is what the kernel tells routes apart by.
type routeID struct {
	dst           netip.Prefix
	metric, table int
}

func (r *Route) id() routeID { return routeID{r.Dst, r.Metric, r.Table} }

// String returns the route in the words of ip-route(8), without the link.
func (r Route) String() string {
	dst := r.Dst.String()
	if r.Dst.Bits() == 0 {
		dst = "default"
	}
	var b strings.Builder
	b.WriteString(dst)
	if r.Gateway.IsValid() {
		fmt.Fprintf(&b, " via %s", r.Gateway)
	}
	if r.Source.IsValid() {
		fmt.Fprintf(&b, " src %s", r.Source)
	}
	if r.Metric != 0 {
		fmt.Fprintf(&b, " metric %d", r.Metric)
	}
	if r.Table != 254 {
		fmt.Fprintf(&b, " table %d", r.Table)
	}
	if r.Scope != "" && r.Scope != "global" {
		fmt.Fprintf(&b, " scope %s", r.Scope)
	}
	if r.MTU != 0 {
		fmt.Fprintf(&b, " mtu %d", r.MTU)
	}
	if r.OnLink {
		b.WriteString(" onlink")
	}
	return b.String()
}

// String returns the address in the words of ip-address(8), without the link.
func (a Address) String() string {
	s := a.Prefix.String()
	if a.Peer.IsValid() {
		s = fmt.Sprintf("%s peer %s", a.Prefix.Addr(), a.Peer)
	}
	if a.Label != "" {
		s += " label " + a.Label
	}
	if a.Prefix.Addr().Is6() && !a.DAD {
		s += " nodad"
	}
	if a.Deprecated {
		s += " preferred_lft 0"
	}
	if !a.Expires.IsZero() {
		s += " dynamic"
	}
	return s
}

// link returns the link with the index, or nil.
func (s *State) link(index int) *Link {
	for i := range s.Links {
		if s.Links[i].Index == index {
			return &s.Links[i]
		}
	}
	return nil
}

// matches tells whether the link is selected. The loopback link is selected only
// by its own name or type, not by a wildcard.
func (m *Match) matches(l *Link) bool {
	if l.Type == "loopback" && !slices.Contains(m.Name, l.Name) && !slices.Contains(m.Type, "loopback") {
		return false
	}
	return globs(m.Name, l.Name) && globs(m.Driver, l.Driver) && globs(m.Type, l.Type) &&
		(len(m.MAC) == 0 || slices.Contains(m.MAC, l.MAC))
}

// globs tells whether s matches a list; "!" before the first inverts the list.
func globs(list []string, s string) bool {
	if len(list) == 0 {
		return true
	}
	inverted := strings.HasPrefix(list[0], "!")
	for i, g := range list {
		if i == 0 {
			g = strings.TrimPrefix(g, "!")
		}
		if ok, _ := path.Match(g, s); ok { // the pattern was checked by the parser
			return !inverted
		}
	}
	return inverted
}
