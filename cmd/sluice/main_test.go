package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-lb/sluice/pkg/ctl"
)

// daemonAt serves a command table as a daemon's control socket.
func daemonAt(t *testing.T, dir, name string, table ...ctl.Command) {
	t.Helper()
	l, err := ctl.Listen(filepath.Join(dir, name+".sock"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- ctl.NewServer(table, ctl.LevelAdmin).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
}

// testShell is a shell with its sockets and unit files in dir.
func testShell(dir, input string, out io.Writer) *shell {
	s := newShell(strings.NewReader(input), out, out)
	s.places = places{runDir: dir, unitDir: dir, cmdline: filepath.Join(dir, "cmdline")}
	return s
}

func answer(name, text string) ctl.Command {
	return ctl.Command{Name: name, Run: func(_ context.Context, req *ctl.Request, w io.Writer) error {
		fmt.Fprintln(w, text, strings.Join(req.Args, "|"))
		return nil
	}}
}

// hanging answers with a line and then waits for the client to go.
func hanging(name, text string) ctl.Command {
	return ctl.Command{Name: name, Run: func(ctx context.Context, _ *ctl.Request, w io.Writer) error {
		fmt.Fprintln(w, text)
		<-ctx.Done()
		return nil
	}}
}

func TestStatusShowsAllParts(t *testing.T) {
	dir := t.TempDir()
	daemonAt(t, dir, "netd", answer("show network", "link eth0"))
	daemonAt(t, dir, "proxyd", ctl.Command{Name: "show stat", Run: func(_ context.Context, _ *ctl.Request, w io.Writer) error {
		return ctl.WriteStats(w, []ctl.Stat{{Proxy: "mysql", Service: "s1", Type: ctl.StatServer, Status: "UP", BytesOut: 3 << 20}})
	}})
	daemonAt(t, dir, "init", answer("show units", "proxyd.service active"))
	var out bytes.Buffer
	s := testShell(dir, "", &out)
	if err := s.execute(t.Context(), []string{"status"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"link eth0", "mysql", "3.0M", "Services"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("status lacks %q:\n%s", want, &out)
		}
	}
}

func TestStatusTellsWhoIsSilent(t *testing.T) {
	var out bytes.Buffer
	s := testShell(t.TempDir(), "", &out)
	if err := s.execute(t.Context(), []string{"status"}); err == nil {
		t.Error("status without any daemon succeeds")
	}
	for _, want := range []string{"netd does not answer", "proxyd does not answer"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("status lacks %q:\n%s", want, &out)
		}
	}
}

func TestConsoleRunsTheSameTable(t *testing.T) {
	dir := t.TempDir()
	daemonAt(t, dir, "init", answer("show logs", "log of"), answer("restart unit", "restarted"))
	daemonAt(t, dir, "proxyd", ctl.Command{Name: "reload", Run: func(context.Context, *ctl.Request, io.Writer) error {
		return errors.New("proxy.cfg:3:1: unknown keyword")
	}})
	var out bytes.Buffer
	in := "logs netd -n 5\nrestart odd;name\n\nreload\nnonsense\nlogs\nversion\nexit\nversion\n"
	s := testShell(dir, in, &out)
	if err := s.console(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `log of netd|5
restarted odd;name
proxy.cfg:3:1: unknown keyword
usage: no command "nonsense"; "help" lists the commands
usage: sluice logs UNIT [-n LINES] [-f]
Sluice dev
`
	if got := out.String(); got != want {
		t.Errorf("console printed\n%s\nwant\n%s", got, want)
	}
}

func TestExitStatus(t *testing.T) {
	s := testShell(t.TempDir(), "", io.Discard)
	for words, want := range map[string]int{"version": 0, "help": 0, "nonsense": 2, "logs": 2, "start": 2, "reload": 1, "reload x": 2} {
		if got := exitStatus(s.execute(t.Context(), strings.Fields(words))); got != want {
			t.Errorf("exit status of %q = %d, want %d", words, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1023: "1023", 1024: "1.0K", 3 << 30: "3.0G", 1<<62 + 1: "4096.0P"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}
