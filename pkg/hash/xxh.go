package hash

import (
	"encoding/binary"
	"math/bits"
)

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

// XXH32 is Yann Collet's (xxHash specification, "XXH32 algorithm description"). It takes
// stripes of four words, each of which has an accumulator of its own, then the rest
// word by word and byte by byte.
func XXH32(b []byte, seed uint32) uint32 {
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

// XXH64 does the same with words of twice the size.
func XXH64(b []byte, seed uint64) uint64 {
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
