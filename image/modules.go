package image

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// moduleChoice is one row of the table of kernel modules in the image.
type moduleChoice struct {
	names string // module names, separated by blanks
	pre   string // modules that the kernel asks modprobe for, which the image lacks
	why   string
}

// moduleTable lists the modules that the image carries; their hard dependencies
// come by themselves. Everything else the appliance needs is built into Debian's
// kernel: virtio_pci, 8250 serial, the VESA and EFI frame buffers, IPv6.
var moduleTable = []moduleChoice{
	{names: "virtio_net", why: "network of QEMU, KVM, GCE and other virtio hosts"},
	{names: "e1000 e1000e", why: "network that QEMU, VirtualBox and VMware emulate; Intel desktop boards"},
	{names: "igb igc", why: "Intel 1 and 2.5 Gbit/s, the usual port of small servers and appliances"},
	{names: "ixgbe i40e", why: "Intel 10 to 40 Gbit/s"},
	{names: "r8169", why: "Realtek 1 Gbit/s, mini PCs"},
	{names: "tg3", why: "Broadcom 1 Gbit/s, rack servers"},
	{names: "vmxnet3", why: "VMware's own network device"},
	{names: "hv_netvsc", why: "Hyper-V's network device"},
	{names: "xen-netfront", why: "Xen's network device"},
	{names: "8021q", why: "VLANs"},
	{names: "bonding", why: "link aggregation and fail-over between ports"},
	{names: "macvlan", why: "VRRP's virtual MAC address on a link of its own"},
	{names: "dummy", why: "a link that is always up, for addresses routed to the box"},
	{names: "tls", why: "kernel TLS records under the relay"},

	{names: "virtio_blk virtio_scsi", why: "disks of virtio hosts"},
	{names: "ahci ata_piix", why: "SATA and IDE disks, real and emulated"},
	{names: "sd_mod", why: "disks behind SCSI, SATA and USB"},
	{names: "nvme", why: "NVMe disks"},
	{names: "vmw_pvscsi mptspi mptsas", why: "VMware's disk controllers"},
	{names: "hv_storvsc", why: "Hyper-V's disks"},
	{names: "xen-blkfront", why: "Xen's disks"},
	{names: "xhci-pci ehci-pci usb-storage uas", why: "boot from a USB stick"},
	{names: "vfat", pre: "nls_cp437 nls_ascii", why: "the boot partition; fat asks for both character sets at mount"},
	{names: "ext4", pre: "crc32c_generic", why: "the data partition; ext4 asks for the checksum at mount"},
	{names: "efivarfs", why: "boot entries of UEFI firmware"},

	{names: "button", why: "ACPI power button: orderly shutdown"},
	{names: "evdev", why: "events of the power button and keyboards for init"},
	{names: "usbhid hid-generic", why: "USB keyboard at the VGA console"},
	{names: "i6300esb", why: "watchdog that QEMU emulates"},
	{names: "iTCO_wdt lpc_ich i2c-i801", why: "watchdog of Intel chipsets and the buses it hangs on"},
	{names: "sp5100_tco", why: "watchdog of AMD chipsets"},
	{names: "wdat_wdt", why: "watchdog described by ACPI, most servers"},
	{names: "virtio-rng", why: "entropy from the host"},
}

// module is one kernel module of the image.
type module struct {
	name string // as the kernel spells it, with underscores
	path string // below /lib/modules/<release>, uncompressed: kernel/.../x.ko
	file string // where the build machine has it
	info modinfo
	data []byte // the ELF file with its signature
}

// canonicalModule returns the kernel's spelling of a module name: file names and
// lists use "-" and "_" for the same thing.
func canonicalModule(name string) string { return strings.ReplaceAll(name, "-", "_") }

// moduleSource finds and reads modules of one kernel tree.
type moduleSource struct {
	root    string            // .../lib/modules/<release>
	files   map[string]string // canonical name -> path below root
	builtin map[string]bool   // canonical names of what the kernel has inside
}

// openModules indexes the module tree at root, the directory of one release.
func openModules(root string) (*moduleSource, error) {
	s := &moduleSource{root: root, files: map[string]string{}, builtin: map[string]bool{}}
	list, err := os.ReadFile(filepath.Join(root, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Fields(string(list)) {
		s.builtin[canonicalModule(strings.TrimSuffix(path.Base(line), ".ko"))] = true
	}
	err = filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		base, _, found := strings.Cut(d.Name(), ".ko")
		if !found {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		s.files[canonicalModule(base)] = filepath.ToSlash(rel)
		return err
	})
	return s, err
}

// load reads one module by name.
func (s *moduleSource) load(name string) (module, error) {
	rel, ok := s.files[name]
	if !ok {
		return module{}, fmt.Errorf("kernel module %s: not in %s", name, s.root)
	}
	m := module{name: name, file: filepath.Join(s.root, filepath.FromSlash(rel))}
	dir, base := path.Split(rel)
	stem, _, _ := strings.Cut(base, ".ko")
	m.path = dir + stem + ".ko"
	var err error
	if m.data, err = readModule(m.file); err != nil {
		return module{}, err
	}
	if m.info, err = parseModinfo(m.data); err != nil {
		return module{}, fmt.Errorf("read %s: %w", m.file, err)
	}
	return m, nil
}

// closure returns the modules named in table with everything they depend on,
// sorted by name. A name that is built into the kernel is satisfied; one that is
// nowhere is an error, so that a kernel update cannot drop a driver unseen.
func (s *moduleSource) closure(table []moduleChoice) ([]module, error) {
	var todo []string
	for _, row := range table {
		todo = append(todo, strings.Fields(row.names)...)
		todo = append(todo, strings.Fields(row.pre)...)
	}
	seen := map[string]bool{}
	var list []module
	for len(todo) > 0 {
		name := canonicalModule(todo[0])
		todo = todo[1:]
		if seen[name] || s.builtin[name] {
			continue
		}
		seen[name] = true
		m, err := s.load(name)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
		todo = append(todo, m.info.depends...)
		// Soft dependencies may name an alias instead of a module; the table
		// lists the module then.
		for _, soft := range m.info.softPre {
			if _, ok := s.files[canonicalModule(soft)]; ok {
				todo = append(todo, soft)
			}
		}
	}
	slices.SortFunc(list, func(a, b module) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// moduleIndexes returns the text files that depmod(8) would write for list:
// modules.dep with all dependencies of each module in the order in which they
// are unloaded (the last one is loaded first), modules.alias and modules.softdep.
func moduleIndexes(list []module, table []moduleChoice) map[string]string {
	byName := map[string]module{}
	for _, m := range list {
		byName[m.name] = m
	}
	var dep, alias strings.Builder
	alias.WriteString("# Aliases extracted from modules themselves.\n")
	for _, m := range list {
		dep.WriteString(m.path + ":")
		for _, d := range loadOrder(m.name, byName) {
			dep.WriteString(" " + byName[d].path)
		}
		dep.WriteString("\n")
		for _, a := range m.info.aliases {
			fmt.Fprintf(&alias, "alias %s %s\n", a, m.name)
		}
	}
	return map[string]string{
		"modules.dep":     dep.String(),
		"modules.alias":   alias.String(),
		"modules.softdep": softdeps(list, table),
	}
}

// loadOrder lists what must be loaded before name, nearest first, each once and
// always before what it depends on itself.
func loadOrder(name string, byName map[string]module) []string {
	var post []string
	seen := map[string]bool{}
	var visit func(string)
	visit = func(n string) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, d := range byName[n].info.depends {
			if _, ok := byName[canonicalModule(d)]; ok {
				visit(canonicalModule(d))
			}
		}
		post = append(post, n)
	}
	visit(name)
	post = post[:len(post)-1]
	slices.Reverse(post)
	return post
}

// softdeps writes modules.softdep from the modules' own wishes and the table's.
func softdeps(list []module, table []moduleChoice) string {
	pre := map[string][]string{}
	have := map[string]bool{}
	for _, m := range list {
		have[m.name] = true
	}
	add := func(name string, wanted []string) {
		for _, w := range wanted {
			w = canonicalModule(w)
			if have[w] && !slices.Contains(pre[name], w) {
				pre[name] = append(pre[name], w)
			}
		}
	}
	for _, m := range list {
		add(m.name, m.info.softPre)
	}
	for _, row := range table {
		for _, name := range strings.Fields(row.names) {
			add(canonicalModule(name), strings.Fields(row.pre))
		}
	}
	lines := []string{"# Modules to load first, where the kernel would ask modprobe."}
	for name, wanted := range pre {
		lines = append(lines, fmt.Sprintf("softdep %s pre: %s", name, strings.Join(wanted, " ")))
	}
	sort.Strings(lines[1:])
	return strings.Join(lines, "\n") + "\n"
}
