package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/ci/judge"
)

// formatTexts are log-format strings whose text does not depend on the time. The
// first counts all connections; nothing else may be ending then.
var formatTexts = []string{
	"%ac", "%o", "plain", "x%ID|y", "  a   b  %ci  c%%  ", "a %hr b  %hr %hrl c", "%{+E}o a]b %f",
	"%B|%U|%H|%ST|%b|%bc|%bi|%bp|%bq|%ts|%rc",
	"%ci|%cp|%f|%fc|%fi|%fp|%ft|%lc|%hr|%hrl|%hs|%hsl|%s|%sc|%si|%sp|%sq|%sslc|%sslv",
	"%{+X}o%B|%U|%H|%ST|%b|%bc|%bi|%bp|%bq|%rc|%ts",
	"%{+X}o%ci|%cp|%f|%fc|%fi|%fp|%ft|%lc|%s|%sc|%si|%sp|%sq|%sslc|%sslv",
	"%{+Q}o%B|%U|%H|%ST|%b|%bc|%bi|%bp|%bq|%rc|%ts",
	"%{+Q}o%ci|%cp|%f|%fc|%fi|%fp|%ft|%lc|%hr|%s|%sc|%si|%sp|%sq|%sslc|%sslv",
	"%{+Q,+X}ci|%{+Q,+X}cp|%{+Q}f|%{-Q}f", "%{+Q}f %f %{+Q}o %f %{-Q}o %f %o %{+X}cp",
	"%(name)ci %(x:sint)[str(5)] %{+foo}f %ci%cp:%{-X,+Q}ci",
	"%{+Q,+M}[env(NOPE)] %{+M}sslc %{-M}sslc %{+M,+Q}sslv|%{+M}hr|%{+Q}hr|%{+Q}[bool(0)]",
	"%[src]|%[str(a b)]|%[bin(00ff41)]|%[int(-5)]|%[bool(1)]|%[src_port]|%[always_false]|%[dst]|%[dst_port]",
	"%{+Q}[src]|%{+Q}[str(a b)]|%{+Q}[bin(00ff41)]|%{+X}[int(15)]", "%[bin(41004200)],%{+bin}o%[bin(41004200)]",
	"%[bin(0102030405060708090b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425267e7f80ff)]",
	"%{+E}[bin(410d22275c5d7f)]|%{+Q}[bin(4122275c5d)]|%{+Q,+E}[bin(22275c5d)]",
	"%[src,ipmask(8)]|%[fe_conn]|%[int(3),mod(2)]|%[str(x),ipmask(8)]",
	strings.Repeat("a", 200), strings.Repeat("b", 119) + "%ci%cp", strings.Repeat("c", 124) + "%{+Q}f", strings.Repeat("d", 122) + "%{+X}ci|",
	strings.Repeat("e", 120) + "%T", strings.Repeat("f", 120) + "%[str(qrstuvwxyz)]x", strings.Repeat("g", 126) + "%pid",
}

// lineTexts are formats of lines only: their samples need a server, or the end.
var lineTexts = []string{
	"%[bc_be_queue]|%[bc_srv_queue]|%[bc_dst]|%[bc_dst_port]|%[bc_src]|%[bc_src_port]|%[srv_id]|%[srv_name]|%[be_name]",
	"%ts|%[bytes_in]|%[bytes_out]|%[txn.conn_retries]|%[txn.redispatched]|%[txn.sess_term_state]|%[fc.timer.handshake]|%[res.timer.data]",
	"%ts|%[fc_rcvd_proxy]|%[fc_pp_authority]|%[fc_pp_unique_id]|%[fe_req_rate(f0)]|%[prio_class]|%[prio_offset]|%[proc]|%[nbproc]|%[stopping]",
	"%ts|%[cur_client_timeout]|%[cur_server_timeout]|%[cur_tunnel_timeout]|%[be_server_timeout]|%[be_tunnel_timeout]|%[fe_client_timeout]",
	"%[uuid,length]|%[uuid(7),length]|%[accept_date,length]|%[accept_date(us),length]",
}

// TestFormatsAreHAProxys compares unique ids as a server gets them and log lines.
func TestFormatsAreHAProxys(t *testing.T) {
	judge.HAProxy(t)
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var lines [2][]string
	for side := range lines {
		log, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		bind := freeAddr(t)
		var text strings.Builder
		fmt.Fprintf(&text, "global\n\tnbthread 1\n\tmaxconn 1000\n\tlog %s len 4000 format raw local0\ndefaults\n\tmode tcp\n\tlog global\n"+
			"\ttimeout client 20s\n\ttimeout server 21s\n\ttimeout connect 5s\n\ttimeout tunnel 22s\n", log.LocalAddr())
		at := func(i int) string { return fmt.Sprintf("127.30.%d.1:%d", i, bind.Port()) }
		for i, f := range slices.Concat(formatTexts, lineTexts) {
			line := f
			if i >= len(formatTexts) {
				f = "-"
			}
			if strings.Contains(f, "%T") || strings.Contains(f, "%pid") { // these differ
				line = "%ID|%{+Q}ID"
			}
			fmt.Fprintf(&text, "frontend f%[1]d\n\tbind %[2]s\n\tdefault_backend b%[1]d\n\tunique-id-format \"%[3]s\"\n\tlog-format \"<<%[4]s>>\"\n"+
				"backend b%[1]d\n\tserver s1 %[5]s send-proxy-v2 proxy-v2-options unique-id\n", i, at(i), f, line, server.Addr())
		}
		if side == 0 {
			startJudge(t, text.String())
		} else {
			startRig(t, parseConf(t, text.String()), Options{})
		}
		for i, f := range slices.Concat(formatTexts, lineTexts) {
			lines[side] = append(lines[side], formatted(t, f, at(i), server, log))
		}
	}
	for i, f := range slices.Concat(formatTexts, lineTexts) {
		if diff := cmp.Diff(lines[0][i], lines[1][i]); diff != "" {
			t.Errorf("%q (-haproxy +ours):\n%s", f, diff)
		}
	}
}

// formatted has one session and returns its unique id and its log line, with names
// for the ports that differ: where f tells some, as digits elsewhere may be a port's.
func formatted(t *testing.T, f, addr string, server net.Listener, log net.PacketConn) string {
	t.Helper()
	end := time.Now().Add(patience)
	client, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_ = server.(*net.TCPListener).SetDeadline(end)
	c, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = client.SetDeadline(end), c.SetDeadline(end)
	id := receivedID(t, c)
	for _, step := range []struct {
		from, to net.Conn
		text     string
	}{{client, c, "hello"}, {c, client, "worldly"}} {
		if _, err := io.WriteString(step.from, step.text); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(step.to, make([]byte, len(step.text))); err != nil {
			t.Fatal(err)
		}
	}
	_ = client.Close()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("%d bytes more, %v", n, err)
	}
	_ = c.Close()
	_ = log.SetReadDeadline(end)
	line := make([]byte, 1<<16)
	for {
		n, _, err := log.ReadFrom(line)
		if err != nil {
			t.Fatalf("no log line: %v", err)
		}
		if strings.HasPrefix(string(line[:n]), "<<") {
			line = bytes.TrimSpace(line[:n])
			break
		}
	}
	out := fmt.Sprintf("%q %q", id, line)
	if !tellsPort.MatchString(f) {
		return out
	}
	for name, a := range map[string]net.Addr{"cp": client.LocalAddr(), "fp": client.RemoteAddr(), "bp": c.RemoteAddr()} {
		port := int(netip.MustParseAddrPort(a.String()).Port())
		out = strings.ReplaceAll(out, strconv.Itoa(port), "<"+name+">")
		out = strings.ReplaceAll(out, fmt.Sprintf("%04X", port), "<"+name+">")
	}
	return out
}

var tellsPort = regexp.MustCompile(`[bcf]p\b|_port`)

// receivedID reads a PROXY header and nothing else.
func receivedID(t *testing.T, c net.Conn) []byte {
	t.Helper()
	header := make([]byte, proxyV2Max)
	if _, err := io.ReadFull(c, header[:proxyV2Fixed]); err != nil {
		t.Fatal(err)
	}
	size := proxyV2Fixed + int(header[14])<<8 + int(header[15])
	if _, err := io.ReadFull(c, header[proxyV2Fixed:size]); err != nil {
		t.Fatal(err)
	}
	h, _, err := parseProxyHeader(header[:size])
	if err != nil || h.uniqueID == nil {
		t.Fatalf("header %q: %v", header[:size], err)
	}
	return h.uniqueID
}
