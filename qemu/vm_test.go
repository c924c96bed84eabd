package qemu

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// echoSector is a boot sector that prints "up" on the first serial port and then
// sends back each byte that it receives, for QEMU's BIOS. On "q" it halts for good.
func echoSector() []byte {
	code := []byte{
		0xba, 0xf8, 0x03, // mov dx, 0x3f8      COM1 data
		0xb0, 'u', 0xee, // mov al, 'u'; out dx, al
		0xb0, 'p', 0xee,
		0xb0, '\n', 0xee,
		// again:
		0xba, 0xfd, 0x03, // mov dx, 0x3fd      line status
		0xec,       // in al, dx
		0xa8, 0x01, // test al, 1          data ready
		0x74, 0xf8, // jz again
		0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xec,      // in al, dx
		0xee,      // out dx, al
		0x3c, 'q', // cmp al, 'q'
		0x75, 0xef, // jne again
		0xfa, 0xf4, // cli; hlt
	}
	sector := make([]byte, 512)
	copy(sector, code)
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}

// echoDisk writes a disk with echoSector.
func echoDisk(t *testing.T) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(disk, append(echoSector(), make([]byte, 1<<20)...), 0o600); err != nil {
		t.Fatal(err)
	}
	return disk
}

func TestConsoleAndResetOfAMachine(t *testing.T) {
	full(t)
	ctx := testContext(t, time.Minute)
	vm, err := Start(Config{Name: "echo", Disk: echoDisk(t), MemoryMB: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := vm.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	expect := func(pattern string) {
		t.Helper()
		if _, err := vm.Console.Expect(ctx, regexp.MustCompile(pattern), 30*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	expect("up\n")
	if err := vm.Console.Send("hello"); err != nil {
		t.Fatal(err)
	}
	expect("hello")
	if err := vm.Reset(); err != nil {
		t.Fatal(err)
	}
	expect("up\n")
	if err := vm.WaitOff(ctx, 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "still runs") {
		t.Errorf("WaitOff() of a running machine = %v", err)
	}
	if err := vm.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := vm.Console.Expect(ctx, regexp.MustCompile("never"), time.Minute); err == nil || !strings.Contains(err.Error(), "machine ended") {
		t.Errorf("Expect() on a closed machine = %v", err)
	}
}

func TestMachineOnTheSegment(t *testing.T) {
	lab := newLab(t)
	vm, err := lab.Boot(Config{Name: "echo", Disk: echoDisk(t), MemoryMB: 64})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vm.Console.Expect(t.Context(), regexp.MustCompile("up\n"), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	carrier := func() string {
		out, err := lab.Switch.CombinedOutput(t.Context(), "ip", "-br", "link", "show", "dev", "echo", "master", "lab")
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := carrier(); !strings.Contains(got, ",LOWER_UP") {
		t.Errorf("the tap of a running machine has no carrier: %q", got)
	}
	if err := vm.Close(); err != nil {
		t.Fatal(err)
	}
	if got := carrier(); !strings.Contains(got, "NO-CARRIER") {
		t.Errorf("the tap of an ended machine has a carrier: %q", got)
	}
}

func TestUEFIFirmwareStarts(t *testing.T) {
	full(t)
	vm, err := Start(Config{Name: "uefi", Firmware: UEFI, Disk: echoDisk(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vm.Close() })
	// The disk is for a BIOS only; the firmware's boot manager says so.
	if _, err := vm.Console.Expect(t.Context(), regexp.MustCompile("BdsDxe"), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestStartKeepsQEMUsMessage(t *testing.T) {
	full(t)
	vm, err := Start(Config{Name: "broken", Disk: filepath.Join(t.TempDir(), "missing.raw")})
	if err == nil {
		_ = vm.Close()
		t.Fatal("Start() without its disk succeeded")
	}
	if !strings.Contains(err.Error(), "missing.raw") {
		t.Errorf("Start() = %v, does not say what QEMU said", err)
	}
}

func TestArguments(t *testing.T) {
	tests := []struct {
		name    string
		cfg     Config
		want    [][2]string // option and value that must be there
		without string      // option that must not be there
	}{
		{"defaults", Config{}, [][2]string{{"-m", "256"}, {"-smp", "2"}, {"-netdev", "user,id=net0"}}, "-kernel"},
		{"disk", Config{Disk: "/d"}, [][2]string{{"-drive", "if=none,id=disk,format=raw,cache=unsafe,snapshot=off,file=/d"}}, "-kernel"},
		{"snapshot", Config{Disk: "/d", Snapshot: true}, [][2]string{{"-drive", "if=none,id=disk,format=raw,cache=unsafe,snapshot=on,file=/d"}}, "-kernel"},
		{"kernel", Config{Kernel: "/k", Initramfs: "/i", Cmdline: "a b"}, [][2]string{{"-kernel", "/k"}, {"-initrd", "/i"}, {"-append", "a b"}}, "-drive"},
		{"tap", Config{Tap: "vm0", MAC: "02:00:00:00:00:01"}, [][2]string{
			{"-netdev", "tap,id=net0,script=no,downscript=no,ifname=vm0"}, {"-device", "virtio-net-pci,romfile=,netdev=net0,mac=02:00:00:00:00:01"}}, "-drive"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args, err := arguments(tt.cfg, Accelerator{Name: "tcg"}, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, pair := range tt.want {
				found := false
				for i := range len(args) - 1 {
					found = found || args[i] == pair[0] && args[i+1] == pair[1]
				}
				if !found {
					t.Errorf("arguments() = %q, without %q", args, pair)
				}
			}
			if slices.Contains(args, tt.without) {
				t.Errorf("arguments() = %q, with %s", args, tt.without)
			}
		})
	}
	if _, err := arguments(Config{Firmware: "coreboot"}, Accelerator{Name: "tcg"}, ""); err == nil {
		t.Error("unknown firmware accepted")
	}
}
