package qemu

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// hardware is one machine that the image boots on.
type hardware struct {
	name     string
	firmware Firmware
	bus      Bus
	nic      string
	block    string // name of the boot disk in Linux
	driver   string // of the network card
	always   bool   // part of make test; the others are for make test-matrix
}

// machines cover each disk bus, each network card and both firmwares.
var machines = []hardware{
	{"SATA and e1000e on BIOS", BIOS, SATADisk, "e1000e", "sda", "e1000e", true},
	{"NVMe and vmxnet3 on UEFI", UEFI, NVMeDisk, "vmxnet3", "nvme0n1", "vmxnet3", true},
	{"USB and igb on BIOS", BIOS, USBDisk, "igb", "sda", "igb", false},
	{"virtio and e1000 on BIOS", BIOS, VirtioDisk, "e1000", "vda", "e1000", false},
	{"NVMe and virtio on BIOS", BIOS, NVMeDisk, "virtio-net-pci", "nvme0n1", "virtio_net", false},
	{"USB and virtio on UEFI", UEFI, USBDisk, "virtio-net-pci", "sda", "virtio_net", false},
	{"SATA and e1000 on UEFI", UEFI, SATADisk, "e1000", "sda", "e1000", false},
}

// matrix reports whether the long form of the tests runs: make test-matrix.
func matrix() bool { return os.Getenv("SLUICE_MATRIX") == "1" }

// TestHardware boots the image on other machines than the one of the stories: the
// VIP must answer through the card, and the boot disk must be there.
func TestHardware(t *testing.T) {
	full(t)
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			if !m.always && !matrix() {
				t.Skip("one of the machines of make test-matrix")
			}
			if !knownDevice(t, m.nic) {
				t.Skipf("this QEMU emulates no %s (igb needs 8.0)", m.nic)
			}
			m.boot(t)
		})
	}
}

func (m hardware) boot(t *testing.T) {
	lab := newLab(t)
	client, err := lab.AddClient()
	if err != nil {
		t.Fatal(err)
	}
	vm, err := lab.Boot(Config{Name: "sluice", Firmware: m.firmware, Disk: testDisk(t, "sluice.console=open"),
		DiskBus: m.bus, NIC: m.nic})
	if err != nil {
		t.Fatal(err)
	}
	a := &appliance{lab: lab, vm: vm, client: client}
	a.explain(t)
	ctx := testContext(t, bootTimeout)
	boot := a.awaitBoot(ctx, t, time.Now())
	t.Logf("init to TCP answer %s", boot.initToTCP.Round(time.Millisecond))
	a.enterShell(ctx, t)
	if out := a.mustSh(t, "ls -l /sys/class/net/eth0/device/driver"); !strings.Contains(out, "/"+m.driver) {
		t.Errorf("eth0 has another driver than %s:\n%s", m.driver, out)
	}
	a.awaitDisk(ctx, t, m.block)
}

// awaitDisk waits for a disk: its driver is loaded when the VIP serves already,
// and a disk on USB is found later still.
func (a *appliance) awaitDisk(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		out := a.mustSh(t, "ls /sys/block")
		if slices.Contains(strings.Fields(out), name) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no disk %s:\n%s\n%s", name, out, a.mustSh(t, "sluice boot"))
		}
	}
}

// knownDevice reports whether QEMU has a device model.
func knownDevice(t *testing.T, name string) bool {
	t.Helper()
	out, err := exec.Command("qemu-system-x86_64", "-device", "help").CombinedOutput()
	if err != nil {
		t.Fatalf("list QEMU's devices: %v: %s", err, out)
	}
	return strings.Contains(string(out), `"`+name+`"`)
}
