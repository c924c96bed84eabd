package slip

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	tests := []struct {
		name, word, candidates string
		limit                  int
		want                   string
	}{
		{"none", "mode", "", 2, ""},
		{"itself", "mode", "node mode", 2, "mode"},
		{"a letter left out", "blance", "bind balance", 2, "balance"},
		{"one too many", "modde", "mode", 2, "mode"},
		{"a wrong one", "mpde", "mode", 2, "mode"},
		{"a swap is one slip", "mdoe", "mode", 1, "mode"},
		{"two slips", "blanec", "balance", 2, "balance"},
		{"beyond the limit", "blanec", "balance", 1, ""},
		{"the nearest, not the first", "servre", "serves server", 2, "server"},
		{"of several the first of the alphabet", "lo", "log lb loc", 1, "lb"},
		{"case", "ADDRESS=", "Address= Adress=", 1, "Address="},
		{"no candidate is as long", "x", strings.Repeat("x", 300), 2, ""},
		{"long words", strings.Repeat("x", 299), strings.Repeat("x", 300), 1, strings.Repeat("x", 300)},
		{"empty word", "", "a", 0, ""},
	}
	for _, tt := range tests {
		if got := Nearest(tt.word, strings.Fields(tt.candidates), tt.limit); got != tt.want {
			t.Errorf("%s: Nearest(%q, %q, %d) = %q, want %q", tt.name, tt.word, tt.candidates, tt.limit, got, tt.want)
		}
	}
	if got := Nearest("a", make([]string, MaxCandidates+1), 2); got != "" {
		t.Errorf("of too many candidates %q is near", got)
	}
}
