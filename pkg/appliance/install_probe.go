package appliance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// Contents says in lines what is on a disk of size bytes: its partitions and file
// systems with their labels. A disk where nothing is known gives one line.
func Contents(disk io.ReaderAt, size int64) []string {
	if t, err := readTable(disk, size); err == nil {
		return t.contents(disk)
	}
	if found := probe(disk, extent{0, size}); found != "" {
		return []string{"the whole disk: " + found}
	}
	if lines := mbrContents(disk); len(lines) > 0 {
		return lines
	}
	head := make([]byte, min(size, 2<<20))
	if _, err := disk.ReadAt(head, 0); err != nil {
		return []string{fmt.Sprintf("it cannot be read: %v", err)}
	}
	if blank(head) {
		return []string{"its beginning is blank"}
	}
	return []string{"data of an unknown kind"}
}

// contents describes the partitions.
func (t *table) contents(disk io.ReaderAt) []string {
	var lines []string
	for n := 1; n <= len(t.entries)/gptEntrySize; n++ {
		if !t.used(n) {
			continue
		}
		name := ""
		for _, u := range utf16.Decode(utf16Units(t.entry(n)[56:])) {
			if u == 0 {
				break
			}
			name += string(u)
		}
		lines = append(lines, partitionLine(disk, n, t.extent(n), printable(name)))
	}
	if len(lines) == 0 {
		return []string{"a partition table without partitions"}
	}
	return lines
}

func utf16Units(b []byte) []uint16 {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return units
}

func partitionLine(disk io.ReaderAt, number int, x extent, name string) string {
	line := fmt.Sprintf("partition %d: %s", number, SizeText(x.Size))
	if name != "" {
		line += fmt.Sprintf(", name %q", name)
	}
	if found := probe(disk, x); found != "" {
		return line + ", " + found
	}
	return line + ", nothing known"
}

// mbrContents describes the primary partitions of a disk with an MBR.
func mbrContents(disk io.ReaderAt) []string {
	mbr := make([]byte, sectorSize)
	if _, err := disk.ReadAt(mbr, 0); err != nil || mbr[mbrSignatureAt] != 0x55 || mbr[mbrSignatureAt+1] != 0xaa {
		return nil
	}
	var lines []string
	for n := range 4 {
		e := mbr[446+16*n : 462+16*n]
		x := extent{int64(binary.LittleEndian.Uint32(e[8:])) * sectorSize, int64(binary.LittleEndian.Uint32(e[12:])) * sectorSize}
		if e[4] != 0 && x.Size > 0 {
			lines = append(lines, partitionLine(disk, n+1, x, ""))
		}
	}
	return lines
}

// signature is where a kind of content shows itself, and its label.
type signature struct {
	kind          string
	at            int64 // of magic, bytes
	magic         string
	labelAt, size int64 // size 0: no label
}

// signatures are looked for in this order. The places are those of util-linux's
// libblkid.
var signatures = []signature{
	{"LUKS (encrypted)", 0, "LUKS\xba\xbe", 0, 0},
	{"LVM", 512, "LABELONE", 0, 0},
	{"software RAID", 4096, "\xfc\x4e\x2b\xa9", 4096 + 32, 32},
	{"XFS", 0, "XFSB", 108, 12},
	{"btrfs", 0x10040, "_BHRfS_M", 0x1012b, 256},
	{"ext2/3/4", superAt + superMagicAt, "\x53\xef", superAt + superLabelAt, 16},
	{"swap", 4086, "SWAPSPACE2", 1052, 16},
	{"ISO 9660", 0x8001, "CD001", 0x8028, 32},
	{"squashfs", 0, "hsqs", 0, 0},
	{"NTFS", 3, "NTFS    ", 0, 0},
	{"exFAT", 3, "EXFAT   ", 0, 0},
	{"FAT32", 82, "FAT32   ", 71, 11},
	{"FAT16", 54, "FAT16   ", 43, 11},
	{"FAT12", 54, "FAT12   ", 43, 11},
}

// probe names the file system, or other content, at x by its superblock; "" if it
// knows none.
func probe(disk io.ReaderAt, x extent) string {
	for _, s := range signatures {
		if string(readPart(disk, x, s.at, int64(len(s.magic)))) != s.magic {
			continue
		}
		label, _, _ := bytes.Cut(readPart(disk, x, s.labelAt, s.size), []byte{0})
		if text := strings.TrimSpace(printable(string(label))); text != "" {
			return fmt.Sprintf("%s %q", s.kind, text)
		}
		return s.kind
	}
	return ""
}

// readPart reads n bytes at at of x, nothing where x is shorter.
func readPart(disk io.ReaderAt, x extent, at, n int64) []byte {
	if n == 0 || at+n > x.Size {
		return nil
	}
	b := make([]byte, n)
	if _, err := disk.ReadAt(b, x.Start+at); err != nil {
		return nil
	}
	return b
}

// printable replaces what a terminal would take for a command.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// SizeText formats bytes in MiB or GiB.
func SizeText(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
