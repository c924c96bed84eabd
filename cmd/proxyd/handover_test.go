package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/ci/judge"
	"golang.org/x/sys/unix"
)

// site is a configuration that several processes serve one after the other: on TCP
// with and without an interface, on a UNIX socket and on an abstract one.
type site struct {
	t        *testing.T
	config   string
	socket   string         // control socket
	addr     netip.AddrPort // of the TCP bind
	targets  [][2]string    // networks and addresses to connect to
	served   atomic.Int64
	failures chan error
}

func newSite(t *testing.T, global string) *site {
	dir := t.TempDir()
	s := &site{t: t, config: filepath.Join(dir, "proxy.cfg"), socket: filepath.Join(dir, "ctl"), addr: freeAddr(t), failures: make(chan error, 1)}
	front, abstract, second := filepath.Join(dir, "front"), fmt.Sprintf("proxyd-%d-%d", os.Getpid(), s.addr.Port()), freeAddr(t)
	s.targets = [][2]string{
		{"tcp", s.addr.String()}, {"tcp", second.String()},
		{"unix", front}, {"unix", abstractName(abstract)},
	}
	text := fmt.Sprintf("global\n  stats socket %s level admin expose-fd listeners\n  nbthread 2\n  maxconn 200\n%s", s.socket, global) +
		"defaults\n  mode tcp\n  timeout client 1m\n  timeout server 1m\n  timeout connect 5s\n" +
		fmt.Sprintf("listen test\n  bind %s\n  bind %s interface lo\n  bind unix@%s\n  bind abns@%s\n", s.addr, second, front, abstract) +
		"  log " + discardLog(t) + " local0\n  server s " + echo(t) + "\n"
	if err := os.WriteFile(s.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// abstractName is the address of "abns@name", which HAProxy fills with NUL.
func abstractName(name string) string {
	return "@" + name + strings.Repeat("\x00", len(unix.RawSockaddrUnix{}.Path)-1-len(name))
}

// discardLog is a log server that nobody reads.
func discardLog(t *testing.T) string {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.LocalAddr().String()
}

// echo is a server that greets with a line and sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	return serveEach(t, func(c net.Conn) {
		fmt.Fprintln(c, "hello")
		_, _ = io.Copy(c, c)
	})
}

// begin starts a process on the site, proxyd or haproxy, and returns when it
// answers on the control socket.
func (s *site) begin(program string, args ...string) *process {
	s.t.Helper()
	args = append([]string{"-db", "-f", s.config}, args...)
	p := proxyd(nil, args...)
	if program == "haproxy" {
		p.Cmd = exec.Command(judge.HAProxy(s.t), args...)
		p.Stdout, p.Stderr = &p.out, &p.out
	}
	p.start(s.t)
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		if s.servesAt(p.Process.Pid) {
			return p
		}
		select {
		case <-p.done:
			s.t.Fatalf("%s ended:\n%s", program, p.out.String())
		default:
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s does not answer", program)
		}
	}
}

// servesAt reports whether the control socket is that of process pid.
func (s *site) servesAt(pid int) bool {
	c, err := net.Dial("unix", s.socket)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, "show info")
	b, _ := io.ReadAll(c)
	return strings.Contains(string(b), fmt.Sprintf("\nPid: %d\n", pid))
}

// visit is one whole session at a target.
func (s *site) visit(target [2]string) error {
	c, err := net.Dial(target[0], target[1])
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := exchange(c, "hello\n"); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "ping"); err != nil {
		return err
	}
	return exchange(c, "ping")
}

func exchange(c net.Conn, want string) error {
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if string(b) != want {
		return fmt.Errorf("got %q, want %q", b, want)
	}
	return nil
}

// load visits all targets over and over until the returned function is called,
// which fails the test if any visit failed.
func (s *site) load() (stop func()) {
	var wg sync.WaitGroup
	ended := make(chan struct{})
	for _, target := range s.targets {
		wg.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				err := s.visit(target)
				if errors.Is(err, syscall.EAGAIN) { // the backlog of a UNIX socket is full
					continue
				}
				if err != nil {
					select {
					case s.failures <- fmt.Errorf("%s: %w", target[1], err):
					default:
					}
					return
				}
				s.served.Add(1)
			}
		})
	}
	return func() {
		s.t.Helper()
		close(ended)
		wg.Wait()
		select {
		case err := <-s.failures:
			s.t.Errorf("after %d sessions: %v", s.served.Load(), err)
		default:
		}
	}
}

// more waits for n more sessions to be served, or for one to fail.
func (s *site) more(n int64) {
	s.t.Helper()
	limit := time.Now().Add(patience)
	for want := s.served.Load() + n; s.served.Load() < want; time.Sleep(2 * time.Millisecond) {
		if len(s.failures) > 0 || time.Now().After(limit) {
			return
		}
	}
}

// listening are the inodes of the sockets that listen at the site's address: one,
// as long as it is passed on.
func (s *site) listening() []string {
	s.t.Helper()
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	ip := s.addr.Addr().As4()
	local := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), s.addr.Port())
	var inodes []string
	for in := bufio.NewScanner(f); in.Scan(); {
		f := strings.Fields(in.Text())
		if len(f) > 9 && f[1] == local && f[3] == "0A" {
			inodes = append(inodes, f[9])
		}
	}
	return inodes
}

// Each process takes the listening sockets over from the one before, under load.
// None of the connections is refused or reset, and the old process ends with its
// last session.
func TestListenersAreHandedOver(t *testing.T) {
	for _, programs := range [][]string{{"proxyd", "proxyd", "proxyd"}, {"haproxy", "proxyd", "haproxy"}} {
		t.Run(strings.Join(programs, " to "), func(t *testing.T) {
			s := newSite(t, "")
			old := s.begin(programs[0])
			socket := s.listening()
			stop := s.load()
			defer stop()
			for _, program := range programs[1:] {
				held, err := net.Dial("tcp", s.targets[0][1])
				if err != nil {
					t.Fatal(err)
				}
				defer held.Close()
				_ = held.SetDeadline(time.Now().Add(patience))
				if err := exchange(held, "hello\n"); err != nil {
					t.Fatal(err)
				}
				s.more(50)
				next := s.begin(program, "-x", s.socket, "-sf", strconv.Itoa(old.Process.Pid))
				s.more(200)
				if now := s.listening(); len(now) != 1 || now[0] != socket[0] {
					t.Errorf("%s listens at sockets %v, before %v", program, now, socket)
				}
				select {
				case <-old.done:
					t.Fatalf("the old process has left a session behind:\n%s", old.out.String())
				default:
				}
				if _, err := io.WriteString(held, "still there"); err != nil {
					t.Error(err)
				}
				if err := exchange(held, "still there"); err != nil {
					t.Errorf("session of the old process: %v", err)
				}
				_ = held.Close()
				old.exit(t)
				s.more(50)
				old = next
			}
		})
	}
}

// An old process that cannot end softly ends after "hard-stop-after", and -st ends
// it at once.
func TestPredecessorIsStopped(t *testing.T) {
	for _, how := range []string{"-sf", "-st"} {
		global := ""
		if how == "-sf" {
			global = "  hard-stop-after 50ms\n"
		}
		s := newSite(t, global)
		old := s.begin("proxyd")
		held, err := net.Dial("tcp", s.targets[0][1])
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		if err := exchange(held, "hello\n"); err != nil {
			t.Fatal(err)
		}
		s.begin("proxyd", "-x", s.socket, how, strconv.Itoa(old.Process.Pid))
		old.exit(t)
		_ = held.SetDeadline(time.Now().Add(patience))
		if n, err := held.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: read %d bytes from a session that was killed", how, n)
		}
		for _, target := range s.targets {
			if err := s.visit(target); err != nil {
				t.Errorf("%s: %s: %v", how, target[1], err)
			}
		}
	}
}

// A process that gets no sockets does not start: it would steal the port from one
// that has not been told to stop. "/dev/null" asks for none.
func TestTakeoverRefused(t *testing.T) {
	s := newSite(t, "")
	closed := filepath.Join(t.TempDir(), "closed")
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	extra := strings.Replace(string(text), "global\n", "global\n  stats socket "+closed+" level admin\n", 1)
	if err := os.WriteFile(s.config, []byte(extra), 0o644); err != nil {
		t.Fatal(err)
	}
	s.begin("proxyd")
	for _, path := range []string{closed, filepath.Join(t.TempDir(), "nobody")} {
		p := proxyd(nil, "-db", "-f", s.config, "-x", path).start(t)
		if code := p.exit(t); code != 1 || !strings.Contains(p.out.String(), "Failed to get the sockets from the old process!") {
			t.Errorf("-x %s: exit code %d and\n%s", path, code, p.out.String())
		}
	}
	other := newSite(t, "")
	other.begin("proxyd", "-x", "/dev/null")
}
