package proxy

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// formatRig has a frontend with a format; the server greets.
func formatRig(t *testing.T, format, bind string) *rig {
	t.Helper()
	s := serve(t, named("s1"))
	return startRig(t, parseConf(t, fmt.Sprintf("defaults\n\tmode tcp\n\ttimeout client 20s\n\ttimeout server 20s\n\ttimeout connect 5s\n"+
		"frontend fe\n\tbind %s %s\n\tdefault_backend be\n\tunique-id-format \"%%f-%%rt\"\n\tlog-format \"%s\"\nbackend be\n\tserver s1 %s id 77\n",
		freeAddr(t), bind, format, s.Addr())), Options{})
}

// A line without anything that the end of the session tells is written while it goes
// on, and only once.
func TestLineWithoutSumsIsEarly(t *testing.T) {
	r := formatRig(t, "early %ci:%cp %s %bi", "")
	c := r.dial()
	r.sessions.wait(t, "the open session", contains(fmt.Sprintf("early %s s1 127.0.0.1", c.LocalAddr())))
	greeting(t, c)
	_ = c.Close()
	r.Stop()
	if n := strings.Count(r.sessions.buf.String(), "early"); n != 1 {
		t.Errorf("%d lines, want 1", n)
	}
}

// Details are still known when the connections are closed; ids are numbered from 0.
func TestLineAtTheEnd(t *testing.T) {
	r := formatRig(t, "late %fi:%fp %si %sp %ts %B id=%ID line=%lc", "")
	for i := range 3 {
		c := r.dial()
		greeting(t, c)
		_ = c.Close()
		r.sessions.wait(t, "the session", func(line string) bool {
			return strings.Contains(line, fmt.Sprintf("late %s 127.0.0.1 ", c.RemoteAddr())) && strings.HasSuffix(strings.TrimSpace(line), fmt.Sprintf(" -- 3 id=fe-%d line=%d", i, i))
		})
	}
}

// The destination of a PROXY header is where the client connected to.
func TestFormatOfProxiedClient(t *testing.T) {
	r := formatRig(t, "proxied %ci:%cp %fi:%fp %[src] %[dst_port] %[fc_rcvd_proxy] %B", "accept-proxy")
	c := r.dial()
	if _, err := io.WriteString(c, "PROXY TCP4 192.0.2.1 198.51.100.7 1001 443\r\n"); err != nil {
		t.Fatal(err)
	}
	greeting(t, c)
	_ = c.Close()
	r.sessions.wait(t, "the session", contains("proxied 192.0.2.1:1001 198.51.100.7:443 192.0.2.1 443 1 3"))
}

// A session that reaches no server has a line all the same.
func TestFormatWithoutServer(t *testing.T) {
	conf := fmt.Sprintf("defaults\n\tmode tcp\n\ttimeout client 20s\n\ttimeout server 20s\n\ttimeout connect 5s\nfrontend fe\n\tbind %s\n"+
		"\tdefault_backend be\n\tlog-format \"none %%b/%%s %%si:%%sp %%bi %%Tw/%%Tc %%ts\"\nbackend be\n\tserver s1 127.0.0.1:1 disabled\n", freeAddr(t))
	r := startRig(t, parseConf(t, conf), Options{})
	c, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r.sessions.wait(t, "the session", contains("none be/<NOSRV> -:- - -1/-1 SC"))
}
