package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// maxInitramfs is what the product promises, bytes.
const maxInitramfs = 32 << 20

// TestBuildTwice builds the product in two directories, everything but the kernel
// from scratch, and compares all outputs.
func TestBuildTwice(t *testing.T) {
	if !full() {
		t.Skip("builds the whole image twice: set SLUICE_FULL=1")
	}
	kernels, err := filepath.Abs("../build/cache/kernel")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(kernels, 0o755); err != nil {
		t.Fatal(err)
	}
	var sums []string
	for range 2 {
		out := t.TempDir()
		if err := os.Mkdir(filepath.Join(out, "cache"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(kernels, filepath.Join(out, "cache", "kernel")); err != nil {
			t.Fatal(err)
		}
		result, err := Build(t.Context(), Options{Out: out, Epoch: someTime, Version: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if result.InitramfsSize > maxInitramfs {
			t.Errorf("initramfs has %d bytes, more than %d", result.InitramfsSize, maxInitramfs)
		}
		text, err := os.ReadFile(result.Sums)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(text))
	}
	if diff := cmp.Diff(sums[0], sums[1]); diff != "" {
		t.Errorf("digests of two builds differ:\n%s", diff)
	}
}

func TestProgress(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out)
	now := someTime
	p.now = func() time.Time { now = now.Add(1500 * time.Millisecond); return now }
	if err := p.step("kernel", func() (string, error) { return "done", nil }); err != nil {
		t.Fatal(err)
	}
	p.note("%d things", 3)
	if err := p.step("disk", func() (string, error) { return "", os.ErrPermission }); !errors.Is(err, os.ErrPermission) || !strings.HasPrefix(err.Error(), "disk: ") {
		t.Errorf("step = %v, want disk: permission denied", err)
	}
	if got, want := out.String(), "    1.5s kernel       done\n         3 things\n"; got != want {
		t.Errorf("progress = %q, want %q", got, want)
	}
}

func TestStamp(t *testing.T) {
	dir := t.TempDir()
	name, stamp := filepath.Join(dir, "out"), filepath.Join(dir, "stamp")
	if stampHolds(stamp, "key", name) {
		t.Error("a stamp that is not there holds")
	}
	if err := writeFile(name, []byte("result")); err != nil {
		t.Fatal(err)
	}
	sum, err := fileSHA256(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(stamp, []byte("key "+sum+"\n")); err != nil {
		t.Fatal(err)
	}
	if !stampHolds(stamp, "key", name) {
		t.Error("the stamp does not hold")
	}
	if stampHolds(stamp, "other", name) {
		t.Error("the stamp holds for another key")
	}
	if err := writeFile(name, []byte("changed by hand")); err != nil {
		t.Fatal(err)
	}
	if stampHolds(stamp, "key", name) {
		t.Error("the stamp holds for a changed file")
	}
}
