package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// action is what becomes of the machine.
type action int

const (
	actionPoweroff action = iota
	actionReboot
)

// String names the action for people.
func (a action) String() string { return [...]string{"power off", "reboot"}[a] }

// stopLimit bounds the orderly stop of all units.
const stopLimit = 60 * time.Second

// shutdown ends everything in order. It returns only when reboot(2) failed.
func (m *machine) shutdown(ctx context.Context, a action) error {
	slog.Info("shutdown", "action", a)
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	if err := m.sup.Shutdown(ctx); err != nil {
		slog.Error("shutdown", "err", err)
	}
	m.dog.lastFeed()
	return finish(a)
}

// finish is the one exit of process 1: kill what is left, write everything back,
// power off or reboot.
func finish(a action) error {
	killAll()
	unix.Sync()
	if err := unmountAll(); err != nil {
		slog.Error("shutdown", "err", err)
	}
	unix.Sync()
	cmd := unix.LINUX_REBOOT_CMD_RESTART
	if a == actionPoweroff {
		cmd = unix.LINUX_REBOOT_CMD_POWER_OFF
	}
	if err := unix.Reboot(cmd); err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return errors.New("reboot(2) returned")
}

// killAll kills every process but this one and the kernel's. Units have stopped
// before, so nobody is left who would want a signal he can handle.
func killAll() {
	if os.Getpid() == 1 {
		_ = unix.Kill(-1, unix.SIGKILL)
	}
}

// setPanic makes the kernel reboot when process 1 dies although panic= was not
// given.
func setPanic(dir string) error {
	file := filepath.Join(dir, "panic")
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read kernel.panic: %w", err)
	}
	if n, _ := strconv.Atoi(oneLine(string(text))); n != 0 {
		return nil
	}
	if err := os.WriteFile(file, []byte("10"), 0); err != nil {
		return fmt.Errorf("set kernel.panic: %w", err)
	}
	return nil
}
