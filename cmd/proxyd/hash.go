package main

import (
	"encoding/binary"
	"math/bits"
)

// The primes of XXH32 (xxHash specification, section "XXH32 algorithm
// description").
const (
	prime1 uint32 = 2654435761
	prime2 uint32 = 2246822519
	prime3 uint32 = 3266489917
	prime4 uint32 = 668265263
	prime5 uint32 = 374761393
)

// hash32 is XXH32, with which HAProxy hides names.
func hash32(seed uint32, text string) uint32 {
	b := []byte(text)
	h := seed + prime5
	if len(b) >= 16 {
		h = stripes(seed, &b)
	}
	h += uint32(len(text))
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*prime3, 17) * prime4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*prime5, 11) * prime1
	}
	h = (h ^ h>>15) * prime2
	h = (h ^ h>>13) * prime3
	return h ^ h>>16
}

// stripes takes in whole stripes of 16 bytes and leaves the rest in b.
func stripes(seed uint32, b *[]byte) uint32 {
	p := seed + prime1
	acc := [4]uint32{p + prime2, seed + prime2, seed, seed - prime1}
	for ; len(*b) >= 16; *b = (*b)[16:] {
		for i := range acc {
			acc[i] = bits.RotateLeft32(acc[i]+binary.LittleEndian.Uint32((*b)[4*i:])*prime2, 13) * prime1
		}
	}
	return bits.RotateLeft32(acc[0], 1) + bits.RotateLeft32(acc[1], 7) + bits.RotateLeft32(acc[2], 12) + bits.RotateLeft32(acc[3], 18)
}
