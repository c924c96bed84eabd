package appliance

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/ext4"
)

// The data partition.
const (
	DataLabel     = "SLUICE-DATA" // of file system and partition
	DataPartition = 3             // number on the boot disk
	BootPartition = 2             // number of the partition that the loader reads
	BootLabel     = "SLUICE"      // its FAT label

	// MaxData bounds the partition, in bytes: a first boot must not spend minutes
	// on formatting, and 1 GiB holds more revisions than are kept.
	MaxData = 1 << 30
	// minData is the least that is worth it: ext4 with a journal, in bytes.
	minData = 32 << 20
	// markRoom is left free before the partition. While it is being made, a mark
	// is there, so that a power cut is told from somebody else's data.
	markRoom = 1 << 20
)

// formatting is the mark's first bytes.
const formatting = "Sluice is making its data partition here.\n"

// PartitionState is what was found where the data partition belongs.
type PartitionState int

// The states. Only Blank may be formatted.
const (
	Blank   PartitionState = iota // no partition, and nothing was ever written
	Ready                         // our file system
	Foreign                       // anything else
)

// Partition is the outcome of a look at a disk.
type Partition struct {
	State  PartitionState
	Extent extent // of the partition, or of what it may take
	// Detail says what is foreign, or what the file system has noted about itself.
	Detail string
}

// IsBootDisk reports whether a disk carries the partition that our loader boots
// from.
func IsBootDisk(disk io.ReaderAt, size int64) bool {
	t, err := readTable(disk, size)
	if err != nil || !t.used(BootPartition) {
		return false
	}
	x := t.extent(BootPartition)
	boot := make([]byte, sectorSize)
	if _, err := disk.ReadAt(boot, x.Start); err != nil {
		return false
	}
	// The label's place in FAT32's boot sector (Microsoft's specification 1.03,
	// section 3.3).
	const labelAt, labelSize = 71, 11
	return string(bytes.TrimRight(boot[labelAt:labelAt+labelSize], " ")) == BootLabel
}

// Inspect looks for the data partition on a boot disk, behind the boot partition.
// It writes nothing.
func Inspect(disk io.ReaderAt, size int64) (Partition, error) {
	t, err := readTable(disk, size)
	if err != nil {
		return Partition{}, err
	}
	if t.used(DataPartition) {
		return inspectUsed(disk, t.extent(DataPartition))
	}
	if !t.used(BootPartition) {
		return Partition{}, fmt.Errorf("there is no partition %d: this is not a disk of ours", BootPartition)
	}
	boot := t.extent(BootPartition)
	room, err := t.free(boot.Start + boot.Size)
	if err != nil {
		return Partition{State: Foreign, Detail: err.Error()}, nil
	}
	head := make([]byte, min(room.Size, 2*markRoom))
	if _, err := disk.ReadAt(head, room.Start); err != nil {
		return Partition{}, fmt.Errorf("read free space: %w", err)
	}
	p := Partition{Extent: extent{room.Start + markRoom, min(room.Size-markRoom, MaxData) &^ (markRoom - 1)}}
	switch {
	case p.Extent.Size < minData:
		p.State, p.Detail = Foreign, fmt.Sprintf("the disk has %d MiB left for data, fewer than %d", room.Size>>20, minData>>20)
	case bytes.HasPrefix(head, []byte(formatting)):
	case !blank(head):
		p.State, p.Detail = Foreign, "the free space of the disk is not blank: it holds somebody's data or an old installation's"
	}
	return p, nil
}

// blank reports whether b holds zeros only.
func blank(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// Places in ext4's superblock, which starts superAt bytes into the file system
// (Linux, Documentation/filesystems/ext4/super.rst).
const (
	superAt      = 1024
	superMagicAt = 0x38
	superStateAt = 0x3a
	superLabelAt = 0x78
	superMagic   = 0xef53
	superErrors  = 0x2 // state: errors were detected
)

func inspectUsed(disk io.ReaderAt, x extent) (Partition, error) {
	super := make([]byte, 1024)
	if _, err := disk.ReadAt(super, x.Start+superAt); err != nil {
		return Partition{}, fmt.Errorf("read data partition: %w", err)
	}
	p := Partition{State: Foreign, Extent: x}
	label, _, _ := bytes.Cut(super[superLabelAt:superLabelAt+16], []byte{0})
	switch {
	case binary.LittleEndian.Uint16(super[superMagicAt:]) != superMagic:
		p.Detail = fmt.Sprintf("partition %d holds no ext4 file system", DataPartition)
	case string(label) != DataLabel:
		p.Detail = fmt.Sprintf("partition %d has the label %q, not %s", DataPartition, label, DataLabel)
	default:
		p.State = Ready
		if binary.LittleEndian.Uint16(super[superStateAt:])&superErrors != 0 {
			p.Detail = "the data partition's file system has noted errors: make a backup and install anew"
		}
	}
	return p, nil
}

// MakeData makes the data partition on a disk where Inspect found it blank: the
// mark, the file system, and, once that is on the disk, the table's entry. A power
// cut before the entry leaves the mark, and the next boot begins again.
func MakeData(disk *os.File, size int64) (Partition, error) {
	p, err := Inspect(disk, size)
	if err != nil {
		return p, err
	}
	if p.State != Blank {
		return p, fmt.Errorf("make data partition: %s", p.Detail)
	}
	t, err := readTable(disk, size)
	if err != nil {
		return p, err
	}
	markAt := p.Extent.Start - markRoom
	mark := make([]byte, sectorSize)
	copy(mark, formatting)
	if err := writeSync(disk, mark, markAt); err != nil {
		return p, fmt.Errorf("make data partition: %w", err)
	}
	if err := format(disk, p.Extent); err != nil {
		return p, fmt.Errorf("make data partition: %w", err)
	}
	var guid [16]byte
	if _, err := rand.Read(guid[:]); err != nil {
		return p, err
	}
	guid[7], guid[8] = guid[7]&0x0f|0x40, guid[8]&0x3f|0x80 // RFC 9562, version 4; the third group is little-endian
	if err := t.add(DataPartition, p.Extent, guid, DataLabel); err != nil {
		return p, err
	}
	if err := t.write(disk); err != nil {
		return p, err
	}
	p.State = Ready
	return p, writeSync(disk, make([]byte, sectorSize), markAt)
}

func writeSync(disk blockIO, data []byte, at int64) error {
	_, err := disk.WriteAt(data, at)
	return errors.Join(err, disk.Sync())
}

// format makes an ext4 file system. What an interrupted try left in its place is
// overwritten where it counts: go-diskfs takes unwritten blocks for zero.
func format(disk *os.File, x extent) error {
	if err := zero(disk, extent{x.Start, min(x.Size, wipe)}); err != nil {
		return err
	}
	_, err := ext4.Create(file.New(disk, false), x.Size, x.Start, sectorSize, &ext4.Params{
		VolumeName: DataLabel,
		// Without it, small partitions get a superblock that the kernel refuses.
		Features: []ext4.FeatureOpt{ext4.WithFeatureReservedGDTBlocksForExpansion(false)},
	})
	if err != nil {
		return fmt.Errorf("make ext4: %w", err)
	}
	return disk.Sync()
}

// wipe is how much of the partition is zeroed before it is formatted, in bytes:
// superblock, descriptors and the first tables.
const wipe = 4 << 20

func zero(disk io.WriterAt, x extent) error {
	chunk := make([]byte, 1<<20)
	for at := int64(0); at < x.Size; at += int64(len(chunk)) {
		n := min(int64(len(chunk)), x.Size-at)
		if _, err := disk.WriteAt(chunk[:n], x.Start+at); err != nil {
			return err
		}
	}
	return nil
}
