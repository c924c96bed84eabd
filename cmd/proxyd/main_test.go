package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/pkg/ctl"
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

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// greeter serves connections with one line, its name, until the peer closes.
func greeter(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprint(c, name)
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return l.Addr().String()
}

func writeConfig(t *testing.T, path string, port int, server string) {
	t.Helper()
	text := fmt.Sprintf("listen test\n  mode tcp\n  timeout client 1m\n  timeout server 1m\n  timeout connect 5s\n"+
		"  bind 127.0.0.1:%d\n  server s %s\n", port, server)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// greet connects to port and returns the greeting of n bytes and the connection.
func greet(t *testing.T, port, n int) (string, net.Conn) {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
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

func TestExampleIsValidAndShipped(t *testing.T) {
	shipped, err := os.ReadFile("../../overlay/etc/sluice/proxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("testdata/example.cfg")
	if diff := cmp.Diff(string(example), string(shipped)); err != nil || diff != "" {
		t.Errorf("the factory configuration is not the documented example: %v\n%s", err, diff)
	}
	p := proxyd(nil, "-c", "-f", "testdata/example.cfg").start(t)
	if code := p.exit(t); code != 0 || !strings.Contains(p.out.String(), "Configuration file is valid\n") {
		t.Errorf("exit %d:\n%s", code, &p.out)
	}
	if !strings.Contains(p.out.String(), "[WARNING] testdata/example.cfg:1:10: missing timeouts for frontend 'mysql'") {
		t.Errorf("missing timeouts are no warning:\n%s", &p.out)
	}
}

func TestSixMistakesAreSixDiagnostics(t *testing.T) {
	p := proxyd(nil, "-c", "-f", "testdata/six-mistakes.cfg").start(t)
	if code := p.exit(t); code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	var lines []int
	for _, m := range regexp.MustCompile(`(?m)^\[ALERT\] testdata/six-mistakes.cfg:(\d+):\d+: .*accepted: `).FindAllStringSubmatch(p.out.String(), -1) {
		n, _ := strconv.Atoi(m[1])
		lines = append(lines, n)
	}
	if diff := cmp.Diff([]int{3, 7, 8, 9, 13, 14}, lines); diff != "" {
		t.Errorf("lines of alerts (-want +got):\n%s\noutput:\n%s", diff, &p.out)
	}
}

func TestCommandLine(t *testing.T) {
	tests := []struct {
		args string
		code int
		want string
	}{
		{"-v", 0, "Sluice proxyd version"},
		{"-vv", 0, "Built with go"},
		{"-h", 0, "-sf PID..."},
		{"-c", 1, "no configuration file"},
		{"-x", 1, `unknown option "-x"`},
		{"-f", 1, "option -f needs FILE"},
		{"-n 0 -f x", 1, "a positive number is needed"},
		{"-c -f nowhere.cfg", 1, "nowhere.cfg"},
		{"-c -q -f testdata/example.cfg -sf 1 2 -db", 0, ""},
		{"-c -C testdata -- example.cfg", 0, "valid"},
	}
	for _, tt := range tests {
		p := proxyd(nil, strings.Fields(tt.args)...).start(t)
		if code := p.exit(t); code != tt.code || !strings.Contains(p.out.String(), tt.want) || tt.want == "" && p.out.Len() > 0 {
			t.Errorf("proxyd %s: exit %d, want %d and %q in:\n%s", tt.args, code, tt.code, tt.want, &p.out)
		}
	}
}

// The whole life under a service manager: ready, socket stored, killed, restarted
// with the stored socket, and no connection refused on the way.
func TestServiceManagerKeepsSocketOverCrash(t *testing.T) {
	n := listenNotify(t)
	port, cfg := freePort(t), filepath.Join(t.TempDir(), "proxy.cfg")
	writeConfig(t, cfg, port, greeter(t, "one"))
	env := []string{"NOTIFY_SOCKET=" + n.path, "WATCHDOG_USEC=200000"}
	p := proxyd(env, "-f", cfg).start(t)
	n.await(t, "READY=1")
	if len(n.fds) != 1 {
		t.Fatalf("%d descriptors stored, want 1", len(n.fds))
	}
	n.await(t, "WATCHDOG=1")
	greet(t, port, 3)
	_ = p.Process.Kill()
	p.exit(t)

	// Nobody accepts now, and yet nobody is refused.
	early, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	again := proxyd(env, "-f", cfg)
	again.Path, again.Args = "/bin/sh", []string{"sh", "-c", `export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=x; exec "$0" "$@"`, os.Args[0], "-f", cfg}
	again.ExtraFiles = []*os.File{os.NewFile(uintptr(n.fds[0]), "stored")}
	n.fds = nil // the file owns it
	again.start(t)
	n.await(t, "READY=1")
	_ = early.SetDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(early, make([]byte, 3)); err != nil {
		t.Errorf("the connection of the gap: %v", err)
	}
	again.signal(t, syscall.SIGTERM)
	n.await(t, "STOPPING=1")
	if code := again.exit(t); code != 0 {
		t.Errorf("exit %d after SIGTERM:\n%s", code, &again.out)
	}
}

func TestReload(t *testing.T) {
	n := listenNotify(t)
	dir := t.TempDir()
	port, cfg, socket := freePort(t), filepath.Join(dir, "proxy.cfg"), filepath.Join(dir, "ctl.sock")
	writeConfig(t, cfg, port, greeter(t, "one"))
	p := proxyd([]string{"NOTIFY_SOCKET=" + n.path}, "-f", cfg, "-S", socket).start(t)
	n.await(t, "READY=1")

	writeConfig(t, cfg, port, greeter(t, "two"))
	p.signal(t, syscall.SIGUSR2)
	n.await(t, "RELOADING=1")
	n.await(t, "READY=1")
	if got, _ := greet(t, port, 3); got != "two" {
		t.Errorf("after SIGUSR2 greeted by %q, want two", got)
	}

	writeConfig(t, cfg, port, greeter(t, "six"))
	if out, err := ctl.Call(t.Context(), socket, "reload", nil); err != nil || out != "Success=1\n" {
		t.Errorf("reload = %q, %v", out, err)
	}
	if got, _ := greet(t, port, 3); got != "six" {
		t.Errorf("after the command greeted by %q, want six", got)
	}

	if err := os.WriteFile(cfg, []byte("listen test\n  nonsense\n  more nonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := ctl.Call(t.Context(), socket, "reload", nil)
	failed := (*ctl.CommandError)(nil)
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), cfg+":2:3: ") || !strings.Contains(err.Error(), cfg+":3:3: ") {
		t.Errorf("reload of a broken file: %v, want both lines", err)
	}
	if got, _ := greet(t, port, 3); got != "six" {
		t.Errorf("after the refused reload greeted by %q, want six", got)
	}
	p.signal(t, syscall.SIGTERM)
	p.exit(t)
}

// A reload that is refused for whatever reason changes neither the proxy nor its
// control sockets.
func TestRefusedReloadKeepsSockets(t *testing.T) {
	n := listenNotify(t)
	dir := t.TempDir()
	port, cfg, socket := freePort(t), filepath.Join(dir, "proxy.cfg"), filepath.Join(dir, "ctl.sock")
	write := func(level string, port int, server string) {
		t.Helper()
		writeConfig(t, cfg, port, server)
		text, err := os.ReadFile(cfg)
		if err != nil {
			t.Fatal(err)
		}
		text = append([]byte("global\n  stats socket "+socket+" "+level+"\n"), text...)
		if err := os.WriteFile(cfg, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("level admin", port, greeter(t, "one"))
	p := proxyd([]string{"NOTIFY_SOCKET=" + n.path}, "-f", cfg).start(t)
	n.await(t, "READY=1")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	two := greeter(t, "two")
	for _, bad := range []func(){
		func() { write("level admin user no-such-user-here", port, two) },
		func() { write("level operator", taken.Addr().(*net.TCPAddr).Port, two) },
	} {
		bad()
		if _, err := ctl.Call(t.Context(), socket, "reload", nil); err == nil || !strings.Contains(err.Error(), "reload refused") {
			t.Errorf("reload: %v, want a refusal", err)
		}
		if got, _ := greet(t, port, 3); got != "one" {
			t.Errorf("after the refused reload greeted by %q, want one", got)
		}
	}
	write("level operator", port, two)
	if _, err := ctl.Call(t.Context(), socket, "reload", nil); err != nil {
		t.Errorf("reload: %v", err)
	}
	if _, err := ctl.Call(t.Context(), socket, "reload", nil); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("reload at level operator: %v", err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "ctl.sock*"))
	if diff := cmp.Diff([]string{socket}, names); err != nil || diff != "" {
		t.Errorf("files of the socket: %v (-want +got):\n%s", err, diff)
	}
	p.signal(t, syscall.SIGTERM)
	p.exit(t)
}

func TestSoftStopWaitsForSessions(t *testing.T) {
	n := listenNotify(t)
	port, cfg := freePort(t), filepath.Join(t.TempDir(), "proxy.cfg")
	writeConfig(t, cfg, port, greeter(t, "one"))
	p := proxyd([]string{"NOTIFY_SOCKET=" + n.path}, "-f", cfg).start(t)
	n.await(t, "READY=1")
	_, c := greet(t, port, 3)
	p.signal(t, syscall.SIGUSR1)
	n.await(t, "STOPPING=1")
	select {
	case <-p.done:
		t.Fatal("ended with a session open")
	default:
	}
	_ = c.Close()
	if code := p.exit(t); code != 0 {
		t.Errorf("exit %d:\n%s", code, &p.out)
	}
}

// A successor started with -sf relieves its predecessor without a gap. They are not
// under one manager: that would keep the predecessor's socket.
func TestSuccessorRelievesPredecessor(t *testing.T) {
	port, cfg := freePort(t), filepath.Join(t.TempDir(), "proxy.cfg")
	writeConfig(t, cfg, port, greeter(t, "one"))
	n := listenNotify(t)
	first := proxyd([]string{"NOTIFY_SOCKET=" + n.path}, "-f", cfg).start(t)
	n.await(t, "READY=1")
	for _, fd := range n.fds {
		_ = unix.Close(fd)
	}
	n.fds = nil
	next := listenNotify(t)
	second := proxyd([]string{"NOTIFY_SOCKET=" + next.path}, "-f", cfg, "-sf", strconv.Itoa(first.Process.Pid)).start(t)
	if code := first.exit(t); code != 0 {
		t.Errorf("predecessor: exit %d:\n%s", code, &first.out)
	}
	greet(t, port, 3)
	second.signal(t, syscall.SIGTERM)
	second.exit(t)
}

func TestDaemonReturnsWhenServing(t *testing.T) {
	dir := t.TempDir()
	port, cfg, pidfile := freePort(t), filepath.Join(dir, "proxy.cfg"), filepath.Join(dir, "pid")
	writeConfig(t, cfg, port, greeter(t, "one"))
	p := proxyd(nil, "-D", "-f", cfg, "-p", pidfile).start(t)
	if code := p.exit(t); code != 0 {
		t.Fatalf("exit %d:\n%s", code, &p.out)
	}
	text, err := os.ReadFile(pidfile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	greet(t, port, 3)

	// A second one cannot take the port of a socket without SO_REUSEPORT.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	writeConfig(t, cfg, l.Addr().(*net.TCPAddr).Port, "127.0.0.1:1")
	bad := proxyd(nil, "-D", "-f", cfg).start(t)
	if code := bad.exit(t); code != 1 || !strings.Contains(bad.out.String(), "address already in use") {
		t.Errorf("exit %d, want 1 and the reason:\n%s", code, &bad.out)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	cfg := filepath.Join(t.TempDir(), "proxy.cfg")
	writeConfig(t, cfg, freePort(t), "127.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"-f", cfg, "-q"}, nil, io.Discard, io.Discard); err != nil {
		t.Errorf("run() = %v", err)
	}
}
