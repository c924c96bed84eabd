package netcfg

import (
	"net/netip"
	"path"
	"slices"
)

// checkNetwork finds what only shows across the keys of a .network file.
func (b *builder) checkNetwork() {
	n := b.net
	if len(n.Match.Name)+len(n.Match.MAC)+len(n.Match.Driver)+len(n.Match.Type) == 0 && !b.faulty["Match"] {
		b.fault(place{1, 1}, "Name= MACAddress= Driver= Type=", "[Match] selects no link")
	}
	for i, a := range n.Addresses {
		if j := slices.IndexFunc(n.Addresses[:i], func(x Address) bool { return x.Prefix.Addr() == a.Prefix.Addr() }); j >= 0 {
			b.fault(b.addrAt[i], "each address once", "address %s was given on line %d already", a.Prefix.Addr(), b.addrAt[j].line)
		}
		if n.MTU != 0 && n.MTU < 1280 && a.Prefix.Addr().Is6() {
			b.fault(b.addrAt[i], "MTUBytes=1280 or more", "IPv6 does not work with an MTU of %d bytes", n.MTU)
		}
	}
	for i := range n.Routes {
		r := &n.Routes[i]
		normalizeRoute(r)
		if r.Gateway.IsValid() && !r.OnLink && !b.faulty["Network"] && !b.faulty["Address"] && !n.DHCP.Enabled && !reachable(n, r.Gateway) {
			b.fault(b.routeAt[i], "a gateway within a prefix of this file's addresses, or [Route] with GatewayOnLink=yes",
				"gateway %s is not on the link", r.Gateway)
		}
		if j := slices.IndexFunc(n.Routes[:i], func(x Route) bool { return x.id() == r.id() }); j >= 0 {
			b.fault(b.routeAt[i], "another Metric= or Table=", "route to %s was given on line %d already", r.Dst, b.routeAt[j].line)
		}
	}
}

// normalizeRoute fills in what the kernel would, so that routes compare.
func normalizeRoute(r *Route) {
	if r.Table == 0 {
		r.Table = 254 // main
	}
	switch {
	case r.Dst.Addr().Is6():
		r.Scope = "global"
		if r.Metric == 0 {
			r.Metric = 1024
		}
	case r.Scope == "" && r.Gateway.IsValid():
		r.Scope = "global"
	case r.Scope == "":
		r.Scope = "link"
	}
}

// reachable tells whether a gateway is on the link: link-local, within an
// address's prefix, the peer, or covered by a route without gateway.
func reachable(n *Network, gw netip.Addr) bool {
	if gw.IsLinkLocalUnicast() {
		return true
	}
	for _, a := range n.Addresses {
		if a.Prefix.Contains(gw) || a.Peer.IsValid() && a.Peer.Contains(gw) {
			return true
		}
	}
	return slices.ContainsFunc(n.Routes, func(r Route) bool { return !r.Gateway.IsValid() && r.Dst.Contains(gw) })
}

// checkVIPs finds VIPs without a place among all files, and addresses given
// twice. Places by prefix are judged only when all addresses are known.
func (b *builder) checkVIPs(cfg *Config, whole bool) {
	for i, v := range b.vips {
		at := b.vipAt[i]
		switch {
		case whole && v.Link == "" && len(holders(cfg, v.Address.Addr())) == 0:
			b.fault(at, "Link= with a link name or .network file", "no .network file has an address whose prefix holds %s", v.Address.Addr())
		case path.Ext(v.Link) == ".network" && !slices.ContainsFunc(cfg.Networks, func(n *Network) bool { return n.File == v.Link }):
			var names []string
			for _, n := range cfg.Networks {
				names = append(names, n.File)
			}
			b.report(&Diagnostic{File: b.file, Line: b.linksAt[i].line, Col: b.linksAt[i].col,
				Message: "Link=: no file " + v.Link, Suggest: nearest(v.Link, names), Accepted: "the name of a .network file of this directory"})
		}
		for _, n := range cfg.Networks {
			if slices.ContainsFunc(n.Addresses, func(a Address) bool { return a.Prefix.Addr() == v.Address.Addr() }) {
				b.fault(at, "each address once", "address %s is in %s already", v.Address.Addr(), n.File)
			}
		}
		for _, o := range cfg.VIPs {
			if o == v {
				break
			}
			if o.Address.Addr() == v.Address.Addr() {
				b.fault(at, "each address once", "address %s is in %s already", v.Address.Addr(), o.File)
				break
			}
		}
	}
}

// holders returns the networks with an address whose prefix holds a.
func holders(cfg *Config, a netip.Addr) []*Network {
	var out []*Network
	for _, n := range cfg.Networks {
		if slices.ContainsFunc(n.Addresses, func(x Address) bool { return x.Prefix.Contains(a) }) {
			out = append(out, n)
		}
	}
	return out
}
