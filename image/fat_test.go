package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestShortName(t *testing.T) {
	tests := []struct {
		name, short string
		lower       byte
		ok          bool
	}{
		{"vmlinuz", "VMLINUZ    ", fatLowerBase, true},
		{"initrd.img", "INITRD  IMG", fatLowerBase | fatLowerExt, true},
		{"BOOTX64.EFI", "BOOTX64 EFI", 0, true},
		{"KERNEL.img", "KERNEL  IMG", fatLowerExt, true},
		{"a", "A          ", fatLowerBase, true},
		{"Mixed", "", 0, false},
		{"initramfs.img", "", 0, false},
		{"a.b.c", "", 0, false},
		{"file.text", "", 0, false},
	}
	for _, test := range tests {
		short, lower, err := shortName(test.name)
		if short != test.short || lower != test.lower || (err == nil) != test.ok {
			t.Errorf("shortName(%q) = %q, %#x, %v, want %q, %#x, ok %v", test.name, short, lower, err, test.short, test.lower, test.ok)
		}
	}
}

func TestFATLimits(t *testing.T) {
	if _, err := newFAT(200<<20, "X", nil, someTime); err == nil {
		t.Error("newFAT in 200 MiB: want an error, firmware would take it for FAT16")
	}
	big := make([]byte, 300<<20)
	if _, err := newFAT(bootSize, "X", map[string][]byte{"big": big}, someTime); err == nil {
		t.Error("newFAT accepts a file larger than the partition")
	}
}

// TestFATForFsck lets fsck.vfat judge a file system that has what can go wrong: an
// empty file, a file of exactly a cluster, a directory of more than a cluster.
func TestFATForFsck(t *testing.T) {
	path, err := tool{"fsck.vfat", "dosfstools", "checks FAT"}.find()
	if err != nil {
		if full() {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	files := map[string][]byte{"empty": nil, "a/b/full": make([]byte, fatClusterSize), "a/b/over": make([]byte, fatClusterSize+1)}
	for i := range 200 {
		files["many/"+strings.Repeat("x", 1+i%4)+string(rune('a'+i/26))+string(rune('a'+i%26))] = []byte{byte(i)}
	}
	v, err := newFAT(bootSize, "SLUICE", files, someTime)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "fat")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(bootSize); err != nil {
		t.Fatal(err)
	}
	if err := v.writeTo(f, 0); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "-n", "-V", name).CombinedOutput(); err != nil {
		t.Errorf("fsck.vfat: %v\n%s", err, out)
	}
}
