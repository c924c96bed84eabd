package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exprOf parses an expression in a listen section.
func exprOf(text string, place Place) (*Expr, []Word, []*Diagnostic) {
	p := newParser(nil, Options{})
	p.width, p.section, p.lineState = len(text), InListen, Pending // of a line that is refused as a whole
	p.px = &section{px: &Proxy{Name: "l", Kind: Listen}}
	words, _ := splitWords(text, p.lookup, nil)
	e, rest, _ := p.parseExpr(words, place)
	return e, rest, p.diags
}

func TestParseExpr(t *testing.T) {
	tests := []struct {
		text string
		want Expr
		rest int
	}{
		{"src", Expr{Text: "src", Fetch: "src", Type: TypeAddr}, 0},
		{"src if TRUE", Expr{Text: "src", Fetch: "src", Type: TypeAddr}, 2},
		{"src,ipmask(24) lower table t", Expr{Text: "src,ipmask(24) lower", Fetch: "src", Type: TypeString, Converters: []Converter{
			{Name: "ipmask", Args: []Arg{{Type: ArgMask4, Text: "24", Addr: netip.MustParseAddr("255.255.255.0")}}, In: TypeAddr, Out: TypeAddr},
			{Name: "lower", In: TypeString, Out: TypeString},
		}}, 2},
		{`'str("a,\"b")'`, Expr{Text: `str("a,\"b")`, Fetch: "str", Type: TypeString, Args: []Arg{{Type: ArgString, Text: `a,"b`}}}, 0},
		{"int(-5),debug", Expr{Text: "int(-5),debug", Fetch: "int", Type: TypeInt, Args: []Arg{{Type: ArgInteger, Text: "-5", Int: -5}},
			Converters: []Converter{{Name: "debug", In: TypeAny, Out: TypeSame}}}, 0},
		{"var(txn.a)", Expr{Text: "var(txn.a)", Fetch: "var", Type: TypeAny, Args: []Arg{{Type: ArgString, Text: "txn.a"}}}, 0},
	}
	for _, tt := range tests {
		got, rest, diags := exprOf(tt.text, 0)
		if got == nil || len(diags) > 0 {
			t.Errorf("parseExpr(%q): %v", tt.text, diags)
			continue
		}
		got.Pos, got.Places = Pos{}, 0
		if diff := cmp.Diff(tt.want, *got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("parseExpr(%q) (-want +got):\n%s", tt.text, diff)
		}
		if len(rest) != tt.rest {
			t.Errorf("parseExpr(%q) leaves %v, want %d words", tt.text, rest, tt.rest)
		}
	}
}

func TestParseExprPlace(t *testing.T) {
	tests := []struct {
		text  string
		place Place
		want  bool
	}{
		{"src", PlaceConnection, true},
		{"req.len", PlaceConnection, false},
		{"req.len", PlaceFrontContent, true},
		{"req.len", PlaceLog, false},
		{"res.len", PlaceBackResponse | PlaceFrontContent, true},
		{"srv_name", PlaceLog, true},
		{"int(1)", PlaceConfig, true},
		{"nbsrv", PlaceConfig, false},
		{"ssl_fc", PlaceConnection, false},
	}
	for _, tt := range tests {
		if e, _, diags := exprOf(tt.text, tt.place); (e != nil) != tt.want {
			t.Errorf("parseExpr(%q, %v) = %v, %v, want success %v", tt.text, tt.place, e, diags, tt.want)
		}
	}
}

func TestSampleTables(t *testing.T) {
	fetches, convs := Fetches(), Converters()
	if len(fetches) < 560 || len(convs) < 200 {
		t.Errorf("%d fetches and %d converters", len(fetches), len(convs))
	}
	for _, rows := range [][]SampleRow{fetches, convs} {
		for i, r := range rows {
			if i > 0 && rows[i-1].Name == r.Name {
				t.Errorf("%s is there twice", r.Name)
			}
			if r.State == Refused && r.Why == "" && r.Since == "" {
				t.Errorf("%s is refused without a reason", r.Name)
			}
			if strings.HasSuffix(r.Help, ".") {
				t.Errorf("%s: Help ends with a full stop", r.Name)
			}
			if sampleName(r.Name) != r.Name {
				t.Errorf("%q cannot be written as a name", r.Name)
			}
		}
	}
	for name := range fetchChecks {
		if !slices.ContainsFunc(fetches, func(r SampleRow) bool { return r.Name == name }) {
			t.Errorf("check of unknown fetch %s", name)
		}
	}
	for name := range converterChecks {
		if !slices.ContainsFunc(convs, func(r SampleRow) bool { return r.Name == name }) {
			t.Errorf("check of unknown converter %s", name)
		}
	}
}

func TestRegexFault(t *testing.T) {
	tests := []struct {
		text               string
		fault, unsupported bool
	}{
		{"^a[bc]+$", false, false},
		{"(", true, false},
		{"a**", true, false},
		{"[a", true, false},
		{`(a)\1`, true, false},
		{`(?<n>a)\k<n>`, true, true},
		{`(?<n>a)\k<m>`, true, false},
		{"(?=x)", true, true},
		{"(?=x", true, false},
		{"(?<!a)b", true, true},
		{"a++", true, true},
		{`\`, true, false},
		{`[\h]a`, true, true},
		{"a{2000}", true, true},
		{"a{2,1}", true, false},
		{"(?#note)a", true, true},
	}
	for _, tt := range tests {
		fault, unsupported := regexFault(tt.text, false)
		if (fault != "") != tt.fault || unsupported != tt.unsupported {
			t.Errorf("regexFault(%q) = %q, %v, want a fault %v, unsupported %v", tt.text, fault, unsupported, tt.fault, tt.unsupported)
		}
	}
}

func FuzzExpr(f *testing.F) {
	for _, s := range []string{
		"src,ipmask(24)", `str("a\"b"),field(1,",")`, "src -m str -i a b", "int(1) ge 5 lt 1:2", `str(a) -m reg (?<n>a)\k<n>`,
		"if TRUE or !{ src 10/8 } x", `%{+Q}ci %(a:str)[src,lower] %% %T`, "src 192.0.2.0/255.0.0.255",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range []string{"acl x ", "log-format ", "tcp-request content accept if ", "unique-id-format "} {
			src := Source{Name: "fuzz.cfg", Text: []byte("listen l\n " + line + strings.ReplaceAll(text, "\n", " ") + "\n")}
			_, _, err := Parse([]Source{src}, Options{})
			lines := Lines(src)
			for _, d := range alertsOf(err) {
				if d.Pos.Line < 1 || d.Pos.Line > len(lines) || d.Pos.Col < 1 || d.Pos.Col > len(lines[d.Pos.Line-1].Text)+1 || d.Message == "" {
					t.Fatalf("Parse(%q): misplaced diagnostic %v", src.Text, d)
				}
			}
		}
		exprOf(text, PlaceFrontContent)
	})
}
