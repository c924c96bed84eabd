package ci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluice-lb/sluice/"

// The two sides of the house, for commands.
var (
	trafficSide = []string{"pkg/config", "pkg/rules", "pkg/stick", "pkg/balance", "pkg/check", "pkg/evloop", "pkg/hash", "pkg/proxy", "pkg/ctl", "pkg/slip"}
	machineSide = []string{"pkg/config", "pkg/netcfg", "pkg/vrrp", "pkg/supervisor", "pkg/appliance", "pkg/web", "pkg/ctl", "pkg/slip"}
)

// mayImport is the import table: which packages of this module each package may
// depend on, directly or through others. It is the table of ARCHITECTURE.md.
var mayImport = map[string][]string{
	"pkg/slip":       {},
	"pkg/config":     {"pkg/slip"},
	"pkg/hash":       {},
	"pkg/balance":    {"pkg/hash"},
	"pkg/stick":      {},
	"pkg/evloop":     {},
	"pkg/ctl":        {},
	"pkg/vrrp":       {},
	"pkg/netcfg":     {"pkg/slip"},
	"pkg/appliance":  {},
	"pkg/rules":      {"pkg/config", "pkg/hash", "pkg/slip"},
	"pkg/check":      {"pkg/config", "pkg/slip"},
	"pkg/proxy":      {"pkg/config", "pkg/hash", "pkg/rules", "pkg/stick", "pkg/balance", "pkg/check", "pkg/evloop", "pkg/ctl", "pkg/slip"},
	"pkg/supervisor": {"pkg/ctl", "pkg/slip"},
	"pkg/web":        {"pkg/config", "pkg/ctl", "pkg/appliance", "pkg/slip"},

	"cmd/proxyd": trafficSide,
	"cmd/confd":  machineSide,
	"cmd/init":   machineSide,
	"cmd/netd":   machineSide,
	"cmd/webd":   machineSide,
	"cmd/sluice": machineSide,

	"image":         {"pkg/appliance", "pkg/ctl"},
	"image/mkimage": {"image", "pkg/appliance", "pkg/ctl"},
	"qemu":          {"pkg/appliance", "pkg/ctl"},
	"qemu/run":      {"qemu", "image", "pkg/appliance", "pkg/ctl"},
	"ci":            {},
	"ci/bench":      {"ci/loopback"},
	"ci/chromium":   {},
	"ci/judge":      {},
	"ci/loopback":   {},
}

// onlyImporters names packages that have a closed circle of users.
var onlyImporters = map[string][]string{
	"pkg/proxy": {"cmd/proxyd"},
}

// listedPackage is the part of `go list -json` that is used here.
type listedPackage struct {
	ImportPath string
	Deps       []string
}

func TestImportTable(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Deps", module+"...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for dec := json.NewDecoder(out); ; {
		var p listedPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		seen++
		for _, v := range violations(name, p.Deps) {
			t.Error(v)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	if seen < 2 {
		t.Errorf("go list named %d packages of the module", seen)
	}
}

// violations returns what the table has against package name with these
// dependencies.
func violations(name string, deps []string) []string {
	allowed, known := mayImport[name]
	if !known {
		return []string{fmt.Sprintf("%s: not in the import table; give it a row in ci/imports_test.go and ARCHITECTURE.md", name)}
	}
	var out []string
	for _, dep := range deps {
		dep, ours := strings.CutPrefix(dep, module)
		if !ours {
			continue
		}
		if !slices.Contains(allowed, dep) {
			out = append(out, fmt.Sprintf("%s depends on %s; allowed are %v", name, dep, allowed))
		}
		if users, closed := onlyImporters[dep]; closed && !slices.Contains(users, name) {
			out = append(out, fmt.Sprintf("%s depends on %s, which is for %v only", name, dep, users))
		}
	}
	return out
}

func TestViolations(t *testing.T) {
	tests := []struct {
		name string
		pkg  string
		deps []string
		want int
	}{
		{"allowed", "pkg/proxy", []string{"fmt", module + "pkg/config"}, 0},
		{"other side", "pkg/netcfg", []string{module + "pkg/proxy"}, 2},
		{"closed circle", "cmd/proxyd", []string{module + "pkg/proxy"}, 0},
		{"machine command", "cmd/netd", []string{module + "pkg/netcfg", module + "pkg/evloop"}, 1},
		{"no row", "pkg/util", nil, 1},
	}
	for _, tt := range tests {
		if got := violations(tt.pkg, tt.deps); len(got) != tt.want {
			t.Errorf("%s: violations(%s, %v) = %q, want %d", tt.name, tt.pkg, tt.deps, got, tt.want)
		}
	}
}
