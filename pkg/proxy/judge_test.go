package proxy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/ci/judge"
	"github.com/sluice-lb/sluice/pkg/config"
	"golang.org/x/sys/unix"
)

// startJudge runs HAProxy with the configuration text until the test ends, and
// returns when it accepts connections; a frontend of its own tells that, so that
// no connection is counted elsewhere.
func startJudge(t *testing.T, text string) {
	t.Helper()
	haproxy := judge.HAProxy(t)
	addr := freeAddr(t)
	probe := fmt.Sprintf("judge-probe-%d-%d", os.Getpid(), addr.Port()) // it binds UNIX sockets after those of TCP
	padded := "@" + probe + strings.Repeat("\x00", len(unix.RawSockaddrUnix{}.Path)-1-len(probe))
	text += "\nfrontend judge-probe\n\tmode tcp\n\tbind " + addr.String() + "\n\tbind abns@" + probe + "\n"
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.Command(haproxy, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("haproxy says:\n%s", log.String())
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if accepts("tcp", addr.String()) && accepts("unix", padded) {
			return
		}
		select {
		case <-ended:
			t.Fatalf("haproxy ended: %s", log.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatal("haproxy does not listen")
		}
	}
}

func accepts(network, addr string) bool {
	c, err := net.Dial(network, addr)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// parseConf reads a configuration that must have no fault.
func parseConf(t *testing.T, text string) *config.Config {
	t.Helper()
	conf, _, err := config.Parse([]config.Source{{Name: "test.cfg", Text: []byte(text)}}, config.Options{})
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return conf
}
