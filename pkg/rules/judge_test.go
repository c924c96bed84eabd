package rules

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/ci/judge"
)

// askJudge has HAProxy log the values of expressions.
func askJudge(t *testing.T, exprs []string) []string {
	t.Helper()
	haproxy := judge.HAProxy(t)
	log, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	bind, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer bind.Close()
	passed, err := bind.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer passed.Close()
	format := "%[" + strings.Join(exprs, "]|%[") + "]"
	text := fmt.Sprintf("global\n\tlog %s len 65000 local0\ndefaults\n\tmode tcp\n\tlog global\n\ttimeout connect 1s\n\ttimeout client 1s\n\ttimeout server 1s\n"+
		"frontend px\n\tbind fd@3\n\tlog-format \"<<%s>>\"\n", log.LocalAddr(), format)
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd := exec.Command(haproxy, "-db", "-f", file)
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{passed}, &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	c, err := net.Dial("tcp", bind.Addr().String()) // waits in the backlog until it is there
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = log.SetReadDeadline(time.Now().Add(30 * time.Second))
	for p := make([]byte, 1<<16); ; {
		n, _, err := log.ReadFrom(p)
		if err != nil {
			t.Fatalf("no log line: %v; haproxy says:\n%s", err, &out)
		}
		if _, line, ok := strings.Cut(string(p[:n]), "<<"); ok {
			line, _, _ = strings.Cut(line, ">>")
			return strings.Split(line, "|")
		}
	}
}

// Hashes have HAProxy's values, for inputs of all lengths at which they change their
// ways, with seeds and avalanche.
func TestHashesAreHAProxys(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var exprs []string
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 128, 129, 200, 240, 241, 260} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		for _, conv := range []string{"crc32", "crc32c", "djb2", "sdbm", "wt6", "crc32(1)", "crc32c(1)", "djb2(1)", "sdbm(1)", "wt6(1)",
			"xxh32", "xxh64", "xxh3", "xxh32(7)", "xxh64(7)", "xxh3(7)", "xxh32(4294967299)", "xxh64(4294967299)", "xxh3(-5)"} {
			exprs = append(exprs, "bin("+hex.EncodeToString(b)+"),"+conv)
		}
	}
	exprs = append(exprs, "int(77),xxh64", "ipv4(192.0.2.1),wt6", "ipv6(2001:db8::1),xxh3", "str(abc),upper,xxh32(1)", "bool(true),crc32")
	for part := 0; part < len(exprs); part += 50 { // a log line is limited
		some := exprs[part:min(part+50, len(exprs))]
		for i, want := range askJudge(t, some) {
			if !compiled(t, "{ "+some[i]+" -m str -- "+want+" }").Holds(testStream()) {
				t.Errorf("%s is not %s", some[i], want)
			}
		}
	}
}
