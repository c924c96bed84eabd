package config

import (
	"strings"
	"testing"
)

func TestCondition(t *testing.T) {
	tests := []struct {
		text  string
		want  bool
		fault string // part of the message; "": none
	}{
		{"", false, ""},
		{"0", false, ""},
		{"-0", false, ""},
		{"1", true, ""},
		{"-7", true, ""},
		{"!0", true, ""},
		{"! ! 1", true, ""},
		{"defined(A)", true, ""},
		{"defined(NO)", false, ""},
		{"streq(a,a)", true, ""},
		{"streq(a, a)", false, ""},
		{"strneq(a,b)", true, ""},
		{"strstr(abc,bc)", true, ""},
		{"streq('a,b',\"a,b\")", true, ""},
		{`streq(a\,b,'a,b')`, true, ""},
		{"feature(EPOLL)", true, ""},
		{"feature(OPENSSL)", false, ""},
		{"version_atleast(2.4-dev19)", true, ""},
		{"version_atleast(3.0)", true, ""},
		{"version_atleast(3.0.1)", false, ""},
		{"version_before(3.1-dev1)", true, ""},
		{"version_before(3.0-dev9)", false, ""},
		{"0 && 1 || 1", true, ""},
		{"1 || 1 && 0", true, ""},
		{"(1 || 1) && 0", false, ""},
		{"!(0 || 0) && !defined(NO)", true, ""},
		{"nonsense", false, "unparsable"},
		{"defind(A)", false, "unparsable"},
		{"1 2", false, "at the end"},
		{"1 &&", false, "unparsable"},
		{"(1", false, "expected ')'"},
		{"1)", false, "at the end"},
		{"streq(a)", false, "takes 2 arguments (got 1)"},
		{"streq(a,b", false, "missing ')'"},
		{"defined", false, ""},
		{strings.Repeat("(", 1000), false, "too deeply"},
	}
	for _, tt := range tests {
		e := expr{text: tt.text, env: testEnv}
		got := false
		if tt.text != "" {
			got = e.result()
		}
		if got != tt.want || (tt.fault == "") != (e.fault == "") || !strings.Contains(e.fault, tt.fault) {
			t.Errorf("condition %q = %v, fault %q; want %v, fault %q", tt.text, got, e.fault, tt.want, tt.fault)
		}
	}
}

func TestConditionSuggests(t *testing.T) {
	_, _, alerts := parseText(".if defind(A)\n.endif\n")
	if len(alerts) != 1 || alerts[0].Suggest != "defined" || alerts[0].Pos.Col != 5 {
		t.Errorf("alerts = %s, want one at column 5 that suggests defined", format(alerts))
	}
}
