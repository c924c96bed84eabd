package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// uevent is a message of the kernel about a device.
type uevent struct {
	action    string
	subsystem string
	devname   string // below /dev, or ""
	modalias  string
}

// parseUevent reads "action@path", then NAME=value, separated by NUL bytes.
func parseUevent(msg []byte) (uevent, bool) {
	fields := bytes.Split(bytes.TrimRight(msg, "\x00"), []byte{0})
	if !bytes.Contains(fields[0], []byte("@")) {
		return uevent{}, false
	}
	var e uevent
	for _, f := range fields[1:] {
		name, value, _ := strings.Cut(string(f), "=")
		switch name {
		case "ACTION":
			e.action = value
		case "SUBSYSTEM":
			e.subsystem = value
		case "DEVNAME":
			e.devname = value
		case "MODALIAS":
			e.modalias = value
		}
	}
	return e, e.action != ""
}

// ueventBuffer is large enough for a burst of devices while the boot is busy.
const ueventBuffer = 4 << 20

// startHotplug opens the loader and listens to the kernel's device messages for
// as long as the machine runs.
func (m *machine) startHotplug(context.Context) error {
	err := m.openLoader()
	fd, sockErr := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if sockErr != nil {
		return fmt.Errorf("open uevent socket: %w", sockErr)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, ueventBuffer)
	if bindErr := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); bindErr != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("bind uevent socket: %w", bindErr)
	}
	guarded(func() { m.readUevents(fd) })
	return err
}

func (m *machine) readUevents(fd int) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR || err == unix.ENOBUFS {
			continue
		}
		if err != nil {
			slog.Error("read uevent", "err", err)
			return
		}
		// Only the kernel itself has port 0.
		if nl, ok := from.(*unix.SockaddrNetlink); !ok || nl.Pid != 0 {
			continue
		}
		if e, ok := parseUevent(buf[:n]); ok && e.action == "add" {
			m.added(e)
		}
	}
}

// added handles a new device. Loading happens beside the reader, so that the
// socket never overflows behind a slow driver.
func (m *machine) added(e uevent) {
	if e.modalias != "" && m.loader != nil {
		names := m.loader.index.wanted([]string{e.modalias}, func(string) bool { return true })
		if len(names) > 0 {
			guarded(func() {
				if err := m.loader.loadAll(names); err != nil {
					slog.Warn("hotplug", "err", err)
				}
			})
		}
	}
	if e.subsystem == "block" {
		select {
		case m.blocks <- struct{}{}:
		default: // one is enough to look again
		}
	}
	if e.subsystem == "input" && strings.HasPrefix(filepath.Base(e.devname), "event") {
		m.buttons.watch(filepath.Join("/dev", e.devname))
	}
}
