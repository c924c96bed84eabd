package netcfg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"
	"github.com/vishvananda/netlink"
)

// spawn starts a real program in the peer's namespace; without it the test is
// skipped, or fails in the full run. The returned function stops it.
func (l *lab) spawn(log *syncBuffer, name string, args ...string) (stop func()) {
	l.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			if os.Getenv("SLUICE_FULL") == "1" {
				l.t.Fatalf("%v (ci/setup.sh installs it)", err)
			}
			l.t.Skipf("%v (ci/setup.sh installs it)", err)
		}
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	peer := &Kernel{ns: l.peerNS}
	l.must(peer.inside(cmd.Start))
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
		}
	}
	l.t.Cleanup(func() {
		stop()
		if l.t.Failed() {
			l.t.Logf("%s:\n%s", name, log)
		}
	})
	return stop
}

// dnsmasq is a DHCP server on the peer with the range of addresses.
func (l *lab) dnsmasq(log *syncBuffer, low, high string, args ...string) (stop func()) {
	l.t.Helper()
	stop = l.spawn(log, "dnsmasq", append([]string{"--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=peer0", "--bind-interfaces",
		"--user=root", "--pid-file=", "--log-dhcp", "--log-facility=-", "--no-ping", "--dhcp-authoritative", "--no-hosts", "--no-resolv",
		"--dhcp-leasefile=" + filepath.Join(l.t.TempDir(), "leases"),
		"--dhcp-range=" + low + "," + high + ",255.255.255.0,2m"}, args...)...)
	log.await(l.t, "sockets bound exclusively")
	return stop
}

// await waits for text in the buffer.
func (s *syncBuffer) await(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(limit); !strings.Contains(s.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q: not logged in %v:\n%s", text, limit, s)
		}
	}
}

const dhcpFile = "[Match]\nName=eth0\n[Network]\nDHCP=yes\n"

// TestDHCPLeaseIsUsed gets a lease of dnsmasq with all that netd takes from one,
// and keeps it through a restart of netd without a gap.
func TestDHCPLeaseIsUsed(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	var log syncBuffer
	l.dnsmasq(&log, "198.18.0.50", "198.18.0.50", "--domain=lan.example", "--dhcp-option=option:dns-server,198.18.0.1",
		"--dhcp-option=option:classless-static-route,0.0.0.0/0,198.18.0.1,10.9.0.0/16,198.18.0.9", "--dhcp-option=option:mtu,1400",
		"--dhcp-option=option:ntp-server,198.18.0.1")
	clock := newFakeClock(-time.Minute)
	l.clock, l.keep = clock, filepath.Join(t.TempDir(), "netd")
	l.ntpServer("198.18.0.1", 0)
	l.file("10-lan.network", dhcpFile+"DNS=198.18.0.3\nAddress=fd00:198:18::2/64\n[DHCPv4]\nUseDomains=yes\nUseMTU=yes\nRouteMetric=77\nHostname=lb7\nUseHostname=yes\n")
	l.file("20-a.vip", "[VIP]\nAddress=198.18.0.10/32\n")
	r := l.start(limit)
	r.awaitNotify("READY=1")
	s, err := l.kernel.Observe()
	l.must(err)
	text := render(s)
	for _, want := range []string{"addr 198.18.0.50/24 dynamic proto 83", "addr 198.18.0.10/32 proto 83", "mtu 1400",
		"route default via 198.18.0.1 src 198.18.0.50 metric 77 proto 83", "route 10.9.0.0/16 via 198.18.0.9 src 198.18.0.50 metric 77"} {
		if !strings.Contains(text, want) {
			t.Errorf("state lacks %q:\n%s", want, text)
		}
	}
	resolv, err := os.ReadFile(l.resolv)
	if want := "# written by netd from DNS=, Domains=, DHCP and routers\nsearch lan.example\nnameserver 198.18.0.3\nnameserver 198.18.0.1\n"; string(resolv) != want {
		t.Errorf("resolv.conf = %q, %v, want %q", resolv, err, want)
	}
	log.await(t, "client provides name: lb7")
	if got := receive(t, l.hostnames, "host name"); got != "lb7" { // dnsmasq gives the name back
		t.Errorf("host name = %q", got)
	}
	if got := receive(t, clock.steps, "step"); (got - time.Minute).Abs() > time.Second {
		t.Errorf("step by the server of option 42 = %v, want 1 m", got)
	}
	if got := r.show(); !strings.Contains(got, "  dhcp bound, 198.18.0.50/24 from 198.18.0.1, renews in ") || !strings.Contains(got, "address 198.18.0.50/24, ok, announced ") {
		t.Errorf("show network = %s", got)
	}
	if n := strings.Count(log.String(), "DHCPDISCOVER"); n != 1 {
		t.Errorf("%d DISCOVERs, want 1", n)
	}

	// A boot: what is in the first directory is gone, the disk's is there.
	stored, err := os.ReadFile(leasePath(l.keep, "eth0"))
	if err != nil || !strings.Contains(string(stored), `"address": "198.18.0.50/24"`) {
		t.Errorf("lease on disk = %s, %v", stored, err)
	}
	l.must(os.Remove(leasePath(l.state, "eth0")))

	updates, done := make(chan netlink.AddrUpdate, 100), make(chan struct{})
	defer close(done)
	l.must(netlink.AddrSubscribeAt(l.ns, updates, done))
	r.stop()
	asked := strings.Count(log.String(), "DHCPREQUEST")
	second := l.start(limit)
	second.awaitNotify("READY=1")
	second.await("bound")
	if n := strings.Count(log.String(), "DHCPREQUEST"); n == asked || strings.Count(log.String(), "DHCPDISCOVER") != 1 {
		t.Errorf("restart did not confirm the lease by a REQUEST:\n%s", &log)
	}
	mark, err := netlink.ParseAddr("203.0.113.77/32")
	l.must(err)
	l.must(l.ip.AddrAdd(l.link(), mark))
	for u := range updates {
		if u.LinkAddress.IP.Equal(mark.IP) {
			break
		}
		if !u.NewAddr {
			t.Errorf("address %s was removed", u.LinkAddress.String())
		}
	}
}

// await waits for a state of eth0's DHCP client.
func (r *running) await(state string) {
	r.t.Helper()
	got := ""
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		s, err := r.Status(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, l := range s.Links {
			if l.Name == "eth0" && l.DHCP != nil {
				if got = l.DHCP.State; got == state {
					return
				}
			}
		}
	}
	r.t.Fatalf("dhcp state is %q after %v, want %q", got, limit, state)
}

// TestDHCPNewNetwork flaps the carrier: the same network confirms the lease,
// another one refuses it (NAK) and gives its own.
func TestDHCPNewNetwork(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	var log, log2 syncBuffer
	stop := l.dnsmasq(&log, "198.18.0.50", "198.18.0.50")
	l.file("10-lan.network", dhcpFile)
	r := l.start(limit)
	r.awaitNotify("READY=1")
	r.await("bound")
	flap := func(meanwhile func()) {
		p, err := l.peerIP.LinkByName("peer0")
		l.must(err)
		l.must(l.peerIP.LinkSetDown(p))
		r.await("no carrier")
		if s, err := l.kernel.Observe(); err != nil || !has("198.18.0.50/24")(s) {
			t.Errorf("without carrier the address went: %v\n%s", err, render(s))
		}
		meanwhile()
		l.peerUp()
	}
	asked := strings.Count(log.String(), "DHCPREQUEST")
	flap(func() {})
	r.await("bound")
	if n := strings.Count(log.String(), "DHCPREQUEST"); n == asked || strings.Contains(log.String(), "DHCPNAK") {
		t.Errorf("the lease was not confirmed after the flap:\n%s", &log)
	}
	// A flap between two looks is only known from the events.
	asked = strings.Count(log.String(), "DHCPREQUEST")
	l.must(r.do(t.Context(), func(run context.Context) {
		r.steerDHCP(run, Changes{NoCarrier: map[int]bool{l.link().Attrs().Index: true}})
	}))
	for end := time.Now().Add(limit); strings.Count(log.String(), "DHCPREQUEST") == asked; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("a short flap did not confirm the lease:\n%s", &log)
		}
	}
	r.await("bound")
	flap(stop)
	l.dnsmasq(&log2, "198.18.0.80", "198.18.0.80")
	l.await("address of the other server", func(s *State) bool { return has("198.18.0.80/24")(s) && !has("198.18.0.50/24")(s) })
	log2.await(t, "DHCPNAK")
	l.file("10-lan.network", "[Match]\nName=eth0\n[Network]\nDHCP=no\n")
	l.must(r.Reload(t.Context()))
	if s, err := l.kernel.Observe(); err != nil || has("198.18.0.80/24")(s) {
		t.Errorf("DHCP=no left the address: %v\n%s", err, render(s))
	}
	if _, err := os.Stat(leasePath(l.state, "eth0")); !os.IsNotExist(err) {
		t.Errorf("DHCP=no left the lease file: %v", err)
	}
}

// TestDHCPServerGone renews a short lease and lets it run out; a static address and a VIP on
// the link stay, and only readiness waits for the lease.
func TestDHCPServerGone(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	l.file("10-lan.network", dhcpFile+"Address=198.18.0.2/24\nDNS=198.18.0.3\n")
	l.file("20-a.vip", vipFile+"Link=eth0\n")
	r := l.start(time.Hour)
	if s, _ := r.awaitNotify("STATUS="); s != "STATUS=waiting: eth0 has no DHCP lease" && !strings.Contains(s, "no carrier") {
		t.Errorf("status = %q", s)
	}
	l.await("static address without a server", func(s *State) bool { return has("198.18.0.2/24")(s) && has("198.18.0.10/32")(s) })

	var server *server4.Server
	conn := l.peerUDP()
	renewals := make(chan string, 100)
	handler := func(c net.PacketConn, to net.Addr, m *dhcpv4.DHCPv4) {
		kind := dhcpv4.MessageTypeAck
		if m.MessageType() == dhcpv4.MessageTypeDiscover {
			kind = dhcpv4.MessageTypeOffer
		}
		if m.ClientIPAddr.IsUnspecified() { // from a link without address
			to = &net.UDPAddr{IP: net.IPv4bcast, Port: clientPort}
		} else {
			renewals <- fmt.Sprint(m.ClientIPAddr, " from ", to)
		}
		a := reply(m, kind, "198.18.0.50", dhcpv4.OptIPAddressLeaseTime(4*time.Second), dhcpv4.OptDNS(net.IP{198, 18, 0, 1}))
		// The test may close the server while it answers.
		if _, err := c.WriteTo(a.ToBytes(), to); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("answer: %v", err)
		}
	}
	server, err := server4.NewServer("", nil, handler, server4.WithConn(conn))
	l.must(err)
	go func() { _ = server.Serve() }() // ends with Close
	r.awaitNotify("READY=1")
	for range 2 {
		if got := receive(t, renewals, "renewal"); got != "198.18.0.50 from 198.18.0.50:68" {
			t.Errorf("renewal of %s", got)
		}
	}
	if s := r.show(); !strings.Contains(s, "repairs: 0\n") {
		t.Errorf("a renewal counts as drift:\n%s", s)
	}
	l.must(server.Close())
	l.await("expiry", func(s *State) bool { return !has("198.18.0.50/24")(s) })
	s, err := l.kernel.Observe()
	l.must(err)
	if !has("198.18.0.2/24")(s) || !has("198.18.0.10/32")(s) {
		t.Errorf("static addresses went with the lease:\n%s", render(s))
	}
	r.awaitNotify("STATUS=degraded: eth0 has no DHCP lease")
	if text, err := os.ReadFile(l.resolv); err != nil || strings.Contains(string(text), "198.18.0.1\n") || !strings.Contains(string(text), "198.18.0.3") {
		t.Errorf("resolv.conf = %q, %v", text, err)
	}
}

// peerUDP is a server's socket on the peer.
func (l *lab) peerUDP() net.PacketConn {
	l.t.Helper()
	var conn net.PacketConn
	peer := &Kernel{ns: l.peerNS}
	l.must(peer.inside(func() (err error) {
		conn, err = server4.NewIPv4UDPConn("peer0", &net.UDPAddr{Port: serverPort})
		return err
	}))
	return conn
}

// TestDHCPDecline gives away the peer's own address.
func TestDHCPDecline(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	conn := l.peerUDP()
	declined := make(chan string, 10)
	server, err := server4.NewServer("", nil, func(c net.PacketConn, _ net.Addr, m *dhcpv4.DHCPv4) {
		kind := dhcpv4.MessageTypeAck
		switch m.MessageType() {
		case dhcpv4.MessageTypeDecline:
			declined <- fmt.Sprint(m.RequestedIPAddress(), " ", m.ServerIdentifier())
			return
		case dhcpv4.MessageTypeDiscover:
			kind = dhcpv4.MessageTypeOffer
		}
		if _, err := c.WriteTo(reply(m, kind, "198.18.0.1").ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: clientPort}); err != nil {
			t.Errorf("answer: %v", err)
		}
	}, server4.WithConn(conn))
	l.must(err)
	go func() { _ = server.Serve() }() // ends with Close
	defer server.Close()
	l.file("10-lan.network", dhcpFile)
	l.start(time.Hour)
	if got := receive(t, declined, "DECLINE"); got != "198.18.0.1 198.18.0.1" {
		t.Errorf("declined %s", got)
	}
	if s, err := l.kernel.Observe(); err != nil || has("198.18.0.1/24")(s) {
		t.Errorf("the other station's address was set: %v\n%s", err, render(s))
	}
}
