package qemu

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// killGrace is how long QEMU may take to end after it was told to.
const killGrace = 5 * time.Second

// Config describes a virtual machine. The zero value of a field means its
// default.
type Config struct {
	Name     string   // for messages; default "vm"
	Firmware Firmware // default BIOS
	MemoryMB int      // default 256, the least the appliance must run with
	CPUs     int      // default 2

	Disk      string // raw image to boot from; written to unless Snapshot
	Snapshot  bool   // keep the guest's writes away from Disk
	DiskBus   Bus    // what Disk hangs on; default VirtioDisk
	Kernel    string // direct boot of this kernel instead of a boot loader
	Initramfs string // with Kernel
	Cmdline   string // with Kernel

	Netns *Netns    // namespace QEMU runs in; nil is ours
	Tap   string    // tap link in Netns for the first NIC; "" is user networking
	MAC   string    // of the first NIC; default QEMU's
	NIC   string    // QEMU's name of the first NIC's model; default virtio-net-pci
	Log   io.Writer // gets a copy of the serial console; may be nil
	Dir   string    // where private files go; default the system's for temporary files
	Extra []string  // more arguments for QEMU
}

// Bus is how a disk is attached, as the arguments for QEMU after the drive's.
type Bus []string

// The buses that the appliance boots from.
var (
	VirtioDisk = Bus{"-device", "virtio-blk-pci,drive=disk,bootindex=0"}
	SATADisk   = Bus{"-device", "ide-hd,bus=ide.0,drive=disk,bootindex=0"} // q35 has an AHCI controller
	NVMeDisk   = Bus{"-device", "nvme,serial=sluice,drive=disk,bootindex=0"}
	USBDisk    = Bus{"-device", "qemu-xhci,id=xhci", "-device", "usb-storage,bus=xhci.0,drive=disk,bootindex=0"}
)

// VM is a running virtual machine.
type VM struct {
	Console *Console
	name    string
	dir     string // private files, removed by Close
	proc    *process
	qmp     *qmp
	stderr  bytes.Buffer // QEMU's own messages; read after proc.done
	stdin   io.Closer
}

// Start boots a virtual machine. It has an i6300esb watchdog that resets it, a
// serial console and an ACPI power button. The caller ends it with Close; when
// the calling process dies the machine does, too.
func Start(cfg Config) (*VM, error) {
	if cfg.Name == "" {
		cfg.Name = "vm"
	}
	dir, err := os.MkdirTemp(cfg.Dir, "sluice-vm-")
	if err != nil {
		return nil, fmt.Errorf("make directory for %s: %w", cfg.Name, err)
	}
	vm := &VM{name: cfg.Name, dir: dir}
	if err := vm.start(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", cfg.Name, err), vm.Close())
	}
	return vm, nil
}

func (vm *VM) start(cfg Config) error {
	args, err := arguments(cfg, PickAccelerator(), filepath.Join(vm.dir, "vars.fd"))
	if err != nil {
		return err
	}
	control, peer, err := newQMP()
	if err != nil {
		return err
	}
	vm.qmp = control

	cmd := exec.Command("qemu-system-x86_64", args...)
	cmd.ExtraFiles = []*os.File{peer} // descriptor 3, named in arguments
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return errors.Join(err, peer.Close())
	}
	vm.stdin = stdin
	vm.Console = newConsole(stdin, cfg.Log)
	cmd.Stdout = vm.Console
	cmd.Stderr = &vm.stderr
	vm.proc, err = startProcess(cfg.Netns, cmd, syscall.SIGKILL)
	// Only QEMU's copy stays open, so that its end is the end of the connection.
	_ = peer.Close()
	if err != nil {
		return err
	}
	go func() { // ends with the child
		<-vm.proc.done
		vm.Console.end()
	}()
	if err := vm.qmp.handshake(); err != nil {
		vm.proc.signal(syscall.SIGKILL)
		<-vm.proc.done
		return fmt.Errorf("%w; QEMU said: %s", err, bytes.TrimSpace(vm.stderr.Bytes()))
	}
	return nil
}

// arguments returns QEMU's command line; vars is where a UEFI variable store may
// be written.
func arguments(cfg Config, accel Accelerator, vars string) ([]string, error) {
	if cfg.Firmware == "" {
		cfg.Firmware = BIOS
	}
	if cfg.MemoryMB == 0 {
		cfg.MemoryMB = 256
	}
	if cfg.CPUs == 0 {
		cfg.CPUs = 2
	}
	args := []string{
		"-name", cfg.Name, "-nodefaults", "-no-user-config", "-display", "none",
		"-machine", "q35", "-accel", accel.Name, "-cpu", "max",
		"-smp", strconv.Itoa(cfg.CPUs), "-m", strconv.Itoa(cfg.MemoryMB),
		"-serial", "stdio",
		"-boot", "strict=on", // from the disk or not at all: UEFI would ask the network for a minute
		"-chardev", "socket,id=qmp,fd=3", "-mon", "chardev=qmp,mode=control",
		"-device", "i6300esb", "-watchdog-action", "reset",
		"-device", "virtio-rng-pci",
	}
	fw, err := firmwareArgs(cfg.Firmware, vars)
	if err != nil {
		return nil, err
	}
	args = append(args, fw...)
	if cfg.Disk != "" {
		snapshot := "off"
		if cfg.Snapshot {
			snapshot = "on"
		}
		args = append(args, "-drive", "if=none,id=disk,format=raw,cache=unsafe,snapshot="+snapshot+",file="+cfg.Disk)
		bus := cfg.DiskBus
		if bus == nil {
			bus = VirtioDisk
		}
		args = append(args, bus...)
	}
	if cfg.Kernel != "" {
		args = append(args, "-kernel", cfg.Kernel, "-append", cfg.Cmdline)
		if cfg.Initramfs != "" {
			args = append(args, "-initrd", cfg.Initramfs)
		}
	}
	// Without an option ROM nobody tries to boot from the network.
	nic := cmp.Or(cfg.NIC, "virtio-net-pci") + ",romfile=,netdev=net0"
	if cfg.MAC != "" {
		nic += ",mac=" + cfg.MAC
	}
	if cfg.Tap != "" {
		args = append(args, "-netdev", "tap,id=net0,script=no,downscript=no,ifname="+cfg.Tap)
	} else {
		args = append(args, "-netdev", "user,id=net0")
	}
	return append(append(args, "-device", nic), cfg.Extra...), nil
}

// PressPowerButton presses the ACPI power button; the guest decides what follows.
func (vm *VM) PressPowerButton() error { return vm.qmp.execute("system_powerdown") }

// Reset is the reset button.
func (vm *VM) Reset() error { return vm.qmp.execute("system_reset") }

// Done is closed when QEMU has ended.
func (vm *VM) Done() <-chan struct{} { return vm.proc.done }

// WaitOff waits until the machine has switched itself off. QEMU's failure, or a
// machine that still runs after timeout, is an error with the console's tail.
func (vm *VM) WaitOff(ctx context.Context, timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-vm.proc.done:
		if vm.proc.err != nil {
			return fmt.Errorf("%s: %w: %s", vm.name, vm.proc.err, bytes.TrimSpace(vm.stderr.Bytes()))
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("%s still runs after %s\n%s", vm.name, timeout, vm.Console.Tail(40))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close pulls the plug and removes the machine's private files. It may be called
// more than once.
func (vm *VM) Close() error {
	if vm.proc != nil {
		vm.proc.signal(syscall.SIGTERM)
		select {
		case <-vm.proc.done:
		case <-time.After(killGrace):
			vm.proc.signal(syscall.SIGKILL)
			<-vm.proc.done
		}
	}
	if vm.qmp != nil {
		_ = vm.qmp.close()
	}
	if vm.stdin != nil {
		_ = vm.stdin.Close() // exec closes it with the child; this is for a failed start
	}
	return os.RemoveAll(vm.dir)
}
