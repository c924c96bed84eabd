package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxUnixPath is what HAProxy leaves of sun_path after its temporary suffixes.
const maxUnixPath = 97

// endpoint is an address as written, taken apart but not judged.
type endpoint struct {
	path   string // UNIX socket path
	host   string // without brackets
	family int    // 0: any, 4, 6
	port   string // text behind the last colon
	ported bool   // there was a colon
}

// families are the prefixes of IP addresses, with the family they force.
var families = map[string]int{
	"ipv4": 4, "ipv6": 6, "tcp": 0, "tcp4": 4, "tcp6": 6,
	"stream+ipv4": 4, "stream+ipv6": 6, "udp": 0, "udp4": 4, "udp6": 6, "dgram+ipv4": 4, "dgram+ipv6": 6,
}

// refusedFamilies are prefixes that HAProxy knows.
var refusedFamilies = []string{"abns", "abnsz", "fd", "sockpair", "quic4", "quic6", "rhttp", "rev", "mptcp", "mptcp4", "mptcp6", "ring"}

// parseEndpoint takes an address apart (manual, section 11). Datagram prefixes
// are right for logs only.
func (p *parser) parseEndpoint(w Word, datagram bool) (endpoint, bool) {
	rest := w.Text
	ep := endpoint{}
	if rest == "" {
		p.alert(w, "empty address (environment variable missing?)").Accepted = "an address"
		return ep, false
	}
	if prefix, tail, ok := strings.Cut(rest, "@"); ok && prefix != "" && !strings.ContainsAny(prefix, "/:.") {
		family, known := families[prefix]
		switch {
		case prefix == "unix" || prefix == "uxst" || prefix == "uxdg" && datagram:
			return p.unixEndpoint(w, tail)
		case slices.Contains(refusedFamilies, prefix):
			p.unsupported(w, "address family '%s@' is not supported", prefix)
			return ep, false
		case !known:
			p.alert(w, "unknown address family '%s@' in '%s'", prefix, w.Text).Accepted = "ipv4@, ipv6@, tcp@, unix@"
			return ep, false
		case !datagram && (strings.HasPrefix(prefix, "udp") || strings.HasPrefix(prefix, "dgram")):
			p.alert(w, "dgram-type address not acceptable in '%s'", w.Text).Accepted = "tcp@<address>"
			return ep, false
		}
		ep.family, rest = family, tail
	}
	if strings.HasPrefix(rest, "/") {
		return p.unixEndpoint(w, rest)
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		ep.host, ep.port, ep.ported = rest[:i], rest[i+1:], true
	} else {
		ep.host = rest
	}
	if strings.HasPrefix(ep.host, "[") && strings.HasSuffix(ep.host, "]") {
		ep.host = ep.host[1 : len(ep.host)-1]
	}
	return ep, true
}

func (p *parser) unixEndpoint(w Word, path string) (endpoint, bool) {
	if path == "" {
		p.alert(w, "'%s' has no path", w.Text).Accepted = "unix@<path>"
		return endpoint{}, false
	}
	if len(path) > maxUnixPath {
		p.alert(w, "socket path '%s' too long (max %d)", path, maxUnixPath).Accepted = "a shorter path"
		return endpoint{}, false
	}
	return endpoint{path: path}, true
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
	if err != nil || addr.Zone() != "" || ep.family == 4 && !addr.Is4() || ep.family == 6 && addr.Is4() {
		return netip.Addr{}, false
	}
	return addr, true
}

// portRange reads "80" or "80-90"; the ports are 1 to 65535.
func (p *parser) portRange(w Word, text string) (lo, hi int, ok bool) {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
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
