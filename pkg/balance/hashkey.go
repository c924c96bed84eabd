package balance

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// HashKey says what the places of a server on the ring derive from. Configuration
// manual, "hash-key".
type HashKey uint8

const (
	HashKeyID       HashKey = iota // the server's id
	HashKeyAddr                    // its address
	HashKeyAddrPort                // its address and port
)

// ringBase is where the count of the server's places begins: the mixed id, or the
// hashed address with the mixed port added in. Words of an address are read as a
// little-endian machine finds them in memory, which is what HAProxy does on all
// machines that Sluice runs on.
func (s Server) ringBase() uint32 {
	addr := s.Addr.Addr()
	if s.HashKey == HashKeyID || !addr.IsValid() {
		return mix(s.ID)
	}
	port := uint32(0)
	if s.HashKey == HashKeyAddrPort {
		port = mix(uint32(s.Addr.Port()))
	}
	if addr.Is4() {
		b := addr.As4()
		return mix(port + binary.LittleEndian.Uint32(b[:]))
	}
	return xxh32(addr, port)
}

// xxh32 is Yann Collet's XXH32 of the 16 bytes of an address.
func xxh32(addr netip.Addr, seed uint32) uint32 {
	const (
		prime1 uint32 = 2654435761
		prime2 uint32 = 2246822519
		prime3 uint32 = 3266489917
	)
	b := addr.As16()
	var h uint32
	// The first start is seed + prime1 + prime2, modulo 2^32.
	starts := [4]uint32{seed + 606290984, seed + prime2, seed, seed - prime1}
	for lane, rotate := range [4]int{1, 7, 12, 18} {
		word := binary.LittleEndian.Uint32(b[4*lane:])
		h += bits.RotateLeft32(bits.RotateLeft32(starts[lane]+word*prime2, 13)*prime1, rotate)
	}
	h += uint32(len(b))
	h = (h ^ h>>15) * prime2
	h = (h ^ h>>13) * prime3
	return h ^ h>>16
}
