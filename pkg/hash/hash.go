package hash

import (
	"hash/crc32"
	"math/bits"
)

// DJB2 is Bernstein's: hash = hash*33 + byte, from 5381.
func DJB2(b []byte) uint32 {
	h := uint32(5381)
	for _, c := range b {
		h = h*33 + uint32(c)
	}
	return h
}

// SDBM is sdbm's: hash = hash*65599 + byte, from 0.
func SDBM(b []byte) uint32 {
	h := uint32(0)
	for _, c := range b {
		h = h*65599 + uint32(c)
	}
	return h
}

// WT6 is HAProxy's own. It keeps two words that swap and rotate with each byte, by
// distances that come out of the words themselves.
func WT6(b []byte) uint32 {
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

// CRC32 is that of IEEE 802.3, as in gzip.
func CRC32(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC32C is that of Castagnoli, as in iSCSI (RFC 3720) and PROXY protocol v2.
func CRC32C(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Avalanche mixes a hash once more, so that each bit of the input reaches all of the
// output: one of Bob Jenkins' integer hashes, times a prime near three quarters of
// 2^32. It is a bijection.
func Avalanche(a uint32) uint32 {
	a = a + 0x7ed55d16 + a<<12
	a = a ^ 0xc761c23c ^ a>>19
	a = a + 0x165667b1 + a<<5
	a = (a + 0xd3a2646c) ^ a<<9
	a = a + 0xfd7046c5 + a<<3
	a = a ^ 0xb55a4f09 ^ a>>16
	return a * 3221225473
}
