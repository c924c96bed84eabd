package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	blank  *bootDisk // not nil: the partition may be made here
	err    error
}

// bootDisk is the disk that the loader booted from.
type bootDisk struct {
	name string // below /dev
	size int64  // bytes
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
	f, err := os.Open(filepath.Join(m.dev, disk.name))
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := appliance.Inspect(f, disk.size)
	if err != nil {
		return fmt.Errorf("%s: %w", disk.name, err)
	}
	switch p.State {
	case appliance.Blank:
		m.data.blank = disk
		return nil
	case appliance.Foreign:
		return fmt.Errorf("%s is left alone: %s", disk.name, p.Detail)
	}
	m.data.status.Problem = p.Detail
	begin = uptime()
	err = m.mountData(disk)
	m.mark("data mounted", uptime()-begin, err)
	return err
}

// awaitBootDisk looks again whenever a disk comes, until limit.
func (m *machine) awaitBootDisk(limit <-chan time.Time) (*bootDisk, error) {
	for {
		found, err := bootDisks(m.sysBlock, m.dev)
		switch {
		case err != nil:
			return nil, err
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return nil, fmt.Errorf("more than one disk carries Sluice: %s and %s: remove one of them", found[0].name, found[1].name)
		}
		select {
		case <-m.blocks:
		case <-limit:
			return nil, fmt.Errorf("the boot disk did not appear within %s", diskLimit)
		}
	}
}

// bootDisks lists the whole disks in sys that carry our boot partition.
func bootDisks(sys, dev string) ([]*bootDisk, error) {
	entries, err := os.ReadDir(sys)
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var out []*bootDisk
	for _, e := range entries {
		name := e.Name()
		sectors, err := strconv.ParseInt(oneLine(readAttr(sys, name, "size")), 10, 64)
		if err != nil || sectors == 0 || strings.HasPrefix(name, "loop") || strings.HasPrefix(name, "ram") {
			continue
		}
		f, err := os.Open(filepath.Join(dev, name))
		if err != nil {
			continue // an empty drive
		}
		d := &bootDisk{name: name, size: sectors * 512} // sysfs counts in 512 bytes on every disk
		if appliance.IsBootDisk(f, d.size) {
			out = append(out, d)
		}
		_ = f.Close()
	}
	return out, nil
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
func (m *machine) mountData(disk *bootDisk) error {
	node, err := partitionNode(m.sysBlock, disk.name, appliance.DataPartition)
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

func (m *machine) makeOn(disk *bootDisk) error {
	f, err := os.OpenFile(filepath.Join(m.dev, disk.name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := appliance.MakeData(f, disk.size)
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
