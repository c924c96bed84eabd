package rules

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"

	"github.com/sluice-lb/sluice/pkg/config"
)

// Stream is what samples of one session are taken from, and scratch memory. One
// goroutine owns it; the same one serves many sessions in turn.
type Stream struct {
	// Client and Local are the two ends of the client's connection; invalid for a
	// UNIX socket. Local counts only if the rules ask for it, see Needs.
	Client, Local netip.AddrPort
	Frontend      *config.Proxy
	Backend       *config.Proxy // nil: none yet
	Bind          *config.Bind
	Socket        Object // that Bind made
	Session       Session

	value   value
	scratch []byte
}

// value is a sample on its way through the steps of an expression. Bytes are
// constants or in the scratch memory.
type value struct {
	kind  config.SampleType // TypeBool, TypeInt, TypeIPv4, TypeIPv6, TypeString, TypeBinary
	n     int64             // of TypeBool and TypeInt
	addr  netip.Addr
	bytes []byte
}

func (v *value) setInt(n int64) { v.kind, v.n = config.TypeInt, n }

func (v *value) setBool(b bool) {
	v.kind, v.n = config.TypeBool, 0
	if b {
		v.n = 1
	}
}

func (v *value) setAddr(a netip.Addr) bool {
	v.kind, v.addr = config.TypeIPv6, a
	if a.Is4() {
		v.kind = config.TypeIPv4
	}
	return a.IsValid()
}

func (v *value) setBytes(kind config.SampleType, b []byte) { v.kind, v.bytes = kind, b }

// write makes the value what add appends to the scratch memory.
func (s *Stream) write(kind config.SampleType, add func(b []byte, v *value) []byte) {
	start := len(s.scratch)
	s.scratch = add(s.scratch, &s.value)
	s.value.setBytes(kind, s.scratch[start:])
}

// cast turns the value into one of another type, as HAProxy's samples do; ok is
// false if this one cannot be.
func (s *Stream) cast(to config.SampleType) (ok bool) {
	v := &s.value
	switch to {
	case v.kind, config.TypeAny, config.TypeSame:
		return true
	case config.TypeBool, config.TypeInt:
		return s.toInt(to)
	case config.TypeAddr:
		return v.kind == config.TypeIPv4 || v.kind == config.TypeIPv6 || s.toAddr()
	case config.TypeIPv4:
		if !s.toAddr() {
			return false
		}
		a, ok := embedded4(v.addr)
		return ok && v.setAddr(a)
	case config.TypeIPv6:
		return s.toAddr() && v.setAddr(netip.AddrFrom16(v.addr.As16()))
	case config.TypeString:
		s.toString()
	case config.TypeBinary:
		s.toBinary()
	}
	return true
}

func (s *Stream) toInt(to config.SampleType) bool {
	v := &s.value
	switch v.kind {
	case config.TypeBool, config.TypeInt:
	case config.TypeIPv4:
		b := v.addr.As4()
		v.n = int64(binary.BigEndian.Uint32(b[:]))
	case config.TypeString:
		n, ok := parseInt(v.bytes)
		if !ok {
			return false
		}
		v.n = n
	default:
		return false
	}
	if v.kind = to; to == config.TypeBool {
		v.setBool(v.n != 0)
	}
	return true
}

// parseInt reads a decimal number with an optional sign; it saturates.
func parseInt(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if len(b) > 0 && (neg || b[0] == '+') {
		b = b[1:]
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-int64(c-'0'))/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + int64(c-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}

func (s *Stream) toAddr() bool {
	v := &s.value
	switch v.kind {
	case config.TypeIPv4, config.TypeIPv6:
		return true
	case config.TypeInt:
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(v.n))
		return v.setAddr(netip.AddrFrom4(b))
	case config.TypeString:
		a, err := netip.ParseAddr(string(v.bytes))
		return err == nil && a.Zone() == "" && v.setAddr(a)
	}
	return false
}

func (s *Stream) toString() {
	switch s.value.kind {
	case config.TypeBool, config.TypeInt:
		s.write(config.TypeString, func(b []byte, v *value) []byte { return strconv.AppendInt(b, v.n, 10) })
	case config.TypeIPv4, config.TypeIPv6:
		s.write(config.TypeString, func(b []byte, v *value) []byte { return v.addr.AppendTo(b) })
	case config.TypeBinary:
		s.write(config.TypeString, func(b []byte, v *value) []byte { return upperHex(b, v.bytes) })
	}
}

func upperHex(b, src []byte) []byte {
	start := len(b)
	b = hex.AppendEncode(b, src)
	for i := start; i < len(b); i++ {
		b[i] = upper(b[i])
	}
	return b
}

// toBinary is what hashes take: numbers are eight bytes, the most significant
// first, and so are addresses of their size.
func (s *Stream) toBinary() {
	switch s.value.kind {
	case config.TypeBool, config.TypeInt:
		s.write(config.TypeBinary, func(b []byte, v *value) []byte { return binary.BigEndian.AppendUint64(b, uint64(v.n)) })
	case config.TypeIPv4:
		s.write(config.TypeBinary, func(b []byte, v *value) []byte { a := v.addr.As4(); return append(b, a[:]...) })
	case config.TypeIPv6:
		s.write(config.TypeBinary, func(b []byte, v *value) []byte { a := v.addr.As16(); return append(b, a[:]...) })
	default:
		s.value.kind = config.TypeBinary
	}
}

// embedded4 returns the IPv4 address that an address stands for: mapped
// (::ffff:a.b.c.d), compatible (::a.b.c.d) or 6to4 (2002:aabb:ccdd::).
func embedded4(a netip.Addr) (netip.Addr, bool) {
	if a.Is4() {
		return a, true
	}
	b := a.As16()
	switch {
	case a.Is4In6():
		return a.Unmap(), true
	case b[0] == 0x20 && b[1] == 2:
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case [12]byte(b[:12]) == [12]byte{}:
		return netip.AddrFrom4([4]byte(b[12:])), true
	}
	return netip.Addr{}, false
}
