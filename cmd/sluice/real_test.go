package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// startRealConfd runs cmd/confd on a machine that is a directory, with the real
// judges; only the daemons that would change the kernel are played.
func startRealConfd(t *testing.T) (dir, root string) {
	t.Helper()
	programs, dir, root := t.TempDir(), t.TempDir(), t.TempDir()
	if out, err := exec.Command("go", "build", "-o", programs+"/", "../confd", "../proxyd", "../netd").CombinedOutput(); err != nil {
		t.Fatalf("build the daemons: %v: %s", err, out)
	}
	if err := appliance.Files(factoryFiles).WriteLive(root, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	nothing := func(context.Context, *ctl.Request, io.Writer) error { return nil }
	daemonAt(t, dir, "netd", answer("show network", showNetwork), ctl.Command{Name: "reload", Run: nothing}, answer("plan", "add an address"))
	daemonAt(t, dir, "proxyd", ctl.Command{Name: "reload", Run: nothing}, ctl.Command{Name: "show info", Run: nothing})
	changed, stop := watchFor(t.Context(), dir, "confd.sock")
	defer stop()
	cmd := exec.Command(programs+"/confd", "-socket", filepath.Join(dir, "confd.sock"), "-root", root, "-run", dir, "-dir", t.TempDir(),
		"-proxyd", programs+"/proxyd", "-netd", programs+"/netd")
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { // ends with the process
		defer close(exited)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-exited
		if t.Failed() {
			t.Logf("confd: %s", &log)
		}
	})
	select {
	case <-changed.Done():
	case <-exited:
		t.Fatalf("confd ends: %s", &log)
	}
	return dir, root
}

// The console and the daemon that it was written for understand each other.
func TestWithTheRealConfd(t *testing.T) {
	dir, root := startRealConfd(t)
	c := startTTY(t, dir, 0, 0, "login")
	c.dialog([2]string{"New password for admin: ", secret + "\r"}, [2]string{"The same again: ", secret + "\r"}, [2]string{"step by step [yes]: ", "\r"})
	c.dialog(enterAll(map[string]string{"(VIP) [": "198.18.0.20", "Host name [": "lb1"})...)
	c.dialog([2]string{"+Address=198.18.0.20/32", ""}, [2]string{"add an address", ""}, [2]string{"Apply this [yes]: ", "\r"},
		[2]string{"a reboot keeps it [yes]: ", "\r"}, [2]string{"is saved", ""}, [2]string{prompt, "exit\r"})
	c.exit()
	if live, err := os.ReadFile(filepath.Join(root, "etc/hostname")); err != nil || string(live) != "lb1\n" {
		t.Errorf("host name in force: %q, %v", live, err)
	}
	c = startTTY(t, dir, 80, 24, "login")
	c.dialog([2]string{"login: ", "admin\r"}, [2]string{"password: ", "wrong word\r"}, [2]string{"is wrong.", ""},
		[2]string{"login: ", "admin\r"}, [2]string{"password: ", secret + "\r"}, [2]string{prompt, "exit\r"})
	c.exit()

	backupFile := filepath.Join(dir, "backup.tar.gz")
	for _, tt := range []struct {
		line, input, says string
		status            int
	}{
		{"show revisions", "", "console", 0},
		{"show users", "", "admin\n", 0},
		{"backup " + backupFile, "", "bytes are in", 0},
		{"edit proxy", "frontend a\n   bnid :80\n", "is edited", 0},
		{"check", "", "proxy.cfg:2:4: alert: ", 3},
		{"apply", "", "proxy.cfg:2:4: alert: ", 3},
		{"discard", "", "the running one", 0},
		{"edit hostname", "lb2\n", "is edited", 0},
		{"apply --confirm 10m", "", "goes back in 10m", 0},
		{"confirm", "", "stays", 0},
		{"diff saved running", "", "+lb2\n", 0},
		{"rollback 0", "", "runs", 0},
		{"restore " + backupFile, "", "is the edited configuration", 0},
		{"diff", "", "+lb1\n", 0},
		{"apply --note back", "", "runs.", 0},
		{"save", "", "is saved", 0},
		{"factory-reset --yes", "", "in force", 0},
		{"show config running hostname", "", "sluice\n", 0},
		{"password", "another password\n", "is set", 0},
	} {
		if out, fault, status := execute(t, dir, tt.input, tt.line); status != tt.status || !strings.Contains(out, tt.says) {
			t.Errorf("%s: exit status %d, want %d; %s\n%s\nlacks %q", tt.line, status, tt.status, fault, out, tt.says)
		}
	}
}
