package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Linux' input event codes (linux/input-event-codes.h).
const (
	evKey    = 1
	keyPower = 116
)

// inputEventSize is struct input_event on 64-bit machines: two 64-bit words of
// time, then type, code (16 bits) and value (32 bits).
const inputEventSize = 24

// buttons reads the input devices that have a power key.
type buttons struct {
	actions chan<- action

	mu   sync.Mutex      // guards seen
	seen map[string]bool // device paths
}

func newButtons(actions chan<- action) *buttons {
	return &buttons{actions: actions, seen: map[string]bool{}}
}

// watch starts to read the device at path unless it has no power key or is read
// already. The goroutine ends when the device goes away.
func (b *buttons) watch(path string) {
	name := filepath.Base(path)
	caps, err := os.ReadFile(filepath.Join("/sys/class/input", name, "device/capabilities/key"))
	if err != nil || !hasBit(string(caps), keyPower) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen[path] {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		slog.Warn("open power button", "err", err)
		return
	}
	b.seen[path] = true
	guarded(func() {
		defer f.Close()
		err := readButton(f, func() { b.actions <- actionPoweroff })
		slog.Warn("power button is gone", "device", path, "err", err)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.seen, path)
	})
}

// readButton calls pressed for each press of the power key until r fails.
func readButton(r io.Reader, pressed func()) error {
	var e [inputEventSize]byte
	for {
		if _, err := io.ReadFull(r, e[:]); err != nil {
			return err
		}
		kind, code := binary.NativeEndian.Uint16(e[16:]), binary.NativeEndian.Uint16(e[18:])
		if kind == evKey && code == keyPower && binary.NativeEndian.Uint32(e[20:]) == 1 {
			pressed()
		}
	}
}

// hasBit reads a bitmap as sysfs prints it: hexadecimal 64-bit words, highest
// first.
func hasBit(bitmap string, bit int) bool {
	words := strings.Fields(bitmap)
	i := len(words) - 1 - bit/64
	if i < 0 {
		return false
	}
	w, err := strconv.ParseUint(words[i], 16, 64)
	return err == nil && w>>(bit%64)&1 == 1
}

// watchButtons looks at the devices that are there; later ones come by hotplug.
func (m *machine) watchButtons(context.Context) error {
	devices, err := filepath.Glob("/dev/input/event*")
	if err != nil {
		return err
	}
	for _, d := range devices {
		m.buttons.watch(d)
	}
	return nil
}

// signalActions says what each signal to process 1 does. Ctrl-Alt-Del arrives as
// SIGINT. u-root's shutdown commands send the others, as busybox' do.
var signalActions = map[os.Signal]action{
	unix.SIGINT:  actionReboot,
	unix.SIGTERM: actionReboot,
	unix.SIGPWR:  actionPoweroff,
	unix.SIGUSR1: actionPoweroff,
	unix.SIGUSR2: actionPoweroff,
}

// catchSignals turns signals into actions, and Ctrl-Alt-Del into a signal.
func (m *machine) catchSignals(context.Context) error {
	c := make(chan os.Signal, 8)
	for sig := range signalActions {
		signal.Notify(c, sig)
	}
	signal.Ignore(unix.SIGHUP, unix.SIGPIPE)
	guarded(func() {
		for sig := range c {
			slog.Info("signal", "signal", sig)
			m.actions <- signalActions[sig]
		}
	})
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF); err != nil {
		return fmt.Errorf("take over Ctrl-Alt-Del: %w", err)
	}
	return nil
}
