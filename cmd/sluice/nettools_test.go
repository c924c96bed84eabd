package main

import (
	"context"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	out, fault, status := execute(t, t.TempDir(), "", "resolve localhost")
	if status != 0 || !strings.Contains(out, "127.0.0.1\n") {
		t.Errorf("resolve localhost: %d, %s\n%s", status, fault, out)
	}
	if _, fault, status := execute(t, t.TempDir(), "", "resolve name.invalid"); status != 1 || !strings.Contains(fault, "resolve name.invalid") {
		t.Errorf("resolve name.invalid: %d, %s", status, fault)
	}
}

func TestPing(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("SLUICE_FULL") == "1" {
			t.Fatal("raw sockets need root")
		}
		t.Skip("raw sockets need root")
	}
	for _, host := range []string{"127.0.0.1", "::1", "localhost"} {
		out, fault, status := execute(t, t.TempDir(), "", "ping "+host+" -c 1")
		if status != 0 || !strings.HasSuffix(out, "1 of 1 answered\n") {
			t.Errorf("ping %s: %d, %s\n%s", host, status, fault, out)
		}
	}
	// A host without an answer, and ctrl-c meanwhile.
	ctx, cancel := context.WithCancel(t.Context())
	p, err := newPinger(netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.conn.Close()
	cancel()
	if err := p.run(ctx, testShell(t.TempDir(), "", io.Discard), 5); err != nil {
		t.Errorf("run() after ctrl-c = %v", err)
	}
	out, fault, status := execute(t, t.TempDir(), "", "ping 255.255.255.255 -c 1")
	if status != 1 || !strings.Contains(out, "0 of 1 answered\n") {
		t.Errorf("ping of nobody: %d, %s\n%s", status, fault, out)
	}
}

// RFC 1071, section 3: the sum of these words is ddf2.
func TestInternetChecksum(t *testing.T) {
	if got := internetChecksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("internetChecksum() = %04x, want %04x", got, ^uint16(0xddf2))
	}
}
