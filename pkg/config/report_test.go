package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHAProxyShape(t *testing.T) {
	tests := []struct {
		d    Diagnostic
		want string
		text string // of the message read back; "": the same
	}{
		{Diagnostic{Pos: Pos{"a.cfg", 3, 7}, Severity: Alert, Message: "unknown keyword 'bnd'"},
			"[ALERT]    (12) : config : parsing [a.cfg:3] : unknown keyword 'bnd' (column 7)", ""},
		{Diagnostic{Pos: Pos{"/x/y z:1.cfg", 3, 7}, Severity: Warning, Message: "odd", Accepted: "less"},
			"[WARNING]  (12) : config : parsing [/x/y z:1.cfg:3] : odd; accepted: less (column 7)", "odd; accepted: less"},
		{Diagnostic{Pos: Pos{"a.cfg", 3, 7}, Severity: Notice, Message: "'a\nb'"},
			`[NOTICE]   (12) : config : parsing [a.cfg:3] : 'a\nb' (column 7)`, `'a\nb'`},
		{Diagnostic{Severity: Alert, Message: "no file"}, "[ALERT]    (12) : config : no file", ""},
		{Diagnostic{Pos: Pos{"a.cfg", 1, 1}, Severity: Diag, Message: "(column 9)", Suggest: "b"},
			`[DIAG]     (12) : config : parsing [a.cfg:1] : (column 9) (did you mean "b"?) (column 1)`, `(column 9) (did you mean "b"?)`},
	}
	for _, tt := range tests {
		got := tt.d.HAProxy(12)
		if got != tt.want {
			t.Errorf("HAProxy() = %q, want %q", got, tt.want)
		}
		back, ok := ParseHAProxy(got)
		want := Diagnostic{Pos: tt.d.Pos, Severity: tt.d.Severity, Message: tt.d.Message}
		if tt.text != "" {
			want.Message = tt.text
		}
		if !ok {
			t.Errorf("ParseHAProxy(%q) finds nothing", got)
		} else if diff := cmp.Diff(want, *back); diff != "" {
			t.Errorf("ParseHAProxy(%q) (-want +got):\n%s", got, diff)
		}
	}
	for _, line := range []string{
		"", "Warnings were found.", "[ALERT]    (1) : config : Error(s) found in configuration file : a.cfg",
		"[ALERT]    (1) : config : Fatal errors found in configuration.", "[NOTICE]   (1) : haproxy version is 3.0.11",
	} {
		if d, ok := ParseHAProxy(line); ok {
			t.Errorf("ParseHAProxy(%q) = %v, want nothing", line, d)
		}
	}
}

func TestZeroWarning(t *testing.T) {
	const warned = "defaults\n timeout connect 1s\nfrontend f\n bind 127.0.0.1:80\n"
	const clean = "frontend f\n timeout client 1m\n bind 127.0.0.1:80\n"
	const own = "global\n user nobody\n.notice text\n"
	tests := []struct {
		name, text string
		option     bool
		valid      bool
	}{
		{"warning", warned, false, true},
		{"warning, option", warned, true, false},
		{"warning, keyword", "global\n zero-warning\n" + warned, false, false},
		{"no warning", clean, true, true},
		{"a remark of our own and a notice", own + clean, true, true},
	}
	for _, tt := range tests {
		_, _, err := Parse([]Source{{Name: "a.cfg", Text: []byte(tt.text)}}, Options{ZeroWarning: tt.option})
		if (err == nil) != tt.valid {
			t.Errorf("%s: %v, want valid %v", tt.name, err, tt.valid)
		}
	}
}

func TestEvaluate(t *testing.T) {
	env := func(name string) (string, bool) { return "x y", name == "SET" }
	tests := []struct {
		text string
		want bool
		ok   bool
	}{
		{"1", true, true}, {"", false, true}, {"version_atleast(2.4)", true, true}, {"version_atleast(3.4)", false, true},
		{`streq("$SET","x y")`, true, true}, {"defined(SET) && !defined(UNSET)", true, true},
		{"foo", false, false}, {`"a`, false, false}, {"1 x", false, false},
	}
	for _, tt := range tests {
		got, err := Evaluate(tt.text, env)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("Evaluate(%q) = %v, %v; want %v, %v", tt.text, got, err, tt.want, tt.ok)
		}
	}
}
