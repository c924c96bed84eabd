package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// Layout of the disk. The rest, from DataStart on, is free: init makes the data
// partition there at first boot. Each slot is a directory of the boot partition,
// which has room for two of them and for the one being written.
const (
	DefaultDiskSize = 512 << 20 // bytes of the raw disk, mostly holes

	bootPartition  = 2 // number of the boot partition, in GRUB's prefix too
	biosBootStart  = 1 << 20
	biosBootSize   = 1 << 20
	bootStart      = biosBootStart + biosBootSize
	bootSize       = 288 << 20
	DataStart      = bootStart + bootSize // bytes; where free space begins
	BootLabel      = "SLUICE"             // FAT label of the boot partition
	gptReserve     = 1 << 20              // bytes at the end for the backup table
	slotA          = "a"
	kernelName     = "vmlinuz"
	initramfsName  = "initrd.img"
	siteName       = "site.img"
	diskGUID       = "5C1D7A2E-6B0F-4D3A-9E57-534C55494345"
	biosBootGUID   = "5C1D7A2E-6B0F-4D3A-9E57-534C55490001"
	bootGUID       = "5C1D7A2E-6B0F-4D3A-9E57-534C55490002"
	efiLoaderPath  = "EFI/BOOT/BOOTX64.EFI"
	grubConfigPath = "grub/grub.cfg"
)

// Disk is what goes onto a disk.
type Disk struct {
	Kernel    string    // path of the bzImage
	Initramfs string    // path of the initramfs
	Site      fs.FS     // files laid over the root file system; nil for none
	Cmdline   string    // added to BaseCmdline
	Size      int64     // bytes; 0 means DefaultDiskSize
	Epoch     time.Time // of all files; zero means 1980, where FAT's time begins
}

// fatOrigin is the earliest time that FAT can store.
var fatOrigin = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// WriteDisk writes a bootable raw disk to the file at path, replacing it in one
// step. The same Disk gives the same bytes. It takes well under a second, so that
// each test can have a disk of its own.
func WriteDisk(ctx context.Context, path string, d Disk) error {
	if d.Size == 0 {
		d.Size = DefaultDiskSize
	}
	if d.Size%sector != 0 || d.Size < DataStart+gptReserve {
		return fmt.Errorf("disk size %d: accepted are multiples of %d from %d on", d.Size, sector, DataStart+gptReserve)
	}
	if d.Epoch.Before(fatOrigin) {
		d.Epoch = fatOrigin
	}
	tmp, err := os.MkdirTemp("", "sluice-grub-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	grub, err := makeLoader(ctx, tmp, d.Epoch)
	if err != nil {
		return err
	}
	files, err := d.bootFiles(grub)
	if err != nil {
		return err
	}
	fat, err := newFAT(bootSize, BootLabel, files, d.Epoch)
	if err != nil {
		return err
	}
	boot, core, err := grub.place(biosBootStart / sector)
	if err != nil {
		return err
	}
	if len(core) > biosBootSize {
		return fmt.Errorf("GRUB's core image has %d bytes, the BIOS boot partition %d", len(core), biosBootSize)
	}
	out, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer out.Close()
	if err := errors.Join(out.Truncate(d.Size), writePartitions(out, d.Size)); err != nil {
		return fmt.Errorf("partition %s: %w", path, err)
	}
	_, errBoot := out.WriteAt(boot, 0)
	_, errCore := out.WriteAt(core, biosBootStart)
	if err := errors.Join(errBoot, errCore, fat.writeTo(out, bootStart), out.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(path+".new", path)
}

// bootFiles returns the contents of the boot partition.
func (d Disk) bootFiles(grub loader) (map[string][]byte, error) {
	kernel, err := os.ReadFile(d.Kernel)
	if err != nil {
		return nil, err
	}
	initramfs, err := os.ReadFile(d.Initramfs)
	if err != nil {
		return nil, err
	}
	config, err := grubConfig(slotA, d.Cmdline, d.Site != nil)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		efiLoaderPath:               grub.efi,
		grubConfigPath:              []byte(config),
		slotA + "/" + kernelName:    kernel,
		slotA + "/" + initramfsName: initramfs,
	}
	if d.Site != nil {
		site, err := SiteArchive(d.Site, d.Epoch)
		if err != nil {
			return nil, err
		}
		files[slotA+"/"+siteName] = site
	}
	return files, nil
}

// writePartitions writes the protective MBR and both copies of the GPT.
func writePartitions(f *os.File, size int64) error {
	table := &gpt.Table{
		LogicalSectorSize:  sector,
		PhysicalSectorSize: sector,
		ProtectiveMBR:      true,
		GUID:               diskGUID,
		Partitions: []*gpt.Partition{
			{Index: 1, Start: biosBootStart / sector, Size: biosBootSize, Type: gpt.BIOSBoot, Name: "bios", GUID: biosBootGUID},
			{Index: bootPartition, Start: bootStart / sector, Size: bootSize, Type: gpt.EFISystemPartition, Name: "boot", GUID: bootGUID},
		},
	}
	w, err := file.New(f, false).Writable()
	if err != nil {
		return err
	}
	return table.Write(w, size)
}

// WriteInitramfs writes to path what a boot loader with room for one initrd
// loads, QEMU's -kernel among them: the image's initramfs followed by the site
// files.
func WriteInitramfs(path, initramfs string, site fs.FS) error {
	base, err := os.ReadFile(initramfs)
	if err != nil {
		return err
	}
	over, err := SiteArchive(site, fatOrigin)
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Clean(path) + ".new")
	if err != nil {
		return err
	}
	defer out.Close()
	if err := errors.Join(JoinArchives(out, base, over), out.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(out.Name(), path)
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
