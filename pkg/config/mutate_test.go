package config

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-lb/sluice/ci/judge"
)

var (
	mutations    = flag.Int("mutations", 0, "number of mutated configurations that are compared with haproxy -c")
	mutationSeed = flag.Uint64("mutation-seed", 1, "seed of the mutations")
)

// TestMutationsAgree mutates the cases that both programs judge alike and lists
// where they part. It is a search for cases to add rather than a gate, so it runs
// when it is asked for: go test ./pkg/config -run Mutations -mutations 5000.
func TestMutationsAgree(t *testing.T) {
	if *mutations == 0 {
		t.Skip("-mutations is 0")
	}
	haproxy := judge.HAProxy(t)
	files, err := filepath.Glob("testdata/diff/*.cfg")
	if err != nil {
		t.Fatal(err)
	}
	known := disagreements(t)
	files = slices.DeleteFunc(files, func(f string) bool { _, listed := known[filepath.Base(f)]; return listed })
	m := newMutator(t, files)
	dir := t.TempDir()
	link(t, "testdata/diff", dir)
	work := make(chan string)
	var wg sync.WaitGroup
	var mu sync.Mutex
	found := map[string][]string{} // line that parts them -> reports
	for range runtime.NumCPU() {
		wg.Go(func() {
			for file := range work {
				theirs, output := haproxyJudges(t, haproxy, file)
				ours, diags := weJudge(t, file)
				theirs = withoutConsequences(theirs, output)
				if theirs.Valid == ours.Valid && (theirs.Elsewhere || containsAll(ours.Lines, theirs.Lines)) {
					_ = os.Remove(file)
					continue
				}
				key, report := describe(file, theirs, ours, output, diags)
				mu.Lock()
				found[key] = append(found[key], report)
				mu.Unlock()
			}
		})
	}
	for i := range *mutations {
		file := filepath.Join(dir, fmt.Sprintf("m%06d.cfg", i))
		if err := os.WriteFile(file, m.mutant(), 0o644); err != nil {
			t.Fatal(err)
		}
		work <- file
	}
	close(work)
	wg.Wait()
	keys := make([]string, 0, len(found))
	for k := range found {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return len(found[b]) - len(found[a]) })
	for _, k := range keys {
		t.Errorf("%d times: %s\n%s", len(found[k]), k, found[k][0])
	}
}

// withoutConsequences leaves out the lines that HAProxy reports for being in a
// section whose header is at fault, or for what depends on the machine.
func withoutConsequences(j judgement, output string) judgement {
	for l := range strings.Lines(output) {
		m := alertLine.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		machine := strings.Contains(l, "could not resolve address") || strings.Contains(l, "cannot use file descriptor")
		if n, err := strconv.Atoi(m[1]); err == nil && (machine || strings.Contains(l, "'listen' or 'defaults' expected")) {
			j.Lines = slices.DeleteFunc(j.Lines, func(line int) bool { return line == n })
			j.Valid = machine && len(j.Lines) == 0
			j.Elsewhere = j.Elsewhere && !machine
		}
	}
	return j
}

// link makes the files that cases name appear beside the mutants.
func link(t *testing.T, from, dir string) {
	t.Helper()
	abs, err := filepath.Abs(from)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".cfg" {
			if err := os.Symlink(filepath.Join(abs, e.Name()), filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func containsAll(all, some []int) bool {
	return !slices.ContainsFunc(some, func(n int) bool { return !slices.Contains(all, n) })
}

// describe names the keyword of the first line that parts the judgements.
func describe(file string, theirs, ours judgement, output, diags string) (key, report string) {
	text, _ := os.ReadFile(file)
	lines := strings.Split(string(text), "\n")
	for _, set := range [][2][]int{{theirs.Lines, ours.Lines}, {ours.Lines, theirs.Lines}} {
		for _, n := range set[0] {
			if !slices.Contains(set[1], n) && n <= len(lines) && key == "" {
				f := strings.Fields(lines[n-1])
				key = strings.Join(f[:min(2, len(f))], " ")
				report = fmt.Sprintf("line %d: %s\n", n, lines[n-1])
			}
		}
	}
	report += fmt.Sprintf("theirs %+v\nours   %+v\n", theirs, ours)
	for l := range strings.Lines(output) {
		if strings.Contains(l, "ALERT") {
			report += l
		}
	}
	return key, report + diags + "\n"
}

// mutator makes configurations that differ from a case in a word or a line.
type mutator struct {
	rng   *rand.Rand
	cases [][]string // lines
	words []string
}

func newMutator(t *testing.T, files []string) *mutator {
	t.Helper()
	m := &mutator{rng: rand.New(rand.NewPCG(*mutationSeed, 0))}
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if len(lines) > 200 {
			continue
		}
		m.cases = append(m.cases, lines)
		for _, w := range strings.Fields(string(text)) {
			if !seen[w] && len(w) < 40 {
				seen[w] = true
				m.words = append(m.words, w)
			}
		}
	}
	m.words = append(m.words, "0", "1", "-1", "65536", "4294967296", "10s", "1w", "1k", "none", "if", "unless", "", "\"\"", "*", "name", "all")
	return m
}

func (m *mutator) mutant() []byte {
	lines := slices.Clone(m.cases[m.rng.IntN(len(m.cases))])
	for range 1 + m.rng.IntN(8)/7 {
		if len(lines) == 0 {
			break
		}
		i := m.rng.IntN(len(lines))
		switch m.rng.IntN(10) {
		case 0:
			lines = slices.Delete(lines, i, i+1)
		case 1:
			other := m.cases[m.rng.IntN(len(m.cases))]
			if len(other) > 0 {
				lines = slices.Insert(lines, i, other[m.rng.IntN(len(other))])
			}
		case 2:
			lines = slices.Insert(lines, i, lines[i])
		default:
			lines[i] = m.line(lines[i])
		}
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// line changes one word.
func (m *mutator) line(line string) string {
	words := strings.Fields(line)
	if len(words) == 0 {
		return line
	}
	i := m.rng.IntN(len(words))
	other := m.words[m.rng.IntN(len(m.words))]
	switch m.rng.IntN(5) {
	case 0:
		words = slices.Delete(words, i, i+1)
	case 1:
		words = slices.Insert(words, i, other)
	case 2:
		words = append(words, other)
	case 3:
		words[i] = other
	case 4:
		w := []byte(words[i])
		w[m.rng.IntN(len(w))] = "0a-,:("[m.rng.IntN(6)]
		words[i] = string(w)
	}
	return " " + strings.Join(words, " ")
}
