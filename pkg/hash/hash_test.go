package hash

import "testing"

// The numbers are those of HAProxy 3.0's converters, for a word, without and with
// avalanche.
func TestKnownAnswers(t *testing.T) {
	functions := map[string]func([]byte) uint32{"sdbm": SDBM, "djb2": DJB2, "wt6": WT6, "crc32": CRC32}
	tests := []struct {
		name, key    string
		plain, mixed uint32
	}{
		{"sdbm", "abc", 807794786, 659243622},
		{"djb2", "abc", 193485963, 2235766107},
		{"wt6", "abc", 2483038440, 266135527},
		{"crc32", "abc", 891568578, 930845320},
		{"sdbm", "\xff\x80\x01", 2115080448, 23886913},
		{"djb2", "\xff\x80\x01", 193658917, 712895203},
		{"wt6", "\xff\x80\x01", 879659207, 4288259671},
		{"crc32", "\xff\x80\x01", 224216354, 83370581},
	}
	for _, tt := range tests {
		got := functions[tt.name]([]byte(tt.key))
		if got != tt.plain || Avalanche(got) != tt.mixed {
			t.Errorf("%s(%q) = %d, mixed %d, want %d, %d", tt.name, tt.key, got, Avalanche(got), tt.plain, tt.mixed)
		}
	}
	if got := CRC32C([]byte("123456789")); got != 0xe3069283 { // the check value of RFC 3720
		t.Errorf("CRC32C = %#x", got)
	}
}

// The vectors are those of the reference implementation.
func TestXXH32(t *testing.T) {
	tests := []struct {
		seed uint32
		text string
		want uint32
	}{
		{0, "", 0x02cc5d05}, {12345, "a", 0x82c322b6}, {12345, "b", 0x2d15ab0f}, {0, "Nobody inspects the spammish repetition", 0xe2293b2f},
		{0, "The quick brown fox jumps over the lazy dog", 0xe85ea4de},
	}
	for _, tt := range tests {
		if got := XXH32([]byte(tt.text), tt.seed); got != tt.want {
			t.Errorf("XXH32(%q, %d) = %#x, want %#x", tt.text, tt.seed, got, tt.want)
		}
	}
}

func TestXXH64(t *testing.T) {
	tests := []struct {
		text string
		want uint64
	}{
		{"", 0xef46db3751d8e999}, {"Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1},
		{"abc", 0x44bc2cf5ad770999}, {"The quick brown fox jumps over the lazy dog", 0x0b242d361fda71bc},
	}
	for _, tt := range tests {
		if got := XXH64([]byte(tt.text), 0); got != tt.want {
			t.Errorf("XXH64(%q) = %#x, want %#x", tt.text, got, tt.want)
		}
	}
}
