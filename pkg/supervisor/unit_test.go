package supervisor

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-multierror"
)

var update = flag.Bool("update", false, "write the golden files")

// TestParseGolden parses testdata/*.service and compares the unit, or the
// faults, with the file's .golden.
func TestParseGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.service")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			u, err := Parse(filepath.Base(file), filepath.Base(file), text)
			var faults *multierror.Error
			if errors.As(err, &faults) {
				for _, f := range faults.Errors {
					fmt.Fprintln(&got, f)
				}
			} else if err != nil {
				t.Fatal(err)
			} else {
				dump(&got, u)
			}
			golden := file + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("differs from %s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

func dump(b *strings.Builder, u *Unit) {
	text, err := json.MarshalIndent(u, "", "  ")
	if err != nil {
		panic(err)
	}
	b.Write(text)
	b.WriteByte('\n')
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.service")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		u, err := Parse("fuzz@a-b.service", "fuzz", text)
		if (u == nil) == (err == nil) {
			t.Errorf("Parse() = %v, %v", u, err)
		}
	})
}

func TestSplitWords(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
		fail bool
	}{
		{`a  b	c`, []string{"a", "b", "c"}, false},
		{`"a b" 'c "d"' e"f g"h`, []string{"a b", `c "d"`, "ef gh"}, false},
		{`a\x20b \101 \s "" `, []string{"a b", "A", " ", ""}, false},
		{`"open`, nil, true},
		{`\q`, nil, true},
		{`\x4`, nil, true},
		{`\000`, nil, true},
	} {
		got, err := splitWords(tc.in)
		if !slices.Equal(got, tc.want) || (err != nil) != tc.fail {
			t.Errorf("splitWords(%q) = %q, %v, want %q", tc.in, got, err, tc.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"5": 5 * time.Second, "500ms": 500 * time.Millisecond, "1min 30s": 90 * time.Second,
		"1.5h": 90 * time.Minute, "infinity": 0, "2 s": 2 * time.Second,
	} {
		var got time.Duration
		if err := setSpan(&got, in); err != nil || got != want {
			t.Errorf("setSpan(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "5 parsecs", "-1", "1e99h"} {
		var got time.Duration
		if err := setSpan(&got, in); err == nil {
			t.Errorf("setSpan(%q) = %v, want an error", in, got)
		}
	}
}

func TestCycles(t *testing.T) {
	unit := func(name string, after ...string) *Unit {
		u := defaults(name, name)
		u.After = after
		return u
	}
	set, err := NewSet([]*Unit{
		unit("a.service", "b.service"), unit("b.service", "c.service"), unit("c.service", "a.service"),
		unit("d.service", "d.service"), unit("e.service", "a.service", "absent.service"),
	})
	for _, want := range []string{
		"ordering cycle: a.service after b.service after c.service after a.service",
		"ordering cycle: d.service after d.service",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewSet() = %v, want %q", err, want)
		}
	}
	if got := set.after["e.service"]; !slices.Equal(got, []string{"a.service"}) {
		t.Errorf("e.service is after %v, want only loaded units", got)
	}
}

func TestBackoff(t *testing.T) {
	b := newBackoff(&Service{RestartSec: 100 * time.Millisecond, RestartSteps: 3, RestartMaxDelay: 800 * time.Millisecond})
	var got []time.Duration
	for _, ran := range []time.Duration{0, 0, 0, 0, 0, stableRun, 0} {
		got = append(got, b.next(ran).Round(time.Millisecond))
	}
	ms := time.Millisecond
	if want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 800 * ms, 100 * ms, 200 * ms}; !slices.Equal(got, want) {
		t.Errorf("delays = %v, want %v", got, want)
	}
	b = newBackoff(&Service{RestartSec: 100 * ms})
	last := time.Duration(0)
	for range 8 {
		d := b.next(0)
		if d < last {
			t.Errorf("delay fell from %v to %v", last, d)
		}
		last = d
	}
	if last != defaultRestartMaxDelay {
		t.Errorf("delay grew to %v, want %v", last, defaultRestartMaxDelay)
	}
}

func TestStartLimiter(t *testing.T) {
	l := startLimiter{limit: StartLimit{Interval: 10 * time.Second, Burst: 2}}
	t0 := time.Unix(0, 0)
	for _, tc := range []struct {
		at   time.Duration
		want bool
	}{{0, true}, {1, true}, {2, false}, {10 * time.Second, true}, {10*time.Second + 1, true}, {10*time.Second + 2, false}} {
		if got := l.allow(t0.Add(tc.at)); got != tc.want {
			t.Errorf("allow(%s) = %v, want %v", tc.at, got, tc.want)
		}
	}
}

func TestRing(t *testing.T) {
	r := newRing("a", nil)
	past, lines, stop := r.Follow(0)
	if len(past) != 0 {
		t.Errorf("an empty ring has %d lines", len(past))
	}
	big := strings.Repeat("x", 1000)
	n := followerDepth + 500
	for i := range n {
		r.Append(time.Unix(int64(i), 0), 6, fmt.Sprint(i, " ", big))
	}
	kept := r.Tail(-1)
	size := 0
	for _, l := range kept {
		size += len(l.Text) + 1
	}
	if size > ringBytes || size < ringBytes-2000 {
		t.Errorf("the ring holds %d bytes, want about %d", size, ringBytes)
	}
	if last := kept[len(kept)-1].Text; !strings.HasPrefix(last, fmt.Sprint(n-1, " ")) {
		t.Errorf("last line = %.10q", last)
	}
	for range followerDepth {
		<-lines
	}
	r.Append(time.Unix(0, 0), 6, "after")
	if l := <-lines; l.Text != "[500 lines lost: reader too slow]" {
		t.Errorf("after a loss: %q", l.Text)
	}
	if l := <-lines; l.Text != "after" {
		t.Errorf("then: %q", l.Text)
	}
	stop()
	r.Append(time.Unix(0, 0), 6, "unheard")
	select {
	case l := <-lines:
		t.Errorf("after stop: %q", l.Text)
	default:
	}
}

// TestLinesKeepNoBuffer reads the shortest lines in the fullest buffers: what the
// ring counts as two bytes must not hold on to the rest of a buffer.
func TestLinesKeepNoBuffer(t *testing.T) {
	const lines = 4 * ringLineMax / 2
	kept := make([]string, 0, lines)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	readLines(io.NopCloser(strings.NewReader(strings.Repeat("a\n", lines))), func(line string) { kept = append(kept, line) })
	grown := int64(heap()) - int64(before)
	if len(kept) != lines || grown > 1<<20 {
		t.Errorf("%d lines of one byte keep %d bytes, want %d lines and less than 1 MiB", len(kept), grown, lines)
	}
	runtime.KeepAlive(kept)
}

func TestParseSyslog(t *testing.T) {
	for _, tc := range []struct {
		in       string
		severity int
		text     string
	}{
		{"<134>Nov  2 10:00:00 proxyd[7]: 198.18.0.1 ok\n", 6, "proxyd[7]: 198.18.0.1 ok"},
		{"<3>plain", 3, "plain"},
		{"no priority", 5, "no priority"},
		{"<999>x", 5, "<999>x"},
	} {
		if sev, text := parseSyslog([]byte(tc.in)); sev != tc.severity || text != tc.text {
			t.Errorf("parseSyslog(%q) = %d, %q", tc.in, sev, text)
		}
	}
}

// TestShippedUnits parses the overlay's units and lets systemd judge the same
// files, with stand-ins for the programs.
func TestShippedUnits(t *testing.T) {
	const dir = "../../overlay/usr/lib/systemd/system"
	set, err := Load(dir, "console-getty@ttyS0.service")
	if err != nil {
		t.Fatal(err)
	}
	if set.Unit("multi-user.target") == nil || !slices.Contains(set.closure("multi-user.target"), "console-getty@ttyS0.service") {
		t.Errorf("multi-user.target pulls in %v", set.closure("multi-user.target"))
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("SLUICE_FULL") == "1" {
			t.Fatal(err)
		}
		t.Skip("systemd-analyze is not installed")
	}
	tmp := t.TempDir()
	program := regexp.MustCompile(`(?m)^(Exec\w+=[-@:+!]*)\S+`)
	var files []string
	for _, name := range set.Names() {
		u := set.Unit(name)
		text, err := os.ReadFile(u.File)
		if err != nil {
			t.Fatal(err)
		}
		text = program.ReplaceAll(text, []byte("${1}/bin/true"))
		file := filepath.Join(tmp, name)
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	// Started by this process directly: the tests' supervisors have ended by now.
	out, err := exec.Command(analyze, append([]string{"verify"}, files...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
