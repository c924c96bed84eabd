package balance

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"
	"net/netip"
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
		sum = mix(sum)
	}
	return Key{hash: sum, valid: true}
}

func (f Function) sum(b []byte) uint32 {
	switch f {
	case DJB2:
		h := uint32(5381)
		for _, c := range b {
			h = h*33 + uint32(c)
		}
		return h
	case WT6:
		return wt6(b)
	case CRC32:
		return crc32.ChecksumIEEE(b)
	case None:
		return uint32(number(b))
	}
	h := uint32(0)
	for _, c := range b {
		h = h*65599 + uint32(c)
	}
	return h
}

// wt6 keeps two words that swap and rotate with each byte, by distances that come
// out of the words themselves.
func wt6(b []byte) uint32 {
	x, y := uint32(0xa53c965a), uint32(0x5ca6953a)
	rx, ry := 6, 18
	for _, c := range b {
		x, y = ^(x ^ uint32(c)), ^(y + uint32(c))
		x, y = bits.RotateLeft32(y, rx), bits.RotateLeft32(x, ry)
		t := (x>>16 ^ y) & 0xffff
		rx, ry = int(t&31), int(t>>11)
	}
	return x ^ y
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

// mix is the avalanche: one of Bob Jenkins' integer hashes, in which each bit of the
// input reaches all of the output, times a prime near three quarters of 2^32. It
// is a bijection.
func mix(a uint32) uint32 {
	a = a + 0x7ed55d16 + a<<12
	a = a ^ 0xc761c23c ^ a>>19
	a = a + 0x165667b1 + a<<5
	a = (a + 0xd3a2646c) ^ a<<9
	a = a + 0xfd7046c5 + a<<3
	a = a ^ 0xb55a4f09 ^ a>>16
	return a * 3221225473
}
