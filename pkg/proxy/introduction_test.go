package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
)

// introConf is testConf with "accept-proxy".
func introConf(t *testing.T, server string) *config.Config {
	conf := testConf(freeAddr(t), "roundrobin", "s1="+server)
	conf.Proxies[0].Binds[0].Options = &config.BindOptions{AcceptProxy: true}
	return conf
}

// The header's addresses count as the client's, and what follows it arrives.
func TestAcceptProxyTakesAddresses(t *testing.T) {
	s := serve(t, func(c *net.TCPConn) { _, _ = io.Copy(c, c) })
	r := startRig(t, introConf(t, s.Addr().String()), Options{})
	v2 := appendProxyV2(nil, proxyHeader{src: ppSrc6, dst: ppDst6}, true)
	tests := []struct {
		name  string
		parts []string // sent one by one, each after the one before was acknowledged
		logs  string
	}{
		{"v1", []string{"PROXY TCP4 192.0.2.1 198.51.100.7 1001 443\r\nhello"}, "192.0.2.1:1001 ["},
		{"v1 in parts", []string{"PRO", "XY TCP4 192.0.2.1 198.51.", "100.7 1002 443\r", "\nhel", "lo"}, "192.0.2.1:1002 ["},
		{"v2", []string{string(v2) + "hello"}, "2001:db8::1:40000 ["},
		{"v2 in parts", []string{string(v2[:20]), string(v2[20:]), "hello"}, "2001:db8::1:40000 ["},
		{"unknown", []string{"PROXY UNKNOWN\r\nhello"}, "127.0.0.1:"},
		{"local", []string{string(appendProxyV2(nil, proxyHeader{}, false)) + "hello"}, "127.0.0.1:"},
	}
	for _, tt := range tests {
		c := r.dial()
		for _, part := range tt.parts {
			if _, err := io.WriteString(c, part); err != nil {
				t.Fatal(err)
			}
			awaitSent(t, c)
		}
		var got [5]byte
		if _, err := io.ReadFull(c, got[:]); err != nil || string(got[:]) != "hello" {
			t.Errorf("%s: read %q, %v", tt.name, got, err)
		}
		_ = c.Close()
		r.sessions.wait(t, tt.name, func(line string) bool {
			return strings.HasPrefix(line, tt.logs) && strings.Contains(line, "fe be/s1 ")
		})
	}
	if n := r.frontends["fe"].stats.requestErrors.Load(); n != 0 {
		t.Errorf("%d connections were refused", n)
	}
}

func TestAcceptProxyRefuses(t *testing.T) {
	s := serve(t, func(*net.TCPConn) { t.Error("a connection without a good header reached the server") })
	conf := introConf(t, s.Addr().String())
	conf.Proxies[0].Timeouts.Client = 100 * time.Millisecond
	r := startRig(t, conf, Options{})
	broken := appendProxyV2(nil, proxyHeader{src: ppSrc4, dst: ppDst4}, true)
	broken[16]++ // the checksum no longer fits
	tests := []struct {
		name, text, why string
		fin             bool
	}{
		{"another protocol", "GET / HTTP/1.0\r\n\r\n", introForeign, false},
		{"header behind data", "xPROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", introForeign, false},
		{"spoofed v2", string(broken), introBad, false},
		{"not two ports", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", introBad, false},
		{"too long", "PROXY UNKNOWN " + strings.Repeat("x", 200), introBad, false},
		{"oversized v2", string(broken[:14]) + "\xff\xff", introBad, false},
		{"cut", "PROXY TCP4 192.0", introCut, true},
		{"nothing", "", introClosed, true},
		{"silence", "", introTimeout, false},
		{"half of it", string(broken[:15]), introTimeout, false},
	}
	for i, tt := range tests {
		c := r.dial()
		_, _ = io.WriteString(c, tt.text)
		if tt.fin {
			_ = c.CloseWrite()
		}
		if n, err := io.Copy(io.Discard, c); n != 0 {
			t.Errorf("%s: %d bytes came back, %v", tt.name, n, err)
		}
		r.sessions.wait(t, tt.name, func(line string) bool {
			return strings.HasPrefix(line, c.LocalAddr().String()+" [") && strings.HasSuffix(strings.TrimSpace(line), "] fe/1: "+tt.why)
		})
		if n := r.frontends["fe"].stats.requestErrors.Load(); n != int64(i+1) {
			t.Errorf("%s: %d errors are counted, want %d", tt.name, n, i+1)
		}
	}
	if n := r.frontends["fe"].stats.sessions.Load(); n != 0 {
		t.Errorf("%d sessions are counted", n)
	}
}

// The header leaves in one segment with what the client has sent by then, and
// alone if the client is silent.
func TestSendProxyLeavesWithFirstBytes(t *testing.T) {
	got := make(chan string, 1)
	s := serve(t, func(c *net.TCPConn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		got <- string(b[:n])
		_, _ = io.Copy(io.Discard, c)
	})
	conf := introConf(t, s.Addr().String()) // what is behind the header has come with it
	conf.Proxies[1].Servers[0].SendProxy = &config.SendProxy{Version: 2, Options: []string{"crc32c"}}
	r := startRig(t, conf, Options{})
	header := appendProxyV2(nil, proxyHeader{src: ppSrc4, dst: ppDst4}, true)
	for _, data := range []string{"", "hello"} {
		c := r.dial()
		_, _ = io.WriteString(c, string(header)+data)
		if text, want := <-got, string(header)+data; text != want {
			t.Errorf("the server read %q, want %q", text, want)
		}
	}
}

// collector reads what comes to each connection until want bytes of payload end it.
func collector(t *testing.T, payload string) (addr string, got chan string) {
	got = make(chan string, 16)
	s := serve(t, func(c *net.TCPConn) {
		var all []byte
		b := make([]byte, 4096)
		for !bytes.HasSuffix(all, []byte(payload)) {
			n, err := c.Read(b)
			if err != nil {
				break
			}
			all = append(all, b[:n]...)
		}
		got <- string(all)
	})
	return s.Addr().String(), got
}

// TestProxyHeaderThroughHAProxy sends a client through two proxies, one of them
// HAProxy: the first announces it to the second, which announces it to the server.
func TestProxyHeaderThroughHAProxy(t *testing.T) {
	server, got := collector(t, "hello")
	const head = "defaults\n\tmode tcp\n\ttimeout client 10s\n\ttimeout server 10s\n\ttimeout connect 10s\n"
	variants := []string{"send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c", "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority"}
	theirs, ours := head, head
	type way struct {
		name  string
		entry netip.AddrPort
	}
	var ways []way
	for i, v := range variants {
		for _, theyFirst := range []bool{true, false} {
			first, second := freeAddr(t), freeAddr(t)
			a := fmt.Sprintf("listen first%d\n\tbind %s\n\tserver s1 %s %s\n", i, first, second, v)
			b := fmt.Sprintf("listen second%d\n\tbind %s accept-proxy\n\tserver s1 %s send-proxy\n", i, second, server)
			name := v + ", haproxy sends"
			if theyFirst {
				theirs, ours = theirs+a, ours+b
			} else {
				theirs, ours = theirs+b, ours+a
				name = v + ", haproxy receives"
			}
			ways = append(ways, way{name, first})
		}
	}
	startJudge(t, theirs)
	startRig(t, parseConf(t, ours), Options{})
	for _, w := range ways {
		c, err := net.Dial("tcp", w.entry.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		want := string(appendProxyV1(nil, netip.MustParseAddrPort(c.LocalAddr().String()), w.entry)) + "hello"
		select {
		case text := <-got:
			if text != want {
				t.Errorf("%s: the server read %q, want %q", w.name, text, want)
			}
		case <-time.After(patience):
			t.Errorf("%s: nothing came", w.name)
		}
		_ = c.Close()
	}
}

// TestProxyHeaderLikeHAProxy compares the bytes of both for the same client.
func TestProxyHeaderLikeHAProxy(t *testing.T) {
	server, got := collector(t, "hello")
	dir := t.TempDir()
	bind := freeAddr(t)
	text := func(name string, at string) string {
		s := "defaults\n\tmode tcp\n\ttimeout client 10s\n\ttimeout server 10s\n\ttimeout connect 10s\n"
		for i, v := range []string{"send-proxy", "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority"} {
			s += fmt.Sprintf("listen unix%d\n\tbind unix@%s/%s%d\n\tserver s1 %s %s\n", i, dir, name, i, server, v)
		}
		return s + at
	}
	relayed := func(at netip.AddrPort) string {
		return fmt.Sprintf("listen relayed\n\tbind %s accept-proxy\n\tserver s1 %s send-proxy-v2 proxy-v2-options authority,crc32c\n", at, server)
	}
	theirBind := freeAddr(t)
	startJudge(t, text("theirs", relayed(theirBind)))
	startRig(t, parseConf(t, text("ours", relayed(bind))), Options{})
	send := func(network, addr, text string) string {
		c, err := net.Dial(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, text)
		select {
		case text := <-got:
			return text
		case <-time.After(patience):
			t.Fatalf("nothing came through %s", addr)
		}
		return ""
	}
	for i := range 2 {
		theirs, ours := send("unix", fmt.Sprintf("%s/theirs%d", dir, i), "hello"), send("unix", fmt.Sprintf("%s/ours%d", dir, i), "hello")
		if theirs != ours {
			t.Errorf("client of a UNIX socket: haproxy sends %q, we send %q", theirs, ours)
		}
	}
	for _, h := range []proxyHeader{{src: ppSrc4, dst: ppDst4}, {src: ppSrc6, dst: ppDst6, authority: []byte("db.example")}} {
		in := string(appendProxyV2(nil, h, true)) + "hello"
		if theirs, ours := send("tcp", theirBind.String(), in), send("tcp", bind.String(), in); theirs != ours {
			t.Errorf("header of %v: haproxy passes on %q, we %q", h.src, theirs, ours)
		}
	}
}
