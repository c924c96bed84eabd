package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// serveSockets answers GetSockets at the returned path with answer.
func serveSockets(t *testing.T, answer func(*net.UnixConn)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ctl.sock")
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer([]Command{{Name: GetSockets, Take: answer}, {Name: "show thing"}}, LevelUser)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

// Sockets arrive whole and in their order, however many messages they need.
func TestSocketsArrive(t *testing.T) {
	for _, n := range []int{0, 1, 252, 253, 600} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			var sent []Socket
			for i := range n {
				s := Socket{FD: int(r.Fd())}
				switch i % 3 {
				case 1:
					s.Interface = "eth0"
				case 2:
					s.Namespace, s.Interface = strings.Repeat("n", 255), strings.Repeat("i", 15)
				}
				sent = append(sent, s)
			}
			result := make(chan error, 1)
			path := serveSockets(t, func(conn *net.UnixConn) { result <- SendSockets(conn, sent) })
			got, err := FetchSockets(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := <-result; err != nil {
				t.Error(err)
			}
			for i := range got {
				if !sameFile(got[i].FD, int(r.Fd())) {
					t.Errorf("descriptor %d is another file", i)
				}
				if flags, err := unix.FcntlInt(uintptr(got[i].FD), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("descriptor %d would be inherited: %#x, %v", i, flags, err)
				}
				_ = unix.Close(got[i].FD)
				got[i].FD = int(r.Fd())
			}
			if diff := cmp.Diff(sent, got); diff != "" {
				t.Errorf("(-sent +got)\n%s", diff)
			}
		})
	}
}

func sameFile(a, b int) bool {
	var x, y unix.Stat_t
	return unix.Fstat(a, &x) == nil && unix.Fstat(b, &y) == nil && x.Ino == y.Ino && x.Dev == y.Dev
}

// A predecessor that sends nonsense, too little or nothing leaves no descriptor.
func TestFetchSocketsFails(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	pipe := int(r.Fd())
	tests := []struct {
		name   string
		answer func(*net.UnixConn)
		want   error
	}{
		{"nothing", func(*net.UnixConn) {}, io.EOF},
		{"half a number", func(c *net.UnixConn) { _, _ = c.Write([]byte{1, 0}) }, io.ErrUnexpectedEOF},
		{"text", func(c *net.UnixConn) { _, _ = io.WriteString(c, "no such command\n") }, nil},
		{"no sockets", func(c *net.UnixConn) { _, _ = c.Write([]byte{1, 0, 0, 0}) }, io.EOF},
		{"half a record", func(c *net.UnixConn) {
			_, _ = c.Write([]byte{1, 0, 0, 0})
			_, _, _ = c.WriteMsgUnix([]byte{3, 'a'}, unix.UnixRights(pipe), nil)
			_, _ = io.ReadFull(c, make([]byte, 4))
		}, io.EOF},
		{"more sockets than announced", func(c *net.UnixConn) {
			_, _ = c.Write([]byte{1, 0, 0, 0})
			_, _, _ = c.WriteMsgUnix(make([]byte, 6), unix.UnixRights(pipe, pipe), nil)
			_, _ = io.ReadFull(c, make([]byte, 4))
		}, nil},
		{"records without end", func(c *net.UnixConn) {
			_, _ = c.Write([]byte{1, 0, 0, 0})
			for err := error(nil); err == nil; _, err = c.Write(make([]byte, 1<<16)) {
			}
		}, nil},
	}
	for _, tt := range tests {
		before := pipes(t)
		sockets, err := FetchSockets(serveSockets(t, tt.answer))
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v, want %v", tt.name, sockets, err, tt.want)
		}
		if after := pipes(t); after != before {
			t.Errorf("%s: %d descriptors of pipes are open, before %d", tt.name, after, before)
		}
	}
	if _, err := FetchSockets(filepath.Join(t.TempDir(), "nobody")); err == nil {
		t.Error("sockets came from nobody")
	}
}

// pipes is how many descriptors of pipes this process has.
func pipes(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, e := range entries {
		if name, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(name, "pipe:") {
			n++
		}
	}
	return n
}

// In a line with others the command would garble their answers.
func TestGetSocketsStandsAlone(t *testing.T) {
	path := serveSockets(t, func(*net.UnixConn) { t.Error("the command was executed") })
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, GetSockets+";"+GetSockets)
	if b, err := io.ReadAll(c); err != nil || !strings.Contains(string(b), "must stand alone") {
		t.Errorf("answer %q, %v", b, err)
	}
}

func FuzzCutRecord(f *testing.F) {
	f.Add([]byte("\x04hxns\x02lo\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\xff\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, rest, ok := cutRecord(b)
		if ok && len(rest)+len(s.Namespace)+len(s.Interface)+6 != len(b) {
			t.Errorf("cutRecord(%q) = %+v, %q", b, s, rest)
		}
	})
}
