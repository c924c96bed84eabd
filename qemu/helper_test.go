package qemu

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// full skips the test in a plain `go test`, which must do without root, QEMU and
// containers. With SLUICE_FULL=1 (make test) the test runs, and what it misses is
// a failure.
func full(t *testing.T) {
	t.Helper()
	if os.Getenv("SLUICE_FULL") != "1" {
		t.Skip("needs root, QEMU and Docker: run by make test (SLUICE_FULL=1)")
	}
}

// testContext ends shortly before the test's own deadline, so that a hanging step
// fails with its message instead of the whole run with a stack dump.
func testContext(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// buildDir is the project's build folder. Tests run in their package's folder.
func buildDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../build")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newLab returns a lab that ends with the test.
func newLab(t *testing.T) *Lab {
	t.Helper()
	full(t)
	l, err := NewLab()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return l
}
