package config

import (
	"bufio"
	"bytes"
	"fmt"
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

// judgement is what matters about a verdict: whether the file loads and which
// lines are at fault.
type judgement struct {
	Valid bool
	Lines []int
	// Elsewhere tells that a fault was reported without a line.
	Elsewhere bool
}

var alertLine = regexp.MustCompile(`\[[^\]]+\.cfg:(\d+)\]`)

// haproxyJudges runs the real program on a file.
func haproxyJudges(t *testing.T, haproxy, file string) (judgement, string) {
	t.Helper()
	cmd := exec.Command(haproxy, "-c", "-f", file)
	cmd.Env = []string{}
	out, _ := cmd.CombinedOutput() // the exit code is looked at below
	code := cmd.ProcessState.ExitCode()
	if code != 0 && code != 1 && code != 2 {
		t.Fatalf("haproxy -c -f %s exited with %d: %s", file, code, out)
	}
	j := judgement{Valid: code != 1} // 2: valid, but without a listener
	for line := range strings.Lines(string(out)) {
		summary := strings.Contains(line, "rror(s) found in") || strings.Contains(line, "Fatal errors found") || strings.Contains(line, "Could not open configuration file")
		lenient := strings.Contains(line, "Continuing.") || strings.Contains(line, "can only be used in http proxies") || strings.Contains(line, "not accepted in default-server") ||
			strings.Contains(line, "Couldn't open the ca-file") || strings.Contains(line, "config : 'ca-file' : unable") || // in two parts
			strings.Contains(line, "config : error encountered while processing") || strings.Contains(line, "Failed to initialize server(s) addr") ||
			strings.Contains(line, "is explicitly referenced by another proxy and implicitly used here")
		if !strings.Contains(line, "[ALERT]") || summary || lenient {
			continue
		}
		m := alertLine.FindStringSubmatch(line)
		if m == nil || strings.Contains(line, "'balance hash' expression") { // names the line of the section
			j.Elsewhere = true
			continue
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		j.Lines = append(j.Lines, n)
	}
	j.Lines = sortedSet(j.Lines)
	return j, string(out)
}

// weJudge parses a file; alerts about what is merely not supported are left out.
func weJudge(t *testing.T, file string) (judgement, string) {
	t.Helper()
	sources, err := ReadFiles([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = Parse(sources, Options{ReadFile: os.ReadFile, ReadDir: ReadNames})
	j := judgement{Valid: true}
	for _, d := range alertsOf(err) {
		if !d.Unsupported {
			j.Valid = false
			j.Lines = append(j.Lines, d.Pos.Line)
		}
	}
	j.Lines = sortedSet(j.Lines)
	return j, fmt.Sprint(err)
}

func sortedSet(n []int) []int {
	slices.Sort(n)
	return slices.Compact(n)
}

// agrees compares the judgements. A fault that HAProxy reports without a line
// must have one here.
func agrees(theirs, ours judgement) bool {
	if theirs.Valid != ours.Valid {
		return false
	}
	if !theirs.Elsewhere {
		return slices.Equal(theirs.Lines, ours.Lines)
	}
	for _, n := range theirs.Lines {
		if !slices.Contains(ours.Lines, n) {
			return false
		}
	}
	return len(ours.Lines) > len(theirs.Lines)
}

// disagreements reads the list of intended differences.
func disagreements(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/diff/disagreements.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for sc := bufio.NewScanner(bytes.NewReader(text)); sc.Scan(); {
		if strings.HasPrefix(sc.Text(), "#") {
			continue
		}
		name, reason, ok := strings.Cut(sc.Text(), ": ")
		if !ok {
			t.Fatalf("disagreements.txt: %q has no reason", sc.Text())
		}
		known[name] = reason
	}
	return known
}

// pendingKeywords counts the rows of importance 1 and 2 that are judged and not
// acted on yet: what the comparison below leaves out.
func pendingKeywords(t *testing.T) (pending, all int) {
	t.Helper()
	list, err := os.ReadFile("testdata/keywords.tsv")
	if err != nil {
		t.Fatal(err)
	}
	state := map[string]State{}
	for _, area := range Reference() {
		for _, r := range area.Rows {
			state[area.Name+" "+r.Name] = r.State
		}
	}
	for line := range strings.Lines(string(list)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 || f[2] == "3" || f[0] == "command" {
			continue
		}
		all++
		if state[f[0]+" "+f[1]] == Pending {
			pending++
		}
	}
	return pending, all
}

func TestHAProxyAgrees(t *testing.T) {
	haproxy := judge.HAProxy(t)
	pending, all := pendingKeywords(t)
	t.Logf("%d of %d rows of importance 1 and 2 are still pending", pending, all)
	files, err := filepath.Glob("testdata/diff/*.cfg")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata/diff/*.cfg: %d files, %v", len(files), err)
	}
	known := disagreements(t)
	if len(known) >= 5 {
		t.Errorf("%d disagreements are listed, want fewer than 5", len(known))
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".cfg"), func(t *testing.T) {
			t.Parallel()
			theirs, output := haproxyJudges(t, haproxy, file)
			ours, diags := weJudge(t, file)
			_, listed := known[name]
			if ok := agrees(theirs, ours); ok == listed {
				t.Errorf("judgement (-haproxy +ours), listed as disagreement: %v\n%s\nhaproxy:\n%s\nours:\n%s",
					listed, cmp.Diff(theirs, ours), output, diags)
			}
		})
	}
	for name := range known {
		if _, err := os.Stat(filepath.Join("testdata/diff", name)); err != nil {
			t.Errorf("disagreements.txt: %v", err)
		}
	}
}

// TestAlertsHelp checks that every alert about the language says what would be
// accepted or what was probably meant, and points into the line.
func TestAlertsHelp(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.cfg")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata/*/*.cfg: %d files, %v", len(files), err)
	}
	for _, file := range files {
		sources, err := ReadFiles([]string{file})
		if err != nil {
			t.Fatal(err)
		}
		lines := Lines(sources[0])
		_, _, err = Parse(sources, Options{ReadFile: os.ReadFile, ReadDir: ReadNames})
		for _, d := range alertsOf(err) {
			quoted := strings.HasPrefix(d.Message, "'") && strings.Contains(lines[d.Pos.Line-1].Text, ".alert")
			if !d.Unsupported && !quoted && d.Accepted == "" && d.Suggest == "" {
				t.Errorf("%v: does not say what is accepted", d)
			}
			if d.Pos.Col < 1 || d.Pos.Col > len(lines[d.Pos.Line-1].Text)+1 {
				t.Errorf("%v: the line has %d bytes", d, len(lines[d.Pos.Line-1].Text))
			}
		}
	}
}
