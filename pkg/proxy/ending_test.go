package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ending is one way a session goes, which HAProxy and this proxy are to log alike.
type ending struct {
	name   string
	lines  string // of the listen section
	server func(*net.TCPConn)
	client func(*net.TCPConn)
	silent bool // no line is logged
}

// quietUntil reads until the end of the stream and stays until over is closed.
func quietUntil(over <-chan struct{}) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		_, _ = io.Copy(io.Discard, c)
		<-over
	}
}

func drain(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }

func say(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) { _, _ = io.WriteString(c, text) }
}

func halfClose(c *net.TCPConn) {
	_, _ = io.WriteString(c, "hello")
	_ = c.CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}

// endings are all; over is closed when all lines are there.
func endings(over <-chan struct{}) []ending {
	nothing, quiet := func(*net.TCPConn) {}, quietUntil(over)
	return []ending{
		{name: "client silent", lines: "timeout client 200ms", server: drain, client: drain},
		{name: "server silent", lines: "timeout server 200ms", server: drain, client: drain},
		{name: "tunnel replaces both", lines: "timeout client 50ms\n\ttimeout server 50ms\n\ttimeout tunnel 300ms", server: drain, client: drain},
		{name: "client-fin after the server's FIN", lines: "timeout client-fin 200ms", server: say("bye"), client: quiet},
		{name: "server-fin after the client's FIN", lines: "timeout server-fin 200ms", server: quiet, client: halfClose},
		{name: "client-fin cuts a tunnel short", lines: "timeout tunnel 5s\n\ttimeout client-fin 200ms", server: say("bye"), client: quiet},
		{name: "normal", server: echo, client: halfClose},
		{name: "nolinger towards the client", lines: "option nolinger", server: say("bye"), client: drain},
		{name: "no client bytes", lines: "option dontlognull", server: say("bye"), client: nothing, silent: true},
		{name: "client bytes", lines: "option dontlognull", server: echo, client: halfClose},
		{name: "normal not logged", lines: "option dontlog-normal", server: echo, client: halfClose, silent: true},
		{name: "fault logged", lines: "option dontlog-normal\n\ttimeout client 200ms", server: drain, client: drain},
		{name: "busy server keeps the client", lines: "timeout client 600ms\n\ttimeout server 1800ms", server: chatty(10), client: drain},
		{name: "logasap", lines: "option logasap", server: echo, client: halfClose},
	}
}

// chatty says something every 100 ms, n times, and then nothing.
func chatty(n int) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		for range n {
			if _, err := c.Write([]byte{'x'}); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		drain(c)
	}
}

// TestEndingsLikeHAProxy compares how sessions end: code, bytes and time in the log.
func TestEndingsLikeHAProxy(t *testing.T) {
	lines := udpLines(t)
	head := "defaults\n\tmode tcp\n\ttimeout client 10s\n\ttimeout server 10s\n\ttimeout connect 10s\n\toption tcplog\n\tlog " + lines.addr + " local0\n"
	theirs, ours := head, head
	var at [][2]netip.AddrPort
	over := make(chan struct{})
	all := endings(over)
	for i, e := range all {
		s := serve(t, e.server)
		a, b := freeAddr(t), freeAddr(t)
		at = append(at, [2]netip.AddrPort{a, b})
		section := "listen e%d-%s\n\tbind %s\n\t%s\n\tserver s1 %s\n"
		theirs += fmt.Sprintf(section, i, "theirs", a, e.lines, s.Addr())
		ours += fmt.Sprintf(section, i, "ours", b, e.lines, s.Addr())
	}
	startJudge(t, theirs)
	startRig(t, parseConf(t, ours), Options{})
	t.Cleanup(func() { close(over) }) // before the servers are waited for
	for i, e := range all {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			var ends [2]string
			// A busy machine delays one session or the other, but not each time.
			for try := range 3 {
				for k, addr := range at[i] {
					name := fmt.Sprintf(" e%d-%s ", i, [2]string{"theirs", "ours"}[k])
					ends[k] = e.play(t, addr, func() string { return lines.ending(name, try, e.silent) })
				}
				same, sameTime := sameEnding(ends[0], ends[1])
				if !same || (ends[0] == "") != e.silent {
					break
				}
				if sameTime {
					return
				}
			}
			t.Errorf("haproxy logs %q, we log %q", ends[0], ends[1])
		})
	}
}

// play has a client connect to addr and returns the line of its session.
func (e *ending) play(t *testing.T, addr netip.AddrPort, line func() string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	left := make(chan struct{})
	go func() {
		defer close(left)
		e.client(c.(*net.TCPConn))
		_ = c.Close()
	}()
	if e.silent {
		<-left // no line tells that it is over
	}
	return line()
}

// sameEnding compares "time bytes code"; with some tolerance for the time.
func sameEnding(a, b string) (same, sameTime bool) {
	x, y := strings.Fields(a), strings.Fields(b)
	if len(x) != 3 || len(y) != 3 {
		return len(x) == len(y), true
	}
	m, _ := strconv.Atoi(strings.TrimPrefix(x[0], "+"))
	n, _ := strconv.Atoi(strings.TrimPrefix(y[0], "+"))
	return x[1] == y[1] && x[2] == y[2], max(m-n, n-m) < 150
}

// udpLog collects lines that come as datagrams.
type udpLog struct {
	*logBuffer
	addr string
}

func udpLines(t *testing.T) udpLog {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	l := udpLog{newLogBuffer(), conn.LocalAddr().String()}
	go func() {
		b := make([]byte, 4096)
		for {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = l.Write(append(b[:n:n], '\n'))
		}
	}()
	return l
}

// ending waits for the line of a session, after so many of the same name, and returns
// its "time bytes code". With silent it only waits as long as a line might need.
func (l udpLog) ending(name string, after int, silent bool) string {
	limit := patience
	if silent {
		limit = 200 * time.Millisecond
	}
	deadline := time.After(limit)
	for {
		l.mu.Lock()
		text, changed := l.buf.String(), l.changed
		l.mu.Unlock()
		if parts := strings.Split(text, name); len(parts) > after+1 {
			f := strings.Fields(parts[after+1]) // backend/server Tw/Tc/Tt bytes code ...
			times := strings.Split(f[1], "/")
			return times[2] + " " + f[2] + " " + f[3]
		}
		select {
		case <-changed:
		case <-deadline:
			return ""
		}
	}
}

// With "option nolinger" the server gets RST in place of the client's FIN.
func TestNoLingerResetsServer(t *testing.T) {
	failed := make(chan error, 1)
	s := serve(t, func(c *net.TCPConn) {
		_, err := io.Copy(io.Discard, c)
		failed <- err
	})
	conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
	conf.Proxies[1].Flags.NoLinger = true
	r := startRig(t, conf, Options{})
	c := r.dial()
	_, _ = io.WriteString(c, "hello")
	_ = c.CloseWrite()
	if err := <-failed; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server reads %v at the end", err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("the client reads %v at the end", err)
	}
}

// With "option independent-streams" what a silent client is sent is no activity.
func TestIndependentStreams(t *testing.T) {
	s := serve(t, chatty(30))
	conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
	conf.Proxies[0].Flags.IndependentStreams = true
	conf.Proxies[0].Timeouts.Client = 250 * time.Millisecond
	r := startRig(t, conf, Options{})
	begun := time.Now()
	if n, err := io.Copy(io.Discard, r.dial()); n == 0 || err != nil || time.Since(begun) > 2*time.Second {
		t.Errorf("%d bytes came, %v, in %v", n, err, time.Since(begun))
	}
	r.sessions.wait(t, "cD", contains(" cD "))
}
