package netcfg

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Name servers and search domains of router advertisements (RFC 8106). The kernel
// takes addresses and routes from an advertisement and passes these options on to
// whoever listens (RTM_NEWNDUSEROPT of rtnetlink(7), struct nduseroptmsg).

const (
	ndHeader   = 16 // bytes of struct nduseroptmsg
	ndRDNSS    = 25
	ndDNSSL    = 31
	icmpAdvert = 134
)

// routerOption is one name server or search domain that a router named.
type routerOption struct {
	index  int        // of the link
	server netip.Addr // or
	domain string
	until  time.Time
}

// parseRouterOptions reads a message; options that are not whole are left out.
func parseRouterOptions(b []byte, now time.Time) []routerOption {
	if len(b) < ndHeader || b[8] != icmpAdvert {
		return nil
	}
	length, index := int(binary.NativeEndian.Uint16(b[2:])), int(int32(binary.NativeEndian.Uint32(b[4:])))
	b = b[ndHeader:min(len(b), ndHeader+length)]
	var out []routerOption
	for len(b) >= 8 {
		size := int(b[1]) * 8
		if size < 8 || size > len(b) {
			break
		}
		until := now.Add(time.Duration(binary.BigEndian.Uint32(b[4:])) * time.Second)
		switch b[0] {
		case ndRDNSS:
			for a := b[8:size]; len(a) >= 16; a = a[16:] {
				if addr := netip.AddrFrom16([16]byte(a)); !addr.IsUnspecified() && !addr.IsMulticast() && !addr.IsLoopback() {
					out = append(out, routerOption{index: index, server: addr, until: until})
				}
			}
		case ndDNSSL:
			for _, d := range dnsNames(b[8:size]) {
				out = append(out, routerOption{index: index, domain: d, until: until})
			}
		}
		b = b[size:]
	}
	return out
}

// dnsNames reads names of RFC 1035 section 3.1 without compression, padded with
// zeros.
func dnsNames(b []byte) []string {
	var out, labels []string
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 {
			if name := strings.Join(labels, "."); isDomain(name) {
				out = append(out, name)
			}
			labels, b = nil, b[1:]
			continue
		}
		if n > 63 || n >= len(b) {
			return out
		}
		labels, b = append(labels, string(b[1:1+n])), b[1+n:]
	}
	return out
}

// routerOptions is what routers named, the oldest first.
type routerOptions []routerOption

// maxRouterOptions bounds what stations on the links can make netd keep.
const maxRouterOptions = 32

// take adds new options, or gives those that are there their new lifetime.
func (o *routerOptions) take(more []routerOption) {
	for _, n := range more {
		i := slices.IndexFunc(*o, func(x routerOption) bool { return x.index == n.index && x.server == n.server && x.domain == n.domain })
		switch {
		case i >= 0:
			(*o)[i].until = n.until
		case len(*o) < maxRouterOptions:
			*o = append(*o, n)
		}
	}
}

// expire forgets what is over. It returns how long the next one lasts; 0 without
// any.
func (o *routerOptions) expire(now time.Time) time.Duration {
	*o = slices.DeleteFunc(*o, func(x routerOption) bool { return !x.until.After(now) })
	next := time.Duration(0)
	for _, x := range *o {
		if d := x.until.Sub(now); next == 0 || d < next {
			next = d
		}
	}
	return next
}

// addTo appends them to what files and leases say, as far as the link's file wants
// them.
func (o routerOptions) addTo(d *Desired) {
	for _, x := range o {
		i := slices.IndexFunc(d.Links, func(l DesiredLink) bool { return l.Index == x.index && l.RA.Accept })
		switch {
		case i < 0:
		case x.domain != "" && d.Links[i].RA.UseDomains:
			d.Domains = appendNew(d.Domains, []string{x.domain})
		case x.server.IsLinkLocalUnicast() && d.Links[i].RA.UseDNS:
			d.DNS = appendNew(d.DNS, []netip.Addr{x.server.WithZone(d.Links[i].Name)})
		case x.server.IsValid() && d.Links[i].RA.UseDNS:
			d.DNS = appendNew(d.DNS, []netip.Addr{x.server})
		}
	}
}
