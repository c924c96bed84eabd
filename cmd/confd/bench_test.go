package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// limit bounds every wait of the tests.
const limit = 30 * time.Second

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "confd" {
		main()
		return
	}
	status := m.Run()
	if dir, err := judges(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(status)
}

// factory is the configuration of the test's machine.
var factory = appliance.Files{
	"proxy.cfg": `frontend mysql
   mode tcp
   bind 127.0.0.1:13306
   default_backend mysql_servers
backend mysql_servers
   mode tcp
   server s1 127.0.0.1:3306
`,
	"network/10-lan.network": "[Match]\nName=eth9\n[Network]\nAddress=198.18.0.2/24\n",
	"hosts":                  "127.0.0.1 localhost\n",
	"hostname":               "sluice\n",
}

// with returns the factory's files with one replaced.
func with(name, text string) appliance.Files {
	f := appliance.Files{}
	for k, v := range factory {
		f[k] = v
	}
	f[name] = text
	return f
}

// bench is a directory that plays the machine, with daemons that answer reload.
type bench struct {
	t                *testing.T
	root, run, data  string
	programs         string // directory of proxyd and netd
	mu               sync.Mutex
	refuse           map[string]error // by daemon: its answer to what is not the factory's
	stubborn         bool             // and to that, too
	calls            []string
	process          *os.Process
	notify           *net.UnixConn
	networkComplaint string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, root: t.TempDir(), run: t.TempDir(), data: t.TempDir(), programs: buildJudges(t), refuse: map[string]error{}}
	if err := factory.WriteLive(b.root, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"proxyd", "netd"} {
		b.serve(name)
	}
	return b
}

var judges = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "confd-judges-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+"/", "../proxyd", "../netd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the judges: %w: %s", err, out)
	}
	return dir, nil
})

// buildJudges builds the real proxyd and netd, once.
func buildJudges(t *testing.T) string {
	t.Helper()
	dir, err := judges()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// serve plays a daemon's control socket.
func (b *bench) serve(name string) {
	b.t.Helper()
	l, err := ctl.Listen(filepath.Join(b.run, name+".sock"), 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	table := []ctl.Command{
		{Name: "reload", Run: func(context.Context, *ctl.Request, io.Writer) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.calls = append(b.calls, name)
			live, err := appliance.ReadLive(b.root)
			if err != nil {
				return err
			}
			_, vip := live["network/20.vip"]
			if isNew := name == "netd" && vip || name == "proxyd" && live["proxy.cfg"] != factory["proxy.cfg"]; isNew || b.stubborn {
				return b.refuse[name]
			}
			return nil
		}},
		{Name: "show info", Run: func(context.Context, *ctl.Request, io.Writer) error { return nil }},
		{Name: "plan", Run: func(_ context.Context, req *ctl.Request, w io.Writer) error {
			if _, err := os.Stat(filepath.Join(req.Args[0], "10-lan.network")); err != nil {
				return err
			}
			fmt.Fprintln(w, "addr replace 198.18.0.3/24 dev eth9")
			return nil
		}},
		{Name: "show network", Run: func(_ context.Context, _ *ctl.Request, w io.Writer) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			fmt.Fprint(w, "status: ok\n", b.networkComplaint)
			return nil
		}},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- ctl.NewServer(table, ctl.LevelAdmin).Serve(ctx, l) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
}

func (b *bench) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// start runs confd as a process and waits for READY=1.
func (b *bench) start(args ...string) {
	b.t.Helper()
	b.launch(args...)
	b.awaitReady()
}

func (b *bench) launch(args ...string) {
	b.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	socket := filepath.Join(b.t.TempDir(), "notify")
	b.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		b.t.Fatal(err)
	}
	args = append([]string{"confd", "-root", b.root, "-run", b.run, "-socket", filepath.Join(b.run, "confd.sock"),
		"-proxyd", filepath.Join(b.programs, "proxyd"), "-netd", filepath.Join(b.programs, "netd")}, args...)
	b.process, err = os.StartProcess(exe, args, &os.ProcAttr{
		Env: append(os.Environ(), "NOTIFY_SOCKET="+socket), Files: []*os.File{nil, os.Stderr, os.Stderr}})
	if err != nil {
		b.t.Fatal(err)
	}
	process, conn := b.process, b.notify
	b.t.Cleanup(func() { _ = process.Kill(); _, _ = process.Wait(); _ = conn.Close() })
}

func (b *bench) awaitReady() {
	b.t.Helper()
	if err := b.notify.SetReadDeadline(time.Now().Add(limit)); err != nil {
		b.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := b.notify.Read(buf)
		if err != nil {
			b.t.Fatalf("confd is not ready: %v", err)
		}
		if strings.HasPrefix(string(buf[:n]), "READY=1") {
			return
		}
	}
}

// stop ends confd with sig and fails unless it ends.
func (b *bench) stop(sig os.Signal) {
	b.t.Helper()
	if err := b.process.Signal(sig); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.process.Wait(); err != nil {
		b.t.Fatal(err)
	}
}

// ask sends a command and decodes the answer into v, which may be nil.
func (b *bench) ask(command string, payload, v any) {
	b.t.Helper()
	text, err := b.call(command, payload)
	if err != nil {
		b.t.Fatalf("%s: %v", command, err)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(text), v); err != nil {
			b.t.Fatalf("%s: %v: %s", command, err, text)
		}
	}
}

func (b *bench) call(command string, payload any) (string, error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), limit)
	defer cancel()
	var body []byte
	switch p := payload.(type) {
	case nil:
	case string:
		body = []byte(p)
	default:
		var err error
		if body, err = json.Marshal(p); err != nil {
			b.t.Fatal(err)
		}
	}
	return ctl.Call(ctx, filepath.Join(b.run, "confd.sock"), command, body)
}

func (b *bench) change(command string, payload any, want appliance.Outcome) appliance.Result {
	b.t.Helper()
	var r appliance.Result
	b.ask(command, payload, &r)
	if r.Outcome != want {
		b.t.Errorf("%s = %+v, want %s", command, r, want)
	}
	return r
}

func (b *bench) live(want appliance.Files) {
	b.t.Helper()
	got, err := appliance.ReadLive(b.root)
	if err != nil || !got.Equal(want) {
		b.t.Errorf("live files (-want +got):\n%s%v", cmp.Diff(want, got), err)
	}
}

func request(f appliance.Files, base int) appliance.Request {
	return appliance.Request{User: "admin", Origin: "console", Base: base, Files: f}
}

// changed is a proxy file that proxyd takes.
var changed = strings.Replace(factory["proxy.cfg"], "13306", "13307", 1)
