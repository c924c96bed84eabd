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
	DNS      []netip.Addr
	Domains  []string
}

// DesiredLink is what one link should look like; it should be up in any case.
type DesiredLink struct {
	Index    int
	Name     string
	File     string // .network file, or ""
	MAC      string // "" leaves it
	MTU      int    // 0 leaves it
	Required bool
	Addrs    []DesiredAddr
	Routes   []Route
	Sysctls  []Sysctl
}

// DesiredAddr is an address with what it is for.
type DesiredAddr struct {
	Address
	VIP      bool
	Required bool
	Announce Announce
}

// Sysctl is a kernel setting; its key is the path below /proc/sys.
type Sysctl struct{ Key, Value string }

// resolver collects the Desired state.
type resolver struct {
	cfg    *Config
	links  []Link
	out    *Desired
	byFile map[string][]int // file to indices in out.Links
	addrs  map[netip.Addr]string
	routes map[routeID]string
}

// Resolve applies the configuration to the links at hand. Every loopback link
// is brought up, also without a file.
func Resolve(cfg *Config, links []Link) *Desired {
	r := &resolver{cfg: cfg, links: links, out: &Desired{}, byFile: map[string][]int{},
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
		d := DesiredLink{Index: l.Index, Name: l.Name, File: n.File, MAC: n.MAC, MTU: n.MTU, Required: n.Required}
		for _, a := range n.Addresses {
			if where, dup := r.addrs[a.Prefix.Addr()]; dup {
				r.problem("%s matches %s and %s: address %s is set on %s only", n.File, where, l.Name, a.Prefix.Addr(), where)
				continue
			}
			r.addrs[a.Prefix.Addr()] = l.Name
			d.Addrs = append(d.Addrs, DesiredAddr{Address: a, Required: n.Required, Announce: defaultAnnounce})
		}
		for _, rt := range n.Routes {
			if where, dup := r.routes[rt.id()]; dup {
				r.problem("route %s is set on %s and not on %s: another Metric= is needed", rt, where, l.Name)
				continue
			}
			r.routes[rt.id()] = l.Name
			d.Routes = append(d.Routes, rt)
		}
		r.byFile[n.File] = append(r.byFile[n.File], len(r.out.Links))
		r.out.Links = append(r.out.Links, d)
		return
	}
	if l.Type == "loopback" {
		r.out.Links = append(r.out.Links, DesiredLink{Index: l.Index, Name: l.Name})
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
	if n != nil && n.AcceptRA != nil {
		out = append(out, Sysctl{"net/ipv6/conf/" + d.Name + "/accept_ra", word(*n.AcceptRA, "1", "0")})
	}
	if slices.ContainsFunc(d.Addrs, func(a DesiredAddr) bool { return a.Prefix.Addr().Is6() }) {
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
