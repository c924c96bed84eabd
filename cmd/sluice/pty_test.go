package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childVariable makes the test binary be sluice, with its sockets and unit files in
// the directory it names.
const childVariable = "SLUICE_TEST_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	s := newShell(os.Stdin, os.Stdout, os.Stderr)
	s.places = places{runDir: dir, unitDir: dir, cmdline: filepath.Join(dir, "cmdline")}
	var err error
	if len(os.Args) > 1 {
		err = s.execute(ctx, os.Args[1:])
	} else {
		err = s.console(ctx)
	}
	s.term.cooked()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sluice:", err)
	}
	os.Exit(exitStatus(err))
}

// patience is how long a test waits for the console before it fails.
const patience = 20 * time.Second

// tty is sluice running on a pseudo terminal.
type tty struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	ended  chan error

	mu     sync.Mutex // guards all below
	more   *sync.Cond
	output bytes.Buffer
	read   int // how much of output was expected already
	closed bool
}

// startTTY runs sluice with args, sockets in dir, on a terminal of the size, which
// may be 0 for a serial line.
func startTTY(t *testing.T, dir string, columns, rows int, args ...string) *tty {
	t.Helper()
	master, slave := openPTY(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)}); err != nil {
		t.Fatal(err)
	}
	c := &tty{t: t, master: master, ended: make(chan error, 1)}
	c.more = sync.NewCond(&c.mu)
	c.cmd = exec.Command(os.Args[0], args...)
	c.cmd.Env = append(os.Environ(), childVariable+"="+dir, "TERM=dumb")
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = slave, slave, slave
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	go c.collect()
	go func() { c.ended <- c.cmd.Wait() }()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = master.Close()
		if t.Failed() {
			t.Logf("the console showed:\n%s", c.text())
		}
	})
	return c
}

func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

func (c *tty) collect() {
	buf := make([]byte, 4096)
	for {
		n, err := c.master.Read(buf)
		c.mu.Lock()
		c.output.Write(buf[:n])
		c.closed = err != nil
		c.more.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// text is what the console has shown, with ordinary line ends.
func (c *tty) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ReplaceAll(c.output.String(), "\r\n", "\n")
}

func (c *tty) send(keys string) {
	c.t.Helper()
	if _, err := c.master.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// expect waits for want in what was not expected yet and returns what came before
// it.
func (c *tty) expect(want string) string {
	c.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		c.mu.Lock()
		late = true
		c.more.Broadcast()
		c.mu.Unlock()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	want = strings.ReplaceAll(want, "\n", "\r\n")
	for {
		rest := c.output.Bytes()[c.read:]
		if i := bytes.Index(rest, []byte(want)); i >= 0 {
			c.read += i + len(want)
			return strings.ReplaceAll(string(rest[:i]), "\r\n", "\n")
		}
		if late || c.closed {
			c.t.Fatalf("the console does not show %q but\n%q", want, rest)
		}
		c.more.Wait()
	}
}

// dialog expects and sends in turn: each pair is what to wait for and what to type
// then.
func (c *tty) dialog(pairs ...[2]string) {
	c.t.Helper()
	for _, p := range pairs {
		c.expect(p[0])
		c.send(p[1])
	}
}

// exit waits for the end of the process and returns its status.
func (c *tty) exit() int {
	c.t.Helper()
	select {
	case err := <-c.ended:
		if status := (*exec.ExitError)(nil); err != nil && !errors.As(err, &status) {
			c.t.Fatal(err)
		}
		return c.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		c.t.Fatal("the console does not end")
	}
	return -1
}
