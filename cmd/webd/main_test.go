package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/ci/loopback"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// start runs webd on a free port with a service manager that listens, and returns
// its address, the directory of its sockets and what the manager hears.
func start(t *testing.T) (addr, dir string, heard <-chan string) {
	t.Helper()
	dir = t.TempDir()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "notify"))
	t.Setenv("WATCHDOG_USEC", "100000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	lines := make(chan string, 10_000) // webd waits for a manager that does not read
	go func() {
		defer close(lines)
		buf := make([]byte, 4096)
		for {
			n, err := manager.Read(buf)
			if err != nil {
				return
			}
			lines <- string(buf[:n])
		}
	}()
	free, err := loopback.Free()
	if err != nil {
		t.Fatal(err)
	}
	addr = free.String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var stderr strings.Builder
	go func() {
		done <- run(ctx, []string{"-listen", addr, "-run-dir", dir, "-tls-dir", filepath.Join(dir, "tls")}, nil, io.Discard, &stderr)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run() = %v\n%s", err, stderr.String())
		}
		wait(t, lines, "STOPPING=1")
		if err := manager.Close(); err != nil {
			t.Error(err)
		}
	})
	wait(t, lines, "READY=1")
	return addr, dir, lines
}

func wait(t *testing.T, heard <-chan string, want string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case line := <-heard:
			if line == want {
				return
			}
		case <-limit:
			t.Fatalf("the service manager did not hear %s", want)
		}
	}
}

func client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// webd serves without the other daemons, says which one is missing, and notices
// when it comes.
func TestServe(t *testing.T) {
	addr, dir, heard := start(t)
	c := client()
	defer c.CloseIdleConnections()
	resp, body := get(t, c, "https://"+addr+"/")
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "confd does not answer") {
		t.Errorf("without confd: %s\n%s", resp.Status, body)
	}
	wait(t, heard, "WATCHDOG=1")

	l, err := ctl.Listen(filepath.Join(dir, "confd.sock"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_ = ctl.NewServer([]ctl.Command{{Name: "show setup", Run: func(_ context.Context, _ *ctl.Request, w io.Writer) error {
			_, err := io.WriteString(w, `{"password_set":false,"persistent":true}`)
			return err
		}}}, ctl.LevelAdmin).Serve(ctx, l)
	}()
	resp, body = get(t, c, "https://"+addr+"/")
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "These pages are closed") {
		t.Errorf("before the first password: %s\n%s", resp.Status, body)
	}
}

// Whoever types the address without https:// arrives all the same.
func TestPlainHTTP(t *testing.T) {
	addr, _, _ := start(t)
	c := client()
	defer c.CloseIdleConnections()
	resp, _ := get(t, c, "http://"+addr+"/lb?a=b")
	if want := "https://" + addr + "/lb?a=b"; resp.StatusCode != http.StatusPermanentRedirect || resp.Header.Get("Location") != want {
		t.Errorf("plain HTTP: %s to %q, want %q", resp.Status, resp.Header.Get("Location"), want)
	}
}

// The certificate is the same after a restart, and made readable for root only.
func TestCertificateKept(t *testing.T) {
	addr, dir, _ := start(t)
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	served := conn.ConnectionState().PeerCertificates[0]
	if err := served.VerifyHostname("127.0.0.1"); err != nil {
		t.Error(err)
	}
	stored, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls/cert.pem"), filepath.Join(dir, "tls/key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if !stored.Leaf.Equal(served) {
		t.Error("the certificate that is served is not the stored one")
	}
	info, err := os.Stat(filepath.Join(dir, "tls/key.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key.pem: %v, %v", info.Mode(), err)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"extra"}, {"-nothing"}, {"-listen"}} {
		if _, err := parseFlags(args, io.Discard); err == nil {
			t.Errorf("parseFlags(%q) succeeds", args)
		}
	}
}
