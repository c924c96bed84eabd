package main

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// answers is what the wizard asks for.
type answers struct {
	host      string
	link      string // a name, or firstLink
	dhcp      bool
	addresses []netip.Prefix // unless dhcp
	gateways  []netip.Addr   // one of each family at most
	dns       []netip.Addr
	vip       netip.Prefix // zero for none
	port      int          // of the first service; 0 for none
	servers   []string     // HOST or HOST:PORT
}

// firstLink stands for the Ethernet link with the lowest number.
const firstLink = "first"

// none is the answer for nothing.
const none = "none"

func askHost(a *answers) *question {
	return &question{"Host name", "The appliance's own name, such as lb1 or lb1.example.com.", a.host,
		func(answer string) error { a.host = answer; return checkHost(answer) }}
}

func askLink(links []string, list string) func(*answers) *question {
	return func(a *answers) *question {
		accepted := append([]string{firstLink}, links...)
		if a.link == asIs {
			accepted = append(accepted, asIs)
		}
		return &question{"Link", list + firstLink + ": the first Ethernet link, whatever its name", a.link,
			func(answer string) error { a.link = answer; return checkLink(answer, accepted, links == nil) }}
	}
}

func askAddress(a *answers) *question {
	return &question{"Address, or dhcp", "ADDRESS/LENGTH such as 192.0.2.10/24 or 2001:db8::10/64, several separated by\n" +
		"blanks; or dhcp, if a DHCP server gives it.", a.addressText(),
		func(answer string) (err error) { a.dhcp, a.addresses, err = parseAddresses(answer); return err }}
}

// askGateway is not asked with DHCP: the gateway comes with the address.
func askGateway(a *answers) *question {
	if a.dhcp {
		a.gateways = nil
		return nil
	}
	preset := orNone(join(a.gateways))
	if _, err := parseGateways(preset, a.addresses); err != nil { // of another network
		preset = none
	}
	return &question{"Gateway", "The router to other networks; one for IPv4 and one for IPv6, or none.", preset,
		func(answer string) (err error) { a.gateways, err = parseGateways(answer, a.addresses); return err }}
}

func askDNS(a *answers) *question {
	return &question{"Name servers", "Addresses of DNS servers, three at most, or none.", orNone(join(a.dns)),
		func(answer string) (err error) { a.dns, err = parseDNS(answer); return err }}
}

func askVIP(a *answers) *question {
	return &question{"Virtual address (VIP)", "The address that clients connect to, or none. It must not be in use elsewhere.", a.vipText(),
		func(answer string) (err error) { a.vip, err = parseVIP(answer, a.addresses); return err }}
}

func askPort(a *answers) *question {
	return &question{"Port of the first service", "The TCP port that clients connect to, such as 3306 for MySQL; or none,\n" +
		"which leaves the proxy's configuration as it is.", a.portText(),
		func(answer string) (err error) { a.port, err = parsePort(answer); return err }}
}

func askServers(a *answers) *question {
	if a.port == 0 {
		return nil
	}
	return &question{"Its servers", "The servers that do the work: names or addresses, separated by blanks, with\n" +
		":PORT where it is another one.", strings.Join(a.servers, " "),
		func(answer string) (err error) { a.servers, err = parseServers(answer); return err }}
}

// hostPattern is a host name as RFC 1123, section 2.1, has it.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)

func checkHost(answer string) error {
	if len(answer) > 64 || !hostPattern.MatchString(answer) {
		return fmt.Errorf("%q: accepted are letters, digits and dashes, in parts separated by dots, 64 characters at most", answer)
	}
	return nil
}

// linkPattern is what a link's name can be, for when netd cannot be asked.
var linkPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)

func checkLink(answer string, accepted []string, unknown bool) error {
	if slices.Contains(accepted, answer) || unknown && linkPattern.MatchString(answer) {
		return nil
	}
	return fmt.Errorf("%q: accepted are %s", answer, strings.Join(accepted, ", "))
}

func parseAddresses(answer string) (dhcp bool, list []netip.Prefix, err error) {
	if strings.EqualFold(answer, "dhcp") {
		return true, nil, nil
	}
	words := splitList(answer)
	if len(words) == 0 {
		return false, nil, errors.New("an address is needed: ADDRESS/LENGTH such as 192.0.2.10/24, or dhcp")
	}
	for _, w := range words {
		p, err := netip.ParsePrefix(w)
		if err != nil || !usable(p.Addr()) || p.Bits() == 0 {
			return false, nil, fmt.Errorf("%q: accepted are ADDRESS/LENGTH such as 192.0.2.10/24 or 2001:db8::10/64, and dhcp", w)
		}
		if p.Addr().Is4() && p.Bits() < 31 && (p.Masked().Addr() == p.Addr() || broadcast(p) == p.Addr()) {
			return false, nil, fmt.Errorf("%q: this is the address of the network or for broadcasts, not of a host in it", w)
		}
		list = append(list, p)
	}
	return false, list, nil
}

// usable tells whether a host can have the address.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && !a.Is4In6() && a.Zone() == "" &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func broadcast(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

func parseGateways(answer string, own []netip.Prefix) ([]netip.Addr, error) {
	if isNone(answer) {
		return nil, nil
	}
	var list []netip.Addr
	for _, w := range splitList(answer) {
		a, err := netip.ParseAddr(w)
		if err != nil || !usable(a) {
			return nil, fmt.Errorf("%q: accepted are an address such as 192.0.2.1, and none", w)
		}
		reachable := a.Is6() && a.IsLinkLocalUnicast()
		for _, p := range own {
			if p.Addr() == a {
				return nil, fmt.Errorf("%s is the appliance's own address: the router's is needed, or none", a)
			}
			reachable = reachable || p.Contains(a)
		}
		if !reachable {
			return nil, fmt.Errorf("%s is in none of the networks %s: accepted is an address in one of them, or none", a, join(own))
		}
		if slices.ContainsFunc(list, func(b netip.Addr) bool { return b.Is4() == a.Is4() }) {
			return nil, fmt.Errorf("%s: one gateway for IPv4 and one for IPv6 are accepted", a)
		}
		list = append(list, a)
	}
	return list, nil
}

// maxDNS is what resolv.conf holds (resolv.conf(5), MAXNS).
const maxDNS = 3

func parseDNS(answer string) ([]netip.Addr, error) {
	if isNone(answer) {
		return nil, nil
	}
	var list []netip.Addr
	for _, w := range splitList(answer) {
		a, err := netip.ParseAddr(w)
		if err != nil || a.IsUnspecified() || a.IsMulticast() {
			return nil, fmt.Errorf("%q: accepted are addresses such as 192.0.2.53, and none", w)
		}
		list = append(list, a)
	}
	if len(list) > maxDNS {
		return nil, fmt.Errorf("%d name servers: at most %d are accepted", len(list), maxDNS)
	}
	return list, nil
}

func parseVIP(answer string, own []netip.Prefix) (netip.Prefix, error) {
	if isNone(answer) {
		return netip.Prefix{}, nil
	}
	p, err := netip.ParsePrefix(answer)
	if a, addrErr := netip.ParseAddr(answer); addrErr == nil {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil || !usable(p.Addr()) {
		return netip.Prefix{}, fmt.Errorf("%q: accepted are one address such as 192.0.2.20, and none", answer)
	}
	for _, o := range own {
		if o.Addr() == p.Addr() {
			return netip.Prefix{}, fmt.Errorf("%s is the appliance's own address: another one is needed, or none", p.Addr())
		}
	}
	return p, nil
}

func parsePort(answer string) (int, error) {
	if isNone(answer) {
		return 0, nil
	}
	n, err := strconv.Atoi(answer)
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("%q: accepted are 1 to 65535, and none", answer)
	}
	if n == webPort {
		return 0, fmt.Errorf("%d is the port of the appliance's web page: another one is needed", n)
	}
	return n, nil
}

func parseServers(answer string) ([]string, error) {
	list := splitList(answer)
	if len(list) == 0 {
		return nil, errors.New("a server is needed: names or addresses, with :PORT where it is another one")
	}
	for i, w := range list {
		host, port, hasPort := splitServer(w)
		a, err := netip.ParseAddr(host)
		n, portErr := strconv.Atoi(port)
		switch {
		case err == nil && !usable(a), err != nil && checkHost(host) != nil, hasPort && (portErr != nil || n < 1 || n > 65535):
			return nil, fmt.Errorf("%q: accepted are HOST and HOST:PORT, such as 192.0.2.31, db1:3307 or [2001:db8::31]:3306", w)
		case slices.Contains(list[:i], w):
			return nil, fmt.Errorf("%q is named twice", w)
		}
	}
	return list, nil
}

// splitServer splits HOST, HOST:PORT or [HOST]:PORT.
func splitServer(w string) (host, port string, hasPort bool) {
	if _, err := netip.ParseAddr(w); err == nil {
		return w, "", false
	}
	host = w
	if i := strings.LastIndexByte(w, ':'); i >= 0 {
		host, port, hasPort = w[:i], w[i+1:], true
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	return host, port, hasPort
}

func splitList(answer string) []string {
	return strings.FieldsFunc(answer, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
}

func isNone(answer string) bool { return answer == "" || strings.EqualFold(answer, none) }

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

func join[T fmt.Stringer](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = v.String()
	}
	return strings.Join(words, " ")
}

func (a *answers) addressText() string {
	if a.dhcp {
		return "dhcp"
	}
	return join(a.addresses)
}

func (a *answers) vipText() string {
	switch {
	case !a.vip.IsValid():
		return none
	case a.vip.IsSingleIP():
		return a.vip.Addr().String()
	}
	return a.vip.String()
}

func (a *answers) portText() string {
	if a.port == 0 {
		return none
	}
	return strconv.Itoa(a.port)
}
