package appliance

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Volume is an open disk, or the image of one.
type Volume struct {
	File *os.File
	Size int64 // bytes
}

// Places of GUIDs in a GPT's header and entries.
const (
	atDiskGUID  = 56
	entryGUID   = 16
	tableRoom   = 1 << 20 // bytes at a disk's beginning and end that hold tables
	guidSize    = 16
	backupTable = 33 * sectorSize // GPT: 32 sectors of entries and the header
)

// NeededSize returns how many bytes a disk must have for a copy of the system on
// boot and its data partition.
func NeededSize(boot Volume) (int64, error) {
	_, end, err := systemOf(boot)
	return end + markRoom + minData + tableRoom, err
}

// systemOf returns the table of a disk of ours and where its boot partition ends.
func systemOf(boot Volume) (*table, int64, error) {
	t, err := readTable(boot.File, boot.Size)
	if err != nil {
		return nil, 0, err
	}
	if !IsBootDisk(boot.File, boot.Size) {
		return nil, 0, errors.New("the disk carries no boot partition of Sluice")
	}
	x := t.extent(BootPartition)
	return t, x.Start + x.Size, nil
}

// Install makes target a boot disk like boot: boot code, both boot partitions, and
// a table with GUIDs of its own. What was on target is lost, and the room of the
// data partition is blank. The table is written last, after the copy was read back:
// an interrupted installation leaves a disk without partitions. It returns the
// SHA-256 of the boot partition. progress gets the bytes done and all of them.
func Install(ctx context.Context, boot, target Volume, progress func(done, total int64)) ([]byte, error) {
	t, end, err := systemOf(boot)
	if err != nil {
		return nil, err
	}
	need, err := NeededSize(boot)
	if err != nil {
		return nil, err
	}
	if target.Size < need {
		return nil, fmt.Errorf("the target has %d bytes, %d are needed", target.Size, need)
	}
	if err := eraseTables(target); err != nil {
		return nil, fmt.Errorf("erase the old partition table: %w", err)
	}
	system := t.extent(BootPartition)
	c := copier{ctx: ctx, total: end - tableRoom + system.Size, progress: progress}
	if err := c.copy(boot.File, target.File, extent{tableRoom, end - tableRoom}, system); err != nil {
		return nil, err
	}
	room := min(markRoom+MaxData, target.Size-backupTable-end) &^ (sectorSize - 1)
	if err := zeroOut(target.File, extent{end, room}); err != nil {
		return nil, fmt.Errorf("blank the room for data: %w", err)
	}
	if err := errors.Join(target.File.Sync(), forget(target.File)); err != nil {
		return nil, fmt.Errorf("write %s: %w", target.File.Name(), err)
	}
	read, err := c.sum(target.File, system)
	if err != nil {
		return nil, fmt.Errorf("read back: %w", err)
	}
	if wrote := c.hash.Sum(nil); !bytes.Equal(wrote, read) {
		return nil, fmt.Errorf("%s is damaged: what was read back is not what was written (SHA-256 %x, want %x)",
			target.File.Name(), read, wrote)
	}
	return read, t.copyTo(boot.File, target)
}

// eraseTables overwrites every partition table, at both ends of a disk.
func eraseTables(v Volume) error {
	last := v.Size&^(sectorSize-1) - tableRoom
	return errors.Join(zeroOut(v.File, extent{0, tableRoom}), zeroOut(v.File, extent{last, tableRoom}), v.File.Sync())
}

// copyTo writes the boot code and the table with fresh GUIDs. Only the boot
// partitions are in it.
func (t *table) copyTo(boot io.ReaderAt, target Volume) error {
	head := make([]byte, sectorSize)
	if _, err := boot.ReadAt(head, 0); err != nil {
		return fmt.Errorf("read boot code: %w", err)
	}
	fresh := &table{header: bytes.Clone(t.header), entries: bytes.Clone(t.entries), size: target.Size}
	clear(fresh.entries[BootPartition*gptEntrySize:])
	if err := newGUID(fresh.header[atDiskGUID : atDiskGUID+guidSize]); err != nil {
		return err
	}
	for n := 1; n <= BootPartition; n++ {
		if !fresh.used(n) {
			continue
		}
		if err := newGUID(fresh.entry(n)[entryGUID : entryGUID+guidSize]); err != nil {
			return err
		}
	}
	if err := writeSync(target.File, head, 0); err != nil {
		return fmt.Errorf("write boot code: %w", err)
	}
	if err := fresh.write(target.File); err != nil {
		return err
	}
	if got, want := BootGUID(target.File, target.Size), guidText(fresh.entry(BootPartition)[entryGUID:]); got != want {
		return fmt.Errorf("%s is damaged: the boot partition's GUID was read back as %q, want %s", target.File.Name(), got, want)
	}
	return nil
}

// newGUID fills g with a random GUID as in a GPT (RFC 9562, version 4; the third
// group is little-endian).
func newGUID(g []byte) error {
	if _, err := rand.Read(g); err != nil {
		return err
	}
	g[7], g[8] = g[7]&0x0f|0x40, g[8]&0x3f|0x80
	return nil
}

// zeroOut makes x zeros; a disk that can do so itself is asked to.
func zeroOut(f *os.File, x extent) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeDevice == 0 {
		return zero(f, x)
	}
	place := [2]uint64{uint64(x.Start), uint64(x.Size)}
	// BLKZEROOUT (linux/fs.h) writes zeros itself where the disk cannot.
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKZEROOUT, uintptr(unsafe.Pointer(&place))); errno != 0 {
		return fmt.Errorf("write zeros to %s: %w", f.Name(), errno)
	}
	return nil
}

// forget drops what memory holds of a disk, so that the next read asks the disk.
func forget(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeDevice == 0 {
		return err
	}
	if err := unix.IoctlSetInt(int(f.Fd()), unix.BLKFLSBUF, 0); err != nil {
		return fmt.Errorf("flush buffers of %s: %w", f.Name(), err)
	}
	return nil
}
