package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/supervisor"
	uwatchdog "github.com/u-root/u-root/pkg/watchdog"
)

func TestParseCmdline(t *testing.T) {
	for _, tc := range []struct {
		words string
		want  cmdline
		err   string
	}{
		{"console=ttyS0 quiet", cmdline{}, ""},
		{"sluice.syslog=[fd00::1]:514 sluice.watchdog=off", cmdline{syslog: "[fd00::1]:514", noWatchdog: true}, ""},
		{"sluice.slot=b sluice.console=open sluice.log=console sluice.modules=off", cmdline{slot: "b", logConsole: true, noModules: true}, ""},
		{"sluice.slot=a sluice.disk=", cmdline{slot: "a"}, ""},
		{"sluice.disk=5c1d7a2e-6b0f-4d3a-9E57-534c55490002", cmdline{disk: "5c1d7a2e-6b0f-4d3a-9E57-534c55490002"}, ""},
		{"sluice.disk=vda", cmdline{}, "sluice.disk=vda"},
		{"sluice.sylog=x:1 sluice.watchdog=maybe", cmdline{}, "sluice.sylog=x:1 sluice.watchdog=maybe"},
		{"sluice.syslog=nowhere", cmdline{}, "sluice.syslog=nowhere"},
	} {
		var got cmdline
		err := got.parse(tc.words)
		if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("parse(%q) = %v, want %q", tc.words, err, tc.err)
		}
		if got.syslog != tc.want.syslog || got.noWatchdog != tc.want.noWatchdog || got.noModules != tc.want.noModules ||
			got.logConsole != tc.want.logConsole || got.slot != tc.want.slot || got.disk != tc.want.disk {
			t.Errorf("parse(%q) = %+v, want %+v", tc.words, got, tc.want)
		}
	}
}

func TestParseSysctl(t *testing.T) {
	got, err := parseSysctl("x.conf", `# comment
net.ipv4.ip_nonlocal_bind = 1
-net/ipv4/conf/eth0.5/arp_ignore=2
net.ipv4.conf.eth0/5.arp_announce = 2
../etc = 1
nonsense
`)
	want := []setting{
		{"net/ipv4/ip_nonlocal_bind", "1", false, "x.conf:2"},
		{"net/ipv4/conf/eth0.5/arp_ignore", "2", true, "x.conf:3"},
		{"net/ipv4/conf/eth0.5/arp_announce", "2", false, "x.conf:4"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(setting{})); diff != "" {
		t.Error(diff)
	}
	for _, where := range []string{"x.conf:5", "x.conf:6"} {
		if err == nil || !strings.Contains(err.Error(), where) {
			t.Errorf("parseSysctl() = %v, want a fault at %s", err, where)
		}
	}
}

// TestShippedSysctls reads the files of the overlay.
func TestShippedSysctls(t *testing.T) {
	files, err := filepath.Glob("../../overlay/usr/lib/sysctl.d/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseSysctl(f, string(text)); err != nil || len(got) == 0 {
			t.Errorf("parseSysctl(%s) = %d settings, %v", f, len(got), err)
		}
	}
}

func TestParseUevent(t *testing.T) {
	msg := "add@/devices/pci0000:00/x\x00ACTION=add\x00DEVPATH=/devices/x\x00SUBSYSTEM=virtio\x00MODALIAS=virtio:d1v2\x00SEQNUM=7\x00"
	got, ok := parseUevent([]byte(msg))
	want := uevent{action: "add", subsystem: "virtio", modalias: "virtio:d1v2"}
	if !ok || got != want {
		t.Errorf("parseUevent() = %+v, %v, want %+v", got, ok, want)
	}
	for _, bad := range []string{"", "libudev\x00\xfe\xed", "add@/x\x00"} {
		if got, ok := parseUevent([]byte(bad)); ok {
			t.Errorf("parseUevent(%q) = %+v", bad, got)
		}
	}
}

func FuzzParseUevent(f *testing.F) {
	f.Add([]byte("add@/x\x00ACTION=add\x00"))
	f.Fuzz(func(_ *testing.T, msg []byte) { parseUevent(msg) })
}

func TestPowerButton(t *testing.T) {
	event := func(kind, code uint16, value uint32) []byte {
		e := make([]byte, inputEventSize)
		binary.NativeEndian.PutUint16(e[16:], kind)
		binary.NativeEndian.PutUint16(e[18:], code)
		binary.NativeEndian.PutUint32(e[20:], value)
		return e
	}
	stream := slices.Concat(event(evKey, 30, 1), event(evKey, keyPower, 1), event(0, 0, 0), event(evKey, keyPower, 0))
	presses := 0
	if err := readButton(bytes.NewReader(stream), func() { presses++ }); !errors.Is(err, io.EOF) {
		t.Errorf("readButton() = %v", err)
	}
	if presses != 1 {
		t.Errorf("presses = %d, want 1", presses)
	}
	for _, tc := range []struct {
		caps string
		want bool
	}{
		{"10000000000000 0", true}, // the ACPI button: bit 116
		{"402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe", true}, // a PC keyboard
		{"1f0000 0 0 0 0", false}, // a mouse
		{"10000000000000", false},
		{"", false},
	} {
		if got := hasBit(tc.caps, keyPower); got != tc.want {
			t.Errorf("hasBit(%q, 116) = %v, want %v", tc.caps, got, tc.want)
		}
	}
}

// TestWatchdogFollowsHealth feeds a file while the supervisor answers, and stops
// when it does not.
func TestWatchdogFollowsHealth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "watchdog")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	defer slog.SetDefault(old)
	synctest.Test(t, func(t *testing.T) {
		d := &watchdog{dev: &uwatchdog.Watchdog{File: f}, timeout: 30 * time.Second}
		ctx, cancel := context.WithCancel(t.Context())
		var healthy atomic.Bool
		healthy.Store(true)
		go d.feed(ctx, func(ctx context.Context) error {
			if healthy.Load() {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		time.Sleep(25 * time.Second) // of the bubble's clock: beats at 0, 10, 20
		synctest.Wait()
		healthy.Store(false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		cancel()
		synctest.Wait()
	})
	if fed, err := os.ReadFile(path); err != nil || len(fed) != 3 {
		t.Errorf("fed %d times, want 3 (%v)", len(fed), err)
	}
}

// TestWatchdogLastFeed leaves the hardware alone after the last feed, although the
// supervisor still answers.
func TestWatchdogLastFeed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "watchdog")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		d := &watchdog{dev: &uwatchdog.Watchdog{File: f}, timeout: 30 * time.Second, stop: stop}
		go d.feed(ctx, func(context.Context) error { return nil })
		time.Sleep(15 * time.Second) // beats at 0, 10
		d.lastFeed()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
	})
	if fed, err := os.ReadFile(path); err != nil || len(fed) != 3 {
		t.Errorf("fed %d times, want 3 (%v)", len(fed), err)
	}
}

func TestMountPoints(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mountinfo")
	text := `22 1 0:2 / / rw - rootfs rootfs rw
23 22 0:20 / /proc rw,nosuid shared:1 - proc proc rw
24 22 259:3 / /data\040one rw,relatime - ext4 /dev/nvme0n1p4 rw
`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := mountPoints(file)
	want := []mountPoint{{"/", true}, {"/proc", true}, {"/data one", false}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("mountPoints() = %v, %v, want %v", got, err, want)
	}
}

func TestTerminals(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"tty1", "ttyS0"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	active := filepath.Join(dir, "active")
	if err := os.WriteFile(active, []byte("tty0 ttyS0 hvc7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := terminals(active, dir), []string{"tty1", "ttyS0"}; !slices.Equal(got, want) {
		t.Errorf("terminals() = %v, want %v", got, want)
	}
}

func TestSetPanic(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct{ before, after string }{{"0\n", "10"}, {"5\n", "5\n"}, {"-1\n", "-1\n"}} {
		file := filepath.Join(dir, "panic")
		if err := os.WriteFile(file, []byte(tc.before), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := setPanic(dir); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(file); string(got) != tc.after {
			t.Errorf("setPanic() with %q left %q, want %q", tc.before, got, tc.after)
		}
	}
}

func TestSettle(t *testing.T) {
	for _, tc := range []struct {
		name    string
		events  time.Duration // between them; 0: none
		settled time.Duration // 0: never
		first   bool
		want    time.Duration
	}{
		{"all are up", 0, 100 * time.Millisecond, true, 100 * time.Millisecond},
		{"one waits at a first boot", 0, 0, true, settleQuiet},
		{"one waits", 0, 0, false, settleLimit},
		{"one restarts without end", time.Second, 0, true, settleLimit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine("", io.Discard)
				ctx, cancel := context.WithCancel(t.Context())
				var events sync.WaitGroup
				defer events.Wait()
				defer cancel()
				settled := make(chan struct{})
				if tc.settled > 0 {
					time.AfterFunc(tc.settled, func() { close(settled) })
				}
				if tc.events > 0 {
					events.Go(func() {
						for ctx.Err() == nil {
							time.Sleep(tc.events)
							m.event(supervisor.Event{Kind: supervisor.EventState, Unit: "x.service"})
						}
					})
				}
				begin := time.Now()
				m.settle(settled, tc.first)
				if got := time.Since(begin); got != tc.want {
					t.Errorf("settle() took %s, want %s", got, tc.want)
				}
			})
		})
	}
}

func TestPanickingCommandIsAFailedCommand(t *testing.T) {
	table := survivable([]ctl.Command{{Name: "break", Run: func(context.Context, *ctl.Request, io.Writer) error {
		panic("of no use")
	}}})
	err := table[0].Run(t.Context(), &ctl.Request{}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), `internal fault in "break": of no use`) {
		t.Errorf("Run() = %v, want the panic as an error", err)
	}
}
