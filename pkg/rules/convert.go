package rules

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"net/netip"
	"strconv"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/hash"
	"github.com/zeebo/xxh3"
)

// converters are those that are supported; their rows are in pkg/config. The input
// has been cast to the type of the row.
var converters = map[string]func(args []config.Arg) (step, error){
	"add": arithmetic(addInt),
	"sub": arithmetic(subInt),
	"mul": arithmetic(mulInt),
	"div": arithmetic(divInt),
	"mod": arithmetic(modInt),
	"and": arithmetic(func(a, b int64) int64 { return a & b }),
	"or":  arithmetic(func(a, b int64) int64 { return a | b }),
	"xor": arithmetic(func(a, b int64) int64 { return a ^ b }),

	"bool": plain(func(v *value) { v.setBool(v.n != 0) }),
	"not":  plain(func(v *value) { v.setBool(v.n == 0) }),
	"odd":  plain(func(v *value) { v.setBool(v.n&1 != 0) }),
	"even": plain(func(v *value) { v.setBool(v.n&1 == 0) }),
	"cpl":  plain(func(v *value) { v.setInt(^v.n) }),
	"neg":  plain(func(v *value) { v.setInt(-v.n) }),

	"length": plain(func(v *value) { v.setInt(int64(len(v.bytes))) }),
	"lower":  mapped(lower),
	"upper":  mapped(upper),
	"iif":    convertIIf,
	"ipmask": convertMask,

	"crc32":  hashed(hash.CRC32),
	"crc32c": hashed(hash.CRC32C),
	"djb2":   hashed(hash.DJB2),
	"sdbm":   hashed(hash.SDBM),
	"wt6":    hashed(hash.WT6),
	"xxh32":  seeded(func(b []byte, seed uint64) int64 { return int64(hash.XXH32(b, uint32(seed))) }),
	"xxh64":  seeded(func(b []byte, seed uint64) int64 { return int64(hash.XXH64(b, seed)) }),
	"xxh3":   seeded(func(b []byte, seed uint64) int64 { return int64(xxh3.HashSeed(b, seed)) }),
}

func plain(f func(v *value)) func([]config.Arg) (step, error) {
	return func([]config.Arg) (step, error) {
		return func(s *Stream) bool { f(&s.value); return true }, nil
	}
}

// arithmetic is a converter with a number as its operand.
func arithmetic(f func(a, b int64) int64) func([]config.Arg) (step, error) {
	return func(args []config.Arg) (step, error) {
		b := int64(0)
		if t := args[0].Text; t != "" {
			n, err := strconv.ParseInt(t, 10, 64)
			if err != nil && !errors.Is(err, strconv.ErrRange) {
				return nil, errors.New("variables are not supported yet")
			}
			b = n
		}
		return func(s *Stream) bool { s.value.setInt(f(s.value.n, b)); return true }, nil
	}
}

// addInt saturates.
func addInt(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

// subInt saturates.
func subInt(a, b int64) int64 {
	switch {
	case b < 0 && a > math.MaxInt64+b:
		return math.MaxInt64
	case b > 0 && a < math.MinInt64+b:
		return math.MinInt64
	}
	return a - b
}

// mulInt saturates.
func mulInt(a, b int64) int64 {
	neg := (a < 0) != (b < 0)
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	switch {
	case hi == 0 && lo <= math.MaxInt64 && neg:
		return -int64(lo)
	case hi == 0 && lo <= math.MaxInt64:
		return int64(lo)
	case neg:
		return math.MinInt64
	}
	return math.MaxInt64
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// divInt makes the greatest number of what cannot be divided.
func divInt(a, b int64) int64 {
	if b == 0 || b == -1 && a == math.MinInt64 {
		return math.MaxInt64
	}
	return a / b
}

func modInt(a, b int64) int64 {
	if b == 0 || b == -1 {
		return 0
	}
	return a % b
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

// mapped changes each byte.
func mapped(f func(byte) byte) func([]config.Arg) (step, error) {
	return func([]config.Arg) (step, error) {
		return func(s *Stream) bool { s.mapBytes(f); return true }, nil
	}
}

func (s *Stream) mapBytes(f func(byte) byte) {
	s.write(config.TypeString, func(b []byte, v *value) []byte {
		for _, c := range v.bytes {
			b = append(b, f(c))
		}
		return b
	})
}

func convertIIf(args []config.Arg) (step, error) {
	yes, no := text(args[0].Text), text(args[1].Text)
	return func(s *Stream) bool {
		if s.value.n != 0 {
			s.value = yes
		} else {
			s.value = no
		}
		return true
	}, nil
}

// convertMask keeps the network part of an address; an IPv6 address without a mask
// of its own is no sample unless it stands for an IPv4 address.
func convertMask(args []config.Arg) (step, error) {
	mask4, mask6 := args[0].Addr.As4(), netip.Addr{}
	if len(args) > 1 {
		mask6 = args[1].Addr
	}
	return func(s *Stream) bool {
		v := &s.value
		if v.kind == config.TypeIPv6 && mask6.IsValid() {
			b, m := v.addr.As16(), mask6.As16()
			for i := range b {
				b[i] &= m[i]
			}
			return v.setAddr(netip.AddrFrom16(b))
		}
		a, ok := embedded4(v.addr)
		if !ok {
			return false
		}
		b := a.As4()
		return v.setAddr(netip.AddrFrom4([4]byte{b[0] & mask4[0], b[1] & mask4[1], b[2] & mask4[2], b[3] & mask4[3]}))
	}, nil
}

// seeded is a hash with an argument that it starts from, 0 without.
func seeded(f func(b []byte, seed uint64) int64) func([]config.Arg) (step, error) {
	return func(args []config.Arg) (step, error) {
		seed := uint64(0)
		if len(args) > 0 {
			seed = uint64(args[0].Int)
		}
		return func(s *Stream) bool { s.value.setInt(f(s.value.bytes, seed)); return true }, nil
	}
}

// number32 is an address as a number.
func number32(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// hashed is a hash of 32 bits; an argument of 1 mixes it once more.
func hashed(f func([]byte) uint32) func([]config.Arg) (step, error) {
	return func(args []config.Arg) (step, error) {
		avalanche := len(args) > 0 && args[0].Int == 1
		return func(s *Stream) bool {
			h := f(s.value.bytes)
			if avalanche {
				h = hash.Avalanche(h)
			}
			s.value.setInt(int64(h))
			return true
		}, nil
	}
}
