package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// How reading a line can end without a line. The end of input by ctrl-d is io.EOF.
var (
	errInterrupt = errors.New("interrupted")
	errHangup    = errors.New("the terminal is gone")
)

// defaultColumns is assumed where a terminal knows no size: a serial line says 0.
const defaultColumns = 80

// terminal is a tty on which lines are edited. Its mode is changed while lines
// are read and given back before a command runs (cooked), so commands see an
// ordinary terminal. Output processing stays on in both modes.
//
// Bytes are read one by one: what was typed ahead belongs to whoever reads next,
// such as the rescue shell.
type terminal struct {
	in  *os.File
	out io.Writer

	// Owned by the goroutine that reads.
	before  unix.Termios
	raw     bool
	history []string // oldest first, of this session
}

// historyLimit is the number of lines that are remembered.
const historyLimit = 200

// openTerminal returns nil if in is not a terminal.
func openTerminal(in io.Reader, out io.Writer) *terminal {
	f, ok := in.(*os.File)
	if !ok {
		return nil
	}
	mode, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil
	}
	return &terminal{in: f, out: out, before: *mode}
}

// editing prepares the terminal for reading keys. XON and XOFF keep working, for
// real terminals on slow lines need them.
func (t *terminal) editing() error {
	if t.raw {
		return nil
	}
	mode := t.before
	mode.Lflag &^= unix.ICANON | unix.ECHO | unix.ECHONL | unix.ISIG | unix.IEXTEN
	mode.Iflag |= unix.ICRNL
	mode.Iflag &^= unix.ISTRIP | unix.INLCR | unix.IGNCR
	mode.Oflag |= unix.OPOST | unix.ONLCR
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(t.in.Fd()), unix.TCSETS, &mode); err != nil {
		return fmt.Errorf("set terminal mode: %w", err)
	}
	t.raw = true
	return nil
}

// cooked gives the terminal back as it was found.
func (t *terminal) cooked() {
	if t == nil || !t.raw {
		return
	}
	_ = unix.IoctlSetTermios(int(t.in.Fd()), unix.TCSETS, &t.before)
	t.raw = false
}

// columns returns the width of the screen.
func (t *terminal) columns() int {
	if t == nil {
		return defaultColumns
	}
	size, err := unix.IoctlGetWinsize(int(t.in.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return defaultColumns
	}
	return int(size.Col)
}

func (t *terminal) remember(line string) {
	if n := len(t.history); line == "" || n > 0 && t.history[n-1] == line {
		return
	}
	t.history = append(t.history, line)
	if over := len(t.history) - historyLimit; over > 0 {
		t.history = t.history[over:]
	}
}

// readByte waits for a byte, for ctx's end (io.EOF), or for milliseconds unless
// they are negative (ok is false then).
func (t *terminal) readByte(ctx context.Context, milliseconds int) (b byte, ok bool, err error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return 0, false, fmt.Errorf("make wake-up descriptor: %w", err)
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	defer func() {
		if !stop() {
			<-stopped
		}
		_ = unix.Close(wake)
	}()
	fds := []unix.PollFd{{Fd: int32(t.in.Fd()), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, milliseconds)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, false, fmt.Errorf("wait for the terminal: %w", err)
		case n == 0:
			return 0, false, nil
		case fds[1].Revents != 0:
			return 0, false, io.EOF
		}
		var buf [1]byte
		got, err := unix.Read(int(t.in.Fd()), buf[:])
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil || got == 0:
			return 0, false, errHangup
		}
		return buf[0], true, nil
	}
}
