package image

import (
	"context"
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

// TestLock lets a second build wait, give up, and get its turn.
func TestLock(t *testing.T) {
	waiting := make(chan string, 1)
	builderIn := func(dir string) *builder {
		return &builder{opts: Options{Out: dir}, progress: newProgress(lineFunc(func(line string) { waiting <- line }))}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "cache"), 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := builderIn(dir).lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := builderIn(dir).lock(ctx)
		result <- err
	}()
	if line := <-waiting; !strings.Contains(line, "waiting for another build") {
		t.Errorf("progress = %q", line)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("lock after cancel = %v, want %v", err, context.Canceled)
	}
	go func() {
		unlock, err := builderIn(dir).lock(t.Context())
		if err == nil {
			unlock()
		}
		result <- err
	}()
	<-waiting
	unlock()
	if err := <-result; err != nil {
		t.Errorf("lock after the first build = %v", err)
	}
}

// lineFunc is a writer that hands each write to a function.
type lineFunc func(string)

func (f lineFunc) Write(p []byte) (int, error) { f(string(p)); return len(p), nil }

func TestDropOldBusyboxes(t *testing.T) {
	dir := t.TempDir()
	keep := filepath.Join(dir, "busybox-2.cpio")
	for _, name := range []string{"busybox-1.cpio", "busybox-2.cpio", "initramfs.stamp"} {
		if err := writeFile(filepath.Join(dir, name), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "busybox-3.tmp", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := dropOldBusyboxes(dir, keep); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{keep, filepath.Join(dir, "initramfs.stamp")}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
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
