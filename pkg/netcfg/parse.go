package netcfg

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// place is a position in a file.
type place struct{ line, col int }

// builder fills one file's model; its fields name where the current section's
// keys go.
type builder struct {
	file   string
	report func(*Diagnostic)
	here   place // value of the key at hand

	net      *Network
	addr     *Address
	route    *Route
	vip      *VIP
	vipAddrs []netip.Prefix
	announce bool
	vips     []*VIP

	addrAt  []place // of net.Addresses or vipAddrs
	routeAt []place // of net.Routes
	linkAt  place
	vipAt   []place // of vips: address
	linksAt []place // of vips: Link=

	faulty map[string]bool // sections with faults: what would follow from them is not reported
}

func (b *builder) fault(at place, accepted, format string, args ...any) {
	b.report(&Diagnostic{File: b.file, Line: at.line, Col: at.col, Message: fmt.Sprintf(format, args...), Accepted: accepted})
}

func (b *builder) addRoute(r Route, at place) {
	b.net.Routes = append(b.net.Routes, r)
	b.routeAt = append(b.routeAt, at)
}

// Load reads the .network and .vip files of dir. On faults the error aggregates
// every Diagnostic of every file and the Config is nil.
func Load(dir string) (*Config, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read network configuration: %w", err)
	}
	var faults *multierror.Error
	report := func(d *Diagnostic) {
		d.File = filepath.Join(dir, d.File)
		faults = multierror.Append(faults, d)
	}
	cfg := &Config{}
	var builders []*builder
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if strings.HasPrefix(e.Name(), ".") || strings.HasSuffix(e.Name(), "~") || e.IsDir() {
			continue
		}
		if ext != ".network" && ext != ".vip" {
			checkEnding(e.Name(), ext, report)
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			report(&Diagnostic{File: e.Name(), Message: fmt.Sprintf("read: %v", errors.Unwrap(err))})
			continue
		}
		builders = append(builders, parseFile(e.Name(), string(text), report))
	}
	for _, b := range builders {
		if b.net != nil {
			cfg.Networks = append(cfg.Networks, b.net)
		}
		cfg.VIPs = append(cfg.VIPs, b.vips...)
	}
	// With DHCP an address may come that holds a VIP.
	whole := !slices.ContainsFunc(builders, func(b *builder) bool {
		return b.faulty["Network"] || b.faulty["Address"] || b.net != nil && b.net.DHCP.Enabled
	})
	for _, b := range builders {
		b.checkVIPs(cfg, whole)
	}
	if faults != nil {
		slices.SortStableFunc(faults.Errors, byPlace)
		faults.ErrorFormat = oneALine
		return nil, faults
	}
	return cfg, nil
}

func byPlace(a, b error) int {
	x, y := a.(*Diagnostic), b.(*Diagnostic)
	if c := strings.Compare(x.File, y.File); c != 0 {
		return c
	}
	if x.Line != y.Line {
		return x.Line - y.Line
	}
	return x.Col - y.Col
}

func checkEnding(name, ext string, report func(*Diagnostic)) {
	const accepted = "*.network, *.vip"
	switch near := nearest(ext, []string{".network", ".vip"}); {
	case ext == ".netdev" || ext == ".link":
		report(&Diagnostic{File: name, Message: ext + " files are not read here", Accepted: accepted})
	case near != "":
		report(&Diagnostic{File: name, Message: "unknown ending " + ext, Suggest: near, Accepted: accepted})
	}
}

// parseFile parses one file; the ending of name picks the key table.
func parseFile(name, text string, report func(*Diagnostic)) *builder {
	b := &builder{file: name, report: report, faulty: map[string]bool{}}
	table := vipKeys
	if strings.HasSuffix(name, ".network") {
		table = networkKeys
		b.net = &Network{File: name, Required: true, DHCP: defaultDHCP, RA: RA{UseDNS: true}}
	}
	seen := map[string]entry{}
	for _, sec := range scan(name, text, report) {
		if sec.name == "" {
			continue // reported by scan
		}
		names := sectionNames(table)
		if !slices.Contains(names, sec.name) {
			report(&Diagnostic{File: name, Line: sec.line, Col: sec.col + 1, Message: fmt.Sprintf("unknown section [%s]", sec.name),
				Suggest: nearest(sec.name, names), Accepted: strings.Join(names, ", ")})
			continue
		}
		if sec.name == "Address" || sec.name == "Route" || sec.name == "VIP" {
			clear(seen) // these sections repeat
		}
		b.section(table, sec, seen)
	}
	if b.net != nil {
		b.checkNetwork()
	}
	return b
}

func sectionNames(table []key) []string {
	var out []string
	for _, k := range table {
		if !slices.Contains(out, k.section) {
			out = append(out, k.section)
		}
	}
	return out
}

// section applies the entries of one section and takes what it made.
func (b *builder) section(table []key, sec section, seen map[string]entry) {
	b.addr, b.route, b.vip = &Address{}, &Route{}, &VIP{File: b.file, Required: true, Announce: defaultAnnounce}
	vipStart := len(b.addrAt)
	b.vipAddrs, b.announce, b.linkAt = nil, true, place{}
	before := 0
	count := func(d *Diagnostic) { before++; b.report(d) }
	for _, e := range sec.entries {
		b.entry(table, sec.name, e, seen, count)
	}
	b.faulty[sec.name] = b.faulty[sec.name] || before > 0
	at := place{sec.line, sec.col}
	switch sec.name {
	case "Address":
		b.endAddress(sec, at, before > 0)
	case "Route":
		b.endRoute(at, before > 0)
	case "VIP":
		b.endVIP(at, b.addrAt[vipStart:], before > 0)
	}
}

func (b *builder) entry(table []key, sec string, e entry, seen map[string]entry, report func(*Diagnostic)) {
	var names []string
	for i := range table {
		k := &table[i]
		if k.section != sec {
			continue
		}
		names = append(names, k.name+"=")
		if k.name != e.key {
			continue
		}
		if old, ok := seen[sec+"."+e.key]; ok && k.once() {
			report(&Diagnostic{File: b.file, Line: e.line, Col: e.keyCol,
				Message: fmt.Sprintf("%s= was given on line %d already", e.key, old.line), Accepted: "once in a section"})
			return
		}
		seen[sec+"."+e.key] = e
		b.here = place{e.line, e.valueCol}
		if err := k.set(b, e.value); err != nil {
			d := &Diagnostic{File: b.file, Line: e.line, Col: e.valueCol, Message: fmt.Sprintf("%s=: %v", e.key, err), Accepted: k.accepted}
			var w *wordError
			if errors.As(err, &w) {
				d.Suggest = nearest(w.word, w.words)
			}
			report(d)
		}
		return
	}
	report(&Diagnostic{File: b.file, Line: e.line, Col: e.keyCol, Message: fmt.Sprintf("unknown key %s= in [%s]", e.key, sec),
		Suggest: nearest(e.key+"=", names), Accepted: strings.Join(names, " ")})
}

func (b *builder) endAddress(sec section, at place, faulty bool) {
	a := *b.addr
	if faulty {
		return
	}
	for _, e := range sec.entries {
		if e.key == "Address" {
			at = place{e.line, e.valueCol}
		}
	}
	switch {
	case !a.Prefix.IsValid():
		b.fault(at, "Address="+acceptPrefix, "[Address] without Address=")
	case a.Peer.IsValid() && a.Peer.Addr().Is4() != a.Prefix.Addr().Is4():
		b.fault(at, "two of one family", "address %s and peer %s are of different families", a.Prefix, a.Peer)
	case a.Peer.IsValid() && a.Prefix.Bits() != a.Prefix.Addr().BitLen():
		b.fault(at, fmt.Sprintf("%s/%d", a.Prefix.Addr(), a.Prefix.Addr().BitLen()), "the address of a link with Peer= has a prefix length of its own: %s", a.Prefix)
	case a.Label != "" && a.Prefix.Addr().Is6():
		b.fault(at, "Label= with IPv4", "an IPv6 address has no label")
	case a.DAD && a.Prefix.Addr().Is4():
		b.fault(at, "none", "DuplicateAddressDetection=ipv6 on an IPv4 address")
	default:
		b.net.Addresses = append(b.net.Addresses, a)
		b.addrAt = append(b.addrAt, at)
	}
}

func (b *builder) endRoute(at place, faulty bool) {
	r := *b.route
	if faulty {
		return
	}
	if !r.Dst.IsValid() && r.Gateway.IsValid() {
		r.Dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if r.Gateway.Is6() {
			r.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	is4 := r.Dst.IsValid() && r.Dst.Addr().Is4()
	switch {
	case !r.Dst.IsValid():
		b.fault(at, "Destination= or Gateway=", "[Route] without Destination= and Gateway=")
	case r.Gateway.IsValid() && r.Gateway.Is4() != is4:
		b.fault(at, "two of one family", "destination %s and gateway %s are of different families", r.Dst, r.Gateway)
	case r.Source.IsValid() && r.Source.Is4() != is4:
		b.fault(at, "two of one family", "destination %s and preferred source %s are of different families", r.Dst, r.Source)
	case r.Gateway.IsValid() && (r.Scope == "link" || r.Scope == "host"):
		b.fault(at, "global", "a route with a gateway cannot have scope %s", r.Scope)
	default:
		b.addRoute(r, at)
	}
}

func (b *builder) endVIP(at place, addrAt []place, faulty bool) {
	if faulty {
		return
	}
	if len(b.vipAddrs) == 0 {
		b.fault(at, "Address=198.18.0.10/32", "[VIP] without Address=")
	}
	if !b.announce {
		b.vip.Announce.Count = 0
	}
	for i, p := range b.vipAddrs {
		v := *b.vip
		v.Address = p
		b.vips = append(b.vips, &v)
		b.vipAt = append(b.vipAt, addrAt[i])
		b.linksAt = append(b.linksAt, b.linkAt)
	}
}
