package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/ci/judge"
)

// outcome is what a command line leads to.
type outcome struct {
	Code           int
	Stdout, Stderr string
}

// outcomeOf runs a program in a directory with nothing in its environment.
func outcomeOf(t *testing.T, dir, program string, env []string, args ...string) outcome {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, append([]string{}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// ours runs proxyd.
func ours(t *testing.T, dir string, args ...string) outcome {
	t.Helper()
	return outcomeOf(t, dir, os.Args[0], []string{"PROXYD_TEST_MAIN=1"}, args...)
}

func TestExampleIsValidAndShipped(t *testing.T) {
	shipped, err := os.ReadFile("../../overlay/etc/sluice/proxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("testdata/example.cfg")
	if diff := cmp.Diff(string(example), string(shipped)); err != nil || diff != "" {
		t.Errorf("the factory configuration is not the documented example: %v\n%s", err, diff)
	}
	got := ours(t, "testdata", "-c", "-V", "-f", "example.cfg")
	if got.Code != 0 || got.Stdout != "Warnings were found.\nConfiguration file is valid\n" {
		t.Errorf("exit %d:\n%s", got.Code, got.Stdout)
	}
	if !strings.Contains(got.Stderr, " : config : parsing [example.cfg:1] : missing timeouts for frontend 'mysql'") {
		t.Errorf("missing timeouts are no warning:\n%s", got.Stderr)
	}
}

func TestSixMistakesAreSixDiagnostics(t *testing.T) {
	got := ours(t, "testdata", "-c", "-f", "six-mistakes.cfg")
	if got.Code != 1 {
		t.Errorf("exit %d, want 1", got.Code)
	}
	var lines []int
	for _, m := range regexp.MustCompile(`(?m)^\[ALERT\]    \(\d+\) : config : parsing \[six-mistakes.cfg:(\d+)\] : .*accepted: .* \(column \d+\)$`).FindAllStringSubmatch(got.Stderr, -1) {
		n, _ := strconv.Atoi(m[1])
		lines = append(lines, n)
	}
	if diff := cmp.Diff([]int{3, 7, 8, 9, 13, 14}, lines); diff != "" {
		t.Errorf("lines of alerts (-want +got):\n%s\noutput:\n%s", diff, got.Stderr)
	}
}

// shapeFiles are configurations whose findings HAProxy words in the same places.
var shapeFiles = map[string]string{
	"ok.cfg":    "frontend f\n mode tcp\n timeout client 1m\n bind 127.0.0.1:18080\n",
	"two.cfg":   "frontend g\n mode tcp\n timeout client 1m\n bind 127.0.0.1:18081\n",
	"bad.cfg":   "frontend f\n bnd 127.0.0.1:18080\n foo\n",
	"warn.cfg":  "frontend f\n mode tcp\n bind 127.0.0.1:18080\n",
	"zero.cfg":  "global\n zero-warning\nfrontend f\n mode tcp\n bind 127.0.0.1:18080\n",
	"said.cfg":  ".diag one\n.notice two\n.warning three\nfrontend f\n mode tcp\n timeout client 1m\n bind 127.0.0.1:18080\n",
	"alert.cfg": ".notice two\n.alert three\nfrontend f\n mode tcp\n timeout client 1m\n bind 127.0.0.1:18080\n",
	"quiet.cfg": "global\n quiet\nbackend b\n mode tcp\n",
	"none.cfg":  "backend b\n mode tcp\n",
	"off.cfg":   "frontend f\n disabled\n mode tcp\n bind 127.0.0.1:18080\n",
	"env.cfg":   ".if streq(\"$HAPROXY_LOCALPEER\",me)\n.alert peer\n.endif\n.if defined(HAPROXY_MWORKER)\n.alert worker\n.endif\n",
	"sets.cfg":  "global\n stats socket x.sock level admin\n",
	"words.cfg": "# comment\nglobal # more\n\n log-tag \"a\"\nfrontend web.a\n\ttimeout   client 1m\n bind 127.0.0.1:1\n default_backend b.c\nbackend b.c\n.if 0\n nonsense \n.endif\n",
}

// shapeLines are command lines to which HAProxy and proxyd answer in one shape.
var shapeLines = []string{
	"-c -f ok.cfg", "-c -V -f ok.cfg", "-c -q -f ok.cfg", "-q -V -c -f ok.cfg", "-c -f ok.cfg -f two.cfg", "-c -f ok.cfg -- two.cfg",
	"-c -f bad.cfg", "-c -q -f bad.cfg", "-c -q -V -f bad.cfg", "-c -f two.cfg -f bad.cfg", "-c -f warn.cfg", "-c -V -f warn.cfg", "-c -q -f warn.cfg",
	"-c -dW -f warn.cfg", "-c -dW -f ok.cfg", "-c -q -dW -f warn.cfg", "-c -f zero.cfg",
	"-c -f said.cfg", "-c -dD -f said.cfg", "-c -dW -f said.cfg", "-c -f alert.cfg",
	"-c -f none.cfg", "-c -V -f none.cfg", "-c -q -f none.cfg", "-c -f quiet.cfg", "-c -V -f quiet.cfg", "-c -f off.cfg", "-c -f sets.cfg", "-c -f /dev/null",
	"-c -f env.cfg", "-c -L me -f env.cfg", "-c -W -f env.cfg",
	"-c -f missing.cfg", "-c -q -f missing.cfg", "-c -f dir", "-c -f dir/", "-c -f empty", "-C dir -c -f in.cfg", "-C nowhere -c -f ok.cfg",
	"-c", "-Z", "word", "-c -f ok.cfg word", "-f", "-cc", "-c --",
	"-sf -c -f ok.cfg", "-sf 1 2 -c -f ok.cfg", "-sf x -c -f ok.cfg", "-st 1x", "-x /nowhere -c -f ok.cfg",
	"-n x -c -f ok.cfg", "-n -1 -N 3 -m 100 -p pid -c -f ok.cfg", "-W -S /nowhere/x.sock,level,operator -c -f ok.cfg", "-Ws -D -db -d -c -f ok.cfg",
	"-de -dp -dS -dG -dR -dr -dV -dF -dI -dZ -dt -dM -c -f ok.cfg", "-dM0x40,no-merge,tag -c -f ok.cfg", "-dMwrong -c -f ok.cfg", "-dKnone -c -f ok.cfg",
	"-cc 1", "-cc 0", "-cc wrong", "-cc version_atleast(2.4)&&!version_atleast(3.1)", "-cc 1)", "-q -cc wrong",
}

func writeShapeFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"empty", "dir"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{"dir/in.cfg": shapeFiles["ok.cfg"], "dir/.hidden.cfg": "x\n", "dir/other.txt": "x\n"}
	for name, text := range shapeFiles {
		files[name] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shape keeps of an outcome what must be the same: the exit code, and of each line
// its severity and place, or the sentence that programs look for.
func shape(o outcome) outcome {
	var out, err []string
	for line := range strings.Lines(o.Stdout) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.Contains(line, "HAProxy version 3.0."):
			out = append(out, "version")
		case strings.Contains(line, "Running on: "), strings.Contains(line, " : "), strings.HasPrefix(line, "Status: "), strings.HasPrefix(line, "Known bugs"):
		case strings.Contains(line, "no listener"):
			out = append(out, "no listener")
		default:
			out = append(out, line)
		}
	}
	for line := range strings.Lines(o.Stderr) {
		m := shapePattern.FindStringSubmatch(line)
		switch {
		case strings.Contains(line, " version is "):
			err = append(err, "version")
		case strings.HasPrefix(line, "Usage : "):
			err = append(err, "usage")
		case m != nil && m[2] != "":
			err = append(err, m[1]+" "+m[2])
		case m != nil && m[1] == "[WARNING] " && strings.Contains(line, "missing timeouts"):
			err = append(err, m[1]+" missing timeouts")
		case m != nil:
			err = append(err, m[1])
		}
	}
	return outcome{o.Code, strings.Join(out, "\n"), strings.Join(err, "\n")}
}

var shapePattern = regexp.MustCompile(`^(\[[A-Z]+\] +)\(\d+\) : (?:.*?(\[[a-z]+\.cfg:\d+\]|Error\(s\) found in configuration file : .*|Fatal errors found in configuration|Some warnings were found and 'zero-warning' is set. Aborting|Failed to evaluate condition|Cannot open configuration file/directory .*|Could not change to directory .*|PID list.*|pool debugging feature .*))?`)

// TestCommandLineHasHAProxysShape compares proxyd's answers with those of the real
// program.
func TestCommandLineHasHAProxysShape(t *testing.T) {
	haproxy := judge.HAProxy(t)
	dir := writeShapeFiles(t)
	for _, line := range shapeLines {
		t.Run(strings.ReplaceAll(line, "/", "|"), func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(line)
			theirs, our := outcomeOf(t, dir, haproxy, nil, args...), ours(t, dir, args...)
			want, got := shape(theirs), shape(our)
			if want.Code == 1 {
				got.Stderr = withoutWarnings(got.Stderr)
				want.Stderr = withoutWarnings(want.Stderr)
			}
			if !strings.Contains(want.Stderr, "Fatal errors") { // HAProxy stops at an ".alert" line
				got.Stderr = strings.TrimSuffix(got.Stderr, "\n[ALERT]     Fatal errors found in configuration")
			}
			if strings.Contains(line, "-dD") { // what is in force comes first
				got.Stdout = got.Stdout[max(0, strings.Index(got.Stdout, "Warnings")):]
			}
			// Findings about a section have a place here, and none there.
			for _, what := range []string{"missing timeouts", "Some warnings"} {
				if strings.Contains(theirs.Stderr, what) {
					want.Stderr, got.Stderr = severities(theirs.Stderr), severities(our.Stderr)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-haproxy +proxyd):\n%s\nhaproxy:\n%s\nproxyd:\n%s", diff, theirs.Stderr, our.Stderr)
			}
		})
	}
}

// withoutWarnings drops what proxyd also says when a configuration is refused, which
// HAProxy does not.
func withoutWarnings(text string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "[WARNING]") && !strings.Contains(line, "missing timeouts")
	}), "\n")
}

// severities keeps of a text only which severities it has.
func severities(text string) string {
	var out []string
	for _, sev := range []string{"[NOTICE]", "[WARNING]", "[ALERT]", "[DIAG]"} {
		if strings.Contains(text, sev) {
			out = append(out, sev)
		}
	}
	return strings.Join(out, " ")
}

// TestLineDumpIsHAProxys compares -dC with the real program's, whose lines end with
// a blank. What follows a word that is hidden may differ: less is shown here.
func TestLineDumpIsHAProxys(t *testing.T) {
	haproxy := judge.HAProxy(t)
	dir := writeShapeFiles(t)
	for _, option := range []string{"-dC", "-dC,line", "-dC0"} {
		want := dumpedLines(outcomeOf(t, dir, haproxy, nil, "-c", option, "-f", "words.cfg").Stdout)
		got := dumpedLines(ours(t, dir, "-c", option, "-f", "words.cfg").Stdout)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-haproxy +proxyd):\n%s", option, diff)
		}
	}
	theirs := outcomeOf(t, dir, haproxy, nil, "-c", "-dC12345", "-f", "words.cfg").Stdout
	our := ours(t, dir, "-c", "-dC12345", "-f", "words.cfg").Stdout
	for _, line := range []string{"frontend ID(", "backend ID(", "\tdefault_backend ID("} {
		at := strings.Index(theirs, line)
		if at < 0 || !strings.Contains(our, theirs[at:at+len(line)+7]) {
			t.Errorf("-dC12345: %q is not hidden as HAProxy does:\n%s\nproxyd:\n%s", line, theirs, our)
		}
	}
}

// dumpedLines drops what is no configuration: blank lines and the verdict.
func dumpedLines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if strings.TrimLeft(line, "0123456789\t") != "" && !strings.HasPrefix(line, "Configuration file") && !strings.HasPrefix(line, "Warnings") {
			out = append(out, line)
		}
	}
	return out
}
