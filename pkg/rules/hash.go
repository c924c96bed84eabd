package rules

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/sluice-lb/sluice/pkg/config"
)

// The hashes of the converters. Those of 32 bits are the ones of "hash-type" too.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// hashed is a hash of 32 bits; an argument of 1 mixes it once more.
func hashed(f func([]byte) uint32) func([]config.Arg) (step, error) {
	return func(args []config.Arg) (step, error) {
		avalanche := len(args) > 0 && args[0].Int == 1
		return func(s *Stream) bool {
			h := f(s.value.bytes)
			if avalanche {
				h = mix(h)
			}
			s.value.setInt(int64(h))
			return true
		}, nil
	}
}

func djb2(b []byte) uint32 {
	h := uint32(5381)
	for _, c := range b {
		h = h*33 + uint32(c)
	}
	return h
}

func sdbm(b []byte) uint32 {
	h := uint32(0)
	for _, c := range b {
		h = h*65599 + uint32(c)
	}
	return h
}

// mix is HAProxy's full avalanche: one of Bob Jenkins' integer hashes, and a factor
// that spreads neighbours.
func mix(a uint32) uint32 {
	a = a + 0x7ed55d16 + a<<12
	a = a ^ 0xc761c23c ^ a>>19
	a = a + 0x165667b1 + a<<5
	a = (a + 0xd3a2646c) ^ a<<9
	a = a + 0xfd7046c5 + a<<3
	a = a ^ 0xb55a4f09 ^ a>>16
	return a * 3221225473
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

// Primes of the XXH family (xxHash fast digest algorithm, version 0.1.1).
const (
	prime32a uint32 = 0x9e3779b1
	prime32b uint32 = 0x85ebca77
	prime32c uint32 = 0xc2b2ae3d
	prime32d uint32 = 0x27d4eb2f
	prime32e uint32 = 0x165667b1

	prime64a uint64 = 0x9e3779b185ebca87
	prime64b uint64 = 0xc2b2ae3d27d4eb4f
	prime64c uint64 = 0x165667b19e3779f9
	prime64d uint64 = 0x85ebca77c2b2ae63
	prime64e uint64 = 0x27d4eb2f165667c5
)

// xxh32 takes stripes of four words, each of which has an accumulator of its own, then
// the rest word by word and byte by byte.
func xxh32(b []byte, seed uint32) uint32 {
	h, n := seed+prime32e, uint32(len(b))
	if len(b) >= 16 {
		acc := [4]uint32{seed + prime32a + prime32b, seed + prime32b, seed, seed - prime32a}
		for ; len(b) >= 16; b = b[16:] {
			for i := range acc {
				acc[i] = bits.RotateLeft32(acc[i]+binary.LittleEndian.Uint32(b[4*i:])*prime32b, 13) * prime32a
			}
		}
		h = bits.RotateLeft32(acc[0], 1) + bits.RotateLeft32(acc[1], 7) + bits.RotateLeft32(acc[2], 12) + bits.RotateLeft32(acc[3], 18)
	}
	h += n
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*prime32c, 17) * prime32d
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*prime32e, 11) * prime32a
	}
	h = (h ^ h>>15) * prime32b
	h = (h ^ h>>13) * prime32c
	return h ^ h>>16
}

// xxh64 does the same with words of twice the size.
func xxh64(b []byte, seed uint64) uint64 {
	h, n := seed+prime64e, uint64(len(b))
	round := func(acc, word uint64) uint64 { return bits.RotateLeft64(acc+word*prime64b, 31) * prime64a }
	if len(b) >= 32 {
		acc := [4]uint64{seed + prime64a + prime64b, seed + prime64b, seed, seed - prime64a}
		for ; len(b) >= 32; b = b[32:] {
			for i := range acc {
				acc[i] = round(acc[i], binary.LittleEndian.Uint64(b[8*i:]))
			}
		}
		h = bits.RotateLeft64(acc[0], 1) + bits.RotateLeft64(acc[1], 7) + bits.RotateLeft64(acc[2], 12) + bits.RotateLeft64(acc[3], 18)
		for _, a := range acc {
			h = (h^round(0, a))*prime64a + prime64d
		}
	}
	h += n
	for ; len(b) >= 8; b = b[8:] {
		h = bits.RotateLeft64(h^round(0, binary.LittleEndian.Uint64(b)), 27)*prime64a + prime64d
	}
	if len(b) >= 4 {
		h = bits.RotateLeft64(h^uint64(binary.LittleEndian.Uint32(b))*prime64a, 23)*prime64b + prime64c
		b = b[4:]
	}
	for _, c := range b {
		h = bits.RotateLeft64(h^uint64(c)*prime64e, 11) * prime64a
	}
	h = (h ^ h>>33) * prime64b
	h = (h ^ h>>29) * prime64c
	return h ^ h>>32
}
