package main

import (
	"slices"
	"strings"
	"testing"
)

// Words that are quoted come back as they were.
func FuzzSplitLine(f *testing.F) {
	f.Add("show config", `a "b`)
	f.Add(`\`, `'`)
	f.Fuzz(func(t *testing.T, line, word string) {
		if _, err := splitLine(line); err != nil && exitStatus(err) != 2 {
			t.Errorf("splitLine(%q) = %v, no error of usage", line, err)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
		got, err := splitLine("x " + quoted + " y")
		want := []string{"x", strings.ToValidUTF8(word, "\uFFFD"), "y"}
		if strings.ToValidUTF8(word, "") == word && (err != nil || !slices.Equal(got, want)) {
			t.Errorf("splitLine(x %s y) = %q, %v", quoted, got, err)
		}
	})
}

// What is set is what is read, and the lines of other sections stay.
func FuzzSetValues(f *testing.F) {
	f.Add(factoryFiles["network/10-lan.network"], "192.0.2.1/24", "")
	f.Add("[Network]\nAddress=\n[Other]\nAddress=1\n[Network]\nAddress=a b", "c", "d")
	f.Add("Address=1\n[\n[Network", "x", "y")
	f.Fuzz(func(t *testing.T, text, a, b string) {
		want := append(strings.Fields(a), strings.Fields(b)...)
		for _, w := range want {
			if strings.ContainsAny(w, "[]=") {
				return
			}
		}
		out := setValues(text, "Network", entry{"Address", want})
		if got := values(out, "Network", "Address"); !slices.Equal(got, want) {
			t.Errorf("values = %q, want %q, in %q", got, want, out)
		}
		if got, want := values(out, "Other", "Address"), values(text, "Other", "Address"); !slices.Equal(got, want) {
			t.Errorf("another section's values became %q from %q, in %q", got, want, out)
		}
	})
}

// A service that was put into any text can be read back, or the text had one that
// is too rich to be changed.
func FuzzPutService(f *testing.F) {
	f.Add(factoryFiles["proxy.cfg"], 80, "s1 192.0.2.1:81")
	f.Add("frontend a\nbind :1\ndefault_backend a\nbackend a\n", 2, "x")
	f.Add("frontend a\n bind :1,:2\n", 1, "s1")
	f.Add("server s1\nbackend\nfrontend\nbind :3\ndefault_backend", 3, "2001:db8::1")
	f.Fuzz(func(t *testing.T, text string, port int, servers string) {
		list, err := parseServers(servers)
		if err != nil || port < 1 || port > 65535 {
			return
		}
		had := findService(text) != nil
		out := putService(text, &answers{port: port, servers: list})
		if s := findService(out); had && (s == nil || s.port != port) {
			t.Errorf("port %d is not in %q", port, out)
		} else if !had && !strings.HasPrefix(out, text) {
			t.Errorf("%q is not kept in %q", text, out)
		}
	})
}
