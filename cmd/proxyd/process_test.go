package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/ci/loopback"
	"golang.org/x/sys/unix"
)

const patience = 15 * time.Second

// TestMain lets the test binary be proxyd: signals, descriptors and exit codes
// need a process of their own.
func TestMain(m *testing.M) {
	if os.Getenv("PROXYD_TEST_MAIN") == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a running proxyd.
type process struct {
	*exec.Cmd
	out  bytes.Buffer // written until wait
	done chan error
}

// proxyd prepares a process; env are additions.
func proxyd(env []string, args ...string) *process {
	p := &process{Cmd: exec.Command(os.Args[0], args...), done: make(chan error, 1)}
	p.Env = append(os.Environ(), "PROXYD_TEST_MAIN=1")
	p.Env = append(p.Env, env...)
	p.Stdout, p.Stderr = &p.out, &p.out
	return p
}

func (p *process) start(t *testing.T) *process {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.Wait() }()
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

// exit waits for the end of the process and returns its exit code.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
		return p.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatal("proxyd does not end")
		return -1
	}
}

func (p *process) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// notifySocket is a service manager's end of sd_notify(3).
type notifySocket struct {
	*net.UnixConn
	path string
	fds  []int // stored so far
}

func listenNotify(t *testing.T) *notifySocket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	n := &notifySocket{UnixConn: conn, path: path}
	t.Cleanup(func() {
		_ = conn.Close()
		for _, fd := range n.fds {
			_ = unix.Close(fd)
		}
	})
	return n
}

// await reads messages until one has want as a line.
func (n *notifySocket) await(t *testing.T, want string) string {
	t.Helper()
	_ = n.SetReadDeadline(time.Now().Add(patience))
	buf, oob := make([]byte, 4096), make([]byte, 512)
	for {
		m, k, _, _, err := n.ReadMsgUnix(buf, oob)
		if err != nil {
			t.Fatalf("no message with %q: %v", want, err)
		}
		if k > 0 {
			messages, _ := unix.ParseSocketControlMessage(oob[:k])
			for _, c := range messages {
				fds, _ := unix.ParseUnixRights(&c)
				n.fds = append(n.fds, fds...)
			}
		}
		for line := range strings.Lines(string(buf[:m])) {
			if strings.TrimSpace(line) == want {
				return string(buf[:m])
			}
		}
	}
}

// freeAddr finds an address for a bind line.
func freeAddr(t *testing.T) netip.AddrPort {
	t.Helper()
	addr, err := loopback.Free()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// greeter serves connections with one line, its name, until the peer closes.
func greeter(t *testing.T, name string) string {
	t.Helper()
	return serveEach(t, func(c net.Conn) {
		fmt.Fprint(c, name)
		_, _ = io.Copy(io.Discard, c)
	})
}

// serveEach serves each connection on a goroutine, until the test ends, and returns
// the address.
func serveEach(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go loopback.Serve(l, serve)
	return l.Addr().String()
}

// writeConfig writes a configuration whose listener at addr leads to server.
func writeConfig(t *testing.T, path string, addr netip.AddrPort, server string) {
	t.Helper()
	text := fmt.Sprintf("listen test\n  mode tcp\n  timeout client 1m\n  timeout server 1m\n  timeout connect 5s\n"+
		"  bind %s\n  server s %s\n", addr, server)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// greet connects to addr and returns the greeting of n bytes and the connection.
func greet(t *testing.T, addr netip.AddrPort, n int) (string, net.Conn) {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return string(b), c
}
