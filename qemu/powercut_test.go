package qemu

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sluice-lb/sluice/image"
	keeping "github.com/sluice-lb/sluice/pkg/appliance" // appliance is the booted machine here
	"golang.org/x/sys/unix"
)

// Power cuts of TestPowerCut. Each of the first kind is a copy of the disk of a
// machine that stands still at a random moment; its file system is mounted here,
// which replays the journal, and the store is opened. The second kind kills QEMU
// and boots again. QEMU writes at once what the guest writes, so a cut loses what
// the guest had not sent to its disk, and nothing that it had.
const (
	copiedCuts = 40
	killedCuts = 40
	cutSeed    = 3
)

// words are the two configurations that the machine goes back and forth between;
// each of their files holds its word.
var words = []string{"amber", "basalt"}

// wordFiles is a configuration whose files all say word.
func wordFiles(word string) keeping.Files {
	return keeping.Files{
		"proxy.cfg":              "# " + word + "\n" + factory,
		"network/10-lan.network": "# " + word + "\n[Match]\nType=ether\nX-First=yes\n[Network]\nAddress=198.18.0.2/24\n",
		"network/20-mysql.vip":   "# " + word + "\n[VIP]\nAddress=198.18.0.10/32\nLink=10-lan.network\n",
		"hosts":                  "# " + word + "\n127.0.0.1 localhost\n198.18.0.11 s1\n198.18.0.12 s2\n",
		"hostname":               word + "\n",
	}
}

// backupOf makes a backup of files, as confd would.
func backupOf(t *testing.T, files keeping.Files) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: "files/" + name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// savedMachine is a machine with a disk of its own.
type savedMachine struct {
	lab             *Lab // nil: no network
	disk, initramfs string
	vm              *VM
	marker          int
}

// newSavedMachine finds the configurations as backups in /etc/sluice/lab.
func newSavedMachine(t *testing.T, backups map[string]keeping.Files) *savedMachine {
	t.Helper()
	site := fstest.MapFS{}
	for name, files := range backups {
		site["etc/sluice/lab/"+name+".tar.gz"] = &fstest.MapFile{Data: backupOf(t, files), Mode: 0o644}
	}
	dir := t.TempDir()
	m := &savedMachine{disk: filepath.Join(dir, "sluice.raw"), initramfs: filepath.Join(dir, "initramfs")}
	kernel := filepath.Join(buildDir(t), "vmlinuz")
	if err := image.WriteDisk(t.Context(), m.disk, image.Disk{Kernel: kernel, Initramfs: initramfs(t), Site: site}); err != nil {
		t.Fatal(err)
	}
	if err := image.WriteInitramfs(m.initramfs, initramfs(t), site); err != nil {
		t.Fatal(err)
	}
	return m
}

// boot starts the machine from its disk, but without its loader, which costs a
// quarter of a minute each time.
func (m *savedMachine) boot(ctx context.Context, t *testing.T) {
	t.Helper()
	var err error
	// Config.Disk would be what the firmware boots from.
	start := Start
	if m.lab != nil {
		start = m.lab.Boot
	}
	m.vm, err = start(Config{Name: "saved", MemoryMB: 256, Extra: []string{
		"-drive", "if=none,id=saved,format=raw,cache=unsafe,file=" + m.disk, "-device", "virtio-blk-pci,drive=saved"}, Kernel: filepath.Join(buildDir(t), "vmlinuz"),
		Initramfs: m.initramfs, Cmdline: image.BaseCmdline + " sluice.slot=a sluice.console=open"})
	if err != nil {
		t.Fatal(err)
	}
	vm := m.vm
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(vm.Console.Tail(60))
		}
		if err := vm.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	m.shell(ctx, t)
}

// shell enters a shell on the console.
func (m *savedMachine) shell(ctx context.Context, t *testing.T) {
	t.Helper()
	var err error
	for range 20 {
		m.marker++
		if err := m.vm.Console.Send(fmt.Sprintf("shell\necho here''-%d\n", m.marker)); err != nil {
			t.Fatal(err)
		}
		if _, err = m.vm.Console.Expect(ctx, regexp.MustCompile(fmt.Sprintf(`here-%d`, m.marker)), 10*time.Second); err == nil {
			return
		}
	}
	t.Fatalf("no shell on the console: %v", err)
}

// sh runs a command line and returns what it printed.
func (m *savedMachine) sh(ctx context.Context, t *testing.T, line string) string {
	t.Helper()
	m.marker++
	if err := m.vm.Console.Send(fmt.Sprintf("echo begin''-%d; %s; echo end''-%d\n", m.marker, line, m.marker)); err != nil {
		t.Fatal(err)
	}
	re := regexp.MustCompile(fmt.Sprintf(`(?s)begin-%d\r?\n(.*)end-%d`, m.marker, m.marker))
	match, err := m.vm.Console.Expect(ctx, re, 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(match[1], "\r", "")
}

// state waits until confd is up and returns what it says.
func (m *savedMachine) state(ctx context.Context, t *testing.T) keeping.State {
	t.Helper()
	m.sh(ctx, t, "sluice ctl init start unit confd.service")
	var s keeping.State
	// Warnings of init may be on the console, too.
	text := m.sh(ctx, t, "sluice ctl confd show state")
	if err := json.Unmarshal([]byte(regexp.MustCompile(`(?m)^\{.*\}$`).FindString(text)), &s); err != nil {
		t.Fatalf("show state: %v: %s", err, text)
	}
	return s
}

// running returns the words that the machine's live files say.
func (m *savedMachine) running(ctx context.Context, t *testing.T) string {
	t.Helper()
	return m.sh(ctx, t, "cat /etc/sluice/proxy.cfg /etc/sluice/network/* /etc/hosts /etc/hostname")
}

// TestPowerCut cuts the power at random moments while the machine applies and
// saves one configuration after the other. Each time the old or the new one is
// there, as a whole.
func TestPowerCut(t *testing.T) {
	full(t)
	ctx := testContext(t, 40*time.Minute)
	backups := map[string]keeping.Files{}
	for _, word := range words {
		backups[word] = wordFiles(word)
	}
	m := newSavedMachine(t, backups)
	m.boot(ctx, t)
	if s := m.state(ctx, t); !s.Persistent || s.Problem != "" || s.Running.Number != 0 {
		t.Fatalf("after the first boot: %+v", s)
	}
	t.Logf("first boot:\n%s", m.sh(ctx, t, "sluice show boot"))
	random := rand.New(rand.NewPCG(cutSeed, cutSeed))
	m.work(ctx, t)
	reads := newReader(t)
	for i := range copiedCuts {
		wait(ctx, t, time.Duration(random.IntN(700))*time.Millisecond)
		copied := filepath.Join(t.TempDir(), "copy.raw")
		if err := m.vm.qmp.execute("stop"); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(ctx, "cp", "--sparse=always", m.disk, copied).CombinedOutput()
		if err != nil {
			t.Fatalf("copy disk: %v: %s", err, out)
		}
		if err := m.vm.qmp.execute("cont"); err != nil {
			t.Fatal(err)
		}
		reads.check(t, copied, fmt.Sprintf("cut %d", i))
		if err := os.Remove(copied); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d cuts found the startup revisions %v", copiedCuts, reads.seen)
	if len(reads.seen) < copiedCuts/4 {
		t.Errorf("the machine did not save between the cuts: %v", reads.seen)
	}
	for range killedCuts {
		wait(ctx, t, time.Duration(random.IntN(1500))*time.Millisecond)
		m.vm.proc.signal(unix.SIGKILL)
		<-m.vm.Done()
		m.boot(ctx, t)
		s := m.state(ctx, t)
		if !s.Persistent || s.Problem != "" || s.Unsaved || s.Running.Number == 0 {
			t.Errorf("after a power cut: %+v", s)
		}
		live := m.running(ctx, t)
		if strings.Count(live, words[0]) != 0 && strings.Count(live, words[1]) != 0 {
			t.Errorf("a mix runs:\n%s", live)
		}
		m.work(ctx, t)
	}
}

// work makes the machine apply and save without end, and waits until it has begun.
func (m *savedMachine) work(ctx context.Context, t *testing.T) {
	t.Helper()
	round := ""
	for _, word := range words {
		round += fmt.Sprintf("sluice restore /etc/sluice/lab/%s.tar.gz >/dev/null; sluice apply >/dev/null && sluice save >/dev/null && echo saved''-%s; ", word, word)
	}
	if err := m.vm.Console.Send("while true; do " + round + "done\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.vm.Console.Expect(ctx, regexp.MustCompile("saved-"), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
}

// wait lets the machine work for a moment of its choice.
func wait(ctx context.Context, t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		t.Fatal(context.Cause(ctx))
	}
}

// reader looks at copies of a disk.
type reader struct {
	mount string
	seen  map[int]bool // startup revisions
}

func newReader(t *testing.T) *reader {
	t.Helper()
	return &reader{mount: t.TempDir(), seen: map[int]bool{}}
}

// check mounts the data partition of a disk and reads everything in its store.
func (r *reader) check(t *testing.T, disk, when string) {
	t.Helper()
	f, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p, err := keeping.Inspect(f, info.Size())
	if err != nil || p.State != keeping.Ready || p.Detail != "" {
		t.Fatalf("%s: Inspect() = %+v, %v", when, p, err)
	}
	options := "loop,offset=" + strconv.FormatInt(p.Extent.Start, 10) + ",sizelimit=" + strconv.FormatInt(p.Extent.Size, 10)
	if out, err := exec.Command("mount", "-t", "ext4", "-o", options, disk, r.mount).CombinedOutput(); err != nil {
		t.Fatalf("%s: mount: %v: %s", when, err, out)
	}
	defer func() {
		if out, err := exec.Command("umount", r.mount).CombinedOutput(); err != nil {
			t.Errorf("%s: umount: %v: %s", when, err, out)
		}
	}()
	s, err := keeping.OpenStore(filepath.Join(r.mount, "sluice"), keeping.Files{}, time.Now)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if faults := s.Faults(); len(faults) > 0 {
		t.Errorf("%s: %q", when, faults)
	}
	pointers, err := s.Pointers()
	if err != nil {
		t.Errorf("%s: %v", when, err)
	}
	r.seen[pointers.Startup] = true
	for _, rev := range s.Revisions() {
		files, err := s.Files(rev.Number)
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		if rev.Number > 0 && !files.Equal(wordFiles(words[0])) && !files.Equal(wordFiles(words[1])) {
			t.Errorf("%s: revision %d is a mix: %v", when, rev.Number, files)
		}
	}
	if pointers.Startup > 0 {
		if _, err := s.Files(pointers.Startup); err != nil {
			t.Errorf("%s: startup: %v", when, err)
		}
	}
}
