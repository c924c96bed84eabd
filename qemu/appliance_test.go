package qemu

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sluice-lb/sluice/image"
)

// vipAddr is where clients find the databases.
const vipAddr = "198.18.0.10:3306"

// bootTimeout is generous: GRUB alone takes a quarter of a minute under TCG.
const bootTimeout = 4 * time.Minute

// initStarted is init's first line on the console; the groups are how long the
// kernel and init had been running then, in milliseconds.
var initStarted = regexp.MustCompile(`boot step=\S+ kernel_ms=(\d+) init_ms=(\d+)`)

// askEvery is how often the host asks whether the VIP is there. Questions without
// a pause would cost the booting machine more than its boot.
const askEvery = 20 * time.Millisecond

// appliance is a booted machine with everything around it.
type appliance struct {
	lab     *Lab
	vm      *VM
	client  *Netns // reaches the appliance only
	admin   *Netns // asks the servers directly
	servers []*MariaDB
	db      *sql.DB // from client through the VIP; each use is a new connection
	boot    bootTimes
	marker  int // number of the last shell command

	logsOnConsole bool // the console shows the services' log lines, too
}

// bootTimes are measured by the host's clock.
type bootTimes struct {
	powerToInit time.Duration // firmware, boot loader and kernel
	kernel      time.Duration // kernel alone, by its own clock
	initToARP   time.Duration // until the VIP answers ARP
	initToTCP   time.Duration // until the VIP takes a connection
}

// stories are told on one machine, one after the other, as a boot costs half a
// minute. Each starts with idle servers and the factory configuration.
var stories = []struct {
	name string
	tell func(*testing.T, *appliance)
}{
	{"the VIP answers ARP", storyARP},
	{"the boot is quick and small", storyBoot},
	{"held connections are spread", storySpread},
	{"peers see the appliance", storyPeers},
	{"the mysql command works", storyMySQLCommand},
	{"a large result arrives whole", storyLargeResult},
	{"a half-closed connection delivers", storyHalfClose},
	{"a stopped server is avoided", storyStoppedServer},
	{"an unplugged server is avoided", storyUnpluggedServer},
	{"a killed proxy loses no attempt", storyKilledProxy},
	{"a reload breaks nothing", storyReload},
	{"a broken file is refused", storyBrokenFile},
	{"the power button ends in order", storyPowerButton},
}

func TestAppliance(t *testing.T) {
	full(t)
	a := bootAppliance(t, BIOS, false)
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			a.explain(t)
			a.settle(t)
			s.tell(t, a)
		})
	}
}

func TestApplianceOnUEFI(t *testing.T) {
	full(t)
	a := bootAppliance(t, UEFI, true)
	storyBoot(t, a)
	storySpread(t, a)
	storyPowerButton(t, a)
}

// explain shows the console's end when t fails.
func (a *appliance) explain(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(a.vm.Console.Tail(60))
		}
	})
}

// bootAppliance builds the lab, boots a disk made of the built image and the
// candidate configurations, and waits until the VIP serves MySQL. With
// logsOnConsole the services' log lines are on the console, too.
func bootAppliance(t *testing.T, fw Firmware, logsOnConsole bool) *appliance {
	t.Helper()
	a, about := newAppliance(t)
	a.logsOnConsole = logsOnConsole
	ctx := testContext(t, 15*time.Minute)
	cmdline := "sluice.console=open"
	if logsOnConsole {
		cmdline += " sluice.log=console"
	}
	accel := PickAccelerator()
	t.Logf("%s, %s (%s), %s", fw, accel.Name, accel.Reason, about)
	powerOn := time.Now()
	var err error
	a.vm, err = a.lab.Boot(Config{Name: "sluice", Firmware: fw, MemoryMB: 256, Disk: testDisk(t, cmdline)})
	if err != nil {
		t.Fatal(err)
	}
	a.explain(t)
	a.boot = a.awaitBoot(ctx, t, powerOn)
	if err := AwaitGreeting(ctx, a.client.DialContext, vipAddr); err != nil {
		t.Fatalf("MySQL through the VIP: %v", err)
	}
	a.enterShell(ctx, t)
	return a
}

// newAppliance builds everything around a machine that is not there yet. about
// describes the container engine.
func newAppliance(t *testing.T) (a *appliance, about string) {
	t.Helper()
	lab := newLab(t)
	ctx := testContext(t, 15*time.Minute)
	a = &appliance{lab: lab}
	engine, err := lab.OpenEngine(ctx, buildDir(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.EnsureMariaDB(ctx, buildDir(t), func(s string) { t.Log(s) }); err != nil {
		t.Fatal(err)
	}
	if a.servers, err = lab.StartServers(ctx, engine); err != nil {
		t.Fatal(err)
	}
	if a.client, err = lab.AddClient(); err != nil {
		t.Fatal(err)
	}
	if a.admin, err = lab.AddHost("admin", netip.MustParsePrefix("198.18.0.101/24")); err != nil {
		t.Fatal(err)
	}
	a.db = openMySQL(t, a.client, vipAddr)
	return a, engine.About
}

// testDisk writes a disk image for one machine.
func testDisk(t *testing.T, cmdline string) string {
	t.Helper()
	build := buildDir(t)
	site := fstest.MapFS{}
	for name, text := range candidates {
		site["etc/sluice/lab/"+name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	path := filepath.Join(t.TempDir(), "sluice.raw")
	err := image.WriteDisk(t.Context(), path, image.Disk{
		Kernel: filepath.Join(build, "vmlinuz"), Initramfs: initramfs(t), Site: site, Cmdline: cmdline})
	if err != nil {
		t.Fatalf("write disk (make image builds its parts): %v", err)
	}
	return path
}

// initramfs returns the path of the built initramfs, whatever its compression.
func initramfs(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(buildDir(t), "initramfs.cpio.*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("find the initramfs in %s (make image builds it): %q, %v", buildDir(t), found, err)
	}
	return found[0]
}

// awaitBoot takes the times of the boot.
func (a *appliance) awaitBoot(ctx context.Context, t *testing.T, powerOn time.Time) bootTimes {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	var b bootTimes
	match, err := a.vm.Console.Expect(ctx, initStarted, bootTimeout)
	if err != nil {
		t.Fatal(err)
	}
	var ran [2]time.Duration
	for i := range ran {
		n, err := strconv.Atoi(match[i+1])
		if err != nil {
			t.Fatal(err)
		}
		ran[i] = time.Duration(n) * time.Millisecond
	}
	b.kernel = ran[0] - ran[1]
	start := time.Now().Add(-ran[1])
	b.powerToInit = start.Sub(powerOn)
	if _, err := a.client.AskARP(ctx, hostLink, VIP, askEvery); err != nil {
		t.Fatal(err)
	}
	b.initToARP = time.Since(start)
	ask := time.NewTicker(askEvery)
	defer ask.Stop()
	for ; ; <-ask.C {
		conn, err := a.client.DialContext(ctx, "tcp", vipAddr)
		if err == nil {
			_ = conn.Close()
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("connect to the VIP: %v", err)
		}
	}
	b.initToTCP = time.Since(start)
	return b
}

// enterShell turns the console's sluice shell into a command shell.
func (a *appliance) enterShell(ctx context.Context, t *testing.T) {
	t.Helper()
	var err error
	for range 10 {
		a.marker++
		// The quotes keep the echo of what is typed from matching.
		if err := a.vm.Console.Send(fmt.Sprintf("shell\necho here''-%d\n", a.marker)); err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile(fmt.Sprintf(`here-%d`, a.marker))
		if _, err = a.vm.Console.Expect(ctx, re, 10*time.Second); err == nil {
			return
		}
	}
	t.Fatalf("no shell on the console: %v", err)
}

// sh runs a command line in the shell on the console and returns what it printed
// and its exit status.
func (a *appliance) sh(t *testing.T, line string) (string, int) {
	t.Helper()
	a.marker++
	if err := a.vm.Console.Send(fmt.Sprintf("echo begin''-%d; %s; echo end''-%d=$?\n", a.marker, line, a.marker)); err != nil {
		t.Fatal(err)
	}
	re := regexp.MustCompile(fmt.Sprintf(`(?s)begin-%d\r?\n(.*)end-%d=(\d+)`, a.marker, a.marker))
	match, err := a.vm.Console.Expect(t.Context(), re, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	status, err := strconv.Atoi(match[2])
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(match[1], "\r", ""), status
}

// mustSh is sh for a command that has to succeed.
func (a *appliance) mustSh(t *testing.T, line string) string {
	t.Helper()
	out, status := a.sh(t, line)
	if status != 0 {
		t.Fatalf("%s: exit status %d:\n%s", line, status, out)
	}
	return out
}

// settle brings back the factory configuration and waits until no connection of
// an earlier story is left on a server.
func (a *appliance) settle(t *testing.T) {
	t.Helper()
	a.use(t, "factory.cfg")
	for _, s := range a.servers {
		a.awaitSessions(t, s, 0)
	}
}

// use makes a candidate the running configuration.
func (a *appliance) use(t *testing.T, candidate string) {
	t.Helper()
	a.mustSh(t, "cp /etc/sluice/lab/"+candidate+" /etc/sluice/proxy.cfg && sluice reload")
}

// awaitSessions waits until server has exactly n connections from the appliance.
func (a *appliance) awaitSessions(t *testing.T, server *MariaDB, n int) {
	t.Helper()
	ctx := testContext(t, 30*time.Second)
	db := openMySQL(t, a.admin, server.Addr.String()+":3306")
	query := "SELECT COUNT(*) FROM information_schema.processlist WHERE host LIKE '" + ApplianceAddr.String() + ":%'"
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		got := -1
		err := db.QueryRowContext(ctx, query).Scan(&got)
		if err == nil && got == n {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s has %d connections from the appliance (%v), want %d", server.Name, got, err, n)
		}
	}
}

// fileSize returns a file's size in bytes.
func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
