package qemu

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Sizes of what is copied, in bytes.
const (
	largeFile  = 100 << 20
	mediumFile = 20 << 20
	smallFile  = 256 << 10
)

// randomFile writes a file of random bytes and returns their checksum.
func randomFile(t *testing.T, path string, size int) string {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.Read(data) // never fails
	writeFile(t, path, data)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// fileSum returns the checksum of a file.
func fileSum(path string) (string, error) {
	data, err := os.ReadFile(path)
	return textSum(string(data)), err
}

func textSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// wantSum is an error unless a checksum is as it has to be.
func wantSum(what, got, want string) error {
	if got != want {
		return fmt.Errorf("%s has checksum %s, want %s", what, got, want)
	}
	return nil
}

// web: nginx, fetched from by curl and, for load, by wrk.
func (p *protocols) web(t *testing.T) *pool {
	t.Helper()
	sums := map[string]string{}
	for name, size := range map[string]int{"large": largeFile, "medium": mediumFile, "small": smallFile, "page": 4 << 10} {
		sums[name] = randomFile(t, p.path("work", name), size)
		for _, h := range p.hosts {
			if err := os.Link(p.path("work", name), filepath.Join(h.dir, "www", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	fetch := func(ctx context.Context, name string) error {
		got, err := p.output(ctx, p.client, "", "curl", "-sSf", "http://198.18.0.21/"+name)
		if err != nil {
			return err
		}
		return wantSum(name, textSum(got), sums[name])
	}
	return &pool{section: "web", spread: true,
		call: func(ctx context.Context, _ int) error { return fetch(ctx, "small") },
		contents: func(ctx context.Context, t *testing.T) {
			start := time.Now()
			if err := fetch(ctx, "large"); err != nil {
				t.Fatal(err)
			}
			t.Logf("curl: %.1f MB/s", largeFile/1e6/time.Since(start).Seconds())
		},
		background: p.wrk,
	}
}

// wrkConnections is how many connections wrk keeps open.
const wrkConnections = 2

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkErrors   = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// wrk asks for a page all the time until ctx ends. A connection may break once,
// when its server is killed; none is refused.
func (p *protocols) wrk(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "nice", "wrk", "-t1", "-c"+strconv.Itoa(wrkConnections), "-d1h", "http://198.18.0.21/page")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // then it says what it has seen
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := p.client.Do(cmd.Run); err != nil && ctx.Err() == nil {
		return fmt.Errorf("wrk: %w: %s", err, tail(out.String()))
	}
	requests := wrkRequests.FindStringSubmatch(out.String())
	if requests == nil || len(requests[1]) < 3 {
		return fmt.Errorf("wrk: fewer than 100 requests: %s", out.String())
	}
	if strings.Contains(out.String(), "Non-2xx") {
		return fmt.Errorf("wrk: answers that are no pages: %s", out.String())
	}
	if e := wrkErrors.FindStringSubmatch(out.String()); e != nil {
		if broken, err := strconv.Atoi(e[2]); err != nil || e[1] != "0" || broken > wrkConnections {
			return fmt.Errorf("wrk: connections were refused, or more broke than were open: %s", e[0])
		}
	}
	return nil
}

// The ways to the directory that both NFS servers export.
var nfsOptions = map[string]string{
	"v3": "?version=3&nfsport=2049&mountport=20048",
	"v4": "?version=4",
}

// nfs: nfs-ganesha, with libnfs as the client, NFS v3 and v4.
func (p *protocols) nfs(t *testing.T) *pool {
	t.Helper()
	sums := map[string]string{}
	for _, name := range []string{"large", "small"} {
		var err error
		if sums[name], err = fileSum(p.path("work", name)); err != nil { // web has made them
			t.Fatal(err)
		}
	}
	cp := func(ctx context.Context, from, to string) error {
		_, err := p.output(ctx, p.client, "", p.nfsClient[0], append(p.nfsClient[1:], from, to)...)
		return err
	}
	// copies puts a file on the server and fetches it back.
	copies := func(ctx context.Context, version, name, as string) error {
		onServer, back := p.path("export", as), p.path("work", as)
		defer os.Remove(onServer)
		defer os.Remove(back)
		url := "nfs://198.18.0.25/export/" + as + nfsOptions[version]
		if err := cp(ctx, p.path("work", name), url); err != nil {
			return fmt.Errorf("%s up: %w", version, err)
		}
		sum, err := fileSum(onServer)
		if err != nil {
			return err
		}
		if err := wantSum(version+": the file on the server", sum, sums[name]); err != nil {
			return err
		}
		if err := cp(ctx, url, back); err != nil {
			return fmt.Errorf("%s down: %w", version, err)
		}
		if sum, err = fileSum(back); err != nil {
			return err
		}
		return wantSum(version+": the file that came back", sum, sums[name])
	}
	return &pool{section: "nfs",
		call: func(ctx context.Context, n int) error {
			version := []string{"v3", "v4"}[n%2]
			return copies(ctx, version, "small", fmt.Sprint(version, "-", n))
		},
		contents: func(ctx context.Context, t *testing.T) {
			for version := range nfsOptions {
				start := time.Now()
				if err := copies(ctx, version, "large", version+"-large"); err != nil {
					t.Fatal(err)
				}
				t.Logf("NFS %s up and down: %.1f MB/s", version, 2*largeFile/1e6/time.Since(start).Seconds())
			}
		},
	}
}

// ssh: OpenSSH, with a file that goes there and comes back in one session.
func (p *protocols) ssh(t *testing.T) *pool {
	t.Helper()
	hostkey, err := os.ReadFile(p.path("etc", "hostkey.pub"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, p.path("work", "known_hosts"), append([]byte("198.18.0.26 "), hostkey...))
	remote := `f=$(mktemp) && cat >$f && sha256sum <$f && cat $f && rm $f`
	there := func(ctx context.Context, name string) error {
		data, err := os.ReadFile(p.path("work", name))
		if err != nil {
			return err
		}
		got, err := p.output(ctx, p.client, string(data), "ssh", "-F", "none", "-i", p.path("etc", "userkey"), "-o", "BatchMode=yes",
			"-o", "UserKnownHostsFile="+p.path("work", "known_hosts"), "-o", "StrictHostKeyChecking=yes", "root@198.18.0.26", remote)
		if err != nil {
			return err
		}
		sum, back, _ := strings.Cut(got, "  -\n")
		if err := wantSum("the file on the server", sum, textSum(string(data))); err != nil {
			return err
		}
		return wantSum("the file that came back", textSum(back), sum)
	}
	return &pool{section: "ssh", spread: true,
		call: func(ctx context.Context, _ int) error { return there(ctx, "small") },
		contents: func(ctx context.Context, t *testing.T) {
			start := time.Now()
			if err := there(ctx, "medium"); err != nil {
				t.Fatal(err)
			}
			t.Logf("ssh there and back: %.1f MB/s", 2*mediumFile/1e6/time.Since(start).Seconds())
		},
	}
}
