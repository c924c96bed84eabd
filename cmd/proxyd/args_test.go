package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/ci/judge"
)

func TestCommandLine(t *testing.T) {
	dir := writeShapeFiles(t)
	tests := []struct {
		args           string
		code           int
		stdout, stderr string // parts of them; "": empty
	}{
		{"-v", 0, "HAProxy version 3.0.", ""},
		{"-vq -f missing.cfg", 0, "Sluice proxyd version", ""},
		{"-vv", 0, "Available multiplexer protocols :", ""},
		{"-h", 0, "        -sf [pid ]* ", ""},
		{"-c", 1, "HAProxy version", "Usage : proxyd "},
		{"-Zx", 1, "HAProxy version", "Usage : proxyd "},
		{"-f", 1, "", "-f option: <cfgfile|cfgdir> is missing"},
		{"-c -f missing.cfg", 1, "", "config : Cannot open configuration file/directory missing.cfg : No such file or directory"},
		{"-c -q -f warn.cfg -sf 1 2 -db", 0, "", ""},
		{"-C dir -c -V -- in.cfg", 0, "valid", ""},
		{"-cc foo", 2, "", "config : Failed to evaluate condition: unparsable conditional expression 'foo'"},
		{"-dMhelp", 0, "no-merge", ""},
		{"-dKhelp", 0, "smp: sample fetch functions", ""},
		{"-dKcfg", 0, "\n\tbind <addr> name +1\n", ""},
		{"-q -c -dKcli,flt -f ok.cfg", 0, "\nshow stat [WORKER]\n", ""},
		{"-dL -q -c -f ok.cfg", 0, "List of loaded object files:\n/", ""},
		{"-q -c -dD -f ok.cfg", 0, "\nfrontend f\n\tid 2\n\tmode tcp\n", ""},
		{"-c -f missing.cfg -dCx", 1, "", "-dC option"},
	}
	for _, tt := range tests {
		got := ours(t, dir, strings.Fields(tt.args)...)
		wrong := func(got, want string) bool { return !strings.Contains(got, want) || want == "" && got != "" }
		if got.Code != tt.code || wrong(got.Stdout, tt.stdout) || wrong(got.Stderr, tt.stderr) {
			t.Errorf("proxyd %s: exit %d, want %d, %q and %q in:\n%s\n%s", tt.args, got.Code, tt.code, tt.stdout, tt.stderr, got.Stdout, got.Stderr)
		}
	}
}

// -dK lists what is supported and nothing else; what is pending has its own class.
func TestListingHasOnlyWhatIsSupported(t *testing.T) {
	supported, pending := ours(t, ".", "-dKall").Stdout, ours(t, ".", "-dKpending").Stdout
	for _, word := range []string{"\n\tnbthread\n", "\n\tuser\n", "\n\tserver <name> <addr> weight +1\n", "# List of registered service names:\n"} {
		if !strings.Contains(supported, word) {
			t.Errorf("-dKall lacks %q:\n%s", word, supported)
		}
	}
	for line := range strings.Lines(pending) {
		if strings.HasPrefix(line, "\tserver ") && strings.Contains(supported, line) {
			t.Errorf("%q is both supported and pending", line)
		}
	}
}

// The lines of the listings are HAProxy's: arguments, types and places of fetches
// and converters, and the methods of ACLs.
func TestListingAgrees(t *testing.T) {
	haproxy := judge.HAProxy(t)
	theirs := map[string]bool{}
	for line := range strings.Lines(outcomeOf(t, ".", haproxy, nil, "-dKacl,cnv,smp", "-q", "-c", "-f", "/dev/null").Stdout) {
		theirs[line] = true
	}
	n := 0
	for line := range strings.Lines(ours(t, ".", "-dKall,pending").Stdout) {
		if !strings.HasPrefix(line, "[ ") && !strings.Contains(line, " => ") && !strings.Contains(line, " -m ") {
			continue
		}
		n++
		if !theirs[line] {
			t.Errorf("HAProxy does not list %q", line)
		}
	}
	if n < 100 {
		t.Errorf("%d lines, want 100 or more", n)
	}
}

// Every option that HAProxy's help names is known, but for those of HTTP.
func TestHelpNamesHAProxysOptions(t *testing.T) {
	theirs := outcomeOf(t, ".", judge.HAProxy(t), nil, "-h").Stderr
	our := ours(t, ".", "-h").Stdout
	pattern := regexp.MustCompile(`(?m)^        (-[A-Za-z]+)`)
	for _, m := range pattern.FindAllStringSubmatch(theirs, -1) {
		if !regexp.MustCompile(`(?m)^        ` + m[1] + `\b`).MatchString(our) {
			t.Errorf("-h does not name %s", m[1])
		}
	}
}

func TestParseArgs(t *testing.T) {
	tests := []struct {
		args string
		want arguments
	}{
		{"-f a -- b -c", arguments{files: []string{"a", "b", "-c"}}},
		{"-Wx -f a", arguments{master: true, files: []string{"a"}}},
		{"-n 12x -N 0x -m y", arguments{maxconn: 12}},
		{"-sf 1 2 -st 3 -q", arguments{finish: []int{1, 2}, terminate: []int{3}, quiet: true}},
		{"-dC7,line -dKcfg,all", arguments{lines: &lineDump{key: 7, number: true}, classes: []string{"cfg", "all"}}},
		{"-dbx -dD -dW -dQ", arguments{foreground: true, diagnose: true, zeroWarning: true}},
		{"-v -wrong", arguments{version: 1}},
	}
	for _, tt := range tests {
		got, err := parseArgs(strings.Fields(tt.args))
		if diff := cmp.Diff(&tt.want, got, cmp.AllowUnexported(arguments{}, lineDump{})); diff != "" || err != nil {
			t.Errorf("parseArgs(%s): %v (-want +got):\n%s", tt.args, err, diff)
		}
	}
}

// Names and addresses must not survive in a dump with a key.
func TestHiddenDumpBetraysNothing(t *testing.T) {
	const text = "global\n log 10.9.8.7 local0\n description secret\nfrontend secret\n bind 10.9.8.7:80,10.9.8.7:81 name secret\n" +
		" bind /run/secret.sock\n use_backend secret\nbackend secret\n server secret secret.example:80 weight 1\n server x 10.9.8.7:80\n unknown secret\n" +
		" # secret\n.notice secret\n.if streq(secret,secret)\n.endif\nuserlist secret\n user secret password secret\n"
	file := filepath.Join(t.TempDir(), "secret.cfg")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got := ours(t, ".", "-c", "-q", "-dC77", "-f", file).Stdout
	for _, word := range []string{"secret", "10.9.8.7"} {
		if strings.Contains(got, word) {
			t.Errorf("-dC77 shows %q:\n%s", word, got)
		}
	}
	if !strings.Contains(got, ":80\n") {
		t.Errorf("-dC77 hides ports:\n%s", got)
	}
}
