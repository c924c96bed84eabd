package netcfg

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// Desired is what the links at hand should look like.
type Desired struct {
	Links []DesiredLink
	// Missing names required links that are not there (yet); Problems are parts of
	// the configuration that cannot be put in place as things are.
	Missing  []string
	Problems []string
	DNS      []netip.Addr // of the files first, then of leases
	Domains  []string
	NTP      []string // host names or addresses
	Hostname string   // of a lease; "" leaves it
}

// DesiredLink is what one link should look like; it should be up in any case.
type DesiredLink struct {
	Index    int
	Name     string
	File     string // .network file, or ""
	MAC      string // "" leaves it
	MTU      int    // 0 leaves it
	Required bool
	DHCP     DHCP
	RA       RA
	Addrs    []DesiredAddr
	Routes   []Route
	Sysctls  []Sysctl
}

// DesiredAddr is an address with what it is for.
type DesiredAddr struct {
	Address
	VIP      bool
	DHCP     bool
	Required bool
	Announce Announce
}

// Sysctl is a kernel setting; its key is the path below /proc/sys.
type Sysctl struct{ Key, Value string }

// resolver collects the Desired state.
type resolver struct {
	cfg    *Config
	links  []Link
	leases map[int]*Lease
	out    *Desired
	byFile map[string][]int // file to indices in out.Links
	addrs  map[netip.Addr]string
	routes map[routeID]string
}

// Resolve applies the configuration to the links at hand and the leases that they
// hold, by index. Every loopback link is brought up, also without a file.
func Resolve(cfg *Config, links []Link, leases map[int]*Lease) *Desired {
	r := &resolver{cfg: cfg, links: links, leases: leases, out: &Desired{}, byFile: map[string][]int{},
		addrs: map[netip.Addr]string{}, routes: map[routeID]string{}}
	taken := map[string]bool{} // X-First files that have their link
	for i := range links {
		r.link(&links[i], taken)
	}
	for _, n := range cfg.Networks {
		if len(r.byFile[n.File]) == 0 {
			if n.Required {
				r.out.Missing = append(r.out.Missing, "no link matches "+n.File)
			}
			continue
		}
		r.out.DNS = appendNew(r.out.DNS, n.DNS)
		r.out.Domains = appendNew(r.out.Domains, n.Domains)
		r.out.NTP = appendNew(r.out.NTP, n.NTP)
	}
	// After all static addresses, which win.
	for i := range r.out.Links {
		if d := &r.out.Links[i]; d.DHCP.Enabled {
			r.lease(d)
		}
	}
	for _, v := range cfg.VIPs {
		r.vip(v)
	}
	for i := range r.out.Links {
		r.out.Links[i].Sysctls = sysctls(&r.out.Links[i], r.network(r.out.Links[i].File))
	}
	return r.out
}

func (r *resolver) problem(format string, args ...any) {
	r.out.Problems = append(r.out.Problems, fmt.Sprintf(format, args...))
}

func (r *resolver) network(file string) *Network {
	i := slices.IndexFunc(r.cfg.Networks, func(n *Network) bool { return n.File == file })
	if i < 0 {
		return nil
	}
	return r.cfg.Networks[i]
}

func (r *resolver) link(l *Link, taken map[string]bool) {
	for _, n := range r.cfg.Networks {
		if n.Match.First && taken[n.File] || !n.Match.matches(l) {
			continue
		}
		taken[n.File] = true
		d := DesiredLink{Index: l.Index, Name: l.Name, File: n.File, MAC: n.MAC, MTU: n.MTU, Required: n.Required, DHCP: n.DHCP,
			RA: n.RA}
		for _, a := range n.Addresses {
			if where, dup := r.addrs[a.Prefix.Addr()]; dup {
				r.problem("%s matches %s and %s: address %s is set on %s only", n.File, where, l.Name, a.Prefix.Addr(), where)
				continue
			}
			r.addrs[a.Prefix.Addr()] = l.Name
			d.Addrs = append(d.Addrs, DesiredAddr{Address: a, Required: n.Required, Announce: defaultAnnounce})
		}
		for _, rt := range n.Routes {
			if !waits(n, rt) {
				r.route(&d, rt, "Metric=")
			}
		}
		r.byFile[n.File] = append(r.byFile[n.File], len(r.out.Links))
		r.out.Links = append(r.out.Links, d)
		return
	}
	if l.Type == "loopback" {
		r.out.Links = append(r.out.Links, DesiredLink{Index: l.Index, Name: l.Name})
	}
}

// route adds a route unless another link has it.
func (r *resolver) route(d *DesiredLink, rt Route, key string) {
	if where, dup := r.routes[rt.id()]; dup {
		r.problem("route %s is set on %s and not on %s: another %s is needed", rt, where, d.Name, key)
		return
	}
	r.routes[rt.id()] = d.Name
	d.Routes = append(d.Routes, rt)
}

// waits tells whether a route of the file needs the lease's address on the link.
func waits(n *Network, rt Route) bool {
	return n.DHCP.Enabled && rt.Gateway.IsValid() && !rt.OnLink && !reachable(n, rt.Gateway)
}

// lease adds what the link's lease grants and the file wants of it.
func (r *resolver) lease(d *DesiredLink) {
	i := slices.IndexFunc(r.links, func(l Link) bool { return l.Index == d.Index })
	if r.links[i].Type != "ether" {
		r.problem("%s is no Ethernet link: DHCP= of %s does not work on it", d.Name, d.File)
		return
	}
	l := r.leases[d.Index]
	if l == nil {
		if d.Required {
			r.out.Missing = append(r.out.Missing, d.Name+" has no DHCP lease")
		}
		return
	}
	if where, dup := r.addrs[l.Address.Addr()]; dup {
		r.problem("address %s of the DHCP lease of %s is set on %s already", l.Address.Addr(), d.Name, where)
		return
	}
	r.addrs[l.Address.Addr()] = d.Name
	d.Addrs = append(d.Addrs, DesiredAddr{DHCP: true, Required: d.Required, Announce: defaultAnnounce,
		Address: Address{Prefix: l.Address, Expires: l.Expires()}})
	n := r.network(d.File)
	for _, rt := range n.Routes {
		switch {
		case !waits(n, rt):
		case l.Address.Contains(rt.Gateway):
			r.route(d, rt, "Metric=")
		default:
			r.problem("gateway %s of %s is not on the link: the DHCP lease is %s", rt.Gateway, d.File, l.Address)
		}
	}
	if d.DHCP.UseMTU && d.MTU == 0 {
		d.MTU = l.MTU
	}
	if d.DHCP.UseRoutes {
		for _, lr := range l.Routes {
			rt := Route{Dst: lr.Destination, Gateway: lr.Gateway, Source: l.Address.Addr(), Metric: d.DHCP.RouteMetric}
			rt.OnLink = lr.Gateway.IsValid() && !l.Address.Contains(lr.Gateway)
			normalizeRoute(&rt)
			r.route(d, rt, "RouteMetric=")
		}
	}
	if d.DHCP.UseDNS {
		r.out.DNS = appendNew(r.out.DNS, l.DNS)
	}
	if d.DHCP.UseDomains {
		r.out.Domains = appendNew(r.out.Domains, l.Domains)
	}
	if d.DHCP.UseNTP {
		for _, a := range l.NTP {
			r.out.NTP = appendNew(r.out.NTP, []string{a.String()})
		}
	}
	if d.DHCP.UseHostname && r.out.Hostname == "" {
		r.out.Hostname = l.Hostname
	}
}

// vip puts a VIP on its link: the first that fits.
func (r *resolver) vip(v *VIP) {
	i := r.place(v)
	if i < 0 {
		if v.Required {
			r.out.Missing = append(r.out.Missing, fmt.Sprintf("no link for VIP %s of %s", v.Address, v.File))
		}
		return
	}
	d := &r.out.Links[i]
	if where, dup := r.addrs[v.Address.Addr()]; dup {
		r.problem("VIP %s of %s is the address of %s already", v.Address, v.File, where)
		return
	}
	d.Addrs = append(d.Addrs, DesiredAddr{VIP: true, Required: v.Required, Announce: v.Announce,
		Address: Address{Prefix: v.Address, Deprecated: v.Address.Addr().Is6()}})
}

// place returns the index in out.Links of the VIP's link, or -1.
func (r *resolver) place(v *VIP) int {
	if v.Link == "" {
		return slices.IndexFunc(r.out.Links, func(d DesiredLink) bool {
			return slices.ContainsFunc(d.Addrs, func(a DesiredAddr) bool { return !a.VIP && a.Prefix.Contains(v.Address.Addr()) })
		})
	}
	if strings.HasSuffix(v.Link, ".network") {
		if at := r.byFile[v.Link]; len(at) > 0 {
			return at[0]
		}
		return -1
	}
	named := func(name string) bool { ok, _ := path.Match(v.Link, name); return ok }
	if i := slices.IndexFunc(r.out.Links, func(d DesiredLink) bool { return named(d.Name) }); i >= 0 {
		return i
	}
	i := slices.IndexFunc(r.links, func(l Link) bool { return named(l.Name) })
	if i < 0 {
		return -1
	}
	r.out.Links = append(r.out.Links, DesiredLink{Index: r.links[i].Index, Name: r.links[i].Name, Required: v.Required})
	return len(r.out.Links) - 1
}

// sysctls returns the settings that a link's addresses need: IPv6 on, and IPv4
// addresses that outlive the primary of their subnet, also while a reload
// replaces one by another.
func sysctls(d *DesiredLink, n *Network) []Sysctl {
	var out []Sysctl
	if n != nil && n.RA.Set {
		out = append(out, Sysctl{"net/ipv6/conf/" + d.Name + "/accept_ra", word(n.RA.Accept, "1", "0")})
	}
	if d.RA.Accept { // addresses of the hardware address, no temporary ones
		out = append(out, Sysctl{"net/ipv6/conf/" + d.Name + "/autoconf", "1"}, Sysctl{"net/ipv6/conf/" + d.Name + "/use_tempaddr", "0"})
	}
	if d.RA.Accept || slices.ContainsFunc(d.Addrs, func(a DesiredAddr) bool { return a.Prefix.Addr().Is6() }) {
		out = append(out, Sysctl{"net/ipv6/conf/" + d.Name + "/disable_ipv6", "0"})
	}
	if slices.ContainsFunc(d.Addrs, func(a DesiredAddr) bool { return a.Prefix.Addr().Is4() && a.Prefix.Bits() < 32 }) {
		out = append(out, Sysctl{"net/ipv4/conf/" + d.Name + "/promote_secondaries", "1"})
	}
	return out
}

func appendNew[T comparable](list, more []T) []T {
	for _, x := range more {
		if !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return list
}
