package balance

import (
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/sluice-lb/sluice/pkg/hash"
)

// Function turns bytes into the 32 bits that are looked up. Configuration manual,
// "hash-type". Each costs a few operations a byte.
type Function uint8

const (
	SDBM  Function = iota // sdbm's: hash = hash*65599 + byte, from 0
	DJB2                  // Bernstein's: hash = hash*33 + byte, from 5381
	WT6                   // HAProxy's own, two rotating halves
	CRC32                 // IEEE 802.3, as in gzip
	None                  // the key is a decimal number, of which the lower 32 bits count
)

var functions = []string{SDBM: "sdbm", DJB2: "djb2", WT6: "wt6", CRC32: "crc32", None: "none"}

// String is the word of "hash-type".
func (f Function) String() string { return functions[f] }

// FunctionNamed returns the function for a word of "hash-type".
func FunctionNamed(name string) (Function, bool) {
	for f, n := range functions {
		if n == name {
			return Function(f), true
		}
	}
	return 0, false
}

// HashType is the "hash-type" line. The zero value is the default: map-based sdbm.
type HashType struct {
	Consistent bool
	Function   Function
	Avalanche  bool // mix the bits once more
}

// DefaultHash is the hash-type without a function: sdbm, and for consistent
// hashing with avalanche.
func DefaultHash(consistent bool) HashType {
	return HashType{Consistent: consistent, Avalanche: consistent}
}

// Key is the key for a string: the sample of "balance hash", an RDP cookie.
func (h HashType) Key(b []byte) Key {
	return h.finish(h.Function.sum(b))
}

// AddrKey is the key for a client's address, as "balance source" has it: its 32-bit
// words, combined with exclusive or. The function takes no part in it. An address
// that is neither IPv4 nor IPv6 is no key.
func (h HashType) AddrKey(addr netip.Addr) Key {
	switch {
	case addr.Is4():
		b := addr.As4()
		return h.finish(binary.BigEndian.Uint32(b[:]))
	case addr.Is6():
		b := addr.As16()
		var sum uint32
		for i := 0; i < len(b); i += 4 {
			sum ^= binary.BigEndian.Uint32(b[i:])
		}
		return h.finish(sum)
	}
	return Key{}
}

func (h HashType) finish(sum uint32) Key {
	if h.Avalanche {
		sum = hash.Avalanche(sum)
	}
	return Key{hash: sum, valid: true}
}

func (f Function) sum(b []byte) uint32 {
	switch f {
	case DJB2:
		return hash.DJB2(b)
	case WT6:
		return hash.WT6(b)
	case CRC32:
		return hash.CRC32(b)
	case None:
		return uint32(number(b))
	}
	return hash.SDBM(b)
}

// number reads a decimal number with an optional sign as far as it goes. What does
// not fit 64 bits is the nearest that does.
func number(b []byte) int64 {
	neg := len(b) > 0 && b[0] == '-'
	if neg || len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	var n int64
	for _, c := range b {
		d := int64(c) - '0'
		switch {
		case d < 0 || d > 9:
			return n
		case neg && n < (math.MinInt64+d)/10:
			return math.MinInt64
		case neg:
			n = n*10 - d
		case n > (math.MaxInt64-d)/10:
			return math.MaxInt64
		default:
			n = n*10 + d
		}
	}
	return n
}
