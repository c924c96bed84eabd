package appliance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Disks is where the machine's disks are looked for.
type Disks struct {
	Sys    string // /sys/block
	Dev    string // /dev
	Mounts string // /proc/mounts
}

// SystemDisks returns where the running machine's disks are.
func SystemDisks() Disks { return Disks{Sys: "/sys/block", Dev: "/dev", Mounts: "/proc/mounts"} }

// Disk is a whole disk of the machine.
type Disk struct {
	Name  string // below /dev
	Model string // "" if unknown
	Size  int64  // bytes
}

// String names the disk for its owner.
func (d Disk) String() string {
	if d.Model == "" {
		return fmt.Sprintf("%s (%s)", d.Name, SizeText(d.Size))
	}
	return fmt.Sprintf("%s (%s, %s)", d.Name, SizeText(d.Size), d.Model)
}

// ErrNoDisk is returned for a name that is no disk's.
var ErrNoDisk = errors.New("no disk")

// List returns the machine's disks: what has hardware behind it and a size, but no
// floppies and optical drives.
func (d Disks) List() ([]Disk, error) {
	entries, err := os.ReadDir(d.Sys)
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var out []Disk
	for _, e := range entries {
		name := e.Name()
		size := diskSize(d.Sys, name)
		if _, err := os.Stat(filepath.Join(d.Sys, name, "device")); err != nil || size == 0 ||
			strings.HasPrefix(name, "sr") || strings.HasPrefix(name, "fd") {
			continue
		}
		words := strings.Fields(diskAttr(d.Sys, name, "device", "vendor") + " " + diskAttr(d.Sys, name, "device", "model"))
		if len(words) > 0 && strings.HasPrefix(words[0], "0x") { // virtio's and NVMe's number of the vendor
			words = words[1:]
		}
		out = append(out, Disk{Name: name, Model: printable(strings.Join(words, " ")), Size: size})
	}
	return out, nil
}

// Boot returns the disk that the machine runs from; guid is what the loader passed
// as sluice.disk, "" if nothing.
func (d Disks) Boot(guid string) (*BootDisk, error) {
	found, err := BootDisks(d.Sys, d.Dev, guid)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, errors.New("the disk that this machine was booted from is not there")
	case len(found) > 1:
		return nil, fmt.Errorf("%s and %s both look like the disk that this machine was booted from: remove one of them",
			found[0].Name, found[1].Name)
	}
	return found[0], nil
}

// Others returns the disks that are not boot.
func (d Disks) Others(boot string) ([]Disk, error) {
	all, err := d.List()
	var out []Disk
	for _, disk := range all {
		if disk.Name != boot {
			out = append(out, disk)
		}
	}
	return out, err
}

// Target returns the disk that path names, with or without its directory, if the
// system on boot can be installed there; need is NeededSize. ErrNoDisk is in the
// error where path names no disk, or a part of one.
func (d Disks) Target(path, boot string, need int64) (Disk, error) {
	name := strings.TrimPrefix(filepath.Clean(path), d.Dev+"/")
	if real, err := filepath.EvalSymlinks(filepath.Join(d.Dev, name)); err == nil && filepath.Dir(real) == d.Dev {
		name = filepath.Base(real) // a name such as disk/by-id/...
	}
	all, err := d.List()
	if err != nil {
		return Disk{}, err
	}
	for _, disk := range all {
		if disk.Name == name {
			return disk, d.check(disk, boot, need)
		}
		if _, err := os.Stat(filepath.Join(d.Sys, disk.Name, name, "partition")); err == nil {
			return Disk{}, fmt.Errorf("%w: %s is a partition of %s", ErrNoDisk, name, disk.Name)
		}
	}
	return Disk{}, fmt.Errorf("%w: %s", ErrNoDisk, path)
}

// check says why disk cannot be a target.
func (d Disks) check(disk Disk, boot string, need int64) error {
	mounted, err := d.mounted(disk.Name)
	switch {
	case err != nil:
		return err
	case disk.Name == boot:
		return fmt.Errorf("%s is the disk that this machine runs from; accepted is another one", disk.Name)
	case mounted != "":
		return fmt.Errorf("%s is in use: %s; accepted is a disk of which nothing is mounted", disk.Name, mounted)
	case diskAttr(d.Sys, disk.Name, "ro") == "1":
		return fmt.Errorf("%s is read-only", disk.Name)
	case disk.Size < need:
		return fmt.Errorf("%s is too small: it has %d MiB, accepted are disks from %d MiB on", disk.Name, disk.Size>>20, (need+1<<20-1)>>20)
	}
	if sector := diskAttr(d.Sys, disk.Name, "queue", "logical_block_size"); sector != "" && sector != "512" {
		return fmt.Errorf("%s has sectors of %s bytes; accepted are 512", disk.Name, sector)
	}
	return nil
}

// mounted says which part of a disk is mounted where, "" if none is.
func (d Disks) mounted(disk string) (string, error) {
	text, err := os.ReadFile(d.Mounts)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		node := strings.TrimPrefix(words[0], d.Dev+"/")
		_, err := os.Stat(filepath.Join(d.Sys, disk, node, "partition"))
		if node == disk || err == nil {
			return fmt.Sprintf("%s is mounted on %s", node, words[1]), nil
		}
	}
	return "", nil
}

// Open opens a disk for reading and writing. The kernel refuses if anything uses
// the disk or a partition of it, and lets nothing be mounted until it is closed.
func (d Disks) Open(disk Disk) (Volume, error) {
	f, err := os.OpenFile(filepath.Join(d.Dev, disk.Name), os.O_RDWR|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return Volume{}, fmt.Errorf("%s is in use: %w", disk.Name, err)
	}
	return Volume{File: f, Size: disk.Size}, err
}

// DataNode has the kernel read the partitions of v anew and returns the node of the
// data partition.
func (d Disks) DataNode(v Volume) (string, error) {
	if err := unix.IoctlSetInt(int(v.File.Fd()), unix.BLKRRPART, 0); err != nil {
		return "", fmt.Errorf("read partitions of %s: %w", v.File.Name(), err)
	}
	disk := filepath.Base(v.File.Name())
	found, err := filepath.Glob(filepath.Join(d.Sys, disk, disk+"*", "partition"))
	if err != nil {
		return "", err
	}
	for _, file := range found {
		if diskAttr(file) == fmt.Sprint(DataPartition) {
			return filepath.Join(d.Dev, filepath.Base(filepath.Dir(file))), nil
		}
	}
	return "", fmt.Errorf("%s has no partition %d", disk, DataPartition)
}
