package appliance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"unicode/utf16"
)

// sectorSize is the logical sector size in bytes; disks with another one cannot
// be booted from our image.
const sectorSize = 512

// Places in a GPT header (UEFI specification 2.10, section 5.3.2).
const (
	gptSignature   = "EFI PART"
	gptHeaderSize  = 92
	gptEntrySize   = 128
	gptMaxEntries  = 1024
	atHeaderCRC    = 16
	atSelf         = 24
	atAlternate    = 32
	atFirstUsable  = 40
	atLastUsable   = 48
	atEntriesLBA   = 72
	atEntryCount   = 80
	atEntrySize    = 84
	atEntriesCRC   = 88
	mbrFirstSize   = 446 + 12 // of the protective MBR's partition, in sectors
	mbrSignatureAt = 510
)

// linuxData is the partition type "Linux filesystem data",
// 0FC63DAF-8483-4772-8E79-3D69D8477DE4, as it is on disk.
var linuxData = [16]byte{0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4}

// blockIO is a disk, or the image of one.
type blockIO interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// table is a GUID partition table.
type table struct {
	header  []byte // one sector
	entries []byte
	size    int64 // of the disk, bytes
}

// extent is a partition's place in bytes.
type extent struct{ Start, Size int64 }

// readTable reads the primary table, or the backup at the disk's end where the
// primary is damaged.
func readTable(disk io.ReaderAt, size int64) (*table, error) {
	t, err := readTableAt(disk, size, 1)
	if err == nil {
		return t, nil
	}
	if t, backupErr := readTableAt(disk, size, uint64(size/sectorSize-1)); backupErr == nil {
		return t, nil
	}
	return nil, fmt.Errorf("read partition table: %w", err)
}

func readTableAt(disk io.ReaderAt, size int64, lba uint64) (*table, error) {
	t := &table{header: make([]byte, sectorSize), size: size}
	if _, err := disk.ReadAt(t.header, int64(lba)*sectorSize); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(t.header, []byte(gptSignature)) {
		return nil, errors.New("there is no GPT")
	}
	if sum := crc32.ChecksumIEEE(withoutCRC(t.header)); sum != t.u32(atHeaderCRC) {
		return nil, errors.New("the header's checksum is wrong")
	}
	count, entrySize := t.u32(atEntryCount), t.u32(atEntrySize)
	if entrySize != gptEntrySize || count == 0 || count > gptMaxEntries || t.u64(atSelf) != lba {
		return nil, fmt.Errorf("a table of %d entries of %d bytes is not supported", count, entrySize)
	}
	t.entries = make([]byte, count*entrySize)
	if _, err := disk.ReadAt(t.entries, int64(t.u64(atEntriesLBA))*sectorSize); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(t.entries) != t.u32(atEntriesCRC) {
		return nil, errors.New("the entries' checksum is wrong")
	}
	return t, nil
}

func withoutCRC(header []byte) []byte {
	h := slices.Clone(header[:gptHeaderSize])
	clear(h[atHeaderCRC : atHeaderCRC+4])
	return h
}

func (t *table) u32(at int) uint32 { return binary.LittleEndian.Uint32(t.header[at:]) }
func (t *table) u64(at int) uint64 { return binary.LittleEndian.Uint64(t.header[at:]) }

func (t *table) entry(number int) []byte {
	if number < 1 || number*gptEntrySize > len(t.entries) {
		return make([]byte, gptEntrySize)
	}
	return t.entries[(number-1)*gptEntrySize : number*gptEntrySize]
}

// used reports whether a partition of that number exists.
func (t *table) used(number int) bool {
	return !bytes.Equal(t.entry(number)[:16], make([]byte, 16))
}

func (t *table) extent(number int) extent {
	e := t.entry(number)
	first, last := binary.LittleEndian.Uint64(e[32:]), binary.LittleEndian.Uint64(e[40:])
	return extent{int64(first) * sectorSize, (int64(last) - int64(first) + 1) * sectorSize}
}

// free returns the room from start on to the next partition or the disk's end,
// where the backup table is, whatever the table says about the disk's size: the
// image may have been copied to a larger disk.
func (t *table) free(start int64) (extent, error) {
	end := int64(t.lastUsable()+1) * sectorSize
	for n := 1; n <= len(t.entries)/gptEntrySize; n++ {
		if !t.used(n) {
			continue
		}
		switch x := t.extent(n); {
		case x.Start <= start && x.Start+x.Size > start:
			return extent{}, fmt.Errorf("partition %d is in the way", n)
		case x.Start > start:
			end = min(end, x.Start)
		}
	}
	return extent{start, max(0, end-start)}, nil
}

func (t *table) lastUsable() uint64 {
	return uint64(t.size/sectorSize) - 2 - uint64(len(t.entries)/sectorSize)
}

// add puts a Linux partition into a free entry.
func (t *table) add(number int, x extent, guid [16]byte, name string) error {
	if t.used(number) || number*gptEntrySize > len(t.entries) {
		return fmt.Errorf("partition %d: the entry is not free", number)
	}
	e := t.entry(number)
	copy(e[0:], linuxData[:])
	copy(e[16:], guid[:])
	binary.LittleEndian.PutUint64(e[32:], uint64(x.Start/sectorSize))
	binary.LittleEndian.PutUint64(e[40:], uint64((x.Start+x.Size)/sectorSize-1))
	for i, u := range utf16.Encode([]rune(name)) {
		binary.LittleEndian.PutUint16(e[56+2*i:], u)
	}
	return nil
}

// write writes the backup to the end of the disk first, then the primary: one of
// both is whole at every moment. Boot code and the other partitions' entries stay
// as they are.
func (t *table) write(disk blockIO) error {
	last := uint64(t.size/sectorSize) - 1
	backupEntries := last - uint64(len(t.entries)/sectorSize)
	primaryEntries := uint64(2)
	for _, part := range []struct {
		self, alternate, entries uint64
	}{{last, 1, backupEntries}, {1, last, primaryEntries}} {
		header := t.headerFor(part.self, part.alternate, part.entries)
		if _, err := disk.WriteAt(t.entries, int64(part.entries)*sectorSize); err != nil {
			return fmt.Errorf("write partition table: %w", err)
		}
		if _, err := disk.WriteAt(header, int64(part.self)*sectorSize); err != nil {
			return fmt.Errorf("write partition table: %w", err)
		}
		if err := disk.Sync(); err != nil {
			return fmt.Errorf("write partition table: %w", err)
		}
	}
	return t.growMBR(disk)
}

func (t *table) headerFor(self, alternate, entries uint64) []byte {
	h := slices.Clone(t.header)
	binary.LittleEndian.PutUint64(h[atSelf:], self)
	binary.LittleEndian.PutUint64(h[atAlternate:], alternate)
	binary.LittleEndian.PutUint64(h[atLastUsable:], t.lastUsable())
	binary.LittleEndian.PutUint64(h[atEntriesLBA:], entries)
	binary.LittleEndian.PutUint32(h[atEntriesCRC:], crc32.ChecksumIEEE(t.entries))
	binary.LittleEndian.PutUint32(h[atHeaderCRC:], crc32.ChecksumIEEE(withoutCRC(h)))
	return h
}

// growMBR makes the protective MBR cover the whole disk, as other tools expect.
func (t *table) growMBR(disk blockIO) error {
	mbr := make([]byte, sectorSize)
	if _, err := disk.ReadAt(mbr, 0); err != nil {
		return fmt.Errorf("read MBR: %w", err)
	}
	sectors := uint32(min(t.size/sectorSize-1, 0xffffffff))
	if mbr[mbrSignatureAt] != 0x55 || mbr[446+4] != 0xee || binary.LittleEndian.Uint32(mbr[mbrFirstSize:]) == sectors {
		return nil
	}
	binary.LittleEndian.PutUint32(mbr[mbrFirstSize:], sectors)
	if _, err := disk.WriteAt(mbr, 0); err != nil {
		return fmt.Errorf("write MBR: %w", err)
	}
	return disk.Sync()
}
