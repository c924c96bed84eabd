package config

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Longest names of sockets. HAProxy leaves room for temporary suffixes behind a
// path; an abstract name needs none, but one byte in front.
const (
	maxUnixPath     = 97
	maxAbstractName = 107
)

// endpoint is an address as written, taken apart but not judged.
type endpoint struct {
	kind   addressKind
	path   string // path of a UNIX socket, abstract name, or <backend>/<server> of rhttp@
	host   string // without brackets
	family int    // 0: any, 4, 6
	port   string // text behind the last colon
	ported bool   // there was a colon
	fd     int    // of fd@ and sockpair@
	dgram  bool   // the prefix asks for datagrams
}

// addressKind tells what an address leads to.
type addressKind uint8

// The kinds (manual, section 11).
const (
	ipAddress addressKind = iota
	unixAddress
	abstractAddress // of a UNIX socket outside of the file system
	fdAddress
	sockpairAddress
	quicAddress
	reverseAddress // rhttp@
)

// families are the prefixes of addresses, with what they stand for.
var families = map[string]endpoint{
	"ipv4": {family: 4}, "ipv6": {family: 6}, "tcp": {}, "tcp4": {family: 4}, "tcp6": {family: 6},
	"stream+ipv4": {family: 4}, "stream+ipv6": {family: 6},
	"udp": {dgram: true}, "udp4": {family: 4, dgram: true}, "udp6": {family: 6, dgram: true},
	"dgram+ipv4": {family: 4, dgram: true}, "dgram+ipv6": {family: 6, dgram: true},
	"unix": {kind: unixAddress}, "uxst": {kind: unixAddress}, "stream+unix": {kind: unixAddress},
	"uxdg": {kind: unixAddress, dgram: true}, "dgram+unix": {kind: unixAddress, dgram: true},
	"abns": {kind: abstractAddress}, "stream+abns": {kind: abstractAddress}, "dgram+abns": {kind: abstractAddress, dgram: true},
	"fd": {kind: fdAddress}, "stream+fd": {kind: fdAddress}, "dgram+fd": {kind: fdAddress, dgram: true},
	"sockpair": {kind: sockpairAddress},
	"quic4":    {kind: quicAddress, family: 4}, "quic6": {kind: quicAddress, family: 6},
	"rhttp": {kind: reverseAddress},
}

// streamPrefixed reports whether an address has a prefix that asks for connections
// where datagrams are usual.
func streamPrefixed(s string) bool {
	prefix, _, found := strings.Cut(s, "@")
	return found && (strings.HasPrefix(prefix, "stream+") || slices.Contains([]string{"tcp", "tcp4", "tcp6", "uxst"}, prefix))
}

const familyForm = "ipv4@, ipv6@, tcp@, tcp4@, tcp6@, unix@, uxst@, abns@, fd@<number>"

// parseEndpoint takes the address of an IP or UNIX socket apart (manual, section
// 11); the other kinds are reported as not supported. Datagram prefixes are right
// for logs only.
func (p *parser) parseEndpoint(w Word, datagram bool) (endpoint, bool) {
	ep, ok := p.parseAddress(w)
	switch {
	case !ok:
		return ep, false
	case ep.dgram && !datagram:
		p.alert(w, "dgram-type address not acceptable in '%s'", w.Text).Accepted = "tcp@<address>"
		return ep, false
	case ep.kind != ipAddress && ep.kind != unixAddress:
		prefix, _, _ := strings.Cut(w.Text, "@")
		p.unsupported(w, "address family '%s@' is not supported here", prefix)
		return ep, false
	case ep.kind == unixAddress && ep.path == "":
		p.unsupported(w, "'%s' has no path", w.Text)
		return ep, false
	}
	return ep, true
}

// parseAddress takes an address of any kind apart.
func (p *parser) parseAddress(w Word) (endpoint, bool) {
	rest, ep := w.Text, endpoint{}
	if rest == "" {
		p.alert(w, "empty address (environment variable missing?)").Accepted = "an address"
		return ep, false
	}
	if prefix, tail, ok := strings.Cut(rest, "@"); ok && !strings.ContainsAny(prefix, "/:.") {
		if ep, ok = families[prefix]; !ok {
			d := p.alert(w, "unknown address family '%s@' in '%s'", prefix, w.Text)
			d.Accepted, d.Suggest = familyForm, nearest(prefix, slices.Sorted(maps.Keys(families)))
			return ep, false
		}
		rest = tail
	} else if strings.HasPrefix(rest, "/") {
		ep.kind = unixAddress
	}
	switch ep.kind {
	case unixAddress, abstractAddress:
		ep.path = rest
		return ep, p.checkSocketName(w, ep)
	case reverseAddress:
		ep.path = rest
		return ep, true
	case fdAddress, sockpairAddress:
		n, err := strconv.ParseUint(rest, 10, 31)
		if err != nil {
			p.alert(w, "file descriptor '%s' is not a valid integer in '%s'", rest, w.Text).Accepted = "fd@<number>"
		}
		ep.fd = int(n)
		return ep, err == nil
	}
	ep.setHost(rest)
	return ep, true
}

// setHost parts host and port at the last colon.
func (ep *endpoint) setHost(text string) {
	ep.host = text
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		ep.host, ep.port, ep.ported = text[:i], text[i+1:], true
	}
	if strings.HasPrefix(ep.host, "[") && strings.HasSuffix(ep.host, "]") {
		ep.host = ep.host[1 : len(ep.host)-1]
	}
}

func (p *parser) checkSocketName(w Word, ep endpoint) bool {
	longest := maxUnixPath
	if ep.kind == abstractAddress {
		longest = maxAbstractName
	}
	if len(ep.path) > longest {
		p.alert(w, "socket path '%s' too long (max %d)", ep.path, longest).Accepted = "a shorter path"
		return false
	}
	return true
}

// literal returns the IP address of an endpoint; an empty host and "*" are the
// wildcard.
func (ep endpoint) literal() (netip.Addr, bool) {
	if ep.host == "" || ep.host == "*" {
		if ep.family == 6 {
			return netip.IPv6Unspecified(), true
		}
		return netip.IPv4Unspecified(), true
	}
	addr, err := netip.ParseAddr(ep.host)
	if short, ok := looseIPv4(ep.host); ok && err != nil && ep.family != 6 {
		return short, true
	}
	if err != nil || addr.Zone() != "" || ep.family == 4 && !addr.Is4() || ep.family == 6 && addr.Is4() {
		return netip.Addr{}, false
	}
	return addr, true
}

// looseIPv4 reads an IPv4 address as inet_aton does: fewer than four parts, the
// last one filling what is left, each decimal, octal (0...) or hexadecimal (0x...).
func looseIPv4(s string) (netip.Addr, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		if part == "" || strings.ContainsAny(part, "_+-") {
			return netip.Addr{}, false
		}
		base := 10
		if digits, hex := strings.CutPrefix(strings.ToLower(part), "0x"); hex {
			part, base = digits, 16
		} else if part[0] == '0' {
			base = 8
		}
		n, err := strconv.ParseUint(part, base, 32)
		left := 8
		if i == len(parts)-1 {
			left = 8 * (5 - len(parts))
		}
		if err != nil || n>>left != 0 {
			return netip.Addr{}, false
		}
		sum = sum<<left | n
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}

// portRange reads "80" or "80-90"; the ports are 1 to 65535.
func (p *parser) portRange(w Word, text string) (lo, hi int, ok bool) {
	first, last, _ := cutRange(text)
	for _, s := range []string{first, last} {
		if n, err := strconv.ParseUint(s, 10, 32); err != nil || n < 1 || n > 65535 {
			p.alert(w, "invalid port '%s' in '%s'", s, w.Text).Accepted = "1 to 65535"
			return 0, 0, false
		}
	}
	lo, hi = atol(first), atol(last)
	if lo > hi {
		p.alert(w, "invalid port range '%s' in '%s'", text, w.Text).Accepted = "<first>-<last> with <first> not above <last>"
		return 0, 0, false
	}
	return lo, hi, true
}

// isHostName reports whether s may be the name of a host.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, label := range strings.Split(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; !isAlnum(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return strings.ContainsFunc(s, func(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' })
}
