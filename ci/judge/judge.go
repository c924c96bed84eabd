// Package judge finds the real HAProxy, whose verdicts and behaviour tests compare
// with ours. It is for tests only.
package judge

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// version is that of the language that Sluice speaks (config.CompatVersion).
const version = "3.0."

// HAProxy returns the path of the program: $SLUICE_HAPROXY, what "make judge" made,
// or the machine's own, whichever has the right version first. Without one the test
// is skipped, or fails where nothing may be left out (SLUICE_FULL=1).
func HAProxy(t testing.TB) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	made := filepath.Join(filepath.Dir(here), "../../build/judge/haproxy")
	for _, path := range []string{os.Getenv("SLUICE_HAPROXY"), made, "haproxy"} {
		if path == "" {
			continue
		}
		out, err := exec.Command(path, "-v").Output()
		if err == nil && strings.HasPrefix(string(out), "HAProxy version "+version) {
			return path
		}
	}
	if os.Getenv("SLUICE_FULL") == "1" {
		t.Fatalf("no HAProxy %sx: make judge", version)
	}
	t.Skipf("no HAProxy %sx: make judge", version)
	return ""
}
