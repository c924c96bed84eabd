package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"
	"unsafe"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"golang.org/x/sys/unix"
)

// diskLimit is how long a boot from a disk waits for that disk to come back under
// the kernel: USB sticks take seconds.
const diskLimit = 10 * time.Second

// dataSearch looks for the data partition beside the boot steps.
type dataSearch struct {
	done   chan struct{} // closed when the rest is set
	status appliance.DataStatus
	blank  *appliance.BootDisk // not nil: the partition may be made here
	err    error
}

// startData begins the search. Without a loader that names a slot there is no
// disk to wait for.
func (m *machine) startData(context.Context) error {
	m.data = &dataSearch{done: make(chan struct{})}
	guarded(func() {
		defer close(m.data.done)
		if m.cmd.slot == "" {
			m.data.status.Problem = "nothing can be saved: the machine was not booted from a disk"
			return
		}
		if m.data.err = m.findData(); m.data.err != nil {
			m.data.status.Problem = "nothing can be saved: " + m.data.err.Error()
		}
	})
	return nil
}

// findData has the drivers loaded, waits for the boot disk and mounts its data
// partition if there is one.
func (m *machine) findData() error {
	// Beside the waiting: the disk may be there long before a controller without
	// disks has looked at all its ports.
	guarded(func() {
		if err := m.loadPresent(func(module string) bool { return m.loader.index.isStorage(module) }); err != nil {
			slog.Warn("disk drivers", "err", err)
		}
	})
	// The file system is the largest module of all.
	guarded(func() { _ = m.loadFileSystem() }) // mountData gets the error
	begin := uptime()
	disk, err := m.awaitBootDisk(time.After(diskLimit))
	m.mark("boot disk found", uptime()-begin, err)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(m.dev, disk.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := appliance.Inspect(f, disk.Size)
	if err != nil {
		return fmt.Errorf("%s: %w", disk.Name, err)
	}
	switch p.State {
	case appliance.Blank:
		m.data.blank = disk
		return nil
	case appliance.Foreign:
		return fmt.Errorf("%s is left alone: %s", disk.Name, p.Detail)
	}
	m.data.status.Problem = p.Detail
	begin = uptime()
	err = m.mountData(disk)
	m.mark("data mounted", uptime()-begin, err)
	return err
}

// awaitBootDisk looks again whenever a disk comes, until limit. The loader names
// the disk by the GUID of its boot partition; a loader that does not leaves only a
// machine with one such disk.
func (m *machine) awaitBootDisk(limit <-chan time.Time) (*appliance.BootDisk, error) {
	for {
		found, err := appliance.BootDisks(m.sysBlock, m.dev, m.cmd.disk)
		switch {
		case err != nil:
			return nil, err
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return nil, fmt.Errorf("more than one disk carries Sluice: %s and %s%s: remove one of them", found[0].Name, found[1].Name, m.sameGUID())
		}
		select {
		case <-m.blocks:
		case <-limit:
			return nil, fmt.Errorf("the boot disk%s did not appear within %s", m.sameGUID(), diskLimit)
		}
	}
}

// sameGUID says which boot partition is looked for. Copies of one image made by dd
// have it in common; install gives each disk its own.
func (m *machine) sameGUID() string {
	if m.cmd.disk == "" {
		return ""
	}
	return ", with the boot partition " + m.cmd.disk
}

// readAttr returns the text of a device's attribute, "" if there is none.
func readAttr(parts ...string) string {
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		return ""
	}
	return string(text)
}

// partitionNode returns the name below /dev of a disk's partition.
func partitionNode(sys, disk string, number int) (string, error) {
	found, err := filepath.Glob(filepath.Join(sys, disk, disk+"*", "partition"))
	if err != nil {
		return "", err
	}
	for _, file := range found {
		if oneLine(readAttr(file)) == strconv.Itoa(number) {
			return filepath.Base(filepath.Dir(file)), nil
		}
	}
	return "", fmt.Errorf("%s has no partition %d", disk, number)
}

// mountData mounts the disk's data partition. The kernel replays the journal of a
// file system that was not unmounted.
func (m *machine) mountData(disk *appliance.BootDisk) error {
	node, err := partitionNode(m.sysBlock, disk.Name, appliance.DataPartition)
	if err != nil {
		return err
	}
	if err := m.loadFileSystem(); err != nil {
		return err
	}
	if err := os.MkdirAll(appliance.DataMount, 0o700); err != nil {
		return err
	}
	source := filepath.Join(m.dev, node)
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME)
	if err := unix.Mount(source, appliance.DataMount, "ext4", flags, "data=ordered,errors=remount-ro"); err != nil {
		return fmt.Errorf("mount %s: %w", source, err)
	}
	if err := os.MkdirAll(m.dataDir, 0o700); err != nil {
		return err
	}
	m.data.status.Dir, m.data.status.Persistent = m.dataDir, true
	return nil
}

// loadFileSystem loads what a mount of the data partition needs and the kernel has
// not inside. More than one may call it.
func (m *machine) loadFileSystem() error {
	if m.loader == nil {
		return nil
	}
	var names []string
	for _, name := range []string{"crc32c_generic", "ext4"} {
		if _, there := m.loader.index.paths[name]; there {
			names = append(names, name)
		}
	}
	return m.loader.loadAll(names)
}

// makeData makes the data partition on a blank disk and tells confd.
func (m *machine) makeData(context.Context) error {
	if m.data == nil || m.data.blank == nil {
		return nil // told already
	}
	err := m.makeOn(m.data.blank)
	if err != nil {
		m.data.status.Problem = "nothing can be saved: " + err.Error()
	}
	return errors.Join(err, appliance.PublishData(m.runDir, m.data.status))
}

func (m *machine) makeOn(disk *appliance.BootDisk) error {
	f, err := os.OpenFile(filepath.Join(m.dev, disk.Name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := appliance.MakeData(f, disk.Size)
	if err != nil {
		return err
	}
	if err := addPartition(f, appliance.DataPartition, p.Extent.Start, p.Extent.Size); err != nil {
		return err
	}
	return m.mountData(disk)
}

// Structures of the BLKPG ioctl (linux/blkpg.h), which adds one partition to a
// disk whose others are in use.
type (
	blkpgArg struct {
		op, flags, length int32
		data              unsafe.Pointer
	}
	blkpgPartition struct {
		start, length   int64 // bytes
		number          int32
		devname, volume [64]byte
	}
)

const (
	blkpg             = 0x1269 // _IO(0x12, 105)
	blkpgAddPartition = 1
)

func addPartition(disk *os.File, number int, start, size int64) error {
	part := &blkpgPartition{start: start, length: size, number: int32(number)}
	arg := &blkpgArg{op: blkpgAddPartition, length: int32(unsafe.Sizeof(*part)), data: unsafe.Pointer(part)}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, disk.Fd(), blkpg, uintptr(unsafe.Pointer(arg)))
	if errno != 0 {
		return fmt.Errorf("add partition %d of %s: %w", number, disk.Name(), errno)
	}
	return nil
}
