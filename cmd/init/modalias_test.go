package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func testIndex(t testing.TB) *moduleIndex {
	t.Helper()
	x, err := readModuleIndex("testdata/modules")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestMatchGolden matches the modaliases of a QEMU q35 machine against an index
// of Debian's 6.12 kernel.
func TestMatchGolden(t *testing.T) {
	x := testIndex(t)
	text, err := os.ReadFile("testdata/q35.modaliases")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for m := range strings.Lines(string(text)) {
		m = strings.TrimSpace(m)
		got.WriteString(m + "\n")
		for _, name := range x.match(m) {
			kind := ""
			if x.isNetwork(name) {
				kind = " (network)"
			}
			got.WriteString("\t" + name + kind + "\n")
		}
	}
	golden := "testdata/q35.golden"
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
		t.Errorf("matches differ from %s (-want +got):\n%s", golden, diff)
	}
}

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, s string
		want       bool
	}{
		{"virtio:d00000001v*", "virtio:d00000001v00001AF4", true},
		{"virtio:d00000001v*", "virtio:d00000002v00001AF4", false},
		{"pci:v*d*sv*sd*bc02sc*i*", "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00", true},
		{"input:b*v*p*e*-e*1,*k*74,*", "input:b0019v0000p0001e0000-e0,1,k74,ramlsfw", true},
		{"usb:v046D[pq]*", "usb:v046Dp", true},
		{"usb:v046D[!pq]*", "usb:v046Dp", false},
		{"x[0-9]y", "x5y", true},
		{"x[0-9]y", "xay", false},
		{"of:N*T*", "of:Nnet/eth0T", true},
		{"a?c", "ac", false},
		{"a\\*c", "a*c", true},
		{"*", "", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"[", "[", true},
	} {
		if got := glob(tc.pattern, tc.s); got != tc.want {
			t.Errorf("glob(%q, %q) = %v, want %v", tc.pattern, tc.s, got, tc.want)
		}
	}
}

func TestLoadOrder(t *testing.T) {
	x := testIndex(t)
	var mu sync.Mutex
	var order []string
	l := newLoader(x, func(file, params string) error {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, strings.TrimSpace(moduleName(file)+" "+params))
		return nil
	}, func(module string) string {
		if module == "virtio_net" {
			return "napi_tx=0"
		}
		return ""
	})
	if err := l.loadAll([]string{"virtio_net", "virtio_net"}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"failover", "net_failover", "virtio_net napi_tx=0"}; !slices.Equal(order, want) {
		t.Errorf("order = %v, want %v", order, want)
	}
}

func TestLoadFailure(t *testing.T) {
	bad := errors.New("bad signature")
	l := newLoader(testIndex(t), func(file, _ string) error {
		if moduleName(file) == "failover" {
			return bad
		}
		return nil
	}, func(string) string { return "" })
	err := l.load("virtio_net")
	if !errors.Is(err, bad) || !strings.Contains(err.Error(), "virtio_net") {
		t.Errorf("load(virtio_net) = %v, want the failure of its dependency", err)
	}
	if err := l.load("no_such"); err == nil {
		t.Error("load(no_such) = nil")
	}
	if err := l.load("button"); err != nil {
		t.Errorf("load(button) = %v: a failure must not touch others", err)
	}
}

func TestReadModuleIndexFaults(t *testing.T) {
	dir := t.TempDir()
	if _, err := readModuleIndex(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("readModuleIndex(empty) = %v", err)
	}
	for name, text := range map[string]string{"modules.dep": "a.ko:\n", "modules.alias": "alias x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := readModuleIndex(dir); err == nil || !strings.Contains(err.Error(), "modules.alias:1") {
		t.Errorf("readModuleIndex() = %v, want file and line", err)
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("pci:v*d[0-9]*", "pci:v1d2")
	f.Add("[a-", "[")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		got := glob(pattern, s) // must end
		if !strings.ContainsAny(pattern, `*?[\`) && got != (pattern == s) {
			t.Errorf("glob(%q, %q) differs from equality", pattern, s)
		}
	})
}
