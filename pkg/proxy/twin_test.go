package proxy

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/ci/judge"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// twins are an engine and a HAProxy with the same backends, and what both log.
type twins struct {
	*rig
	t            *testing.T
	socket       string // HAProxy's runtime API
	ours, theirs *logBuffer
	// Where their frontends listen.
	ourBind, theirBind netip.AddrPort
}

// startTwins runs both with more lines of frontend f, if text begins with some, and
// with those of backends; "LOG" in them is where each sends its log.
func startTwins(t *testing.T, text string) *twins {
	t.Helper()
	judge.HAProxy(t)
	tw := &twins{t: t, socket: filepath.Join(t.TempDir(), "stats"), ours: newLogBuffer(), theirs: newLogBuffer()}
	global := "global\n\tmaxconn 200\n\tnbthread 1\n\tstats socket " + tw.socket + " level admin\n"
	defaults := "defaults\n\tmode tcp\n\ttimeout connect 5s\n\ttimeout client 5s\n\ttimeout server 5s\n"
	tw.theirBind, tw.ourBind = freeAddr(t), freeAddr(t)
	fe := "frontend f\n\tbind " + tw.theirBind.String() + "\n\tdefault_backend b\n"
	startJudge(t, global+defaults+fe+strings.ReplaceAll(text, "LOG", receive(t, tw.theirs)))
	judgeStats(t, tw.socket) // until it answers
	fe = "frontend f\n\tbind " + tw.ourBind.String() + "\n\tdefault_backend b\n"
	global = "global\n\tmaxconn 200\n\tnbthread 2\n"
	tw.rig = startRig(t, parseConf(t, global+defaults+fe+strings.ReplaceAll(text, "LOG", receive(t, tw.ours))), Options{})
	return tw
}

// receive collects what is sent to a log server, without headers.
func receive(t *testing.T, to *logBuffer) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		p := make([]byte, 4096)
		for {
			n, _, err := c.ReadFrom(p)
			if err != nil {
				return
			}
			pri, line, _ := strings.Cut(string(p[:n]), ">")
			_, line, _ = strings.Cut(line, "]: ")
			fmt.Fprintln(to, pri+"> "+anyDuration.ReplaceAllString(strings.TrimSpace(line), "duration: Nms"))
		}
	}()
	return c.LocalAddr().String()
}

var anyDuration = regexp.MustCompile(`duration: \d+ms`)

// wait returns when both have logged what.
func (tw *twins) wait(what string) {
	tw.t.Helper()
	tw.theirs.wait(tw.t, what+" (haproxy)", contains(what))
	tw.ours.wait(tw.t, what, contains(what))
}

// compare holds the lines since the last time against each other.
func (tw *twins) compare(step string) {
	tw.t.Helper()
	if diff := cmp.Diff(tw.theirs.take(), tw.ours.take()); diff != "" {
		tw.t.Errorf("%s: log (-haproxy +ours)\n%s", step, diff)
	}
}

// take empties the buffer.
func (b *logBuffer) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := strings.TrimSpace(b.buf.String())
	b.buf.Reset()
	return strings.Split(text, "\n")
}

// ask runs a command on both sides.
func (tw *twins) ask(command string) (theirs, ours string) {
	tw.t.Helper()
	c, err := net.Dial("unix", tw.socket)
	if err != nil {
		tw.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, command)
	answer, err := io.ReadAll(c)
	if err != nil {
		tw.t.Fatal(err)
	}
	return strings.TrimSpace(string(answer)), tw.do(command)
}

// do runs a command on the engine.
func (r *rig) do(command string) string {
	words := strings.Fields(command)
	table := r.Commands()
	var best *ctl.Command
	for i := range table {
		name := strings.Fields(table[i].Name)
		if strings.HasPrefix(command+" ", table[i].Name+" ") && (best == nil || len(name) > len(strings.Fields(best.Name))) {
			best = &table[i]
		}
	}
	if best == nil || best.Run == nil {
		return "no such command: " + command
	}
	var out strings.Builder
	err := best.Run(r.t.Context(), &ctl.Request{Args: words[len(strings.Fields(best.Name)):]}, &out)
	if err != nil {
		fmt.Fprintln(&out, err)
	}
	return strings.TrimSpace(out.String())
}
