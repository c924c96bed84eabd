package balance

import (
	"encoding/binary"

	"github.com/sluice-lb/sluice/pkg/hash"
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
		return hash.Avalanche(s.ID)
	}
	port := uint32(0)
	if s.HashKey == HashKeyAddrPort {
		port = hash.Avalanche(uint32(s.Addr.Port()))
	}
	if addr.Is4() {
		b := addr.As4()
		return hash.Avalanche(port + binary.LittleEndian.Uint32(b[:]))
	}
	b := addr.As16()
	return hash.XXH32(b[:], port)
}
