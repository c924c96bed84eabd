package config

import (
	"math"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseACLTest(t *testing.T) {
	tests := []struct {
		text     string
		match    Match
		patterns []Pattern
	}{
		{"src 10.0.0.0/8", MatchIP, []Pattern{{Text: "10.0.0.0/8", Net: netip.MustParseAddr("10.0.0.0"), Mask: netip.MustParseAddr("255.0.0.0")}}},
		{"src 10/8", MatchIP, []Pattern{{Text: "10/8", Net: netip.MustParseAddr("10.0.0.0"), Mask: netip.MustParseAddr("255.0.0.0")}}},
		{"dst_port 80 443:445", MatchInt, []Pattern{{Text: "80", Min: 80, Max: 80}, {Text: "443:445", Min: 443, Max: 445}}},
		{"dst_port gt 1023", MatchInt, []Pattern{{Text: "1023", Min: 1024, Max: math.MaxInt64}}},
		{"dst_port lt 5 7", MatchInt, []Pattern{{Text: "5", Min: math.MinInt64, Max: 4}, {Text: "7", Min: math.MinInt64, Max: 6}}},
		{"req.ssl_ver ge 3.1", MatchVersion, []Pattern{{Text: "3.1", Min: 3<<16 | 1, Max: math.MaxInt64}}},
		{"req.ssl_sni -m end .example", MatchEnd, []Pattern{{Text: ".example"}}},
		{"req_ssl_sni a", MatchString, []Pattern{{Text: "a"}}},
		{"src -m found", MatchFound, nil},
		{"always_true", MatchBool, nil},
		{"str(a) -- -i", MatchString, []Pattern{{Text: "-i"}}},
	}
	for _, tt := range tests {
		p := newParser(nil, Options{})
		p.width, p.section = len(tt.text), InListen
		p.px = &section{px: &Proxy{Name: "l", Kind: Listen}}
		words, _ := splitWords(tt.text, p.lookup, nil)
		got := p.parseACLTest(words)
		if got == nil {
			t.Errorf("parseACLTest(%q): %v", tt.text, p.diags)
			continue
		}
		if got.Match != tt.match {
			t.Errorf("parseACLTest(%q).Match = %q, want %q", tt.text, got.Match, tt.match)
		}
		if diff := cmp.Diff(tt.patterns, got.Patterns, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("parseACLTest(%q).Patterns (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestParseCondition(t *testing.T) {
	p := newParser(nil, Options{})
	p.section = InListen
	p.px = &section{px: &Proxy{Name: "l", Kind: Listen}}
	x := p.px.declareACL("x", Pos{})
	text := "unless x !TRUE or or ! { src 10/8 } !!x"
	p.width = len(text)
	words, _ := splitWords(text, p.lookup, nil)
	c, ok := p.parseCondition(words, PlaceFrontContent)
	if !ok {
		t.Fatalf("parseCondition(%q): %v", text, p.diags)
	}
	var got [][]string
	for _, terms := range c.Any {
		var names []string
		for _, term := range terms {
			name := term.ACL.Name
			if term.Not {
				name = "!" + name
			}
			names = append(names, name)
		}
		got = append(got, names)
	}
	if diff := cmp.Diff([][]string{{"x", "!TRUE"}, {"!", "x"}}, got); diff != "" || !c.Unless || c.Any[0][0].ACL != x {
		t.Errorf("parseCondition(%q) = %+v (-want +got):\n%s", text, c, diff)
	}
}

func TestParseLogFormat(t *testing.T) {
	p := newParser(nil, Options{})
	p.section = InListen
	p.px = &section{px: &Proxy{Name: "l", Kind: Listen}}
	text := "a%%b %{+Q,-X}ci:%(n:str)[src,lower]%-"
	p.width = len(text)
	f, ok := p.parseLogFormat(Word{Text: text, Col: 1}, PlaceLog)
	if !ok {
		t.Fatalf("parseLogFormat(%q): %v", text, p.diags)
	}
	for i := range f.Parts {
		if e := f.Parts[i].Expr; e != nil {
			f.Parts[i].Expr = &Expr{Text: e.Text}
		}
	}
	want := []LogPart{
		{Text: "a%b "}, {Variable: "ci", Flags: []LogFlag{{Name: "Q"}, {Name: "X", Off: true}}}, {Text: ":"},
		{Expr: &Expr{Text: "src,lower"}, Name: "n", Type: "str"}, {Text: "-"},
	}
	if diff := cmp.Diff(want, f.Parts); diff != "" {
		t.Errorf("parseLogFormat(%q) (-want +got):\n%s", text, diff)
	}
}
