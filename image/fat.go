package image

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// The boot partition is FAT32 as UEFI wants it, written in one go: all files are
// known, so each lies in one piece, which GRUB reads fastest. (go-diskfs, whose
// FAT is made for changing file systems, writes a wrong ".." into first-level
// directories, no volume serial, and times from the environment.) Source:
// Microsoft's "FAT32 File System Specification", version 1.03.
const (
	fatClusterSectors  = 8 // 4 KiB: an eighth of the FAT look-ups that 512 bytes cost GRUB
	fatClusterSize     = fatClusterSectors * sector
	fatReservedSectors = 32
	fatCount           = 2
	fatBackupSector    = 6
	fatMinClusters     = 65525 // fewer, and firmware takes it for FAT16
	fatEndOfChain      = 0x0fffffff
	fatFixedDisk       = 0xf8
	fatEntrySize       = 32

	fatAttrVolume  = 0x08
	fatAttrDir     = 0x10
	fatAttrArchive = 0x20
	fatLowerBase   = 0x08
	fatLowerExt    = 0x10
)

// fatNode is a file or a directory of a FAT file system.
type fatNode struct {
	name     string
	children []*fatNode // of a directory, sorted
	isDir    bool
	data     []byte // of a file
	first    uint32 // first cluster; 0 for an empty file
	clusters uint32 // how many
}

// child returns the directory called name below n, made when missing.
func (n *fatNode) child(name string) *fatNode {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	c := &fatNode{name: name, isDir: true}
	n.children = append(n.children, c)
	return c
}

// fatVolume is the layout of one FAT32 file system.
type fatVolume struct {
	label      string
	serial     uint32
	when       time.Time
	sectors    uint32 // in the partition
	fatSectors uint32 // in one FAT
	clusters   uint32 // in the data area
	table      []uint32
	root       *fatNode
}

// newFAT lays out files (path -> contents) in a partition of size bytes. Names
// are 8.3, each part in one case.
func newFAT(size int64, label string, files map[string][]byte, when time.Time) (*fatVolume, error) {
	v := &fatVolume{label: label, when: when.UTC(), sectors: uint32(size / sector), root: &fatNode{isDir: true}}
	perFATSector := uint32(sector / 4)
	data := v.sectors - fatReservedSectors
	v.fatSectors = (data/fatClusterSectors+2)/perFATSector + 1
	v.clusters = (data - fatCount*v.fatSectors) / fatClusterSectors
	if v.clusters < fatMinClusters {
		return nil, fmt.Errorf("FAT32 in %d bytes: %d clusters, at least %d are needed", size, v.clusters, fatMinClusters)
	}
	v.table = []uint32{0x0fffff00 | fatFixedDisk, fatEndOfChain}
	serial := crc32.NewIEEE()
	for _, name := range sortedKeys(files) {
		io.WriteString(serial, name)
		serial.Write(files[name])
		dir, base := path.Split(name)
		parent := v.root
		for part := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
			if part != "" {
				parent = parent.child(part)
			}
		}
		parent.children = append(parent.children, &fatNode{name: base, data: files[name]})
	}
	v.serial = serial.Sum32()
	v.allocate(v.root)
	if uint32(len(v.table)) > v.clusters+2 {
		return nil, fmt.Errorf("FAT32 in %d bytes: files need %d clusters of %d bytes, there are %d",
			size, len(v.table)-2, fatClusterSize, v.clusters)
	}
	return v, nil
}

// allocate gives n and everything below it consecutive clusters.
func (v *fatVolume) allocate(n *fatNode) {
	size := len(n.data)
	if n.isDir {
		slices.SortFunc(n.children, func(a, b *fatNode) int { return strings.Compare(a.name, b.name) })
		size = (2 + len(n.children)) * fatEntrySize // "." and "..", or the label
	}
	n.clusters = uint32((size + fatClusterSize - 1) / fatClusterSize)
	if n.clusters > 0 {
		n.first = uint32(len(v.table))
	}
	for i := uint32(1); i < n.clusters; i++ {
		v.table = append(v.table, n.first+i)
	}
	if n.clusters > 0 {
		v.table = append(v.table, fatEndOfChain)
	}
	for _, c := range n.children {
		v.allocate(c)
	}
}

// writeTo writes the file system at byte offset at of w, which reads as zero.
func (v *fatVolume) writeTo(w io.WriterAt, at int64) error {
	boot, info := v.bootSector(at), v.infoSector()
	fat := make([]byte, 4*len(v.table))
	for i, entry := range v.table {
		binary.LittleEndian.PutUint32(fat[4*i:], entry)
	}
	pieces := []struct {
		sector uint32
		data   []byte
	}{
		{0, boot}, {1, info},
		{fatBackupSector, boot}, {fatBackupSector + 1, info},
		{fatReservedSectors, fat}, {fatReservedSectors + v.fatSectors, fat},
	}
	for _, p := range pieces {
		if _, err := w.WriteAt(p.data, at+int64(p.sector)*sector); err != nil {
			return err
		}
	}
	return v.writeNode(w, at, v.root, nil)
}

// writeNode writes the contents of n and of everything below it.
func (v *fatVolume) writeNode(w io.WriterAt, at int64, n, parent *fatNode) error {
	data := n.data
	if n.isDir {
		var err error
		if data, err = v.directory(n, parent); err != nil {
			return err
		}
	}
	if n.clusters > 0 {
		start := int64(fatReservedSectors+fatCount*v.fatSectors)*sector + int64(n.first-2)*fatClusterSize
		if _, err := w.WriteAt(data, at+start); err != nil {
			return err
		}
	}
	for _, c := range n.children {
		if err := v.writeNode(w, at, c, n); err != nil {
			return err
		}
	}
	return nil
}

// bootSector returns the first sector; at is where the partition begins.
func (v *fatVolume) bootSector(at int64) []byte {
	b := make([]byte, sector)
	le := binary.LittleEndian
	copy(b, []byte{0xeb, 0x58, nop})
	copy(b[3:], "SLUICE  ")
	le.PutUint16(b[11:], sector)
	b[13] = fatClusterSectors
	le.PutUint16(b[14:], fatReservedSectors)
	b[16] = fatCount
	b[21] = fatFixedDisk
	le.PutUint16(b[24:], 32) // sectors per track and heads: only old BIOS code asks
	le.PutUint16(b[26:], 64)
	le.PutUint32(b[28:], uint32(at/sector))
	le.PutUint32(b[32:], v.sectors)
	le.PutUint32(b[36:], v.fatSectors)
	le.PutUint32(b[44:], v.root.first)
	le.PutUint16(b[48:], 1)
	le.PutUint16(b[50:], fatBackupSector)
	b[64] = 0x80
	b[66] = 0x29 // serial, label and type follow
	le.PutUint32(b[67:], v.serial)
	copy(b[71:], fmt.Sprintf("%-11s", v.label))
	copy(b[82:], "FAT32   ")
	b[510], b[511] = 0x55, 0xaa
	return b
}

// infoSector returns the FSInfo sector: free clusters and where to look for them.
func (v *fatVolume) infoSector() []byte {
	b := make([]byte, sector)
	le := binary.LittleEndian
	copy(b, "RRaA")
	copy(b[484:], "rrAa")
	le.PutUint32(b[488:], v.clusters+2-uint32(len(v.table)))
	le.PutUint32(b[492:], uint32(len(v.table)))
	b[510], b[511] = 0x55, 0xaa
	return b
}

// directory returns the entries of n; parent is nil for the root.
func (v *fatVolume) directory(n, parent *fatNode) ([]byte, error) {
	var b []byte
	if parent == nil {
		b = v.entry(fmt.Sprintf("%-11s", v.label), 0, fatAttrVolume, 0, 0)
	} else {
		up := parent.first
		if parent == v.root {
			up = 0 // the specification's name for the root
		}
		b = append(v.entry(".          ", 0, fatAttrDir, n.first, 0), v.entry("..         ", 0, fatAttrDir, up, 0)...)
	}
	for _, c := range n.children {
		short, lower, err := shortName(c.name)
		if err != nil {
			return nil, err
		}
		attr := byte(fatAttrArchive)
		if c.isDir {
			attr = fatAttrDir
		}
		b = append(b, v.entry(short, lower, attr, c.first, uint32(len(c.data)))...)
	}
	return b, nil
}

// entry returns one directory entry.
func (v *fatVolume) entry(name string, lower, attr byte, cluster, size uint32) []byte {
	b := make([]byte, fatEntrySize)
	le := binary.LittleEndian
	copy(b, name)
	b[11], b[12] = attr, lower
	date := uint16((v.when.Year()-1980)<<9 | int(v.when.Month())<<5 | v.when.Day())
	clock := uint16(v.when.Hour()<<11 | v.when.Minute()<<5 | v.when.Second()/2)
	le.PutUint16(b[14:], clock)
	le.PutUint16(b[16:], date)
	le.PutUint16(b[18:], date)
	le.PutUint16(b[20:], uint16(cluster>>16))
	le.PutUint16(b[22:], clock)
	le.PutUint16(b[24:], date)
	le.PutUint16(b[26:], uint16(cluster))
	le.PutUint32(b[28:], size)
	return b
}

// shortName returns the 11 bytes of a directory entry for name, and the flags that
// say which of its two parts is in lower case.
func shortName(name string) (short string, lower byte, err error) {
	base, ext, _ := strings.Cut(name, ".")
	for _, part := range []struct {
		text string
		size int
		flag byte
	}{{base, 8, fatLowerBase}, {ext, 3, fatLowerExt}} {
		if len(part.text) > part.size || strings.ContainsAny(part.text, " .+,;=[]\\") ||
			part.text != strings.ToLower(part.text) && part.text != strings.ToUpper(part.text) {
			return "", 0, fmt.Errorf("file name %q: accepted are 8.3 characters, each part in one case", name)
		}
		if part.text != strings.ToUpper(part.text) {
			lower |= part.flag
		}
		short += fmt.Sprintf("%-*s", part.size, strings.ToUpper(part.text))
	}
	return short, lower, nil
}
