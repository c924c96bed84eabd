package proxy

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-lb/sluice/pkg/config"
)

// asked tells each client who it is and where it came.
func asked(c *net.TCPConn) {
	fmt.Fprintf(c, "%s %s\n", c.RemoteAddr(), c.LocalAddr())
	_, _ = io.Copy(io.Discard, c)
}

// Ports of a range are used in turn, by one connection each.
func TestSourcePortRange(t *testing.T) {
	s := serve(t, asked)
	first := freeAddr(t).Port()&^3 | 1 // odd ones are rarely chosen by the system
	conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
	conf.Proxies[1].Retries = 0
	conf.Proxies[1].Servers[0].Source = &config.ConnSource{Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), first), LastPort: int(first) + 2}
	r := startRig(t, conf, Options{})
	var used []string
	var conns []*net.TCPConn
	for range 3 {
		c := r.dial()
		from, _, _ := strings.Cut(greeting(t, c), " ")
		if addr := netip.MustParseAddrPort(from); addr.Addr() != netip.MustParseAddr("127.0.0.9") || addr.Port() < first || addr.Port() > first+2 {
			t.Errorf("the server sees %s", from)
		}
		used, conns = append(used, from), append(conns, c)
	}
	if slices.Sort(used); len(slices.Compact(used)) != 3 {
		t.Errorf("three connections have the sources %v", used)
	}
	_, _ = io.Copy(io.Discard, r.dial()) // nothing is left
	r.sessions.wait(t, "RC", contains(" RC "))
	if err := r.Reload(conf); err != nil {
		t.Fatal(err)
	}
	_ = conns[0].Close()
	r.sessions.wait(t, "the end of the first", contains(" -- "))
	greeting(t, r.dial())
}

// "usesrc clientip" shows the client's address to the server, that of its PROXY
// header too.
func TestUseSourceOfClient(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("SLUICE_FULL") == "1" {
			t.Fatal("a foreign source address needs root")
		}
		t.Skip("a foreign source address needs root")
	}
	s := serve(t, asked)
	conf := introConf(t, s.Addr().String())
	conf.Proxies[1].Source = &config.ConnSource{Addr: netip.MustParseAddrPort("0.0.0.0:0"), UseSrc: "clientip"}
	r := startRig(t, conf, Options{})
	for header, want := range map[string]string{
		"PROXY TCP4 127.0.0.77 127.0.0.1 1001 80\r\n": "127.0.0.77",
		"PROXY UNKNOWN\r\n":                           "127.0.0.1",
	} {
		c := r.dial()
		_, _ = io.WriteString(c, header)
		if from, _, _ := strings.Cut(greeting(t, c), ":"); from != want {
			t.Errorf("the server sees %s, want %s", from, want)
		}
	}
}

// What goes to the client's destination, or always to one address, passes over
// the list of servers.
func TestDestinations(t *testing.T) {
	s := serveAt(t, "127.0.0.3:0", asked)
	at := netip.MustParseAddrPort(s.Addr().String())
	header := fmt.Sprintf("PROXY TCP4 192.0.2.1 %s 1001 %d\r\n", at.Addr(), at.Port())
	tests := map[string]string{
		"dispatch":                "dispatch " + at.String(),
		"transparent":             "option transparent",
		"address of the client's": fmt.Sprintf("server s1 *:%d", at.Port()),
		"all of the client's":     "server s1 0.0.0.0",
	}
	for name, line := range tests {
		bind := freeAddr(t)
		text := fmt.Sprintf("listen l\n\tbind %s accept-proxy\n\ttimeout client 10s\n\ttimeout server 10s\n\ttimeout connect 5s\n\t%s\n", bind, line)
		r := startRig(t, parseConf(t, text), Options{})
		c := r.dial()
		_, _ = io.WriteString(c, header)
		if _, to, _ := strings.Cut(greeting(t, c), " "); to != at.String() {
			t.Errorf("%s: the connection went to %s, want %s", name, to, at)
		}
	}
}

// Abstract sockets are those of HAProxy, in both directions.
func TestAbstractSocketsOfHAProxy(t *testing.T) {
	s := serve(t, named("s1"))
	first, second := freeAddr(t), freeAddr(t)
	const head = "defaults\n\tmode tcp\n\ttimeout client 10s\n\ttimeout server 10s\n\ttimeout connect 10s\n"
	name := fmt.Sprintf("sluice-test-%d", os.Getpid())
	a, b := fmt.Sprintf("listen a\n\tbind %s\n\tserver s1 abns@%s-1\n", first, name), fmt.Sprintf("listen b\n\tbind %s\n\tserver s1 abns@%s-2\n", second, name)
	startJudge(t, head+a+fmt.Sprintf("listen c\n\tbind abns@%s-2\n\tserver s1 %s\n", name, s.Addr()))
	startRig(t, parseConf(t, head+b+fmt.Sprintf("listen d\n\tbind abns@%s-1\n\tserver s1 %s\n", name, s.Addr())), Options{})
	for _, addr := range []netip.AddrPort{first, second} {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if got := greeting(t, c); got != "s1" {
			t.Errorf("%s: greeted by %q", addr, got)
		}
		_ = c.Close()
	}
}

func TestUnixSocketOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "front.sock")
	conf := unixConf(path)
	gid := os.Getgid()
	if os.Getuid() == 0 {
		gid = 12345
	}
	conf.Proxies[0].Binds[0].Options = &config.BindOptions{Mode: 0o617, Group: fmt.Sprint(gid)}
	startRig(t, conf, Options{})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o617 || int(info.Sys().(*syscall.Stat_t).Gid) != gid {
		t.Errorf("%s has mode %o and group %d, want 617 and %d", path, got, info.Sys().(*syscall.Stat_t).Gid, gid)
	}
}

// A socket with all options that the kernel keeps can be opened, and accepts.
func TestBindOptions(t *testing.T) {
	s := serve(t, named("s1"))
	bind := freeAddr(t)
	text := fmt.Sprintf("listen l\n\tbind %s mss 1200 tcp-ut 5s defer-accept tfo backlog 16\n\toption tcp-smart-accept\n\toption tcpka\n\tclitcpka-cnt 3\n\tclitcpka-idle 7s\n\tclitcpka-intvl 5s\n"+
		"\tserver s1 %s tcp-ut 3s tfo\n\toption tcp-smart-connect\n\tsrvtcpka-cnt 4\n\ttimeout client 10s\n\ttimeout server 10s\n\ttimeout connect 5s\n", bind, s.Addr())
	r := startRig(t, parseConf(t, text), Options{})
	for range 2 {
		c := r.dial()
		_, _ = io.WriteString(c, "x") // defer-accept waits for it
		if got := greeting(t, c); got != "s1" {
			t.Errorf("greeted by %q", got)
		}
	}
}

// What options say about splice(2) in each direction.
func TestSpliceThreshold(t *testing.T) {
	on, off := config.SwitchOn, config.SwitchOff
	tests := []struct {
		name      string
		never     bool
		front, be config.Splice
		want      [2]uint8
	}{
		{"nothing said", false, config.Splice{}, config.Splice{}, [2]uint8{spliceAfter, spliceAfter}},
		{"splice-auto", false, config.Splice{Auto: on}, config.Splice{}, [2]uint8{spliceAfter, spliceAfter}},
		{"no splice-auto", false, config.Splice{}, config.Splice{Auto: off}, [2]uint8{0, 0}},
		{"splice-request", false, config.Splice{Request: on}, config.Splice{}, [2]uint8{1, spliceAfter}},
		{"no splice-response", false, config.Splice{}, config.Splice{Response: off}, [2]uint8{spliceAfter, 0}},
		{"on has precedence", false, config.Splice{Auto: off}, config.Splice{Response: on}, [2]uint8{0, 1}},
		{"nosplice", true, config.Splice{Request: on}, config.Splice{}, [2]uint8{0, 0}},
	}
	for _, tt := range tests {
		for i, want := range tt.want {
			if got := spliceThreshold(tt.never, i, tt.front, tt.be); got != want {
				t.Errorf("%s: spliceThreshold(half %d) = %d, want %d", tt.name, i, got, want)
			}
		}
	}
}

// With "option contstats" the counters move while the session lasts.
func TestContinuousCounters(t *testing.T) {
	s := serve(t, echo)
	for _, on := range []bool{true, false} {
		conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
		conf.Proxies[0].Flags.ContStats = on
		r := startRig(t, conf, Options{})
		c := r.dial()
		_, _ = io.WriteString(c, "hello")
		_, _ = io.ReadFull(c, make([]byte, 5))
		in := &r.backends["be"].servers[0].stats.bytesIn
		_, _ = io.WriteString(c, "again") // the turn of the first is over when the second is answered
		_, _ = io.ReadFull(c, make([]byte, 5))
		if n := in.Load(); (n >= 5) != on {
			t.Errorf("contstats %v: %d bytes are counted during the session", on, n)
		}
		_ = c.Close()
		r.sessions.wait(t, "the end", contains(" be/s1 "))
		if n := in.Load(); n != 10 {
			t.Errorf("contstats %v: %d bytes are counted in the end", on, n)
		}
	}
}

// A client that has closed its side leaves the queue if it sent nothing, or if
// "option abortonclose" says so.
func TestClosedClientLeavesQueue(t *testing.T) {
	s := serve(t, named("s1"))
	for _, tt := range []struct {
		abort bool
		data  string
		stays bool
	}{{false, "hello", true}, {false, "", false}, {true, "hello", false}} {
		conf := testConf(freeAddr(t), "roundrobin", "s1="+s.Addr().String())
		conf.Proxies[1].Servers[0].Maxconn = 1
		conf.Proxies[1].Flags.AbortOnClose = tt.abort
		r := startRig(t, conf, Options{})
		first := r.dial()
		greeting(t, first)
		second := r.dial()
		_, _ = io.WriteString(second, tt.data)
		_ = second.CloseWrite()
		if tt.stays {
			awaitSent(t, second)
			_ = first.Close()
			greeting(t, second)
			continue
		}
		r.sessions.wait(t, "CQ", contains(" CQ "))
	}
}
