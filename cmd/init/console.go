package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// openConsole makes /dev/console the standard descriptors; the kernel could not
// where the initramfs has no such node. Log lines go there too.
func (m *machine) openConsole(context.Context) error {
	fd, err := unix.Open("/dev/console", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open console: %w", err)
	}
	defer unix.Close(fd)
	for i := range 3 {
		if err := unix.Dup3(fd, i, 0); err != nil {
			return fmt.Errorf("make console descriptor %d: %w", i, err)
		}
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(m.stderr, &slog.HandlerOptions{Level: &m.level, ReplaceAttr: plainAttr})))
	return nil
}

// plainAttr drops the time: the boot marks carry theirs, and the clock may not
// be set yet.
func plainAttr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// terminals returns the names of the terminals that get a shell: the kernel's
// consoles, with the first virtual terminal for tty0.
func terminals(activeFile, dev string) []string {
	text, err := os.ReadFile(activeFile)
	if err != nil {
		return nil
	}
	var ttys []string
	for _, name := range strings.Fields(string(text)) {
		if name == "tty0" {
			name = "tty1"
		}
		if _, err := os.Stat(filepath.Join(dev, name)); err == nil && !slices.Contains(ttys, name) {
			ttys = append(ttys, name)
		}
	}
	return ttys
}
