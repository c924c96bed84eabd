package appliance

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// BootDisk is a disk that carries the partition our loader boots from.
type BootDisk struct {
	Name string // below /dev
	Size int64  // bytes
	GUID string // of the boot partition, as BootGUID returns it
}

// BootDisks lists the whole disks in sys (/sys/block) that carry our boot
// partition, those with the boot partition guid if that is not empty. The disks
// are read through their nodes in dev.
func BootDisks(sys, dev, guid string) ([]*BootDisk, error) {
	entries, err := os.ReadDir(sys)
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var out []*BootDisk
	for _, e := range entries {
		name := e.Name()
		size := diskSize(sys, name)
		if size == 0 || strings.HasPrefix(name, "loop") || strings.HasPrefix(name, "ram") {
			continue
		}
		f, err := os.Open(filepath.Join(dev, name))
		if err != nil {
			continue // an empty drive
		}
		d := &BootDisk{Name: name, Size: size, GUID: BootGUID(f, size)}
		if d.GUID != "" && (guid == "" || strings.EqualFold(guid, d.GUID)) {
			out = append(out, d)
		}
		_ = f.Close()
	}
	return out, nil
}

// diskSize returns a disk's size in bytes, 0 if it has none. sysfs counts in 512
// bytes on every disk.
func diskSize(sys, name string) int64 {
	sectors, err := strconv.ParseInt(diskAttr(sys, name, "size"), 10, 64)
	if err != nil {
		return 0
	}
	return sectors * 512
}

// diskAttr returns the text of an attribute in sysfs, "" if there is none.
func diskAttr(parts ...string) string {
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// BootGUID returns the GUID of the partition that our loader boots from, in lower
// case, as GRUB and Linux print it; "" if the disk has no such partition.
func BootGUID(disk io.ReaderAt, size int64) string {
	if !IsBootDisk(disk, size) {
		return ""
	}
	t, err := readTable(disk, size)
	if err != nil {
		return ""
	}
	return guidText(t.entry(BootPartition)[16:32])
}

// guidText formats a GUID that is stored as in a GPT: its first three groups are
// little-endian (UEFI specification 2.10, appendix A).
func guidText(g []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g), binary.LittleEndian.Uint16(g[4:]),
		binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:16])
}
