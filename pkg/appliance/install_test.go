package appliance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// usedDisk is a disk image full of somebody's data.
func usedDisk(t *testing.T, size int64) Volume {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "used.raw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	chunk := bytes.Repeat([]byte("somebody's data\n"), 1<<16)
	for at := int64(0); at < size; at += int64(len(chunk)) {
		if _, err := f.WriteAt(chunk[:min(int64(len(chunk)), size-at)], at); err != nil {
			t.Fatal(err)
		}
	}
	return Volume{f, size}
}

func noProgress(int64, int64) {}

func TestInstall(t *testing.T) {
	boot := Volume{testDisk(t, 64<<20, 64<<20), 64 << 20}
	put(t, boot.File, "core image", 1<<20)
	put(t, boot.File, "kernel", 3<<20)
	if _, err := MakeData(boot.File, boot.Size); err != nil {
		t.Fatal(err)
	}
	target := usedDisk(t, 90<<20+512)
	var last, all int64
	if _, err := Install(t.Context(), boot, target, func(done, total int64) {
		if done <= last || done > total {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last, all = done, total
	}); err != nil {
		t.Fatal(err)
	}
	if last != all {
		t.Errorf("progress ends at %d of %d", last, all)
	}
	kernelReads(t, target.File, target.Size, 2)
	for at, want := range map[int64]string{0: "boot code", 1 << 20: "core image", 3 << 20: "kernel"} {
		if got := readPart(target.File, extent{0, target.Size}, at, int64(len(want))); string(got) != want {
			t.Errorf("at %d: %q, want %q", at, got, want)
		}
	}
	old, err := readTable(boot.File, boot.Size)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := readTable(target.File, target.Size)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(old.header[atDiskGUID:atDiskGUID+guidSize], fresh.header[atDiskGUID:atDiskGUID+guidSize]) {
		t.Error("the disk has the old GUID")
	}
	for n := 1; n <= BootPartition; n++ {
		if old.extent(n) != fresh.extent(n) {
			t.Errorf("partition %d: %+v, want %+v", n, fresh.extent(n), old.extent(n))
		}
		if guidText(old.entry(n)[entryGUID:]) == guidText(fresh.entry(n)[entryGUID:]) {
			t.Errorf("partition %d has the old GUID", n)
		}
	}
	made, err := MakeData(target.File, target.Size)
	if err != nil {
		t.Fatalf("the copy's data partition: %v", err)
	}
	fsck(t, target.File, made.Extent)
}

func TestInstallRefuses(t *testing.T) {
	boot := Volume{testDisk(t, 64<<20, 64<<20), 64 << 20}
	need, err := NeededSize(boot)
	if err != nil {
		t.Fatal(err)
	}
	small := usedDisk(t, need-512)
	before := Contents(small.File, small.Size)
	if _, err := Install(t.Context(), boot, small, noProgress); err == nil || !strings.Contains(err.Error(), fmt.Sprint(need)) {
		t.Errorf("Install() on a small disk = %v, want %d named", err, need)
	}
	if diff := cmp.Diff(before, Contents(small.File, small.Size)); diff != "" {
		t.Errorf("the small disk was touched (-before +after):\n%s", diff)
	}
	used := usedDisk(t, need)
	if _, err := Install(t.Context(), used, usedDisk(t, need), noProgress); err == nil {
		t.Error("Install() from a disk without our system = nil")
	}
	// A partly written disk must not look like ours.
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Install(ctx, boot, used, func(int64, int64) { cancel() })
	if !errors.Is(err, context.Canceled) || IsBootDisk(used.File, used.Size) {
		t.Errorf("Install() that was stopped = %v, boot disk: %t", err, IsBootDisk(used.File, used.Size))
	}
	if _, err := Install(t.Context(), boot, used, noProgress); err != nil {
		t.Errorf("Install() on the least that is accepted = %v", err)
	}
	if p, err := Inspect(used.File, used.Size); err != nil || p.State != Blank {
		t.Errorf("Inspect() = %+v, %v, want room for data", p, err)
	}
}

func TestContents(t *testing.T) {
	const size = 64 << 20
	run := func(name string, args ...string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if _, err := exec.LookPath(name); err != nil {
				if os.Getenv("SLUICE_FULL") == "1" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			if out, err := exec.Command(name, append(args, path)...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", name, err, out)
			}
		}
	}
	write := func(at int64, text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			put(t, f, text, at)
		}
	}
	for _, tc := range []struct {
		name string
		make func(*testing.T, string)
		want string
	}{
		{"ext4", run("mkfs.ext4", "-q", "-L", "root"), `the whole disk: ext2/3/4 "root"`},
		{"FAT32", run("mkfs.vfat", "-F", "32", "-n", "STICK"), `the whole disk: FAT32 "STICK"`},
		{"FAT16", run("mkfs.vfat", "-F", "16", "-n", "OLD"), `the whole disk: FAT16 "OLD"`},
		{"swap", run("mkswap", "-q", "-L", "paging"), `the whole disk: swap "paging"`},
		{"XFS with a rude label", write(0, "XFSB"+strings.Repeat("\x00", 104)+"\x1b[2Jmine"), `the whole disk: XFS "?[2Jmine"`},
		{"LUKS", write(0, "LUKS\xba\xbe"), "the whole disk: LUKS (encrypted)"},
		{"blank", write(32<<20, "far behind"), "its beginning is blank"},
		{"unknown", write(5000, "what?"), "data of an unknown kind"},
		{"MBR", write(446, "\x80\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00"+strings.Repeat("\x00", 48)+"\x55\xaa"),
			"partition 1: 1 MiB, nothing known"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
				t.Fatal(err)
			}
			tc.make(t, path)
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got := strings.Join(Contents(f, size), "|"); got != tc.want {
				t.Errorf("Contents() = %q, want %q", got, tc.want)
			}
		})
	}
	ours := testDisk(t, size, size)
	if _, err := MakeData(ours, size); err != nil {
		t.Fatal(err)
	}
	want := []string{`partition 1: 1 MiB, name "bios", nothing known`, `partition 2: 2 MiB, name "boot", nothing known`,
		`partition 3: 58 MiB, name "SLUICE-DATA", ext2/3/4 "SLUICE-DATA"`}
	if diff := cmp.Diff(want, Contents(ours, size)); diff != "" {
		t.Errorf("Contents() (-want +got):\n%s", diff)
	}
}

func FuzzContents(f *testing.F) {
	f.Add([]byte("XFSB"))
	f.Add(append(make([]byte, 512), gptSignature...))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, line := range Contents(bytes.NewReader(data), int64(len(data))) {
			if line == "" || strings.ContainsAny(line, "\n\x1b") {
				t.Errorf("line %q", line)
			}
		}
	})
}

func TestTarget(t *testing.T) {
	d := fakeDisks(t)
	for _, tc := range []struct {
		path, want string // the disk, or text of the error
		noDisk     bool
	}{
		{path: "/dev/vdb", want: "vdb"},
		{path: "vdb", want: "vdb"},
		{path: "/dev/disk/by-id/b", want: "vdb"},
		{path: "/dev/vda", want: "the disk that this machine runs from"},
		{path: "/dev/vdc", want: "vdc1 is mounted on /mnt"},
		{path: "/dev/vdd", want: "too small: it has 64 MiB, accepted are disks from 100 MiB on"},
		{path: "/dev/vde", want: "read-only"},
		{path: "/dev/vdf", want: "sectors of 4096 bytes"},
		{path: "/dev/vdc1", want: "vdc1 is a partition of vdc", noDisk: true},
		{path: "/dev/loop0", want: "no disk: ", noDisk: true},
		{path: "/dev/null", want: "no disk: ", noDisk: true},
		{path: "/dev/sr0", want: "no disk: ", noDisk: true},
		{path: "/dev", want: "no disk: ", noDisk: true},
		{path: "/etc/passwd", want: "no disk: ", noDisk: true},
	} {
		path := strings.Replace(tc.path, "/dev", d.Dev, 1)
		got, err := d.Target(path, "vda", 100<<20)
		if errors.Is(err, ErrNoDisk) != tc.noDisk {
			t.Errorf("Target(%s) = %v, want ErrNoDisk: %t", tc.path, err, tc.noDisk)
		}
		if err == nil && got.Name != tc.want || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Target(%s) = %v, %v, want %s", tc.path, got, err, tc.want)
		}
	}
	others, err := d.Others("vda")
	if err != nil || len(others) != 5 || others[0].String() != "vdb (20 GiB, QEMU HARDDISK)" {
		t.Errorf("Others() = %v, %v", others, err)
	}
}

// fakeDisks are vda to vdf, a loop device and an optical drive.
func fakeDisks(t *testing.T) Disks {
	t.Helper()
	dir := t.TempDir()
	d := Disks{Sys: filepath.Join(dir, "sys"), Dev: filepath.Join(dir, "dev"), Mounts: filepath.Join(dir, "mounts")}
	files := map[string]string{
		"mounts": "proc /proc proc rw 0 0\n" + d.Dev + "/vdc1 /mnt ext4 rw 0 0\n", "dev/vdb": "",
		"sys/loop0/size": "41943040\n", "sys/sr0/size": "41943040\n", "sys/sr0/device/model": "DVD\n",
		"sys/vdb/device/vendor": "0x1af4\n", "sys/vdb/device/model": "QEMU HARDDISK   \n", "sys/vdc/vdc1/partition": "1\n",
		"sys/vde/ro": "1\n", "sys/vdf/queue/logical_block_size": "4096\n",
	}
	for _, name := range []string{"vda", "vdb", "vdc", "vdd", "vde", "vdf"} {
		files["sys/"+name+"/size"] = "41943040\n"
		files["sys/"+name+"/device/status"] = "\n"
	}
	files["sys/vdd/size"] = "131072\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.MkdirAll(d.Dev+"/disk/by-id", 0o755), os.Symlink("../../vdb", d.Dev+"/disk/by-id/b")); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCopyData(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "sluice")
	for name, text := range map[string]string{"pointers": "p", "tls/key.pem": "secret", "revisions/1/files/proxy.cfg": "cfg",
		"revisions/.tmp-2/meta.json": "half", ".tmp-users": "half"} {
		path := filepath.Join(from, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := CopyData(from, to); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := filepath.WalkDir(to, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		got = append(got, fmt.Sprintf("%s %s %s", strings.TrimPrefix(path, to+"/"), info.Mode(), text))
		return err
	})
	want := []string{"pointers -rw------- p", "revisions/1/files/proxy.cfg -rw------- cfg", "tls/key.pem -rw------- secret"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("CopyData() (-want +got):\n%s%v", diff, err)
	}
	if err := CopyData(filepath.Join(from, "none"), to); err == nil {
		t.Error("CopyData() of nothing = nil")
	}
}
