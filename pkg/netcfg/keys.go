package netcfg

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// key is one row of the key tables: parser, messages and suggestions use it.
type key struct {
	section, name string
	accepted      string
	set           func(b *builder, value string) error
}

// Accepted forms that several keys share.
const (
	acceptBool     = "yes, no"
	acceptPrefix   = "address/length, e.g. 198.18.0.2/24 or fd00:198:18::2/64"
	acceptAddr     = "an IPv4 or IPv6 address"
	acceptGlobs    = "globs separated by blanks, e.g. \"eth* en*\""
	acceptMAC      = "six bytes as 52:54:00:12:34:56"
	acceptMTU      = "68..65535, or with K"
	acceptText     = "text"
	acceptInterval = "seconds from 0.1 to 60, or 500ms, 2s"
)

// networkKeys is the syntax of *.network files.
var networkKeys = []key{
	{"Match", "Name", acceptGlobs, func(b *builder, v string) error { return setGlobs(&b.net.Match.Name, v) }},
	{"Match", "MACAddress", acceptMAC, func(b *builder, v string) error { return setMACs(&b.net.Match.MAC, v) }},
	{"Match", "Driver", acceptGlobs, func(b *builder, v string) error { return setGlobs(&b.net.Match.Driver, v) }},
	{"Match", "Type", acceptGlobs, func(b *builder, v string) error { return setGlobs(&b.net.Match.Type, v) }},
	{"Match", "X-First", acceptBool, func(b *builder, v string) error { return setBool(&b.net.Match.First, v) }},
	{"Link", "MTUBytes", acceptMTU, func(b *builder, v string) error { return setMTU(&b.net.MTU, v) }},
	{"Link", "MACAddress", acceptMAC, func(b *builder, v string) error { return setMAC(&b.net.MAC, v) }},
	{"Link", "RequiredForOnline", acceptBool, func(b *builder, v string) error { return setBool(&b.net.Required, v) }},
	{"Network", "Description", acceptText, ignoreText},
	{"Network", "Address", acceptPrefix, addNetworkAddress},
	{"Network", "Gateway", acceptAddr, addGateway},
	{"Network", "DNS", "addresses separated by blanks", addDNS},
	{"Network", "Domains", "domain names separated by blanks", addDomains},
	{"Network", "IPv6AcceptRA", acceptBool, func(b *builder, v string) error {
		b.net.RA.Set = true
		return setBool(&b.net.RA.Accept, v)
	}},
	{"Network", "DHCP", "yes, no, ipv4", setDHCP},
	{"Network", "NTP", "host names or addresses separated by blanks", addNTP},
	{"DHCPv4", "UseDNS", acceptBool, func(b *builder, v string) error { return setBool(&b.net.DHCP.UseDNS, v) }},
	{"DHCPv4", "UseDomains", acceptBool, func(b *builder, v string) error { return setBool(&b.net.DHCP.UseDomains, v) }},
	{"DHCPv4", "UseNTP", acceptBool, func(b *builder, v string) error { return setBool(&b.net.DHCP.UseNTP, v) }},
	{"DHCPv4", "UseRoutes", acceptBool, func(b *builder, v string) error { return setBool(&b.net.DHCP.UseRoutes, v) }},
	{"DHCPv4", "UseHostname", acceptBool, func(b *builder, v string) error { return setBool(&b.net.DHCP.UseHostname, v) }},
	{"DHCPv4", "UseMTU", acceptBool, func(b *builder, v string) error { return setBool(&b.net.DHCP.UseMTU, v) }},
	{"DHCPv4", "RouteMetric", "0..2147483647", func(b *builder, v string) error { return setInt(&b.net.DHCP.RouteMetric, v, 0, 1<<31-1) }},
	{"DHCPv4", "ClientIdentifier", "mac, duid", setClientID},
	{"DHCPv4", "SendHostname", acceptBool, func(b *builder, v string) error { return setBool(&b.net.DHCP.SendHostname, v) }},
	{"DHCPv4", "Hostname", "a host name, e.g. lb1 or lb1.example.com", setDHCPHostname},
	{"IPv6AcceptRA", "UseDNS", acceptBool, func(b *builder, v string) error { return setBool(&b.net.RA.UseDNS, v) }},
	{"IPv6AcceptRA", "UseDomains", acceptBool, func(b *builder, v string) error { return setBool(&b.net.RA.UseDomains, v) }},
	{"Address", "Address", acceptPrefix, func(b *builder, v string) error { return setPrefix(&b.addr.Prefix, v) }},
	{"Address", "Peer", acceptPrefix, func(b *builder, v string) error { return setPrefix(&b.addr.Peer, v) }},
	{"Address", "Label", "1 to 15 bytes that start with the link's name, e.g. eth0:lan", setLabel},
	{"Address", "DuplicateAddressDetection", "none, ipv6", setDAD},
	{"Route", "Destination", "address/length, or an address", setDestination},
	{"Route", "Gateway", acceptAddr, func(b *builder, v string) error { return setAddr(&b.route.Gateway, v) }},
	{"Route", "GatewayOnLink", acceptBool, func(b *builder, v string) error { return setBool(&b.route.OnLink, v) }},
	{"Route", "Metric", "0..2147483647", func(b *builder, v string) error { return setInt(&b.route.Metric, v, 0, 1<<31-1) }},
	{"Route", "PreferredSource", acceptAddr, func(b *builder, v string) error { return setAddr(&b.route.Source, v) }},
	{"Route", "Table", "main, default, or 1..2147483647 but 255", setTable},
	{"Route", "Scope", "global, link, host", setScope},
	{"Route", "MTUBytes", acceptMTU, func(b *builder, v string) error { return setMTU(&b.route.MTU, v) }},
}

// vipKeys is the syntax of *.vip files.
var vipKeys = []key{
	{"VIP", "Description", acceptText, ignoreText},
	{"VIP", "Address", "address/length, e.g. 198.18.0.10/32", addVIPAddress},
	{"VIP", "Link", "a link name, a glob, or the name of a .network file", setVIPLink},
	{"VIP", "Announce", acceptBool, func(b *builder, v string) error { return setBool(&b.announce, v) }},
	{"VIP", "AnnounceCount", "1..60", func(b *builder, v string) error { return setInt(&b.vip.Announce.Count, v, 1, 60) }},
	{"VIP", "AnnounceIntervalSec", acceptInterval, func(b *builder, v string) error { return setInterval(&b.vip.Announce.Interval, v) }},
	{"VIP", "RequiredForOnline", acceptBool, func(b *builder, v string) error { return setBool(&b.vip.Required, v) }},
}

// once lists the keys that may not be given twice with different meaning; the
// others are lists.
func (k *key) once() bool {
	switch k.section + "." + k.name {
	case "Match.Name", "Match.MACAddress", "Match.Driver", "Match.Type",
		"Network.Address", "Network.Gateway", "Network.DNS", "Network.Domains", "Network.NTP", "VIP.Address":
		return false
	}
	return true
}

func ignoreText(*builder, string) error { return nil }

func addNetworkAddress(b *builder, v string) error {
	if v == "" {
		b.net.Addresses, b.addrAt = nil, nil
		return nil
	}
	var a Address
	err := setPrefix(&a.Prefix, v)
	if err == nil {
		b.net.Addresses = append(b.net.Addresses, a)
		b.addrAt = append(b.addrAt, b.here)
	}
	return err
}

func addGateway(b *builder, v string) error {
	var gw netip.Addr
	if err := setAddr(&gw, v); err != nil {
		return err
	}
	bits := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if gw.Is6() {
		bits = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	b.addRoute(Route{Dst: bits, Gateway: gw}, b.here)
	return nil
}

func addDNS(b *builder, v string) error {
	if v == "" {
		b.net.DNS = nil
	}
	for _, w := range strings.Fields(v) {
		var a netip.Addr
		if err := setAddr(&a, w); err != nil {
			return err
		}
		b.net.DNS = append(b.net.DNS, a)
	}
	return nil
}

func addDomains(b *builder, v string) error {
	if v == "" {
		b.net.Domains = nil
	}
	for _, w := range strings.Fields(v) {
		if !isDomain(w) {
			return fmt.Errorf("%q is no domain name", w)
		}
		b.net.Domains = append(b.net.Domains, w)
	}
	return nil
}

// isDomain tells whether s can be a domain or host name.
func isDomain(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

func setDHCP(b *builder, v string) error {
	switch v {
	case "ipv4":
		b.net.DHCP.Enabled = true
		return nil
	case "ipv6":
		return errors.New("DHCPv6 is not there; IPv6AcceptRA=yes makes addresses from router advertisements")
	}
	err := setBool(&b.net.DHCP.Enabled, v)
	if err != nil {
		return &wordError{word: v, words: []string{"yes", "no", "ipv4"}}
	}
	return nil
}

func addNTP(b *builder, v string) error {
	if v == "" {
		b.net.NTP = nil
	}
	for _, w := range strings.Fields(v) {
		var a netip.Addr
		switch {
		case setAddr(&a, w) == nil:
			w = a.String()
		case !isDomain(w) || strings.Trim(w, "0123456789.") == "":
			return fmt.Errorf("%q is no host name or address", w)
		}
		b.net.NTP = appendNew(b.net.NTP, []string{w})
	}
	return nil
}

func setClientID(b *builder, v string) error {
	words := []string{"mac", "duid"}
	if !slices.Contains(words, v) {
		return &wordError{word: v, words: words}
	}
	b.net.DHCP.ClientID = v
	return nil
}

func setDHCPHostname(b *builder, v string) error {
	if !isHostname(v) {
		return fmt.Errorf("%q is no host name", v)
	}
	b.net.DHCP.Hostname = v
	return nil
}

// isHostname tells whether the kernel and a DHCP server can take s as a host name.
func isHostname(s string) bool {
	return isDomain(s) && len(s) <= 64 && !strings.HasPrefix(s, "-") && !strings.HasPrefix(s, ".")
}

func addVIPAddress(b *builder, v string) error {
	var p netip.Prefix
	if err := setPrefix(&p, v); err != nil {
		return err
	}
	b.vipAddrs = append(b.vipAddrs, p)
	b.addrAt = append(b.addrAt, b.here)
	return nil
}

func setVIPLink(b *builder, v string) error {
	b.linkAt = b.here
	b.vip.Link = v
	if strings.HasSuffix(v, ".network") {
		return nil
	}
	var globs []string
	if err := setGlobs(&globs, v); err != nil {
		return err
	}
	if len(globs) != 1 {
		return fmt.Errorf("%q is not one word", v)
	}
	return nil
}

func setLabel(b *builder, v string) error {
	if len(v) == 0 || len(v) > 15 || strings.ContainsAny(v, " \t/") {
		return fmt.Errorf("%q is no label", v)
	}
	b.addr.Label = v
	return nil
}

func setDAD(b *builder, v string) error {
	if v != "none" && v != "ipv6" {
		return &wordError{word: v, words: []string{"none", "ipv6"}}
	}
	b.addr.DAD = v == "ipv6"
	return nil
}

func setDestination(b *builder, v string) error {
	p, err := netip.ParsePrefix(v)
	if err != nil {
		a, aerr := netip.ParseAddr(v)
		if aerr != nil || a.Zone() != "" {
			return fmt.Errorf("%q is no destination", v)
		}
		p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
	}
	if p != p.Masked() {
		return fmt.Errorf("%s has bits set beyond its length; the network is %s", p, p.Masked())
	}
	b.route.Dst = p
	return nil
}

func setTable(b *builder, v string) error {
	switch v {
	case "main":
		b.route.Table = 254
		return nil
	case "default":
		b.route.Table = 253
		return nil
	}
	if v == "255" || v == "local" {
		return fmt.Errorf("table %s is the kernel's own", v)
	}
	return setInt(&b.route.Table, v, 1, 1<<31-1)
}

func setScope(b *builder, v string) error {
	words := []string{"global", "link", "host"}
	if !slices.Contains(words, v) {
		return &wordError{word: v, words: words}
	}
	b.route.Scope = v
	return nil
}

func setInterval(d *time.Duration, v string) error {
	got, err := time.ParseDuration(v)
	if err != nil {
		got, err = time.ParseDuration(v + "s")
	}
	if err != nil || got < 100*time.Millisecond || got > time.Minute {
		return fmt.Errorf("%q is no interval in range", v)
	}
	*d = got
	return nil
}
