package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"golang.org/x/sys/unix"
)

// The whole life under a service manager: ready, socket stored, killed, restarted
// with the stored socket, and no connection refused on the way.
func TestServiceManagerKeepsSocketOverCrash(t *testing.T) {
	n := listenNotify(t)
	addr, cfg := freeAddr(t), filepath.Join(t.TempDir(), "proxy.cfg")
	writeConfig(t, cfg, addr, greeter(t, "one"))
	env := []string{"NOTIFY_SOCKET=" + n.path, "WATCHDOG_USEC=200000"}
	p := proxyd(env, "-f", cfg).start(t)
	n.await(t, "READY=1")
	if len(n.fds) != 1 {
		t.Fatalf("%d descriptors stored, want 1", len(n.fds))
	}
	n.await(t, "WATCHDOG=1")
	greet(t, addr, 3)
	_ = p.Process.Kill()
	p.exit(t)

	// Nobody accepts now, and yet nobody is refused.
	early, err := net.Dial("tcp", addr.String())
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
	addr, cfg, socket := freeAddr(t), filepath.Join(dir, "proxy.cfg"), filepath.Join(dir, "ctl.sock")
	writeConfig(t, cfg, addr, greeter(t, "one"))
	p := proxyd([]string{"NOTIFY_SOCKET=" + n.path}, "-f", cfg, "-S", socket).start(t)
	n.await(t, "READY=1")

	writeConfig(t, cfg, addr, greeter(t, "two"))
	p.signal(t, syscall.SIGUSR2)
	n.await(t, "RELOADING=1")
	n.await(t, "READY=1")
	if got, _ := greet(t, addr, 3); got != "two" {
		t.Errorf("after SIGUSR2 greeted by %q, want two", got)
	}

	writeConfig(t, cfg, addr, greeter(t, "six"))
	if out, err := ctl.Call(t.Context(), socket, "reload", nil); err != nil || out != "Success=1\n" {
		t.Errorf("reload = %q, %v", out, err)
	}
	if got, _ := greet(t, addr, 3); got != "six" {
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
	if got, _ := greet(t, addr, 3); got != "six" {
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
	addr, cfg, socket := freeAddr(t), filepath.Join(dir, "proxy.cfg"), filepath.Join(dir, "ctl.sock")
	write := func(level string, addr netip.AddrPort, server string) {
		t.Helper()
		writeConfig(t, cfg, addr, server)
		text, err := os.ReadFile(cfg)
		if err != nil {
			t.Fatal(err)
		}
		text = append([]byte("global\n  stats socket "+socket+" "+level+"\n"), text...)
		if err := os.WriteFile(cfg, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("level admin", addr, greeter(t, "one"))
	p := proxyd([]string{"NOTIFY_SOCKET=" + n.path}, "-f", cfg).start(t)
	n.await(t, "READY=1")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	two := greeter(t, "two")
	for _, bad := range []func(){
		func() { write("level admin user no-such-user-here", addr, two) },
		func() { write("level operator", netip.MustParseAddrPort(taken.Addr().String()), two) },
	} {
		bad()
		if _, err := ctl.Call(t.Context(), socket, "reload", nil); err == nil || !strings.Contains(err.Error(), "reload refused") {
			t.Errorf("reload: %v, want a refusal", err)
		}
		if got, _ := greet(t, addr, 3); got != "one" {
			t.Errorf("after the refused reload greeted by %q, want one", got)
		}
	}
	write("level operator", addr, two)
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

// A stats socket belongs to the user and group of its line, named or numbered, and
// closes a connection that is silent for "stats timeout".
func TestStatsSocketOwnerAndTimeout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctl.sock")
	text := fmt.Sprintf("global\n stats socket %s mode 640 uid %d gid %d\n stats timeout 20ms\n", path, os.Getuid(), os.Getgid())
	conf, _, err := config.Parse([]config.Source{{Name: "a.cfg", Text: []byte(text)}}, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newSockets(nil, nil)
	t.Cleanup(s.close)
	if err := s.open(nil, conf); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("stat %s = %v, %v, want mode 640", path, info, err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("reading from a silent connection = %d, %v, want the end after 20 ms", n, err)
	}
}

func TestSoftStopWaitsForSessions(t *testing.T) {
	n := listenNotify(t)
	addr, cfg := freeAddr(t), filepath.Join(t.TempDir(), "proxy.cfg")
	writeConfig(t, cfg, addr, greeter(t, "one"))
	p := proxyd([]string{"NOTIFY_SOCKET=" + n.path}, "-f", cfg).start(t)
	n.await(t, "READY=1")
	_, c := greet(t, addr, 3)
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
	addr, cfg := freeAddr(t), filepath.Join(t.TempDir(), "proxy.cfg")
	writeConfig(t, cfg, addr, greeter(t, "one"))
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
	greet(t, addr, 3)
	second.signal(t, syscall.SIGTERM)
	second.exit(t)
}

func TestDaemonReturnsWhenServing(t *testing.T) {
	dir := t.TempDir()
	addr, cfg, pidfile := freeAddr(t), filepath.Join(dir, "proxy.cfg"), filepath.Join(dir, "pid")
	writeConfig(t, cfg, addr, greeter(t, "one"))
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
	greet(t, addr, 3)

	// A second one cannot take the port of a socket without SO_REUSEPORT.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	writeConfig(t, cfg, netip.MustParseAddrPort(l.Addr().String()), "127.0.0.1:1")
	bad := proxyd(nil, "-D", "-f", cfg).start(t)
	if code := bad.exit(t); code != 1 || !strings.Contains(bad.out.String(), "address already in use") {
		t.Errorf("exit %d, want 1 and the reason:\n%s", code, &bad.out)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	cfg := filepath.Join(t.TempDir(), "proxy.cfg")
	writeConfig(t, cfg, freeAddr(t), "127.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"-f", cfg, "-q"}, nil, io.Discard, io.Discard); err != nil {
		t.Errorf("run() = %v", err)
	}
}
