package proxy

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/ci/loopback"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// inOwnNetwork reports whether the test runs in a network namespace of its own. If
// not it runs the test there, in another process, and takes over its outcome. That
// needs root.
func inOwnNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv("SLUICE_TEST_NETNS") == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), "SLUICE_TEST_NETNS="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	runtime.LockOSThread() // the other process dies with this thread
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		if os.Getenv("SLUICE_FULL") == "1" {
			t.Fatalf("make network namespace: %v (root is needed)", err)
		}
		t.Skipf("make network namespace: %v (root is needed)", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, &out)
	}
	if strings.Contains(out.String(), "--- SKIP") {
		t.Skip(out.String())
	}
	return false
}

// network is what surrounds the proxy: the namespaces client, by the link cl0 to
// 198.18.1.2, and server, by sv0 to 198.18.2.2 and by sw0 to 198.18.3.2; the same in
// IPv6. What comes in by sv0 and cl0 is taken for the machine's own, whatever its
// address. 198.18.2.2 is behind sw0 too, for those who insist.
type network struct {
	t          *testing.T
	home       netns.NsHandle
	namespaces map[string]netns.NsHandle
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(unix.Mount("tmpfs", "/run", "tmpfs", 0, "")) // names of namespaces are in it
	for _, scope := range []string{"all", "default"} {
		must(os.WriteFile("/proc/sys/net/ipv4/conf/"+scope+"/rp_filter", []byte("0"), 0))
	}
	home, err := netns.Get()
	must(err)
	n := &network{t: t, home: home, namespaces: map[string]netns.NsHandle{}}
	lo, err := netlink.LinkByName("lo")
	must(err)
	must(netlink.LinkSetUp(lo))
	for _, l := range []struct {
		name, to string
		net      int
	}{{"cl0", "client", 1}, {"sv0", "server", 2}, {"sw0", "server", 3}} {
		n.join(l.name, l.to, l.net)
	}
	sw0, err := netlink.LinkByName("sw0")
	must(err)
	must(netlink.RouteAdd(&netlink.Route{LinkIndex: sw0.Attrs().Index, Dst: prefix("198.18.2.2/32"), Gw: net.ParseIP("198.18.3.2"), Priority: 100, Table: 99}))
	rule := netlink.NewRule()
	rule.OifName, rule.Table, rule.Priority = "sw0", 99, 50
	must(netlink.RuleAdd(rule))
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		all := map[int]string{unix.AF_INET: "0.0.0.0/0", unix.AF_INET6: "::/0"}[family]
		must(netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: prefix(all), Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST, Table: 100}))
		for _, link := range []string{"cl0", "sv0"} {
			rule := netlink.NewRule()
			rule.IifName, rule.Table, rule.Priority, rule.Family = link, 100, 100, family
			must(netlink.RuleAdd(rule))
		}
	}
	return n
}

func prefix(s string) *net.IPNet {
	_, p, _ := net.ParseCIDR(s)
	return p
}

// join makes a link to a namespace, which is made if it is new: 198.18.N.1 on this
// side and .2 on the other, which sends all through the first such link.
func (n *network) join(name, to string, number int) {
	n.t.Helper()
	fresh := n.namespaces[to] == 0
	if fresh {
		runtime.LockOSThread()
		ns, err := netns.NewNamed(to)
		if err != nil {
			n.t.Fatal(err)
		}
		if err := netns.Set(n.home); err != nil {
			n.t.Fatal(err)
		}
		runtime.UnlockOSThread()
		n.namespaces[to] = ns
	}
	there, err := netlink.NewHandleAt(n.namespaces[to])
	if err != nil {
		n.t.Fatal(err)
	}
	defer there.Close()
	here, err := netlink.NewHandle()
	if err != nil {
		n.t.Fatal(err)
	}
	defer here.Close()
	peer := name + "p"
	err = here.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peer, PeerNamespace: netlink.NsFd(n.namespaces[to])})
	for _, end := range []struct {
		h    *netlink.Handle
		name string
		host int
	}{{here, name, 1}, {there, peer, 2}, {there, "lo", 0}} {
		if err != nil {
			break
		}
		var l netlink.Link
		if l, err = end.h.LinkByName(end.name); err == nil {
			err = end.h.LinkSetUp(l)
		}
		for _, s := range []string{fmt.Sprintf("198.18.%d.%d/24", number, end.host), fmt.Sprintf("fd00:198:18:%d::%d/64", number, end.host)} {
			if err == nil && end.host > 0 {
				a, _ := netlink.ParseAddr(s)
				a.Flags = unix.IFA_F_NODAD
				err = end.h.AddrAdd(l, a)
			}
		}
		if err == nil && end.host == 2 && fresh {
			for _, gw := range []string{fmt.Sprintf("198.18.%d.1", number), fmt.Sprintf("fd00:198:18:%d::1", number)} {
				if err == nil {
					err = end.h.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: net.ParseIP(gw)})
				}
			}
		}
	}
	if err != nil {
		n.t.Fatalf("link %s: %v", name, err)
	}
}

// inside runs f on a thread that is in a namespace.
func (n *network) inside(name string, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := netns.Set(n.namespaces[name]); err != nil {
			n.t.Error(err)
			return // the thread ends with this goroutine
		}
		f()
		if netns.Set(n.home) == nil {
			runtime.UnlockOSThread()
		}
	}()
	<-done
}

// serve has a server in a namespace answer each connection with its two addresses.
func (n *network) serve(namespace, addr string) {
	n.t.Helper()
	n.accept(namespace, addr, asked)
}

func (n *network) accept(namespace, addr string, handle func(*net.TCPConn)) {
	n.t.Helper()
	var ln net.Listener
	var err error
	n.inside(namespace, func() { ln, err = net.Listen("tcp", addr) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = ln.Close() })
	go loopback.Serve(ln, func(c net.Conn) { handle(c.(*net.TCPConn)) })
}

// ask connects from a namespace and returns where the connection comes from, and
// what the server says: from where, and to which address.
func (n *network) ask(t *testing.T, namespace, addr string) (own, from, to string) {
	t.Helper()
	var c net.Conn
	var err error
	n.inside(namespace, func() { c, err = net.DialTimeout("tcp", addr, patience) })
	if err != nil {
		return "", err.Error(), ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	from, to, _ = strings.Cut(greeting(t, c.(*net.TCPConn)), " ")
	return c.LocalAddr().String(), from, to
}

const netnsHead = "defaults\n\tmode tcp\n\ttimeout client 10s\n\ttimeout server 10s\n\ttimeout connect 5s\n\tretries 0\n"

// onBoth runs a test against HAProxy and against the engine in turn.
func onBoth(t *testing.T, text string, test func(t *testing.T)) {
	t.Helper()
	t.Run("haproxy", func(t *testing.T) {
		startJudge(t, text)
		test(t)
	})
	t.Run("engine", func(t *testing.T) {
		startRig(t, parseConf(t, text), Options{})
		test(t)
	})
}

// Source addresses, interfaces and namespaces are what the server sees; transparent
// addresses, interfaces and namespaces of bind lines are where clients get through.
func TestSourcesAndPlaces(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	n := newNetwork(t)
	n.serve("server", "198.18.2.2:80")
	n.serve("server", "[fd00:198:18:2::2]:80")
	n.serve("server", "127.0.0.1:81")
	n.serve("client", "127.0.0.1:82")
	tests := []struct {
		name, bind, server string
		client, dial       string
		from, to           string // what the server sees; OWN is the client's address
	}{
		{"plain", "198.18.1.1:1001", "198.18.2.2:80", "client", "198.18.1.1:1001", "198.18.2.1:*", "198.18.2.2:80"},
		{"client's address and port", "198.18.1.1:1002", "198.18.2.2:80 source 0.0.0.0 usesrc client", "client", "198.18.1.1:1002", "OWN", "198.18.2.2:80"},
		{"client's address", "198.18.1.1:1003", "198.18.2.2:80 source 0.0.0.0 usesrc clientip", "client", "198.18.1.1:1003", "198.18.1.2:*", "198.18.2.2:80"},
		{"IPv6 client's address and port", "[fd00:198:18:1::1]:1004", "[fd00:198:18:2::2]:80 source [::] usesrc client", "client", "[fd00:198:18:1::1]:1004", "OWN", "[fd00:198:18:2::2]:80"},
		{"foreign address", "198.18.1.1:1005", "198.18.2.2:80 source 0.0.0.0 usesrc 198.18.9.9", "client", "198.18.1.1:1005", "198.18.9.9:*", "198.18.2.2:80"},
		{"own address", "198.18.1.1:1006", "198.18.2.2:80 source 198.18.1.1", "client", "198.18.1.1:1006", "198.18.1.1:*", "198.18.2.2:80"},
		{"interface", "198.18.1.1:1007", "198.18.2.2:80 source 0.0.0.0 interface sw0", "client", "198.18.1.1:1007", "198.18.3.1:*", "198.18.2.2:80"},
		{"namespace of the server", "198.18.1.1:1008", "127.0.0.1:81 namespace server", "client", "198.18.1.1:1008", "127.0.0.1:*", "127.0.0.1:81"},
		{"namespace of the client", "127.0.0.1:1009 namespace client", "198.18.2.2:80", "client", "127.0.0.1:1009", "198.18.2.1:*", "198.18.2.2:80"},
		{"both in the client's", "127.0.0.1:1010 namespace client", "127.0.0.1:82 namespace *", "client", "127.0.0.1:1010", "127.0.0.1:*", "127.0.0.1:82"},
		{"transparent", "198.18.7.7:1011 transparent", "198.18.2.2:80", "client", "198.18.7.7:1011", "198.18.2.1:*", "198.18.2.2:80"},
		{"IPv6 transparent", "[fd00:198:18:7::7]:1012 transparent", "198.18.2.2:80", "client", "[fd00:198:18:7::7]:1012", "198.18.2.1:*", "198.18.2.2:80"},
		{"transparent to where it leads", ":1013 transparent", "*:80", "client", "198.18.2.2:1013", "198.18.2.1:*", "198.18.2.2:80"},
		{"by the interface", ":1014 interface cl0", "198.18.2.2:80", "client", "198.18.1.1:1014", "198.18.2.1:*", "198.18.2.2:80"},
		{"by another interface", "", "", "server", "198.18.2.1:1014", "dial tcp 198.18.2.1:1014: connect: connection refused", ""},
	}
	text := netnsHead
	for i, tt := range tests {
		if tt.bind != "" {
			text += fmt.Sprintf("listen l%d\n\tbind %s\n\tserver s1 %s\n", i, tt.bind, tt.server)
		}
	}
	onBoth(t, text, func(t *testing.T) {
		for _, tt := range tests {
			own, from, to := n.ask(t, tt.client, tt.dial)
			want := strings.ReplaceAll(tt.from, "OWN", own)
			if host, any := strings.CutSuffix(want, "*"); any && strings.HasPrefix(from, host) {
				from = want
			}
			if from != want || to != tt.to {
				t.Errorf("%s: the server sees %q at %q, want %q at %q", tt.name, from, to, want, tt.to)
			}
		}
	})
}

// An address of another machine cannot be bound without "transparent".
func TestForeignAddressNeedsTransparent(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	newNetwork(t)
	conf := parseConf(t, netnsHead+"listen l\n\tbind 198.18.7.7:1001\n\tserver s1 198.18.2.2:80\n")
	if e, err := Start(conf, Options{Log: slog.New(slog.DiscardHandler), Resolver: hosts{}}); err == nil {
		e.Stop()
		t.Error("198.18.7.7 was bound")
	}
}

// Checks come from where sessions come from.
func TestChecksHaveTheServersSource(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	n := newNetwork(t)
	lines := []struct{ name, line, want string }{
		{"plain", "", "198.18.2.1:*"},
		{"address", "source 198.18.1.1", "198.18.1.1:*"},
		{"address and port", "source 198.18.1.1:7001", "198.18.1.1:7001"},
		{"ports", "source 198.18.1.1:7003-7003", "198.18.1.1:7003"},
		{"foreign address", "source 0.0.0.0 usesrc 198.18.9.9", "198.18.2.1:*"},
		{"own address beside a foreign one", "source 198.18.1.1 usesrc 198.18.9.9", "198.18.1.1:*"},
		{"client's", "source 198.18.1.1 usesrc client", "198.18.1.1:*"},
		{"any client's", "source 0.0.0.0 usesrc clientip", "198.18.2.1:*"},
		{"interface", "source 0.0.0.0 interface sw0", "198.18.3.1:*"},
		{"namespace", "namespace server", "127.0.0.1:*"},
		{"another address", "source 198.18.1.1 addr 198.18.3.2", "198.18.1.1:*"},
	}
	text := netnsHead + "listen l\n\tbind 198.18.1.1:1001\n"
	seen := make([]chan string, len(lines))
	for i, l := range lines {
		host, at, port := "198.18.2.2", "", 80+i
		if strings.Contains(l.line, "namespace") {
			host = "127.0.0.1"
		}
		if at = host; strings.Contains(l.line, "addr") {
			at = "198.18.3.2"
		}
		seen[i] = make(chan string, 1)
		n.accept("server", netip.AddrPortFrom(netip.MustParseAddr(at), uint16(port)).String(), func(c *net.TCPConn) {
			from := c.RemoteAddr().String()
			for {
				select {
				case seen[i] <- from: // the latest
					return
				case <-seen[i]:
				}
			}
		})
		text += fmt.Sprintf("\tserver s%d %s:%d check inter 100ms %s\n", i, host, port, l.line)
	}
	// HAProxy resets the connection of a mere check before a server may accept it.
	judged := strings.ReplaceAll(text, "\tserver s0", "\toption tcp-check\n\ttcp-check connect\n\ttcp-check send-binary 00\n\tserver s0")
	look := func(t *testing.T) {
		late := time.After(patience)
		for i := range seen {
			select {
			case <-seen[i]: // of the side before
			default:
			}
		}
		for i, l := range lines {
			select {
			case from := <-seen[i]:
				if host, any := strings.CutSuffix(l.want, "*"); any && strings.HasPrefix(from, host) {
					from = l.want
				}
				if from != l.want {
					t.Errorf("%s: the server sees a check from %s, want %s", l.name, from, l.want)
				}
			case <-late:
				t.Fatalf("%s: no check", l.name)
			}
		}
	}
	t.Run("haproxy", func(t *testing.T) {
		startJudge(t, judged)
		look(t)
	})
	t.Run("engine", func(t *testing.T) {
		startRig(t, parseConf(t, text), Options{})
		look(t)
		look(t) // a port that was used comes back
	})
}
