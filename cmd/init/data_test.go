package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/sluice-lb/sluice/pkg/appliance"
)

const bootDiskSize = 64 << 20

// fakeDisk puts an image file under dev and its size under sys; ours has our boot
// partition.
func fakeDisk(t *testing.T, sys, dev, name string, ours bool) {
	t.Helper()
	fakeDiskGUID(t, sys, dev, name, ours, "")
}

// fakeDiskGUID is fakeDisk with a certain GUID of the boot partition.
func fakeDiskGUID(t *testing.T, sys, dev, name string, ours bool, guid string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dev, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parts := &gpt.Table{LogicalSectorSize: 512, PhysicalSectorSize: 512, ProtectiveMBR: true,
		Partitions: []*gpt.Partition{{Index: appliance.BootPartition, Start: 4096, Size: 2 << 20, Type: gpt.EFISystemPartition, Name: "boot", GUID: guid}}}
	w, err := file.New(f, false).Writable()
	if err != nil {
		t.Fatal(err)
	}
	label := "WINDOWS    "
	if ours {
		label = "SLUICE     "
	}
	_, labelErr := f.WriteAt([]byte(label), 2<<20+71)
	if err := errors.Join(f.Truncate(bootDiskSize), parts.Write(w, bootDiskSize), labelErr); err != nil {
		t.Fatal(err)
	}
	attribute(t, sys, name+"/size", strconv.Itoa(bootDiskSize/512)+"\n")
}

func attribute(t *testing.T, sys, name, text string) {
	t.Helper()
	path := filepath.Join(sys, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBootDisks(t *testing.T) {
	sys, dev := t.TempDir(), t.TempDir()
	list := func(guid string) string {
		t.Helper()
		found, err := appliance.BootDisks(sys, dev, guid)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, d := range found {
			names = append(names, d.Name)
			if d.Size != bootDiskSize {
				t.Errorf("%s has %d bytes, want %d", d.Name, d.Size, bootDiskSize)
			}
		}
		return strings.Join(names, " ")
	}
	fakeDisk(t, sys, dev, "sda", false)
	fakeDisk(t, sys, dev, "loop0", true)
	attribute(t, sys, "sr0/size", "0\n")
	attribute(t, sys, "nodev/size", "8\n")
	if got := list(""); got != "" {
		t.Errorf("boot disks = %q, want none", got)
	}
	fakeDisk(t, sys, dev, "vda", true)
	if got := list(""); got != "vda" {
		t.Errorf("boot disks = %q, want vda", got)
	}
	fakeDisk(t, sys, dev, "vdb", true)
	if got := list(""); got != "vda vdb" {
		t.Errorf("boot disks = %q, want both", got)
	}
	fakeDiskGUID(t, sys, dev, "vdc", true, "A1B2C3D4-0102-4304-8506-0708090A0B0C")
	if got := list("a1b2c3d4-0102-4304-8506-0708090a0b0c"); got != "vdc" {
		t.Errorf("boot disks with vdc's GUID = %q, want vdc", got)
	}
	if got := list("00000000-0102-4304-8506-0708090a0b0c"); got != "" {
		t.Errorf("boot disks with another GUID = %q, want none", got)
	}
}

// Two of our disks are told apart by the GUID that the loader passes; copies with
// the same GUID are not.
func TestAwaitNamedBootDisk(t *testing.T) {
	const guid = "A1B2C3D4-0102-4304-8506-0708090A0B0C"
	sys, dev := t.TempDir(), t.TempDir()
	m := newMachine("", os.Stderr)
	m.sysBlock, m.dev, m.cmd.disk = sys, dev, strings.ToLower(guid)
	fakeDisk(t, sys, dev, "vda", true)
	over := make(chan time.Time)
	close(over)
	if _, err := m.awaitBootDisk(over); err == nil || !strings.Contains(err.Error(), m.cmd.disk+" did not appear") {
		t.Errorf("awaitBootDisk() with another disk of ours = %v", err)
	}
	fakeDiskGUID(t, sys, dev, "vdb", true, guid)
	if d, err := m.awaitBootDisk(nil); err != nil || d.Name != "vdb" {
		t.Errorf("awaitBootDisk() = %+v, %v, want vdb", d, err)
	}
	fakeDiskGUID(t, sys, dev, "vdc", true, guid)
	if _, err := m.awaitBootDisk(nil); err == nil || !strings.Contains(err.Error(), "vdb and vdc, with the boot partition") {
		t.Errorf("awaitBootDisk() with two of that GUID = %v", err)
	}
}

func TestAwaitBootDisk(t *testing.T) {
	sys, dev := t.TempDir(), t.TempDir()
	m := newMachine("", os.Stderr)
	m.sysBlock, m.dev = sys, dev
	never := make(chan time.Time)
	over := make(chan time.Time)
	close(over)
	if _, err := m.awaitBootDisk(over); err == nil || !strings.Contains(err.Error(), "did not appear") {
		t.Errorf("awaitBootDisk() without a disk = %v", err)
	}
	got := make(chan *appliance.BootDisk)
	go func() {
		d, err := m.awaitBootDisk(never)
		if err != nil {
			t.Error(err)
		}
		got <- d
	}()
	fakeDisk(t, sys, dev, "vda", true)
	m.added(uevent{action: "add", subsystem: "block", devname: "vda"})
	m.added(uevent{action: "add", subsystem: "block", devname: "vda2"})
	if d := <-got; d == nil || d.Name != "vda" {
		t.Errorf("awaitBootDisk() = %+v, want vda", d)
	}
	fakeDisk(t, sys, dev, "vdb", true)
	if _, err := m.awaitBootDisk(never); err == nil || !strings.Contains(err.Error(), "remove one") {
		t.Errorf("awaitBootDisk() with two = %v", err)
	}
}

func TestPartitionNode(t *testing.T) {
	sys := t.TempDir()
	attribute(t, sys, "nvme0n1/nvme0n1p3/partition", "3\n")
	attribute(t, sys, "nvme0n1/nvme0n1p2/partition", "2\n")
	if got, err := partitionNode(sys, "nvme0n1", 3); err != nil || got != "nvme0n1p3" {
		t.Errorf("partitionNode() = %q, %v", got, err)
	}
	if _, err := partitionNode(sys, "nvme0n1", 4); err == nil {
		t.Error("partitionNode(4) = nil")
	}
}

func TestIsStorage(t *testing.T) {
	x := &moduleIndex{paths: map[string]string{"virtio_blk": "kernel/drivers/block/virtio_blk.ko", "e1000": "kernel/drivers/net/e1000.ko"}}
	if !x.isStorage("virtio_blk") || x.isStorage("e1000") || x.isStorage("none") {
		t.Error("isStorage() takes the wrong modules")
	}
}

// TestConfigure boots directories: what is saved is put in force, or what takes
// its place, and confd is told where the store is.
func TestConfigure(t *testing.T) {
	image := appliance.Files{"proxy.cfg": "factory\n", "hostname": "sluice\n", "network/10.network": "factory\n"}
	saved := appliance.Files{"proxy.cfg": "saved\n", "hostname": "box\n", "network/20.network": "saved\n"}
	const programs = "PROGRAMS_SHA256=abc\n"
	for _, tc := range []struct {
		name    string
		release string // of the image; the revision was checked by "abc"
		judge   string // program that checks
		data    bool
		want    appliance.Files
		problem string
	}{
		{"checked before", programs, "/bin/false", true, saved, ""},
		{"other programs agree", "PROGRAMS_SHA256=xyz\n", "/bin/true", true, saved, ""},
		{"other programs refuse", "PROGRAMS_SHA256=xyz\n", "/bin/false", true, image, "revision 1: false"},
		{"programs unknown", "", "/bin/false", true, image, "revision 1: false"},
		{"no disk", programs, "/bin/true", false, image, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine("", os.Stderr)
			m.root, m.runDir, m.dataDir = t.TempDir(), t.TempDir(), t.TempDir()
			m.judges = [][]string{{tc.judge}}
			if err := image.WriteLive(m.root, nil); err != nil {
				t.Fatal(err)
			}
			attribute(t, m.root, "etc/sluice-release", tc.release)
			store, err := appliance.OpenStore(m.dataDir, image, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Add(appliance.Revision{}, saved); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(store.MarkChecked(1, "abc"), store.SetPointers(appliance.Pointers{Startup: 1})); err != nil {
				t.Fatal(err)
			}
			m.data = &dataSearch{done: make(chan struct{})}
			m.data.status.Persistent = tc.data
			close(m.data.done)
			err = m.configure(t.Context())
			if (err == nil) != (tc.problem == "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
				t.Errorf("configure() = %v, want %q", err, tc.problem)
			}
			if got, err := appliance.ReadLive(m.root); err != nil || !got.Equal(tc.want) {
				t.Errorf("live files = %v, %v, want %v", got, err, tc.want)
			}
			running, err := appliance.ReadRunning(m.runDir)
			if err != nil || !strings.Contains(running.Problem, tc.problem) || (running.Revision == 1) != tc.want.Equal(saved) {
				t.Errorf("running = %+v, %v", running, err)
			}
			if got, err := appliance.Factory(m.root, m.runDir); err != nil || !got.Equal(image) {
				t.Errorf("factory = %v, %v, want the image's", got, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if status, err := appliance.AwaitData(ctx, m.runDir); err != nil || status.Persistent != tc.data {
				t.Errorf("status = %+v, %v", status, err)
			}
		})
	}
}
