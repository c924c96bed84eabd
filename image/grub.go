package image

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Modules of the two boot loaders: partitions, FAT, the Linux loader, the
// environment block and test that choose between slots, probe that names the
// partition to init, and the consoles.
var (
	grubCommon = "part_gpt fat normal linux loadenv test echo search probe serial terminal"
	grubBIOS   = strings.Fields(grubCommon + " biosdisk")
	grubEFI    = strings.Fields(grubCommon + " efi_gop efi_uga")
)

// loader holds GRUB's binaries for both firmwares.
type loader struct {
	boot []byte // the MBR's code, at most 440 bytes
	core []byte // what the MBR loads, for the BIOS boot partition
	efi  []byte // EFI/BOOT/BOOTX64.EFI
}

// makeLoader runs grub-mkimage for both firmwares, with tmp for its files.
func makeLoader(ctx context.Context, tmp string, epoch time.Time) (loader, error) {
	var l loader
	mkimage, err := tool{"grub-mkimage", "grub-common", "makes the boot loader"}.find()
	if err != nil {
		return l, err
	}
	bios, efi := "/usr/lib/grub/i386-pc", "/usr/lib/grub/x86_64-efi"
	if err := errors.Join(
		needFile(bios+"/boot.img", "grub-pc-bin"),
		needFile(efi+"/normal.mod", "grub-efi-amd64-bin")); err != nil {
		return l, err
	}
	run := func(format, dir, prefix string, modules []string) ([]byte, error) {
		out := filepath.Join(tmp, format+".img")
		args := append([]string{"-O", format, "-d", dir, "-o", out, "-p", prefix}, modules...)
		env := []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch.Unix())}
		if _, err := (command{path: mkimage, args: args, env: env}).output(ctx); err != nil {
			return nil, err
		}
		return os.ReadFile(out)
	}
	if l.boot, err = os.ReadFile(bios + "/boot.img"); err != nil {
		return l, err
	}
	prefix := fmt.Sprintf("(,gpt%d)/grub", bootPartition)
	if l.core, err = run("i386-pc", bios, prefix, grubBIOS); err != nil {
		return l, err
	}
	l.efi, err = run("x86_64-efi", efi, "/grub", grubEFI)
	return l, err
}

// needFile checks that a file of a Debian package is there.
func needFile(name, pkg string) error {
	if _, err := os.Stat(name); err != nil {
		return fmt.Errorf("boot loader: %w: install the Debian package %s", err, pkg)
	}
	return nil
}

// Places in GRUB's boot.img and core.img that grub-install would patch (GRUB's
// include/grub/i386/pc/boot.h and diskboot.S).
const (
	mbrCodeSize       = 440   // bytes of boot code before the disk signature
	kernelSectorAt    = 0x5c  // boot.img: LBA of core.img, 64 bits
	driveCheckAt      = 0x66  // boot.img: a jump that 2 NOPs disable, trusting the BIOS's drive number
	coreBlocklistAt   = 0x1f4 // core.img: LBA of its second sector, 64 bits
	sector            = 512   // bytes
	nop               = 0x90
	coreBlocklistSize = 8
)

// place returns boot code and core image for a core image that starts at lba.
func (l loader) place(lba uint64) (boot, core []byte, err error) {
	if len(l.boot) < mbrCodeSize {
		return nil, nil, fmt.Errorf("boot.img has %d bytes, fewer than %d", len(l.boot), mbrCodeSize)
	}
	if len(l.core) < coreBlocklistAt+coreBlocklistSize {
		return nil, nil, fmt.Errorf("core.img has %d bytes only", len(l.core))
	}
	boot = append([]byte(nil), l.boot[:mbrCodeSize]...)
	binary.LittleEndian.PutUint64(boot[kernelSectorAt:], lba)
	boot[driveCheckAt], boot[driveCheckAt+1] = nop, nop
	core = append([]byte(nil), l.core...)
	binary.LittleEndian.PutUint64(core[coreBlocklistAt:], lba+1)
	return boot, core, nil
}

// BaseCmdline is the kernel command line of every boot: both consoles, with the
// serial one as /dev/console, and a restart ten seconds after a panic. The root
// file system is ramfs: as tmpfs it would end at half of the memory that the
// firmware leaves, which programs and configuration have to share.
const BaseCmdline = "console=tty0 console=ttyS0,115200 panic=10 quiet rootfstype=ramfs"

// cmdlinePattern is what may be on a kernel command line from outside: anything
// that GRUB's shell takes literally.
var cmdlinePattern = regexp.MustCompile(`^[A-Za-z0-9_.,:=/@%+ -]*$`)

// grubConfig returns grub.cfg. The same file serves both firmwares; slot is the
// directory that holds kernel and initramfs.
func grubConfig(slot, extra string, site bool) (string, error) {
	if !cmdlinePattern.MatchString(extra) {
		return "", fmt.Errorf("kernel command line %q: accepted are letters, digits, blanks and _.,:=/@%%+-", extra)
	}
	cmdline := strings.TrimSpace(BaseCmdline + " sluice.slot=$slot sluice.disk=$disk " + extra)
	initrd := "/$slot/" + initramfsName
	if site {
		initrd += " /$slot/" + siteName
	}
	return fmt.Sprintf(`# GRUB reads this on BIOS and on UEFI.
set slot=%s
set timeout=1
set default=0
# UEFI firmware brings its console to the serial port by itself.
if [ "$grub_platform" = pc ]; then
	if serial --unit=0 --speed=115200; then
		terminal_input console serial
		terminal_output console serial
	fi
fi
menuentry "Sluice" {
	# init tells the disks of a machine apart by it.
	probe --set=disk --part-uuid $root
	linux /$slot/%s %s
	initrd %s
}
`, slot, kernelName, cmdline, initrd), nil
}
