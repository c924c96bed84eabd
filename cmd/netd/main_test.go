package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/netcfg"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const limit = 20 * time.Second

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCheckOnly(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.network"), "[Match]\nName=eth0\n[Network]\nAddress=198.18.0.2/24\n")
	write(t, filepath.Join(dir, "b.vip"), "[VIP]\nAddress=198.18.0.10/32\n")
	var out, errs bytes.Buffer
	if err := run(t.Context(), []string{"-c", "-config", dir}, nil, &out, &errs); err != nil {
		t.Fatal(err)
	}
	if want := "Configuration is valid: 1 network files, 1 VIPs\n"; out.String() != want {
		t.Errorf("output = %q, want %q", out.String(), want)
	}
	write(t, filepath.Join(dir, "b.vip"), "[VIP]\nAddress=198.18.0.10\nAnounce=no\n")
	err := run(t.Context(), []string{"-c", "-config", dir}, nil, &out, &errs)
	for _, want := range []string{filepath.Join(dir, "b.vip") + ":2:9: Address=: ", filepath.Join(dir, "b.vip") + ":3:1: unknown key Anounce= in [VIP] (did you mean \"Announce=\"?)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("run = %v, want %q", err, want)
		}
	}
	if err := run(t.Context(), []string{"-c", "-config", dir + "/none"}, nil, &out, &errs); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("run without directory = %v", err)
	}
	if err := run(t.Context(), []string{"-plan", "-config", dir}, nil, &out, &errs); err == nil {
		t.Error("run -plan without -c = nil, want a fault")
	}
	if err := run(t.Context(), []string{"-c", "extra"}, nil, &out, &errs); err == nil {
		t.Error("run with an argument = nil, want a fault")
	}
}

// TestMain makes the test binary be netd when it is told so, because a real
// process is needed: a network namespace belongs to all its threads.
func TestMain(m *testing.M) {
	if os.Getenv("NETD_TEST_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// startInNS starts netd in a namespace of its own that has a veth pair eth0 -
// peer0, both ends there.
func startInNS(t *testing.T, env []string, args ...string) *os.Process {
	t.Helper()
	started := make(chan error, 1)
	var p *os.Process
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and its namespace
		// lives on in the child.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			started <- err
			return
		}
		err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "peer0"}, PeerName: "eth0"})
		if err == nil {
			err = netlink.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "peer0"}})
		}
		if err == nil {
			p, err = os.StartProcess("/proc/self/exe", append([]string{"netd"}, args...), &os.ProcAttr{Env: env, Files: []*os.File{nil, os.Stderr, os.Stderr}})
		}
		started <- err
	}()
	err := <-started
	switch {
	case errors.Is(err, syscall.EPERM) && os.Getenv("SLUICE_FULL") != "1":
		t.Skipf("make network namespace: %v (root is needed)", err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill(); _, _ = p.Wait() })
	return p
}

// notifySocket is a service manager's end of sd_notify(3).
type notifySocket struct {
	t        *testing.T
	path     string
	messages chan string
}

// listenNotify reads all the time: netd waits for a manager with a full queue, and
// the kernel's holds a second of WATCHDOG=1.
func listenNotify(t *testing.T) *notifySocket {
	t.Helper()
	n := &notifySocket{t: t, path: filepath.Join(t.TempDir(), "notify"), messages: make(chan string, 10_000)}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() { // ends with conn
		buf := make([]byte, 4096)
		for {
			k, err := conn.Read(buf)
			if err != nil {
				return
			}
			n.messages <- string(buf[:k])
		}
	}()
	return n
}

func (n *notifySocket) await(prefix string) string {
	n.t.Helper()
	deadline := time.After(limit)
	for {
		select {
		case s := <-n.messages:
			if strings.HasPrefix(s, prefix) {
				return s
			}
		case <-deadline:
			n.t.Fatalf("no %q in %v", prefix, limit)
		}
	}
}

func TestService(t *testing.T) {
	dir := t.TempDir()
	config, socket := filepath.Join(dir, "network"), filepath.Join(dir, "netd.sock")
	if err := os.Mkdir(config, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(config, "10-lan.network"), "[Match]\nName=eth0\n[Network]\nAddress=198.18.0.2/24\nDNS=198.18.0.1\n")
	write(t, filepath.Join(config, "20-a.vip"), "[VIP]\nAddress=198.18.0.10/32\n")
	n := listenNotify(t)
	// The environment of a service in the appliance: nothing but this.
	env := []string{"NETD_TEST_MAIN=1", "NOTIFY_SOCKET=" + n.path, "WATCHDOG_USEC=200000"}
	p := startInNS(t, env, "-config", config, "-socket", socket, "-resolv-conf", filepath.Join(dir, "resolv.conf"), "-state", filepath.Join(dir, "state"))

	if got, want := n.await("READY=1"), "READY=1\nSTATUS=configured 1 links, 1 addresses, 1 VIPs"; got != want {
		t.Errorf("notify = %q, want %q", got, want)
	}
	n.await("WATCHDOG=1")
	call := func(cmd string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		out, err := ctl.Call(ctx, socket, cmd, nil)
		if err != nil {
			out += "failed: " + err.Error()
		}
		return out
	}
	if out := call("show network"); !strings.Contains(out, "  vip 198.18.0.10/32, ok, announced ") {
		t.Errorf("show network = %s", out)
	}
	write(t, filepath.Join(config, "20-a.vip"), "[VIP]\nAddress=198.18.0.12/32\n")
	if out, want := call("show plan"), "addr replace 198.18.0.12/32 dev eth0\naddr del 198.18.0.10/32 dev eth0\n"; out != want {
		t.Errorf("show plan = %q, want %q", out, want)
	}
	if err := p.Signal(unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	n.await("RELOADING=1\nMONOTONIC_USEC=")
	n.await("READY=1")
	if out := call("show network"); !strings.Contains(out, "vip 198.18.0.12/32, ok") || strings.Contains(out, "198.18.0.10") {
		t.Errorf("show network after SIGHUP = %s", out)
	}
	write(t, filepath.Join(config, "20-a.vip"), "[VIP]\nAddress=198.18.0.13\n[VPI]\n")
	if out := call("reload"); !strings.Contains(out, "20-a.vip:2:9: ") || !strings.Contains(out, "20-a.vip:3:2: unknown section [VPI]") {
		t.Errorf("reload of broken files = %q, want both faults", out)
	}
	if out := call("show network"); !strings.Contains(out, "vip 198.18.0.12/32, ok") {
		t.Errorf("show network after a refused reload = %s", out)
	}
	var status netcfg.Status
	if err := json.Unmarshal([]byte(call("show network json")), &status); err != nil {
		t.Fatal(err)
	}
	eth := status.Links[slices.IndexFunc(status.Links, func(l netcfg.LinkStatus) bool { return l.Name == "eth0" })]
	if !status.Ready || status.Counters.RefusedReloads != 1 || !eth.Carrier || len(eth.Addresses) < 2 || eth.Addresses[1].Origin != "vip" ||
		eth.Addresses[1].Address.String() != "198.18.0.12/32" || status.Time.State != "off" || len(status.DNS) != 1 {
		t.Errorf("show network json = %+v", status)
	}
	if out := call("show time"); out != "time: off\nsteps: 0\n" {
		t.Errorf("show time = %q", out)
	}
	other := filepath.Join(dir, "a plan;")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(other, "10-lan.network"), "[Match]\nName=eth0\n[Network]\nAddress=198.18.0.2/24\nDHCP=yes\n")
	var plan bytes.Buffer
	if err := run(t.Context(), []string{"-c", "-plan", "-config", other, "-socket", socket}, nil, &plan, io.Discard); err != nil {
		t.Error(err)
	}
	if want := "Configuration is valid: 1 network files, 0 VIPs\naddr del 198.18.0.12/32 dev eth0\ndhcp4 start dev eth0\nresolv.conf nameserver [] search []\n"; plan.String() != want {
		t.Errorf("netd -c -plan = %q, want %q", plan.String(), want)
	}
	if out := call("plan " + config); !strings.Contains(out, "20-a.vip:2:9: ") {
		t.Errorf("plan of a broken directory = %q", out)
	}
	for _, cmd := range []string{"plan", "plan relative", "plan /a /b"} {
		if out := call(cmd); !strings.Contains(out, "usage: plan <directory>") {
			t.Errorf("%s = %q", cmd, out)
		}
	}
	if out := call("show plan extra"); !strings.Contains(out, "usage: show plan") {
		t.Errorf("show plan extra = %q", out)
	}
	if err := p.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	n.await("STOPPING=1")
	if s, err := p.Wait(); err != nil || s.ExitCode() != 0 {
		t.Errorf("exit = %v, %v, want 0", s, err)
	}
}
