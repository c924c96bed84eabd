package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/name, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// fakeModule returns a relocatable ELF file with nothing but a .modinfo section.
func fakeModule(entries ...string) []byte {
	info := strings.Join(entries, "\x00") + "\x00"
	names := "\x00.modinfo\x00.shstrtab\x00"
	const headerSize, sectionSize = 64, 64
	header := elf.Header64{
		Ident:     [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:      uint16(elf.ET_REL),
		Machine:   uint16(elf.EM_X86_64),
		Version:   uint32(elf.EV_CURRENT),
		Ehsize:    headerSize,
		Shentsize: sectionSize,
		Shnum:     3,
		Shstrndx:  2,
		Shoff:     uint64(headerSize + len(info) + len(names)),
	}
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: headerSize, Size: uint64(len(info))},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(headerSize + len(info)), Size: uint64(len(names))},
	}
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, header)
	b.WriteString(info + names)
	binary.Write(&b, binary.LittleEndian, sections)
	return b.Bytes()
}

// fakeKernel writes a module tree and returns its root.
func fakeKernel(t *testing.T, files map[string][]byte) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// someKernel is a small tree with a chain, a diamond, a soft dependency by name
// and one by alias, and a name spelled with a hyphen.
func someKernel() map[string][]byte {
	return map[string][]byte{
		"modules.builtin":                        []byte("kernel/fs/inside.ko\nkernel/lib/also-inside.ko\n"),
		"kernel/drivers/net/virtio_net.ko":       fakeModule("depends=net_failover", "alias=virtio:d00000001v*"),
		"kernel/drivers/net/net_failover.ko":     fakeModule("depends=failover"),
		"kernel/net/core/failover.ko":            fakeModule("depends="),
		"kernel/drivers/usb/host/xhci-pci.ko":    fakeModule("depends=usbcore,xhci-hcd", "alias=pci:v*d*sv*sd*bc0Csc03i30*", "alias=pci:v00001912d00000014*"),
		"kernel/drivers/usb/host/xhci-hcd.ko":    fakeModule("depends=usbcore"),
		"kernel/drivers/usb/core/usbcore.ko":     fakeModule("depends=also_inside"),
		"kernel/drivers/net/r8169.ko":            fakeModule("softdep=pre: realtek crypto-sum post: later", "depends="),
		"kernel/drivers/net/phy/realtek.ko":      fakeModule("depends="),
		"kernel/drivers/net/phy/later.ko":        fakeModule("depends="),
		"kernel/fs/vfat.ko":                      fakeModule("depends=inside"),
		"kernel/fs/nls_ascii.ko":                 fakeModule("depends="),
		"kernel/drivers/unwanted/unwanted.ko":    fakeModule("depends=failover"),
		"kernel/drivers/unwanted/not-a-module.c": []byte("x"),
	}
}

func TestModuleClosure(t *testing.T) {
	source, err := openModules(fakeKernel(t, someKernel()))
	if err != nil {
		t.Fatal(err)
	}
	table := []moduleChoice{
		{names: "virtio_net xhci_pci"}, {names: "r8169"}, {names: "inside"}, {names: "vfat", pre: "nls_ascii"},
	}
	list, err := source.closure(table)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range list {
		names = append(names, m.name)
	}
	want := []string{"failover", "net_failover", "nls_ascii", "r8169", "realtek", "usbcore", "vfat", "virtio_net", "xhci_hcd", "xhci_pci"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("closure (-want +got):\n%s", diff)
	}
	for name, text := range moduleIndexes(list, table) {
		golden(t, name+".golden", text)
	}
}

func TestModuleClosureMissing(t *testing.T) {
	files := someKernel()
	delete(files, "kernel/net/core/failover.ko")
	source, err := openModules(fakeKernel(t, files))
	if err != nil {
		t.Fatal(err)
	}
	_, err = source.closure([]moduleChoice{{names: "virtio_net"}})
	if err == nil || !strings.Contains(err.Error(), "kernel module failover") {
		t.Errorf("closure without failover = %v, want an error that names it", err)
	}
}

// TestModuleTable checks that each row is complete and no module is listed twice.
func TestModuleTable(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range moduleTable {
		if row.why == "" || row.names == "" {
			t.Errorf("row %+v: names or reason missing", row)
		}
		for _, name := range strings.Fields(row.names) {
			if seen[canonicalModule(name)] {
				t.Errorf("module %s is in two rows", name)
			}
			seen[canonicalModule(name)] = true
		}
	}
}

func FuzzParseModinfo(f *testing.F) {
	f.Add(fakeModule("depends=a,b", "alias=pci:*", "softdep=pre: c"))
	f.Add(fakeModule())
	f.Fuzz(func(t *testing.T, ko []byte) {
		info, err := parseModinfo(ko)
		if err != nil {
			return
		}
		for _, name := range append(info.depends, info.softPre...) {
			if name == "" || strings.ContainsAny(name, "\x00") {
				t.Errorf("dependency %q", name)
			}
		}
	})
}
