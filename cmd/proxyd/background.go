package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// readyVariable marks the child of -D; its value is the descriptor on which the
// child says that it serves.
const readyVariable = "PROXYD_READY_FD"

func isDaemonChild() bool { return os.Getenv(readyVariable) != "" }

// daemonize starts the program again in a session of its own and returns when
// that one serves, or with an error if it ended before. Go programs cannot fork.
func daemonize(ctx context.Context, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), readyVariable+"=3")
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return fmt.Errorf("start in background: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	defer stop()
	if b, _ := io.ReadAll(r); len(b) > 0 {
		return cmd.Process.Release()
	}
	if err := cmd.Wait(); err != nil {
		return errors.New("the background process did not start; see the messages above")
	}
	return nil
}

// tellParent ends the wait of the process that -D was given to, and lets its
// terminal go.
func tellParent() error {
	if !isDaemonChild() {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return fmt.Errorf("leave the terminal: %w", err)
		}
	}
	w := os.NewFile(3, readyVariable)
	defer w.Close()
	_, err = w.WriteString("1")
	return err
}
