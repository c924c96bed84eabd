package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.cfg")
	if err != nil || len(files) == 0 {
		f.Fatalf("testdata/*/*.cfg: %d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		src := Source{Name: "fuzz.cfg", Text: text}
		if got := Print(Lines(src)); !bytes.Equal(got, text) {
			t.Fatalf("Print(Lines(%q)) = %q", text, got)
		}
		cfg, warnings, err := Parse([]Source{src}, Options{Getenv: testEnv})
		if (cfg == nil) != (err != nil) {
			t.Fatalf("Parse(%q) = %v, %v: want exactly one of them", text, cfg, err)
		}
		lines := Lines(src)
		for _, d := range append(alertsOf(err), warnings...) {
			if d.Pos.File != "fuzz.cfg" || d.Pos.Line < 1 || d.Pos.Line > len(lines) || d.Pos.Col < 1 || d.Pos.Col > len(lines[d.Pos.Line-1].Text)+1 || d.Message == "" {
				t.Fatalf("Parse(%q): misplaced diagnostic %v", text, d)
			}
		}
	})
}

// manyServers is a configuration with n servers in one backend.
func manyServers(n int) []byte {
	var b bytes.Buffer
	b.WriteString("defaults\n timeout client 1m\n timeout server 1m\n timeout connect 5s\n")
	b.WriteString("frontend web\n bind :80\n default_backend pool\nbackend pool\n balance leastconn\n")
	for i := range n {
		fmt.Fprintf(&b, "    server srv%06d 10.%d.%d.%d:8080 weight %d maxconn 100 # rack %d\n", i, i>>16&255, i>>8&255, i&255, i%256+1, i%40)
	}
	return b.Bytes()
}

// TestParseManyServers holds the promise about large files: 100,000 servers in
// less memory than five times the file plus 200 MB, and no quadratic step.
func TestParseManyServers(t *testing.T) {
	text := manyServers(100_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	cfg, _, err := Parse([]Source{{Name: "big.cfg", Text: text}}, Options{})
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(cfg.Proxies[1].Servers); n != 100_000 {
		t.Errorf("Parse found %d servers, want 100000", n)
	}
	limit := uint64(5*len(text)) + 200<<20
	if used := after.TotalAlloc - before.TotalAlloc; used > limit {
		t.Errorf("Parse allocated %d bytes in all for %d bytes of text, want at most %d", used, len(text), limit)
	}
	// A step of n*n would take minutes; the bound leaves room for slow machines.
	if took > 20*time.Second {
		t.Errorf("Parse took %v", took)
	}
}

func BenchmarkParse100kServers(b *testing.B) {
	text := manyServers(100_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse([]Source{{Name: "big.cfg", Text: text}}, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseSmall(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse([]Source{{Name: "small.cfg", Text: []byte(example)}}, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestLinesRoundTrip(t *testing.T) {
	for _, text := range []string{"", "\n", "a", "a\n", "# c\r\n\n  x \\\n\ty", strings.Repeat("\n", 3)} {
		if got := string(Print(Lines(Source{Text: []byte(text)}))); got != text {
			t.Errorf("Print(Lines(%q)) = %q", text, got)
		}
	}
}

// TestParseManyFaults holds that a large file of nonsense is reported in full
// and in time that grows with its length only.
func TestParseManyFaults(t *testing.T) {
	const n = 20_000
	text := "defaults\n timeout client 1s\n" + strings.Repeat("frontend nonsense\n maxcon 3\n default_backend nowhere\n bind x sll\n", n)
	start := time.Now()
	_, _, alerts := parseText(text)
	// Each block has four faults, and but for the first its name is one more.
	if want := 5*n - 1; len(alerts) != want {
		t.Errorf("Parse reported %d faults, want %d", len(alerts), want)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("Parse took %v", took)
	}
}
