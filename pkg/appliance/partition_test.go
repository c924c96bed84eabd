package appliance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// dataStart is where the free space of the test's disks begins.
const dataStart = 4 << 20

// testDisk is a sparse image file with the partitions of an image of imageSize,
// copied to a disk of size bytes.
func testDisk(t *testing.T, imageSize, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(imageSize); err != nil {
		t.Fatal(err)
	}
	parts := &gpt.Table{LogicalSectorSize: sectorSize, PhysicalSectorSize: sectorSize, ProtectiveMBR: true,
		GUID: "5C1D7A2E-6B0F-4D3A-9E57-534C55494345",
		Partitions: []*gpt.Partition{
			{Index: 1, Start: 2048, Size: 1 << 20, Type: gpt.BIOSBoot, Name: "bios", GUID: "5C1D7A2E-6B0F-4D3A-9E57-534C55490001"},
			{Index: 2, Start: 4096, Size: 2 << 20, Type: gpt.EFISystemPartition, Name: "boot", GUID: "5C1D7A2E-6B0F-4D3A-9E57-534C55490002"},
		}}
	w, err := file.New(f, false).Writable()
	if err != nil {
		t.Fatal(err)
	}
	if err := parts.Write(w, imageSize); err != nil {
		t.Fatal(err)
	}
	put(t, f, "boot code", 0)
	put(t, f, "SLUICE     ", 2<<20+71)
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t *testing.T, f *os.File, text string, at int64) {
	t.Helper()
	if _, err := f.WriteAt([]byte(text), at); err != nil {
		t.Fatal(err)
	}
}

// kernelReads fails unless a second implementation reads the table, primary and
// backup, and finds the partitions.
func kernelReads(t *testing.T, f *os.File, size int64, partitions int) {
	t.Helper()
	for _, lba := range []uint64{1, uint64(size/sectorSize - 1)} {
		if _, err := readTableAt(f, size, lba); err != nil {
			t.Errorf("table at sector %d: %v", lba, err)
		}
	}
	got, err := gpt.Read(file.New(f, true), sectorSize, sectorSize)
	if err != nil {
		t.Fatalf("go-diskfs: %v", err)
	}
	if err := got.Verify(file.New(f, true), uint64(size)); err != nil {
		t.Errorf("go-diskfs: %v", err)
	}
	used := 0
	for _, p := range got.Partitions {
		if p.Type != gpt.Unused {
			used++
		}
	}
	if used != partitions {
		t.Errorf("%d partitions, want %d", used, partitions)
	}
}

func TestMakeData(t *testing.T) {
	for _, tc := range []struct {
		name        string
		image, size int64
		want        int64 // bytes of the partition
	}{
		{"the image's size", 64 << 20, 64 << 20, 58 << 20},
		{"copied to a larger disk", 64 << 20, 200 << 20, 194 << 20},
		{"copied to a large disk", 64 << 20, 3 << 30, MaxData},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := testDisk(t, tc.image, tc.size)
			if !IsBootDisk(f, tc.size) {
				t.Error("IsBootDisk() = false")
			}
			p, err := Inspect(f, tc.size)
			if err != nil || p.State != Blank {
				t.Fatalf("Inspect() = %+v, %v, want blank", p, err)
			}
			made, err := MakeData(f, tc.size)
			if err != nil || made.State != Ready {
				t.Fatalf("MakeData() = %+v, %v", made, err)
			}
			if want := (extent{dataStart + markRoom, tc.want}); made.Extent != want {
				t.Errorf("extent = %+v, want %+v", made.Extent, want)
			}
			if p, err := Inspect(f, tc.size); err != nil || p != made {
				t.Errorf("Inspect() = %+v, %v, want %+v", p, err, made)
			}
			if _, err := MakeData(f, tc.size); err == nil {
				t.Error("MakeData() formats a second time")
			}
			kernelReads(t, f, tc.size, 3)
			boot := make([]byte, 9)
			if _, err := f.ReadAt(boot, 0); err != nil || string(boot) != "boot code" {
				t.Errorf("boot code = %q, %v", boot, err)
			}
			fsck(t, f, made.Extent)
		})
	}
}

// fsck asks e2fsck, where there is one, about the file system at x.
func fsck(t *testing.T, f *os.File, x extent) {
	t.Helper()
	tool, err := exec.LookPath("e2fsck")
	if err != nil {
		if os.Getenv("SLUICE_FULL") == "1" {
			t.Fatal("e2fsck is missing: install e2fsprogs")
		}
		t.Log("e2fsck is missing: the file system is not checked")
		return
	}
	part := filepath.Join(t.TempDir(), "part")
	cut := exec.Command("dd", "if="+f.Name(), "of="+part, "bs=1M", "conv=sparse", "status=none",
		"iflag=skip_bytes,count_bytes", "skip="+strconv.FormatInt(x.Start, 10), "count="+strconv.FormatInt(x.Size, 10))
	if out, err := cut.CombinedOutput(); err != nil {
		t.Fatalf("dd: %v: %s", err, out)
	}
	if out, err := exec.Command(tool, "-fn", part).CombinedOutput(); err != nil {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}
}

func TestInspectLeavesAlone(t *testing.T) {
	const size = 128 << 20
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, f *os.File)
		want   string
	}{
		{"a byte at the start", func(t *testing.T, f *os.File) { put(t, f, "x", dataStart) }, "not blank"},
		{"a byte in the first MiB", func(t *testing.T, f *os.File) { put(t, f, "x", dataStart+1<<20-1) }, "not blank"},
		{"an old file system", func(t *testing.T, f *os.File) { put(t, f, "\x53\xef", dataStart+markRoom+superAt+superMagicAt) }, "not blank"},
		{"somebody's partition 3", func(t *testing.T, f *os.File) { addPartition(t, f, size, DataPartition) }, "no ext4"},
		{"another label", func(t *testing.T, f *os.File) {
			x := addPartition(t, f, size, DataPartition)
			put(t, f, "\x53\xef", x.Start+superAt+superMagicAt)
			put(t, f, "photos\x00", x.Start+superAt+superLabelAt)
		}, `label "photos"`},
		{"a partition 4 in the place", func(t *testing.T, f *os.File) { addPartition(t, f, size, 4) }, "in the way"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := testDisk(t, size, size)
			tc.change(t, f)
			before, err := os.ReadFile(f.Name())
			if err != nil {
				t.Fatal(err)
			}
			p, err := Inspect(f, size)
			if err != nil || p.State != Foreign || !strings.Contains(p.Detail, tc.want) {
				t.Errorf("Inspect() = %+v, %v, want foreign: %s", p, err, tc.want)
			}
			if _, err := MakeData(f, size); err == nil {
				t.Error("MakeData() formats it")
			}
			after, err := os.ReadFile(f.Name())
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the disk was changed (%v)", err)
			}
		})
	}
	small := testDisk(t, 20<<20, 20<<20)
	if p, err := Inspect(small, 20<<20); err != nil || p.State != Foreign || !strings.Contains(p.Detail, "fewer than") {
		t.Errorf("Inspect(small) = %+v, %v", p, err)
	}
}

// addPartition puts a partition where the data partition would be.
func addPartition(t *testing.T, f *os.File, size int64, number int) extent {
	t.Helper()
	table, err := readTable(f, size)
	if err != nil {
		t.Fatal(err)
	}
	x := extent{dataStart, 8 << 20}
	if err := errors.Join(table.add(number, x, [16]byte{1}, "x"), table.write(f)); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestInspectNotedErrors(t *testing.T) {
	const size = 64 << 20
	f := testDisk(t, size, size)
	p, err := MakeData(f, size)
	if err != nil {
		t.Fatal(err)
	}
	state := binary.LittleEndian.AppendUint16(nil, superErrors|1)
	put(t, f, string(state), p.Extent.Start+superAt+superStateAt)
	if p, err := Inspect(f, size); err != nil || p.State != Ready || !strings.Contains(p.Detail, "noted errors") {
		t.Errorf("Inspect() = %+v, %v", p, err)
	}
}

// TestMakeDataInterrupted begins again after a power cut between mark and table.
func TestMakeDataInterrupted(t *testing.T) {
	const size = 64 << 20
	f := testDisk(t, size, size)
	put(t, f, formatting, dataStart)
	put(t, f, strings.Repeat("half a file system", 1000), dataStart+markRoom)
	p, err := MakeData(f, size)
	if err != nil || p.State != Ready {
		t.Fatalf("MakeData() = %+v, %v", p, err)
	}
	kernelReads(t, f, size, 3)
	fsck(t, f, p.Extent)
}

func TestTableDamage(t *testing.T) {
	const size = 64 << 20
	f := testDisk(t, size, size)
	put(t, f, "damage", sectorSize+atFirstUsable)
	if _, err := readTable(f, size); err != nil {
		t.Errorf("readTable() with a damaged primary = %v, want the backup", err)
	}
	put(t, f, "damage", size-sectorSize+atFirstUsable)
	if _, err := readTable(f, size); err == nil {
		t.Error("readTable() accepts two damaged tables")
	}
	if IsBootDisk(f, size) {
		t.Error("IsBootDisk() without a table")
	}
}

func TestAwaitData(t *testing.T) {
	run := t.TempDir()
	want := DataStatus{Dir: "/x", Problem: "none"}
	got := make(chan DataStatus, 1)
	go func() {
		s, err := AwaitData(t.Context(), run)
		if err != nil {
			t.Error(err)
		}
		got <- s
	}()
	if err := PublishData(run, want); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != want {
		t.Errorf("AwaitData() = %+v, want %+v", s, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := AwaitData(ctx, t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("AwaitData() without a verdict = %v", err)
	}
}

// FuzzInspect reads partition tables that nobody made: it may refuse them, and
// must not crash. The checksums are put right, or none would pass them.
func FuzzInspect(f *testing.F) {
	const size = 1 << 20
	t := &table{size: size, header: make([]byte, sectorSize), entries: make([]byte, 128*gptEntrySize)}
	copy(t.header, gptSignature)
	binary.LittleEndian.PutUint32(t.header[atEntryCount:], 128)
	binary.LittleEndian.PutUint32(t.header[atEntrySize:], gptEntrySize)
	binary.LittleEndian.PutUint64(t.header[atSelf:], 1)
	binary.LittleEndian.PutUint64(t.header[atEntriesLBA:], 2)
	f.Add(t.header, t.entries)
	if err := t.add(BootPartition, extent{64 << 10, 64 << 10}, [16]byte{1}, "boot"); err != nil {
		f.Fatal(err)
	}
	f.Add(t.header, t.entries)
	f.Fuzz(func(_ *testing.T, header, entries []byte) {
		disk := make(memoryDisk, size)
		copy(disk[sectorSize:2*sectorSize], header)
		copy(disk[2*sectorSize:], entries[:min(len(entries), 128*gptEntrySize)])
		head := &table{header: disk[sectorSize : 2*sectorSize]}
		n := min(int(head.u32(atEntryCount)), gptMaxEntries) * gptEntrySize
		if at := head.u64(atEntriesLBA); at < 1<<10 {
			start := int(at) * sectorSize
			binary.LittleEndian.PutUint32(head.header[atEntriesCRC:], crc32.ChecksumIEEE(disk[start:start+n]))
		}
		binary.LittleEndian.PutUint32(head.header[atHeaderCRC:], crc32.ChecksumIEEE(withoutCRC(head.header)))
		_, _ = Inspect(disk, int64(len(disk)))
		_ = IsBootDisk(disk, int64(len(disk)))
	})
}

// memoryDisk is a disk in memory.
type memoryDisk []byte

func (d memoryDisk) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at > int64(len(d)) {
		return 0, errors.New("outside of the disk")
	}
	n := copy(p, d[at:])
	if n < len(p) {
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}
