package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
)

// The PROXY protocol tells a server, or us, who the client of a relayed
// connection is (proxy-protocol.txt, versions 1 and 2). The functions here know
// nothing of sockets and allocate nothing but error values.

// proxyHeader is what a header says. The zero value, without addresses, stands for
// LOCAL and UNKNOWN: the connection speaks for itself.
type proxyHeader struct {
	src, dst  netip.AddrPort
	authority []byte // the TLVs that are used; they point into the input
	uniqueID  []byte
}

const (
	proxyV1Max    = 107 // longest line of version 1, CRLF included
	proxyV2Fixed  = 16  // bytes in front of the addresses of version 2
	proxyV2Max    = 4096
	uniqueIDMax   = 128 // section 2.2.5
	authorityMax  = 255 // a host name
	tlvALPN       = 0x01
	tlvAuthority  = 0x02
	tlvCRC32C     = 0x03
	tlvUniqueID   = 0x05
	familyTCPv4   = 0x11
	familyTCPv6   = 0x21
	addressesTCP4 = 12
	addressesTCP6 = 36
)

var (
	proxyV1Signature = []byte("PROXY ")
	proxyV2Signature = []byte("\r\n\r\n\x00\r\nQUIT\n")
	castagnoli       = crc32.MakeTable(crc32.Castagnoli)
)

var errNotProxyHeader = errors.New("no PROXY protocol header")

// parseProxyHeader reads a header at the start of p. size is its length; 0 without
// an error means that more bytes are needed.
func parseProxyHeader(p []byte) (h proxyHeader, size int, err error) {
	switch {
	case hasPrefixSoFar(p, proxyV2Signature):
		return parseProxyV2(p)
	case hasPrefixSoFar(p, proxyV1Signature):
		return parseProxyV1(p)
	}
	return h, 0, errNotProxyHeader
}

// hasPrefixSoFar reports whether p begins with prefix, or is a beginning of it.
func hasPrefixSoFar(p, prefix []byte) bool {
	n := min(len(p), len(prefix))
	return bytes.Equal(p[:n], prefix[:n])
}

// parseProxyV1 reads "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n" (section 2.1).
func parseProxyV1(p []byte) (h proxyHeader, size int, err error) {
	end := bytes.IndexByte(p[:min(len(p), proxyV1Max)], '\n')
	switch {
	case end < 0 && len(p) < proxyV1Max:
		return h, 0, nil
	case end < 1 || p[end-1] != '\r':
		return h, 0, fmt.Errorf("PROXY header: no CRLF within %d bytes", proxyV1Max)
	}
	line := p[len(proxyV1Signature) : end-1]
	family, rest, _ := bytes.Cut(line, []byte(" "))
	if string(family) == "UNKNOWN" {
		return h, end + 1, nil
	}
	if string(family) != "TCP4" && string(family) != "TCP6" {
		return h, 0, fmt.Errorf("PROXY header: family %q, expected TCP4, TCP6 or UNKNOWN", family)
	}
	var fields [4][]byte
	for i := range fields {
		var more bool
		fields[i], rest, more = bytes.Cut(rest, []byte(" "))
		if more == (i == len(fields)-1) {
			return h, 0, fmt.Errorf("PROXY header: %q is not two addresses and two ports", line)
		}
	}
	if h.src, err = proxyV1Address(fields[0], fields[2], string(family) == "TCP6"); err != nil {
		return proxyHeader{}, 0, err
	}
	if h.dst, err = proxyV1Address(fields[1], fields[3], string(family) == "TCP6"); err != nil {
		return proxyHeader{}, 0, err
	}
	return h, end + 1, nil
}

func proxyV1Address(host, port []byte, v6 bool) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(string(host))
	if err != nil || addr.Is4() == v6 || addr.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("PROXY header: address %q", host)
	}
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, fmt.Errorf("PROXY header: port %q", port)
	}
	return netip.AddrPortFrom(addr, uint16(n)), nil
}

// parseProxyV2 reads a binary header (section 2.2). A family other than TCP over
// IPv4 and IPv6 counts as LOCAL, as the protocol demands of receivers that do not
// know it.
func parseProxyV2(p []byte) (h proxyHeader, size int, err error) {
	if len(p) < proxyV2Fixed {
		return h, 0, nil
	}
	if p[12]>>4 != 2 || p[12]&0xf > 1 {
		return h, 0, fmt.Errorf("PROXY header: version and command %#02x", p[12])
	}
	length := int(binary.BigEndian.Uint16(p[14:]))
	if size = proxyV2Fixed + length; size > proxyV2Max {
		return h, 0, fmt.Errorf("PROXY header: %d bytes, at most %d are read", size, proxyV2Max)
	}
	if len(p) < size {
		return h, 0, nil
	}
	p = p[:size]
	body, used := p[proxyV2Fixed:], 0
	switch family := p[13]; {
	case p[12]&0xf == 0: // LOCAL: what follows is skipped
		return h, size, nil
	case family == familyTCPv4:
		used = addressesTCP4
	case family == familyTCPv6:
		used = addressesTCP6
	default:
		return h, size, nil
	}
	if length < used {
		return h, 0, fmt.Errorf("PROXY header: %d bytes are too few for its addresses", length)
	}
	width := (used - 4) / 2
	src, _ := netip.AddrFromSlice(body[:width])
	dst, _ := netip.AddrFromSlice(body[width : 2*width])
	h.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(body[2*width:]))
	h.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(body[2*width+2:]))
	if err := h.parseTLVs(p, proxyV2Fixed+used); err != nil {
		return proxyHeader{}, 0, err
	}
	return h, size, nil
}

// parseTLVs reads the extensions from offset at on (section 2.2.1).
func (h *proxyHeader) parseTLVs(p []byte, at int) error {
	for at < len(p) {
		if len(p)-at < 3 || len(p)-at-3 < int(binary.BigEndian.Uint16(p[at+1:])) {
			return errors.New("PROXY header: truncated extension")
		}
		value := p[at+3:][:binary.BigEndian.Uint16(p[at+1:])]
		switch p[at] {
		case tlvAuthority:
			h.authority = value[:min(len(value), authorityMax)]
		case tlvUniqueID:
			if len(value) > uniqueIDMax {
				return fmt.Errorf("PROXY header: unique id of %d bytes, at most %d", len(value), uniqueIDMax)
			}
			h.uniqueID = value
		case tlvCRC32C:
			if len(value) != 4 || binary.BigEndian.Uint32(value) != proxyChecksum(p, at+3) {
				return errors.New("PROXY header: wrong checksum")
			}
		}
		at += 3 + len(value)
	}
	return nil
}

// proxyChecksum is the CRC32C of a header whose checksum field, at offset at,
// counts as zero (section 2.2.3).
func proxyChecksum(p []byte, at int) uint32 {
	var zero [4]byte
	sum := crc32.Update(0, castagnoli, p[:at])
	sum = crc32.Update(sum, castagnoli, zero[:])
	return crc32.Update(sum, castagnoli, p[at+4:])
}

// appendProxyV1 appends the header of version 1 for a connection from src to dst.
func appendProxyV1(b []byte, src, dst netip.AddrPort) []byte {
	b = append(b, proxyV1Signature...)
	s, d := src.Addr().Unmap(), dst.Addr().Unmap()
	switch {
	case !s.IsValid() || !d.IsValid():
		return append(b, "UNKNOWN\r\n"...)
	case s.Is4() && d.Is4():
		b = append(b, "TCP4 "...)
	default:
		b = append(b, "TCP6 "...)
		s, d = netip.AddrFrom16(s.As16()), netip.AddrFrom16(d.As16())
	}
	b = append(s.AppendTo(b), ' ')
	b = append(d.AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(src.Port()), 10), ' ')
	b = strconv.AppendUint(b, uint64(dst.Port()), 10)
	return append(b, "\r\n"...)
}

// appendProxyV2 appends the header of version 2 for what h says; checksum adds the
// CRC32C extension.
func appendProxyV2(b []byte, h proxyHeader, checksum bool) []byte {
	start := len(b)
	b = append(b, proxyV2Signature...)
	b = append(b, 0x21, 0, 0, 0) // PROXY; family and length follow
	s, d := h.src.Addr().Unmap(), h.dst.Addr().Unmap()
	switch {
	case !s.IsValid() || !d.IsValid():
		b[start+12] = 0x20 // LOCAL
	case s.Is4() && d.Is4():
		b[start+13] = familyTCPv4
		from, to := s.As4(), d.As4()
		b = append(append(b, from[:]...), to[:]...)
	default:
		b[start+13] = familyTCPv6
		from, to := s.As16(), d.As16()
		b = append(append(b, from[:]...), to[:]...)
	}
	if b[start+13] != 0 {
		b = binary.BigEndian.AppendUint16(b, h.src.Port())
		b = binary.BigEndian.AppendUint16(b, h.dst.Port())
	}
	sum := -1
	if checksum {
		b = appendTLV(b, tlvCRC32C, []byte{0, 0, 0, 0})
		sum = len(b) - 4
	}
	if h.authority != nil {
		b = appendTLV(b, tlvAuthority, h.authority)
	}
	if h.uniqueID != nil {
		b = appendTLV(b, tlvUniqueID, h.uniqueID)
	}
	binary.BigEndian.PutUint16(b[start+14:], uint16(len(b)-start-proxyV2Fixed))
	if sum >= 0 {
		binary.BigEndian.PutUint32(b[sum:], proxyChecksum(b[start:], sum-start))
	}
	return b
}

func appendTLV(b []byte, kind byte, value []byte) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}
