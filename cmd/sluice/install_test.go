package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/sluice-lb/sluice/pkg/appliance"
)

// installDiskSize is enough for a boot partition of 2 MiB and data.
const installDiskSize = 64 << 20

// testInstaller has vda, which runs, and vdb, full of ones.
func testInstaller(t *testing.T, input string, out *bytes.Buffer) *installer {
	t.Helper()
	dir := t.TempDir()
	d := appliance.Disks{Sys: filepath.Join(dir, "sys"), Dev: filepath.Join(dir, "dev"), Mounts: filepath.Join(dir, "mounts")}
	s := testShell(dir, input, out)
	for name, text := range map[string]string{
		"mounts": "", "cmdline": "quiet sluice.disk=5c1d7a2e-6b0f-4d3a-9e57-534c55490002\n", "dev/vda": "",
		"dev/vdb": strings.Repeat("1", installDiskSize), "sys/vda/device/status": "", "sys/vdb/device/model": "SPARE\n",
		"sys/vda/size": strconv.Itoa(installDiskSize/512) + "\n", "sys/vdb/size": strconv.Itoa(installDiskSize/512) + "\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(filepath.Join(d.Dev, "vda"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parts := &gpt.Table{LogicalSectorSize: 512, PhysicalSectorSize: 512, ProtectiveMBR: true,
		Partitions: []*gpt.Partition{{Index: appliance.BootPartition, Start: 4096, Size: 2 << 20, Type: gpt.EFISystemPartition,
			Name: "boot", GUID: "5C1D7A2E-6B0F-4D3A-9E57-534C55490002"}}}
	w, err := file.New(f, false).Writable()
	if err != nil {
		t.Fatal(err)
	}
	_, labelErr := f.WriteAt([]byte("SLUICE     "), 2<<20+71)
	if err := errors.Join(f.Truncate(installDiskSize), parts.Write(w, installDiskSize), labelErr,
		appliance.PublishData(dir, appliance.DataStatus{Dir: dir})); err != nil {
		t.Fatal(err)
	}
	return &installer{shell: s, disks: d}
}

func TestInstallRefuses(t *testing.T) {
	for _, tc := range []struct {
		words  string
		status int
		want   string
	}{
		{"", 2, "no disk is named; accepted are /dev/vdb (64 MiB, SPARE)"},
		{"vdx", 2, "no disk: vdx; accepted are /dev/vdb"},
		{"vda --yes vda", 3, "the disk that this machine runs from"},
		{"vdb --yes vda", 2, "the disk to install on is vdb"},
		{"vdb", 2, "needs --yes vdb"},
		{"vdb --yes", 2, "usage"},
		{"vdb vda", 2, "usage"},
		{"--factory", 2, "usage"},
		{"vdb --now", 2, "usage"},
	} {
		var out bytes.Buffer
		i := testInstaller(t, "vdb\n", &out)
		i.term = nil
		err := i.run(t.Context(), strings.Fields(tc.words))
		if errors.Is(err, errArguments) {
			err = errUsage // as execute does
		}
		if exitStatus(err) != tc.status || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("install %s = %v, want %d and %q", tc.words, err, tc.status, tc.want)
		}
		if text, err := os.ReadFile(filepath.Join(i.disks.Dev, "vdb")); err != nil || strings.Trim(string(text), "1") != "" {
			t.Errorf("install %s has touched the disk (%v)", tc.words, err)
		}
	}
}

func TestInstall(t *testing.T) {
	var out bytes.Buffer
	i := testInstaller(t, "", &out)
	if err := i.run(t.Context(), []string{i.disks.Dev + "/vdb", "--yes", "vdb"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/dev/vdb (64 MiB, SPARE) holds\n  data of an unknown kind\n", "80% 100% \n", "was read back (SHA-256",
		"starts with the factory's configuration", "Next: poweroff, then boot from vdb"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &out)
		}
	}
	found, err := appliance.BootDisks(i.disks.Sys, i.disks.Dev, "")
	if err != nil || len(found) != 2 || found[0].GUID == found[1].GUID {
		t.Fatalf("boot disks = %+v, %v, want two with GUIDs of their own", found, err)
	}
	if boot, err := i.disks.Boot(i.bootGUID()); err != nil || boot.Name != "vda" {
		t.Errorf("the disk that runs = %+v, %v, want vda", boot, err)
	}
	if err := os.WriteFile(i.cmdline, []byte("quiet\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := i.run(t.Context(), []string{"vdb", "--yes", "vdb"}); exitStatus(err) != 3 || !strings.Contains(err.Error(), "vda and vdb both look like") {
		t.Errorf("install without a word from the loader = %v", err)
	}
}
