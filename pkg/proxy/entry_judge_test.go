package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/ci/judge"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// entryRules are judged in their order: "expect-proxy" goes on, "accept" and
// "reject" end the list. A PROXY header does not change what they see.
const entryRules = `
	rate-limit sessions 100
	tcp-request connection reject if { src 127.0.0.5 }
	tcp-request connection expect-proxy layer4 if { src 127.0.0.6 127.0.0.7 127.0.0.8 }
	tcp-request connection accept if { src 127.0.0.7 } || { dst 127.0.0.200 }
	tcp-request connection reject if { src 127.0.0.7 127.0.0.8 } || { dst_port 1 } || { fe_conn gt 1 }
	tcp-request connection accept unless { src 127.0.0.0/8 }
	tcp-request connection reject if { src 127.0.0.9 } { src_port ge 1024 }
`

// entryClients connect one after the other.
var entryClients = []struct{ src, data string }{
	{"127.0.0.5", ""},
	{"127.0.0.5", "hello"},
	{"127.0.0.5", "PROXY TCP4 192.0.2.1 192.0.2.2 1001 443\r\nhello"},
	{"127.0.0.6", "PROXY TCP4 127.0.0.5 192.0.2.2 1002 443\r\nhello"}, // 127.0.0.5 is only said
	{"127.0.0.6", "hello, hello, hello"},
	{"127.0.0.6", ""}, // no header comes
	{"127.0.0.7", "PROXY TCP4 192.0.2.1 192.0.2.2 1003 443\r\nhello"},
	{"127.0.0.8", "PROXY TCP4 192.0.2.1 192.0.2.2 1004 443\r\nhello"},
	{"127.0.0.9", "hello"},
	{"127.0.0.10", "PROXY TCP4 192.0.2.1 192.0.2.2 1005 443\r\nhello"}, // is data here
}

// TestConnectionRulesLikeHAProxy sends the same clients through both and compares
// what becomes of them, what the server behind sees, the log and the counters.
func TestConnectionRulesLikeHAProxy(t *testing.T) {
	judge.HAProxy(t)
	server, got := collector(t, "hello")
	socket := filepath.Join(t.TempDir(), "stats")
	text := func(global string, at netip.AddrPort, log string) string {
		const timeouts = "\tmode tcp\n\ttimeout client 300ms\n\ttimeout server 10s\n\ttimeout connect 10s\n"
		return "global\n\tnbthread 1\n\tmaxconn 100\n" + global +
			"defaults d\n" + timeouts + "\ttcp-request connection reject if { src 127.0.0.11 }\ndefaults plain\n" + timeouts +
			"frontend fe from d\n\toption tcplog\n\tlog " + log + " local0\n\tbind " + at.String() + entryRules +
			"\tdefault_backend be\nbackend be\n\tserver s1 " + server + " send-proxy\n"
	}
	clients := append(entryClients[:len(entryClients):len(entryClients)], struct{ src, data string }{"127.0.0.11", "hello"})

	play := func(log *logBuffer, at netip.AddrPort, stat func() ctl.Stat) []string {
		var notes []string
		for _, c := range clients {
			before := stat()
			outcome := meet(t, c.src, at, c.data, got)
			notes = append(notes, fmt.Sprintf("%s %q: %s", c.src, c.data, outcome))
			if strings.HasPrefix(outcome, "closed") && c.src == "127.0.0.6" {
				notes = append(notes, log.wait(t, "the header's fault", contains("PROXY protocol header")))
				log.take()
			}
			for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
				if s := stat(); s.SessionsCur == 0 && s.ConnsTotal == before.ConnsTotal+1 {
					notes = append(notes, fmt.Sprintf("connections %d, refused %d, sessions %d, most %d", s.ConnsTotal, s.DeniedConns, s.SessionsTotal, s.SessionsMax))
					break
				} else if time.Now().After(end) {
					t.Fatalf("%s %q: %+v", c.src, c.data, s)
				}
			}
		}
		for _, line := range log.take() {
			if line != "" && !strings.Contains(line, " be/s1 ") {
				notes = append(notes, "more in the log: "+line)
			}
		}
		for i := range notes {
			notes[i] = anyClient.ReplaceAllString(notes[i], "$1:PORT [TIME]")
			notes[i] = strings.NewReplacer(at.Addr().String(), "HERE", fmt.Sprint(at.Port()), "BIND").Replace(notes[i])
		}
		return notes
	}

	theirBind, ourBind, theirLog, ourLog := freeAddr(t), freeAddr(t), newLogBuffer(), newLogBuffer()
	startJudge(t, text("\tstats socket "+socket+" level admin\n", theirBind, receive(t, theirLog)))
	r := startRig(t, parseConf(t, text("", ourBind, receive(t, ourLog))), Options{})
	tw := &twins{t: t, rig: r, socket: socket}
	frontend := func(csv string) ctl.Stat {
		stats, err := ctl.ParseStats(strings.NewReader(csv))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range stats {
			if s.Proxy == "fe" && s.Type == ctl.StatFrontend {
				return s
			}
		}
		t.Fatal("no record of fe")
		return ctl.Stat{}
	}
	theirs := play(theirLog, theirBind, func() ctl.Stat { csv, _ := tw.ask("show stat"); return frontend(csv) })
	ours := play(ourLog, ourBind, func() ctl.Stat { _, csv := tw.ask("show stat"); return frontend(csv) })
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("(-haproxy +ours)\n%s", diff)
	}
}

// meet connects from src, sends data and tells what becomes of it: what the server
// has read, or how the connection ended.
func meet(t *testing.T, src string, at netip.AddrPort, data string, got <-chan string) string {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(src)}, Timeout: patience}
	c, err := d.Dial("tcp", at.String())
	if errors.Is(err, syscall.ECONNRESET) { // before we know that we are connected
		return refusal(data, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if data != "" { // an empty write would take a reset's error from the read
		_, _ = io.WriteString(c, data)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, c)
		ended <- err
	}()
	seen := func(text string) string {
		port := fmt.Sprint(c.LocalAddr().(*net.TCPAddr).Port)
		return "the server reads " + strings.ReplaceAll(text, port, "PORT")
	}
	select {
	case text := <-got:
		return seen(text)
	case err := <-ended:
		select {
		case text := <-got: // it closes behind what it has read
			return seen(text)
		default:
		}
		return refusal(data, err)
	}
}

// refusal names the end of a connection that got no server.
func refusal(data string, err error) string {
	switch {
	case data == "" && errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case data == "" && err == nil:
		return "closed with FIN"
	}
	return "closed" // unread data makes a reset of any close
}

// anyClient is how a log line about the PROXY header begins.
var anyClient = regexp.MustCompile(`(\d+\.\d+\.\d+\.\d+):\d+ \[[^]]*\]`)
