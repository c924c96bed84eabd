package qemu

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// randomText returns about size printable characters in lines.
func randomText(size int) string {
	data := make([]byte, size*3/4)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	text := base64.StdEncoding.EncodeToString(data)
	var out strings.Builder
	for len(text) > 72 {
		out.WriteString(text[:72] + "\n")
		text = text[72:]
	}
	return out.String() + text + "\n"
}

// mailbox is what the mail servers have accepted, by the messages' checksums.
type mailbox struct {
	mu       sync.Mutex
	accepted map[string]bool // guarded by mu
}

// mail: OpenSMTPD, sent to by swaks. A message that was accepted is delivered,
// also if its server is killed before it has done that.
func (p *protocols) mail(t *testing.T) *pool {
	t.Helper()
	box := &mailbox{accepted: map[string]bool{}}
	send := func(ctx context.Context, size int) error {
		body := randomText(size)
		sum := textSum(strings.TrimSpace(body))
		_, err := p.output(ctx, p.client, body, "swaks", "--server", "198.18.0.22", "--from", "client@lab.example", "--to", "box@lab.example",
			"--header", "Subject: "+sum, "--body", "-", "--silent", "2", "--timeout", "30")
		if err != nil {
			return err
		}
		box.mu.Lock()
		defer box.mu.Unlock()
		box.accepted[sum] = true
		return nil
	}
	return &pool{section: "mail", spread: true,
		call: func(ctx context.Context, _ int) error { return send(ctx, 20<<10) },
		contents: func(ctx context.Context, t *testing.T) {
			for range len(p.hosts) { // leastconn takes turns
				if err := send(ctx, 2<<20); err != nil {
					t.Fatal(err)
				}
			}
			p.awaitDelivery(ctx, t, box)
		},
		after: func(ctx context.Context, t *testing.T) { p.awaitDelivery(ctx, t, box) },
	}
}

// subject is a message's header that tells its checksum.
var subject = regexp.MustCompile(`(?m)^Subject: ([0-9a-f]{64})$`)

// awaitDelivery waits until all accepted messages are in the servers' mailboxes.
// Each one there has to be whole, and to tell the client's own address.
func (p *protocols) awaitDelivery(ctx context.Context, t *testing.T, box *mailbox) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	missing := 0
	delivered := make([]int, len(p.hosts))
	await(ctx, t, "wait for all accepted messages", func() bool {
		found := map[string]bool{}
		for i, h := range p.hosts {
			paths, err := filepath.Glob(filepath.Join(h.dir, "mail", "new", "*"))
			if err != nil {
				t.Fatal(err)
			}
			delivered[i] = len(paths)
			for _, path := range paths {
				found[wholeMessage(t, path)] = true
			}
		}
		missing = 0
		for sum := range box.accepted {
			if !found[sum] {
				missing++
			}
		}
		return missing == 0
	}, func() error { return fmt.Errorf("%d of %d are missing", missing, len(box.accepted)) })
	t.Logf("%d messages accepted, %d delivered by the servers", len(box.accepted), delivered)
	for i, n := range delivered {
		if n == 0 {
			t.Errorf("server %d has delivered nothing", i+1)
		}
	}
}

// wholeMessage returns the checksum that a delivered message has and tells.
func wholeMessage(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header, body, _ := strings.Cut(strings.ReplaceAll(string(data), "\r", ""), "\n\n")
	match := subject.FindStringSubmatch(header)
	if match == nil {
		t.Fatalf("a message without its checksum:\n%s", header)
	}
	if err := wantSum("a delivered message", textSum(strings.TrimSpace(body)), match[1]); err != nil {
		t.Error(err)
	}
	if !strings.Contains(header, "["+ClientAddr.String()+"]") {
		t.Errorf("a message that does not tell the client's address:\n%s", header)
	}
	return match[1]
}

// redis: redis-benchmark with pipelining, and a value that is read back.
func (p *protocols) redis() *pool {
	const host = "198.18.0.23"
	benchmark := func(ctx context.Context, pipelined, requests int) error {
		out, err := p.output(ctx, p.client, "", "redis-benchmark", "-h", host, "-q", "-c", "4", "-t", "set,get",
			"-P", fmt.Sprint(pipelined), "-n", fmt.Sprint(requests))
		if err == nil && strings.Count(out, "requests per second") != 2 {
			err = fmt.Errorf("redis-benchmark has not done both of its tests: %s", tail(out))
		}
		return err
	}
	// The same connection writes and reads: another one may be on the other server.
	value := func(ctx context.Context, key string, size int) error {
		text := strings.ReplaceAll(randomText(size), "\n", "")
		out, err := p.output(ctx, p.client, "SET "+key+" "+text+"\nGET "+key+"\nDEL "+key+"\n", "redis-cli", "-h", host)
		if err != nil {
			return err
		}
		lines := strings.Split(out, "\n")
		if len(lines) < 3 || lines[0] != "OK" || lines[2] != "1" {
			return fmt.Errorf("redis-cli: %s", tail(out))
		}
		return wantSum("the value read back", textSum(lines[1]), textSum(text))
	}
	return &pool{section: "redis",
		call: func(ctx context.Context, n int) error {
			return errors.Join(benchmark(ctx, 16, 1000), value(ctx, fmt.Sprint("key", n), 32<<10))
		},
		contents: func(ctx context.Context, t *testing.T) {
			if err := errors.Join(benchmark(ctx, 64, 20_000), value(ctx, "large", 4<<20)); err != nil {
				t.Fatal(err)
			}
		},
	}
}
