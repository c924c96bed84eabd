package netcfg

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden sections")

// row is one testdata/plan file: configuration files, then the plan from a blank
// machine and the state it leads to.
type row struct {
	path, name  string
	archive     *txtar.Archive
	cfg         *Config
	plan, state string
}

func loadRows(t *testing.T) []*row {
	t.Helper()
	paths, err := filepath.Glob("testdata/plan/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no rows: %v", err)
	}
	var rows []*row
	for _, p := range paths {
		a, err := txtar.ParseFile(p)
		if err != nil {
			t.Fatal(err)
		}
		r := &row{path: p, name: strings.TrimSuffix(filepath.Base(p), ".txtar"), archive: a}
		dir := t.TempDir()
		for _, f := range a.Files {
			switch f.Name {
			case "plan":
				r.plan = string(f.Data)
			case "state":
				r.state = string(f.Data)
			default:
				if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		if r.cfg, err = Load(dir); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		rows = append(rows, r)
	}
	return rows
}

// carryOut plans, applies each operation, and returns the plan as text.
func carryOut(f *fakeOS, cfg *Config) (string, error) {
	var b strings.Builder
	for _, op := range Plan(Resolve(cfg, f.Links, nil), &f.State) {
		fmt.Fprintln(&b, op)
		if err := f.apply(op); err != nil {
			return b.String(), err
		}
	}
	return b.String(), nil
}

func TestPlanFromBlank(t *testing.T) {
	for _, r := range loadRows(t) {
		t.Run(r.name, func(t *testing.T) {
			f := newFakeOS()
			plan, err := carryOut(f, r.cfg)
			if err != nil {
				t.Fatal(err)
			}
			state := render(&f.State)
			if *update {
				var keep []txtar.File
				for _, x := range r.archive.Files {
					if x.Name != "plan" && x.Name != "state" {
						keep = append(keep, x)
					}
				}
				r.archive.Files = append(keep, txtar.File{Name: "plan", Data: []byte(plan)}, txtar.File{Name: "state", Data: []byte(state)})
				if err := os.WriteFile(r.path, txtar.Format(r.archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(r.plan, plan); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
			if d := cmp.Diff(r.state, state); d != "" {
				t.Errorf("state (-want +got):\n%s", d)
			}
			if again, _ := carryOut(f, r.cfg); again != "" {
				t.Errorf("second plan = %q, want none", again)
			}
		})
	}
}

// facts is the part of a state that a configuration decides: own addresses and
// routes regardless of order, and the foreign address.
func facts(s *State) map[string]int {
	out := map[string]int{}
	for _, line := range strings.Split(render(s), "\n") {
		if !strings.HasPrefix(line, "link") {
			out[line]++
		}
	}
	return out
}

// TestPlanTransitions walks from row to row at random: each operation must be
// possible in its place, and the way must not show in where it leads.
func TestPlanTransitions(t *testing.T) {
	rows := loadRows(t)
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		f, way := newFakeOS(), []string{"blank"}
		for range 30 {
			r := rows[rng.IntN(len(rows))]
			way = append(way, r.name)
			plan, err := carryOut(f, r.cfg)
			if err != nil {
				t.Fatalf("seed %d, %v: %v\nplan:\n%s", seed, way[len(way)-2:], err, plan)
			}
			fresh := newFakeOS()
			if _, err := carryOut(fresh, r.cfg); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(facts(&fresh.State), facts(&f.State)); d != "" {
				t.Fatalf("seed %d, %v (-want +got):\n%s\nplan:\n%s", seed, way[len(way)-2:], d, plan)
			}
		}
	}
}

func TestPlanTakesOverButRemovesOnlyItsOwn(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.network"), []byte("[Match]\nName=eth1\n[Network]\nAddress=203.0.113.9/24\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeOS()
	if plan, _ := carryOut(f, &Config{}); strings.Contains(plan, "del") {
		t.Errorf("plan of nothing = %q, want no deletion of a foreign address", plan)
	}
	if plan, _ := carryOut(f, cfg); !strings.Contains(plan, "addr replace 203.0.113.9/24 dev eth1") {
		t.Errorf("plan = %q, want the configured address taken over", plan)
	}
	if plan, _ := carryOut(f, &Config{}); plan != "addr del 203.0.113.9/24 dev eth1\n" {
		t.Errorf("plan = %q, want the own address removed", plan)
	}
}
