package ctl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testTable = []Command{
	{Name: "show thing", Args: "<name>", Help: "show a thing", Run: func(_ context.Context, req *Request, w io.Writer) error {
		if len(req.Args) != 1 {
			return ErrUsage
		}
		fmt.Fprintf(w, "thing %s\n\nafter a blank line\n", req.Args[0])
		return nil
	}},
	{Name: "show thing all", Help: "longer name", Run: func(_ context.Context, _ *Request, w io.Writer) error {
		fmt.Fprintln(w, "all things")
		return nil
	}},
	{Name: "load", Level: LevelAdmin, Help: "take a payload", Run: func(_ context.Context, req *Request, w io.Writer) error {
		fmt.Fprintf(w, "%d bytes\n", len(req.Payload))
		return nil
	}},
	{Name: "break", Help: "fail half-way", Run: func(_ context.Context, _ *Request, w io.Writer) error {
		fmt.Fprintln(w, "first half")
		return errors.New("line one\nline two")
	}},
	{Name: "hang", Help: "until the client goes", Run: func(ctx context.Context, _ *Request, w io.Writer) error {
		fmt.Fprintln(w, "waiting")
		<-ctx.Done()
		ended <- struct{}{}
		return nil
	}},
}

// ended hears from "hang" when its client is gone.
var ended = make(chan struct{}, 1)

func startServer(t *testing.T, level Level) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sub", "ctl.sock")
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- NewServer(testTable, level).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
	return path
}

func TestCall(t *testing.T) {
	path := startServer(t, LevelOperator)
	tests := []struct{ command, want, fault string }{
		{`show thing a`, "thing a\n\nafter a blank line\n", ""},
		{`show thing a\ b\;c`, "thing a b;c\n\nafter a blank line\n", ""},
		{`show thing all`, "all things\n", ""},
		{`show thing`, "", "wrong arguments; usage: show thing <name>"},
		{`break`, "first half\n", "line one\nline two"},
		{`load`, "", `permission denied: "load" needs level admin, this socket has operator`},
		{`what is this`, "", `unknown command "what is this"; "help" lists the commands`},
	}
	for _, tt := range tests {
		got, err := Call(t.Context(), path, tt.command, nil)
		fault := ""
		if failed := (*CommandError)(nil); errors.As(err, &failed) {
			fault = failed.Message
		} else if err != nil {
			t.Errorf("Call(%q) = %v", tt.command, err)
		}
		if got != tt.want || fault != tt.fault {
			t.Errorf("Call(%q) = %q, %q, want %q, %q", tt.command, got, fault, tt.want, tt.fault)
		}
	}
	if _, err := Call(t.Context(), path, "one; two", nil); err == nil {
		t.Error("Call with two commands succeeds")
	}
}

func TestPayload(t *testing.T) {
	path := startServer(t, LevelAdmin)
	for _, payload := range []string{"", "a\n", "no newline", strings.Repeat("line\n\n", 1000)} {
		want := len(payload)
		if !strings.HasSuffix(payload, "\n") {
			want++
		}
		got, err := Call(t.Context(), path, "load", []byte(payload))
		if err != nil || got != fmt.Sprintf("%d bytes\n", want) {
			t.Errorf("a payload of %d bytes: %q, %v", len(payload), got, err)
		}
	}
}

// Plain clients, such as socat, use the socket as HAProxy's.
func TestPlainClient(t *testing.T) {
	path := startServer(t, LevelUser)
	tests := []struct{ send, want string }{
		{"show thing all; show thing all\n", "all things\n\nall things\n\n"},
		{"prompt\nshow thing all\nquit\n", "> all things\n\n> "},
		{"break\n", "first half\nline one\nline two\n\n"},
	}
	for _, tt := range tests {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, tt.send); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		_ = conn.Close()
		if diff := cmp.Diff(tt.want, string(got)); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", tt.send, err, diff)
		}
	}
}

// A client may turn to prompt mode after other commands of its first line.
func TestPromptAfterCommand(t *testing.T) {
	conn, err := net.Dial("unix", startServer(t, LevelUser))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	in := bufio.NewReader(conn)
	for _, send := range []string{"show thing all; prompt\n", "show thing all\n", "show thing all\n"} {
		if _, err := io.WriteString(conn, send); err != nil {
			t.Fatal(err)
		}
		if got, err := in.ReadString('>'); err != nil || !strings.HasSuffix(got, "all things\n\n>") {
			t.Fatalf("%q: %q, %v", send, got, err)
		}
	}
}

// scarceListener has no descriptor for its first connection.
type scarceListener struct {
	net.Listener
	failed bool
}

func (l *scarceListener) Accept() (net.Conn, error) {
	if !l.failed {
		l.failed = true
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestServeOutlivesLackOfDescriptors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctl.sock")
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- NewServer(testTable, LevelUser).Serve(ctx, &scarceListener{Listener: l}) }()
	call, end := context.WithTimeout(t.Context(), 5*time.Second)
	defer end()
	if got, err := Call(call, path, "show thing all", nil); got != "all things\n" {
		t.Errorf("Call() = %q, %v", got, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve() = %v", err)
	}
}

func TestHelpListsWhatTheLevelMayUse(t *testing.T) {
	got, err := Call(t.Context(), startServer(t, LevelUser), "help", nil)
	if err != nil || !strings.Contains(got, "show thing <name>") || strings.Contains(got, "load") {
		t.Errorf("help at level user = %q, %v", got, err)
	}
}

// TestMissingCommand holds that a command that is known but not served is told
// from a misspelt one, and is no part of help.
func TestMissingCommand(t *testing.T) {
	table := []Command{{Name: "set server", Missing: "not supported by this version yet", Level: LevelAdmin}}
	s := &Server{table: table, level: LevelUser}
	err := s.run(t.Context(), []string{"set", "server", "b/s", "weight", "1"}, nil, io.Discard)
	if want := `"set server" is not supported by this version yet`; err == nil || err.Error() != want {
		t.Errorf("run(set server) = %v, want %s", err, want)
	}
	var b bytes.Buffer
	writeHelp(&b, table, LevelAdmin)
	if strings.Contains(b.String(), "set server") {
		t.Errorf("help lists a missing command:\n%s", b.String())
	}
}

func TestStreamEndsWithItsContext(t *testing.T) {
	path := startServer(t, LevelUser)
	ctx, cancel := context.WithCancel(t.Context())
	err := Stream(ctx, path, "hang", nil, writerFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Stream() = %v, want context.Canceled", err)
	}
	<-ended // the command noticed
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestListenReplacesStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctl.sock")
	for range 2 {
		l, err := Listen(path, 0o640)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v, want 0640", info.Mode(), err)
	}
}

func TestStatsRoundTrip(t *testing.T) {
	want := []Stat{
		{Proxy: "fe", Service: "FRONTEND", Type: StatFrontend, SessionsCur: 1, SessionsMax: 2, SessionsLimit: 3, SessionsTotal: 4,
			BytesIn: 5, BytesOut: 6, Status: "OPEN", ProcessID: 1, ProxyID: 2, Mode: "tcp"},
		{Proxy: "be", Service: "s,1", Type: StatServer, QueueCur: 1, ConnectErrors: 2, Retries: 3, Redispatches: 4,
			Status: "MAINT (resolution)", Weight: 256, Active: 1, ProxyID: 3, ServID: 1, Mode: "tcp", Address: "[::1]:3306"},
		{Proxy: "be", Service: "BACKEND", Type: StatBackend, QueueMax: 9, Status: "UP", Backup: 1, Algorithm: "leastconn"},
	}
	var b bytes.Buffer
	if err := WriteStats(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := ParseStats(&b)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("round trip: %v (-want +got):\n%s", err, diff)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(`show a\;b ; c\`)
	f.Fuzz(func(t *testing.T, line string) {
		for _, c := range splitCommands(line) {
			for _, w := range splitWords(c) {
				if w == "" && !strings.Contains(c, `\`) {
					t.Errorf("empty word in %q", line)
				}
			}
		}
	})
}

// TestLongPayloadLine sends JSON as daemons do: everything on one line.
func TestLongPayloadLine(t *testing.T) {
	sock := startServer(t, LevelAdmin)
	const size = 1 << 20
	got, err := Call(t.Context(), sock, "load", bytes.Repeat([]byte("x"), size))
	if want := fmt.Sprintf("%d bytes\n", size+1); err != nil || got != want {
		t.Errorf("load = %q, %v, want %q", got, err, want)
	}
	if _, err := Call(t.Context(), sock, "load "+strings.Repeat("x", maxLine+4096), nil); err == nil {
		t.Error("a command of more than 64 KiB is taken")
	}
}
