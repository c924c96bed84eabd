package image

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/u-root/mkuimage/cpio"
)

var someTime = time.Date(2026, 3, 4, 5, 6, 8, 0, time.UTC)

// list reads an archive back, a line per record in order.
func list(t *testing.T, archive []byte) string {
	t.Helper()
	newc, err := cpio.Format("newc")
	if err != nil {
		t.Fatal(err)
	}
	records, err := cpio.ReadAllRecords(cpio.EOFReader{RecordReader: newc.Reader(bytes.NewReader(archive))})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range records {
		data, err := content(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%06o %d/%d %d %s %q\n", r.Mode, r.UID, r.GID, r.MTime, r.Name, data)
	}
	return b.String()
}

func TestArchive(t *testing.T) {
	tree := tree{}
	tree.put(cpio.Symlink("bin/sh", "../bbin/gosh"))
	tree.put(cpio.CharDev("dev/console", 0o600, 5, 1))
	tree.file("/a/b.txt", []byte("first"), 0o644)
	tree.file("a/b.txt", []byte("second"), 0o644)
	tree.file("a.txt", []byte("sorts after what is in a"), 0o755)
	archive, err := tree.archive(someTime)
	if err != nil {
		t.Fatal(err)
	}
	if len(archive)%archiveBlock != 0 {
		t.Errorf("archive has %d bytes, not a multiple of %d", len(archive), archiveBlock)
	}
	golden(t, "archive.golden", list(t, archive))
}

// TestArchiveReproducible lays the same files out twice, in another order and
// under another umask, with other times.
func TestArchiveReproducible(t *testing.T) {
	build := func(reverse bool, plain, executable fs.FileMode) []byte {
		dir := t.TempDir()
		names := []string{"etc/one", "etc/sub/two", "usr/three"}
		for i := range names {
			if reverse {
				i = len(names) - 1 - i
			}
			file := filepath.Join(dir, names[i])
			mode := plain
			if names[i] == "usr/three" {
				mode = executable
			}
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(names[i]), mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("one", filepath.Join(dir, "etc/link")); err != nil {
			t.Fatal(err)
		}
		archive, err := SiteArchive(os.DirFS(dir), someTime)
		if err != nil {
			t.Fatal(err)
		}
		return archive
	}
	a, b := build(false, 0o644, 0o755), build(true, 0o600, 0o700)
	if diff := cmp.Diff(list(t, a), list(t, b)); diff != "" || !bytes.Equal(a, b) {
		t.Errorf("archives differ:\n%s", diff)
	}
}

// TestReadArchive reads an archive whose modes come from a strict umask.
func TestReadArchive(t *testing.T) {
	built := tree{}
	built.file("bbin/bb", []byte("program"), 0o700)
	built.file("etc/text", []byte("text"), 0o600)
	built.put(cpio.Symlink("bbin/ls", "bb"))
	archive, err := built.archive(someTime)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "cpio")
	if err := os.WriteFile(name, archive, 0o644); err != nil {
		t.Fatal(err)
	}
	records, err := readArchive(name)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range records {
		data, err := content(r)
		if err != nil {
			t.Fatal(err)
		}
		got[r.Name] = fmt.Sprintf("%06o %s", r.Mode, data)
	}
	want := map[string]string{
		"bbin": "040755 ", "bbin/bb": "100755 program", "bbin/ls": "120777 bb", "etc": "040755 ", "etc/text": "100644 text",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("readArchive (-want +got):\n%s", diff)
	}
}

func TestSiteArchiveRefusesDevices(t *testing.T) {
	site := fstest.MapFS{"dev/thing": {Mode: fs.ModeDevice | 0o600}}
	if _, err := SiteArchive(site, someTime); err == nil || !strings.Contains(err.Error(), "dev/thing") {
		t.Errorf("SiteArchive with a device = %v, want an error that names it", err)
	}
}

func TestJoinArchives(t *testing.T) {
	var b bytes.Buffer
	if err := JoinArchives(&b, []byte("12345"), []byte("6789"), []byte("0")); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "12345\x00\x00\x0067890\x00\x00\x00"; got != want {
		t.Errorf("JoinArchives = %q, want %q", got, want)
	}
}

func TestCompress(t *testing.T) {
	archive := bytes.Repeat([]byte("the kernel unpacks this "), 10000)
	packed, err := compress(archive)
	if err != nil {
		t.Fatal(err)
	}
	again, err := compress(archive)
	if err != nil || !bytes.Equal(packed, again) {
		t.Errorf("compress gave %d and %d bytes, want the same twice (%v)", len(packed), len(again), err)
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderMaxWindow(zstdWindow))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.DecodeAll(packed, nil)
	if err != nil || !bytes.Equal(got, archive) {
		t.Errorf("unpacked %d bytes, want %d (%v)", len(got), len(archive), err)
	}
}

// TestArchiveForCPIO lets cpio(1) judge the archive where it is installed.
func TestArchiveForCPIO(t *testing.T) {
	path, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("cpio is not installed")
	}
	archive, err := SiteArchive(fstest.MapFS{"etc/hostname": {Data: []byte("x\n")}}, someTime)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--quiet", "-t")
	cmd.Stdin = bytes.NewReader(archive)
	out, err := cmd.CombinedOutput()
	if got, want := string(out), "etc\netc/hostname\n"; err != nil || got != want {
		t.Errorf("cpio -t = %q, %v, want %q", got, err, want)
	}
}
