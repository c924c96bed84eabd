package netcfg

import (
	"encoding/binary"
	"net/netip"
)

// Unsolicited neighbour advertisement (RFC 4861 sections 4.4 and 7.2.6): to all
// nodes, override flag set, solicited flag clear, target link-layer address
// option present, hop limit 255.

const (
	icmpv6          = 58
	icmpAdvertise   = 136
	flagOverride    = 0x20
	optTargetLinkLA = 2
)

// unsolicitedNA returns the frame that announces addr, which must be IPv6.
func unsolicitedNA(src mac, addr netip.Addr) []byte {
	from := addr.As16()
	body := []byte{icmpAdvertise, 0, 0, 0, flagOverride, 0, 0, 0}
	body = append(body, from[:]...)
	body = append(body, optTargetLinkLA, 1) // length in units of 8 bytes
	body = append(body, src[:]...)
	return icmpFrame(src, addr, netip.IPv6LinkLocalAllNodes(), body)
}

// icmpFrame returns the Ethernet frame of an ICMPv6 message to a multicast address:
// with hop limit 255, as neighbour discovery wants it (RFC 4861), and body's checksum
// filled in.
func icmpFrame(src mac, from, to netip.Addr, body []byte) []byte {
	source, group := from.As16(), to.As16()
	binary.BigEndian.PutUint16(body[2:], icmpChecksum(source, group, body))
	b := ethernet(mac{0x33, 0x33, group[12], group[13], group[14], group[15]}, src, etherIPv6) // RFC 2464, section 7
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	b = append(b, icmpv6, 255)
	b = append(b, source[:]...)
	b = append(b, group[:]...)
	return append(b, body...)
}

// icmpChecksum is the checksum of RFC 4443 section 2.3 over the pseudo header
// and body; body's checksum field must be 0, or be filled to verify (result 0).
func icmpChecksum(src, dst [16]byte, body []byte) uint16 {
	pseudo := append(src[:], dst[:]...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(body)))
	pseudo = append(pseudo, 0, 0, 0, icmpv6)
	pseudo = append(pseudo, body...)
	if len(pseudo)%2 == 1 {
		pseudo = append(pseudo, 0)
	}
	sum := uint32(0)
	for i := 0; i < len(pseudo); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(pseudo[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
