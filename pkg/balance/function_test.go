package balance

import (
	"net/netip"
	"testing"
)

// The numbers are those of HAProxy 3.0's converters sdbm, djb2, wt6 and crc32,
// without and with avalanche.
func TestKnownAnswers(t *testing.T) {
	tests := []struct {
		key          string
		plain, mixed [4]uint32
	}{
		{"abc", [4]uint32{807794786, 193485963, 2483038440, 891568578}, [4]uint32{659243622, 2235766107, 266135527, 930845320}},
		{"a", [4]uint32{97, 177670, 1900802597, 3904355907}, [4]uint32{1830748055, 3548763807, 1986649387, 1288200982}},
		{"Hello-World-42", [4]uint32{3357350708, 3889647681, 3280654956, 1532625399}, [4]uint32{4079473928, 2084975482, 528180576, 2196237238}},
		{"\xff\x80\x01", [4]uint32{2115080448, 193658917, 879659207, 224216354}, [4]uint32{23886913, 712895203, 4288259671, 83370581}},
		{"192.168.1.1", [4]uint32{2744588789, 3398482796, 2881734074, 2286285663}, [4]uint32{4183571711, 771980607, 293505249, 3062672666}},
	}
	for _, tt := range tests {
		for f := SDBM; f <= CRC32; f++ {
			if got := (HashType{Function: f}).Key([]byte(tt.key)).hash; got != tt.plain[f] {
				t.Errorf("%v(%q) = %d, want %d", f, tt.key, got, tt.plain[f])
			}
			if got := (HashType{Function: f, Avalanche: true}).Key([]byte(tt.key)).hash; got != tt.mixed[f] {
				t.Errorf("%v(%q) with avalanche = %d, want %d", f, tt.key, got, tt.mixed[f])
			}
		}
	}
}

func TestNoneReadsANumber(t *testing.T) {
	tests := []struct {
		key  string
		want uint32
	}{
		{"", 0},
		{"0", 0},
		{"4294967295", 1<<32 - 1},
		{"4294967297", 1},
		{"-1", 1<<32 - 1},
		{"12ab", 12},
		{"ab", 0},
		{"99999999999999999999", 1<<32 - 1}, // the greatest of 64 bits
		{"-99999999999999999999", 0},        // the least
	}
	for _, tt := range tests {
		if got := (HashType{Function: None}).Key([]byte(tt.key)).hash; got != tt.want {
			t.Errorf("none(%q) = %d, want %d", tt.key, got, tt.want)
		}
	}
}

func TestFunctionNames(t *testing.T) {
	for f := SDBM; f <= None; f++ {
		if got, ok := FunctionNamed(f.String()); !ok || got != f {
			t.Errorf("FunctionNamed(%v) = %v, %v, want itself", f, got, ok)
		}
	}
	if f, ok := FunctionNamed("md5"); ok {
		t.Errorf("FunctionNamed(md5) = %v, want none", f)
	}
}

func TestAddrKey(t *testing.T) {
	tests := []struct {
		addr string
		want uint32
	}{
		{"10.1.2.3", 0x0a010203},
		{"::1", 1},
		{"2001:db8::1:2", 0x20010db8 ^ 0x00010002},
		{"::ffff:10.1.2.3", 0x0000ffff ^ 0x0a010203},
	}
	for _, tt := range tests {
		if got := (HashType{Function: DJB2}).AddrKey(netip.MustParseAddr(tt.addr)).hash; got != tt.want {
			t.Errorf("AddrKey(%s) = %#x, want %#x", tt.addr, got, tt.want)
		}
	}
	if k := (HashType{}).AddrKey(netip.Addr{}); k != (Key{}) {
		t.Errorf("AddrKey of no address = %v, want no key", k)
	}
}
