package qemu

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/image"
)

// installedSize is the second disk's, in bytes: other than the image's, as nearly
// all disks are.
const installedSize = 700 << 20

// TestInstall copies the running system to a second disk, which somebody used
// before, and boots from the copy: alone, and beside the disk it was made from.
// Each boot finds its own data partition, with what was saved before.
func TestInstall(t *testing.T) {
	full(t)
	first, second := testDisk(t, "sluice.console=open"), filepath.Join(t.TempDir(), "second.raw")
	if err := os.WriteFile(second, []byte(strings.Repeat("somebody's data\n", 1<<16)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(second, installedSize); err != nil {
		t.Fatal(err)
	}
	lab := newLab(t)
	client, err := lab.AddClient()
	if err != nil {
		t.Fatal(err)
	}
	a := &appliance{lab: lab, client: client}

	// Without its loader, which costs a quarter of a minute: another test boots so.
	a.bootDisks(t, Config{Kernel: filepath.Join(buildDir(t), "vmlinuz"), Initramfs: initramfs(t),
		Cmdline: image.BaseCmdline + " sluice.slot=a sluice.console=open"}, first, second)
	a.refuseInstall(t)
	a.mustSh(t, "echo copied > /tmp/name && sluice edit hostname < /tmp/name && sluice apply && sluice save")
	begin := time.Now()
	a.install(t)
	t.Logf("installed in %s", time.Since(begin).Round(time.Second))
	a.powerOff(t)

	a.bootDisks(t, Config{Firmware: UEFI, Disk: second})
	a.mustRunFrom(t, "vda")
	a.mustSh(t, "echo second > /data/which && sync")
	a.powerOff(t)

	a.bootDisks(t, Config{Firmware: BIOS, Disk: second}, first)
	a.mustRunFrom(t, "vda")
	if out := a.mustSh(t, "cat /data/which"); !strings.Contains(out, "second") {
		t.Errorf("with both disks, the data is %q, want the second disk's", out)
	}
	a.powerOff(t)
}

// bootDisks boots what cfg says with more disks beside it, and waits for the VIP and
// for the data partition.
func (a *appliance) bootDisks(t *testing.T, cfg Config, disks ...string) {
	t.Helper()
	for i, path := range disks {
		id := "other" + strconv.Itoa(i)
		cfg.Extra = append(cfg.Extra, "-drive", "if=none,format=raw,cache=unsafe,id="+id+",file="+path,
			"-device", "virtio-blk-pci,drive="+id)
	}
	cfg.Name = "sluice"
	first := a.vm == nil
	var err error
	if a.vm, err = a.lab.Boot(cfg); err != nil {
		t.Fatal(err)
	}
	if first {
		a.explain(t)
	}
	ctx := testContext(t, bootTimeout)
	a.awaitBoot(ctx, t, time.Now())
	a.enterShell(ctx, t)
	a.awaitDisk(ctx, t, "vda")
	a.awaitData(ctx, t)
}

// awaitData waits for init's verdict about the data partition.
func (a *appliance) awaitData(ctx context.Context, t *testing.T) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		out, status := a.sh(t, "cat /run/sluice/data.json")
		if status == 0 {
			if !strings.Contains(out, `"persistent":true`) {
				t.Fatalf("nothing can be saved: %s", out)
			}
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no verdict about the data partition: %s", out)
		}
	}
}

// refuseInstall tries what must be refused.
func (a *appliance) refuseInstall(t *testing.T) {
	t.Helper()
	for line, want := range map[string]string{
		"install /dev/vda --yes vda":  "the disk that this machine runs from",
		"install /dev/vda3 --yes vda": "vda3 is a partition of vda; accepted are /dev/vdb (700 MiB)",
		"install":                     "no disk is named; accepted are /dev/vdb (700 MiB)",
		"install vdb --yes vda":       "the disk to install on is vdb",
		"install vdb < /dev/null":     "needs --yes vdb",
	} {
		out, status := a.sh(t, "sluice "+line)
		if status != 2 && status != 3 || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%s: exit status %d, %s, want %q", line, status, out, want)
		}
	}
	if out := a.mustSh(t, "dd if=/dev/vdb bs=16 count=1"); !strings.Contains(out, "somebody's data") {
		t.Errorf("a refused install has touched the disk: %s", out)
	}
}

// install answers the question of the command.
func (a *appliance) install(t *testing.T) {
	t.Helper()
	a.say(t, "sluice install /dev/vdb\n", `(?s)vdb \(700 MiB\) holds.*unknown kind.*Type vdb to install there: `)
	a.say(t, "yes\n", `Nothing was touched`)
	a.say(t, "sluice install /dev/vdb\n", `Type vdb to install there: `)
	a.say(t, "vdb\n", `(?s)100%.*was read back.*The saved configuration, its history.*Next: poweroff`)
}

// say types text and waits for what follows.
func (a *appliance) say(t *testing.T, text, pattern string) {
	t.Helper()
	if err := a.vm.Console.Send(text); err != nil {
		t.Fatal(err)
	}
	if _, err := a.vm.Console.Expect(t.Context(), regexp.MustCompile(pattern), time.Minute); err != nil {
		t.Fatal(err)
	}
}

// mustRunFrom checks which disk is in use and that it carries what was saved.
func (a *appliance) mustRunFrom(t *testing.T, disk string) {
	t.Helper()
	if out := a.mustSh(t, "cat /proc/mounts"); !strings.Contains(out, "/dev/"+disk+"3 /data ext4 rw") {
		t.Errorf("the data partition is not on %s:\n%s", disk, out)
	}
	// The name is a part of the saved configuration like any other.
	ctx, tick := testContext(t, time.Minute), time.NewTicker(200*time.Millisecond)
	defer tick.Stop()
	for {
		out := a.mustSh(t, "hostname")
		if strings.TrimSpace(out) == "copied" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			state, _ := a.sh(t, "cat /run/sluice/running.json; grep . /data/sluice/revisions/*/* /etc/hostname; sluice logs init")
			t.Errorf("host name = %q, want the saved one\n%s", out, state)
			return
		}
	}
}

// powerOff ends the machine in order.
func (a *appliance) powerOff(t *testing.T) {
	t.Helper()
	if err := a.vm.PressPowerButton(); err != nil {
		t.Fatal(err)
	}
	if err := a.vm.WaitOff(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
}
