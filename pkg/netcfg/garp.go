package netcfg

import (
	"encoding/binary"
	"net/netip"
)

// Gratuitous ARP (RFC 826, RFC 5227 section 3, RFC 2002 section 4.6): sender and
// target address are the announced one. Some systems update their cache on a
// request only, some on a reply only, so both are sent.

// mac is an Ethernet address.
type mac [6]byte

// Operations of RFC 826.
const (
	arpRequest = 1
	arpReply   = 2
)

const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
)

func ethernet(dst, src mac, etherType uint16) []byte {
	b := make([]byte, 0, 90)
	b = append(b, dst[:]...)
	b = append(b, src[:]...)
	return binary.BigEndian.AppendUint16(b, etherType)
}

// gratuitousARP returns the broadcast frame, padded to Ethernet's 60 bytes.
// addr must be IPv4.
func gratuitousARP(op uint16, src mac, addr netip.Addr) []byte {
	broadcast := mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	target := mac{} // undefined in a request
	if op == arpReply {
		target = broadcast
	}
	ip := addr.As4()
	b := ethernet(broadcast, src, etherARP)
	b = binary.BigEndian.AppendUint16(b, 1) // hardware: Ethernet
	b = binary.BigEndian.AppendUint16(b, etherIPv4)
	b = append(b, 6, 4)
	b = binary.BigEndian.AppendUint16(b, op)
	b = append(b, src[:]...)
	b = append(b, ip[:]...)
	b = append(b, target[:]...)
	b = append(b, ip[:]...)
	return append(b, make([]byte, 60-len(b))...)
}
