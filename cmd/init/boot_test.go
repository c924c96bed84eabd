package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/ctl"
)

// TestBootInNamespaces runs the real init as process 1 of own namespaces, in a
// root file system with one service, and switches it off over the control
// socket. In a PID namespace reboot(2) ends process 1 with SIGINT for "power
// off" (reboot(2), "Behavior inside PID namespaces").
func TestBootInNamespaces(t *testing.T) {
	full := os.Getenv("SLUICE_FULL") == "1"
	if os.Getuid() != 0 {
		if full {
			t.Fatal("root is needed for namespaces")
		}
		t.Skip("root is needed for namespaces")
	}
	if !full {
		t.Skip("mounts file systems and a cgroup; runs with SLUICE_FULL=1")
	}
	root := bootRoot(t)
	// /dev must not be the host's: init would put its syslog socket there.
	cmd := exec.Command("/bin/sh", "-ec", `mount --make-rprivate /
mount -t tmpfs none "$0/dev"
mknod "$0/dev/null" c 1 3
exec chroot "$0" /init -cmdline "sluice.modules=off sluice.watchdog=off"`, root)
	var console strings.Builder
	cmd.Stdout, cmd.Stderr = &console, &console
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS |
			syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWCGROUP,
		Pdeathsig: syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sock := fmt.Sprintf("/proc/%d/root/run/sluice/init.sock", cmd.Process.Pid)
	awaitSocket(ctx, t, sock, ended, &console)
	awaitLine(ctx, t, sock, "follow logs hello", "hello from the service")
	// "start" of what is about to be up waits for it.
	for _, tc := range []struct{ command, want string }{
		{"start unit multi-user.target", "multi-user.target: active (active)"},
		{"show units", "hello.service"},
		{"show boot", "services"},
		{"poweroff", "power off: begun"},
	} {
		out, err := ctl.Call(ctx, sock, tc.command, nil)
		if err != nil || !strings.Contains(out, tc.want) {
			t.Errorf("%s = %q, %v, want %q", tc.command, out, err, tc.want)
		}
	}
	select {
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-ended
		t.Fatalf("init did not switch off; console:\n%s", console.String())
	case <-ended:
	}
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ws.Signaled() || ws.Signal() != syscall.SIGINT {
		t.Errorf("init ended with %s, want the SIGINT of a power-off; console:\n%s", cmd.ProcessState, console.String())
	}
}

// awaitSocket waits until the control socket answers: the file appears in a
// mount namespace that nobody tells us about, so it has to be asked for.
func awaitSocket(ctx context.Context, t *testing.T, sock string, ended <-chan error, console *strings.Builder) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := ctl.Call(ctx, sock, "help", nil); err == nil {
			return
		}
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("init ended: %v; console:\n%s", err, console.String())
		case <-ctx.Done():
			t.Fatal("no control socket")
		}
	}
}

// awaitLine runs a command that streams lines until one with text arrives.
func awaitLine(ctx context.Context, t *testing.T, sock, command, text string) {
	t.Helper()
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	var got strings.Builder
	found := false
	_ = ctl.Stream(within, sock, command, nil, writerFunc(func(p []byte) (int, error) {
		got.Write(p)
		if strings.Contains(got.String(), text) {
			found = true
			cancel()
		}
		return len(p), nil
	}))
	if !found {
		t.Errorf("%s = %q, want %q", command, got.String(), text)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// bootRoot makes a root file system with init and one service.
func bootRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/hostname": "boxtest\n",
		"dev/empty":    "",
		"usr/lib/systemd/system/multi-user.target": "[Unit]\nDescription=all\n",
		"usr/lib/systemd/system/hello.service": `[Service]
ExecStart=/hello
[Install]
WantedBy=multi-user.target
`,
		"src/main.go": `package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("hello from the service")
	<-c
}
`,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for out, src := range map[string]string{"init": ".", "hello": filepath.Join(root, "src/main.go")} {
		build := exec.Command("go", "build", "-o", filepath.Join(root, out), src)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", out, err, text)
		}
	}
	return root
}
