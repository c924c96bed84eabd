package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/go-cmp/cmp"
)

// full reports whether a missing tool is a failure rather than a skip.
func full() bool { return os.Getenv("SLUICE_FULL") == "1" }

// needGRUB skips a test where GRUB's files are not installed.
func needGRUB(t *testing.T) {
	t.Helper()
	if _, err := makeLoader(t.Context(), t.TempDir(), someTime); err != nil {
		if full() {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// someDisk returns a disk with a small kernel and initramfs in dir.
func someDisk(t *testing.T, dir string) Disk {
	t.Helper()
	d := Disk{
		Kernel: filepath.Join(dir, "kernel"), Initramfs: filepath.Join(dir, "initramfs"),
		Site: fstest.MapFS{"etc/hostname": {Data: []byte("site\n")}}, Cmdline: "sluice.test=1", Epoch: someTime,
	}
	kernel := bytes.Repeat([]byte("kernel"), 10000)
	if err := os.WriteFile(d.Kernel, kernel, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Initramfs, []byte("initramfs"), 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

// readTree returns path -> contents of a FAT file system.
func readTree(t *testing.T, fsys filesystem.FileSystem, dir string) map[string]string {
	t.Helper()
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		name := strings.TrimPrefix(dir+"/"+e.Name(), "./")
		if e.IsDir() {
			for k, v := range readTree(t, fsys, name) {
				files[k] = v
			}
			continue
		}
		f, err := fsys.OpenFile(name, os.O_RDONLY)
		if err != nil {
			t.Fatal(err)
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		// go-diskfs reads on to the end of a short buffer behind the file's end.
		data, err := io.ReadAll(io.LimitReader(f, info.Size()))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	return files
}

func TestWriteDisk(t *testing.T) {
	needGRUB(t)
	dir := t.TempDir()
	d := someDisk(t, dir)
	name := filepath.Join(dir, "disk.raw")
	if err := WriteDisk(t.Context(), name, d); err != nil {
		t.Fatal(err)
	}
	disk, err := diskfs.Open(name, diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	table, ok := disk.Table.(*gpt.Table)
	if !ok {
		t.Fatalf("partition table is %T, want GPT", disk.Table)
	}
	if err := table.Verify(disk.Backend, DefaultDiskSize); err != nil {
		t.Errorf("GPT: %v", err)
	}
	var got []string
	for _, p := range table.Partitions {
		if p.Type != gpt.Unused {
			got = append(got, fmt.Sprintf("%s %s %d+%d", p.Name, p.Type, p.GetStart(), p.GetSize()))
		}
	}
	want := []string{
		fmt.Sprintf("bios %s %d+%d", gpt.BIOSBoot, biosBootStart, biosBootSize),
		fmt.Sprintf("boot %s %d+%d", gpt.EFISystemPartition, bootStart, bootSize),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	fat, err := disk.GetFilesystem(bootPartition)
	if err != nil {
		t.Fatal(err)
	}
	if label := strings.TrimSpace(fat.Label()); label != BootLabel {
		t.Errorf("label = %q, want %q", label, BootLabel)
	}
	grub, err := makeLoader(t.Context(), t.TempDir(), someTime)
	if err != nil {
		t.Fatal(err)
	}
	files, err := d.bootFiles(grub)
	if err != nil {
		t.Fatal(err)
	}
	wantFiles := map[string]string{}
	for name, data := range files {
		wantFiles[name] = string(data)
	}
	if diff := cmp.Diff(sortedKeys(wantFiles), sortedKeys(readTree(t, fat, "."))); diff != "" {
		t.Errorf("boot files (-want +got):\n%s", diff)
	}
	if !cmp.Equal(wantFiles, readTree(t, fat, ".")) {
		t.Error("boot files differ in contents")
	}
}

func TestWriteDiskReproducible(t *testing.T) {
	needGRUB(t)
	var sums []string
	for _, dir := range []string{t.TempDir(), t.TempDir()} {
		name := filepath.Join(dir, "disk.raw")
		if err := WriteDisk(t.Context(), name, someDisk(t, dir)); err != nil {
			t.Fatal(err)
		}
		sum, err := fileSHA256(name)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum)
	}
	if sums[0] != sums[1] {
		t.Errorf("two disks of the same parts: sha256 %s and %s", sums[0], sums[1])
	}
}

func TestWriteDiskErrors(t *testing.T) {
	needGRUB(t)
	tests := []struct {
		name   string
		change func(*Disk)
		want   string
	}{
		{"too small", func(d *Disk) { d.Size = DataStart }, "disk size"},
		{"half a sector", func(d *Disk) { d.Size = DefaultDiskSize + 100 }, "disk size"},
		{"no kernel", func(d *Disk) { d.Kernel += "x" }, "no such file"},
		{"command line", func(d *Disk) { d.Cmdline = "a; reboot" }, "accepted are"},
		{"site", func(d *Disk) { d.Site = fstest.MapFS{"p": {Mode: fs.ModeNamedPipe}} }, "cannot be part"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			d := someDisk(t, dir)
			test.change(&d)
			name := filepath.Join(dir, "disk.raw")
			err := WriteDisk(t.Context(), name, d)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("WriteDisk = %v, want an error with %q", err, test.want)
			}
			if _, err := os.Stat(name); err == nil {
				t.Error("the disk is there in spite of the error")
			}
		})
	}
}

// TestWriteDiskUnprivileged writes a disk as nobody. The test program runs itself
// again with other credentials.
func TestWriteDiskUnprivileged(t *testing.T) {
	const dirVariable = "SLUICE_TEST_DISK_DIR"
	needGRUB(t)
	if dir := os.Getenv(dirVariable); dir != "" {
		if os.Geteuid() == 0 {
			t.Fatal("still root")
		}
		if err := WriteDisk(t.Context(), filepath.Join(dir, "disk.raw"), someDisk(t, dir)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("not root: every other test shows it")
	}
	dir, err := os.MkdirTemp("", "sluice-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const nobody = 65534
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "image.test")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^TestWriteDiskUnprivileged$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), dirVariable+"="+dir, "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("as nobody: %v\n%s", err, out)
	}
}

func TestPlaceLoader(t *testing.T) {
	l := loader{boot: make([]byte, sector), core: make([]byte, 3*sector)}
	boot, core, err := l.place(2048)
	if err != nil {
		t.Fatal(err)
	}
	if len(boot) != mbrCodeSize {
		t.Errorf("boot code has %d bytes, want %d: the partition table follows", len(boot), mbrCodeSize)
	}
	if got := binary.LittleEndian.Uint64(boot[0x5c:]); got != 2048 {
		t.Errorf("boot code loads sector %d, want 2048", got)
	}
	if got := boot[0x66:0x68]; !bytes.Equal(got, []byte{0x90, 0x90}) {
		t.Errorf("drive check = %x, want two NOPs", got)
	}
	if got := binary.LittleEndian.Uint64(core[0x1f4:]); got != 2049 {
		t.Errorf("core image goes on at sector %d, want 2049", got)
	}
	if _, _, err := (loader{boot: make([]byte, 100)}).place(1); err == nil {
		t.Error("place accepts a short boot.img")
	}
	if _, _, err := (loader{boot: l.boot, core: make([]byte, 100)}).place(1); err == nil {
		t.Error("place accepts a short core.img")
	}
}

func TestGrubConfig(t *testing.T) {
	plain, err := grubConfig("a", "", false)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "grub.cfg.golden", plain)
	site, err := grubConfig("b", "sluice.test=1 panic=-1", true)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "grub-site.cfg.golden", site)
	for _, bad := range []string{"a;b", "$x", "a'b", `a"b`, "a\nb", "{", "`", "a\\b", "a#"} {
		if _, err := grubConfig("a", bad, false); err == nil {
			t.Errorf("grubConfig accepts %q", bad)
		}
	}
}

func TestToolNamesPackage(t *testing.T) {
	_, err := tool{"no-such-program", "some-package", "does something"}.find()
	if err == nil || !strings.Contains(err.Error(), "Debian package some-package") {
		t.Errorf("find = %v, want the package's name", err)
	}
}
