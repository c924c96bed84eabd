package netcfg

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const lanFile = `[Match]
Name=eth0
[Network]
Address=198.18.0.2/24
Address=fd00:198:18::2/64
`

const vipFile = `[VIP]
Address=198.18.0.10/32
Address=fd00:198:18::10/128
AnnounceIntervalSec=0.1
`

var (
	vip4 = netip.MustParseAddr("198.18.0.10")
	vip6 = netip.MustParseAddr("fd00:198:18::10")
)

// isARP matches an ARP frame of the operation whose sender is addr.
func isARP(op uint16, addr netip.Addr) func([]byte) bool {
	ip := addr.As4()
	return func(f []byte) bool {
		return len(f) >= 42 && binary.BigEndian.Uint16(f[12:]) == etherARP && binary.BigEndian.Uint16(f[20:]) == op && bytes.Equal(f[28:32], ip[:])
	}
}

// isNA matches an unsolicited advertisement of addr with a right checksum.
func isNA(addr netip.Addr) func([]byte) bool {
	ip := addr.As16()
	return func(f []byte) bool {
		if len(f) < 86 || binary.BigEndian.Uint16(f[12:]) != etherIPv6 || f[20] != icmpv6 || f[54] != icmpAdvertise {
			return false
		}
		return bytes.Equal(f[62:78], ip[:]) && f[58] == flagOverride && f[21] == 255 &&
			icmpChecksum([16]byte(f[22:38]), [16]byte(f[38:54]), f[54:86]) == 0
	}
}

func TestVIPAnswersAndIsAnnounced(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	w := l.wire()
	l.file("10-lan.network", lanFile)
	l.file("20-mysql.vip", vipFile)
	r := l.start(limit)
	ready, _ := r.awaitNotify("READY=1")
	if want := "READY=1\nSTATUS=configured 1 links, 2 addresses, 2 VIPs"; ready != want {
		t.Errorf("ready = %q, want %q", ready, want)
	}
	mine := l.link().Attrs().HardwareAddr
	for _, op := range []uint16{arpRequest, arpReply} {
		f := w.await("gratuitous ARP", func(f []byte) bool {
			return isARP(op, vip4)(f) && bytes.Equal(f[38:42], vip4.AsSlice())
		})
		if !bytes.Equal(f[22:28], mine) {
			t.Errorf("gratuitous ARP %d announces %x, want %s", op, f[22:28], mine)
		}
	}
	f := w.await("neighbour advertisement", isNA(vip6))
	if !bytes.Equal(f[80:86], mine) {
		t.Errorf("advertisement has %x, want %s", f[80:86], mine)
	}
	peer, err := NewKernel(l.peerNS)
	l.must(err)
	defer peer.Close()
	l.awaitIn(peer, "the peer's carrier", func(s *State) bool { return s.link(w.idx).Carrier })
	ask := gratuitousARP(arpRequest, mac(w.mac), netip.MustParseAddr("198.18.0.1"))
	copy(ask[38:42], vip4.AsSlice())
	l.must(unix.Sendto(w.fd, ask, 0, &unix.SockaddrLinklayer{Ifindex: w.idx}))
	w.await("answer to who-has 198.18.0.10", func(f []byte) bool { return isARP(arpReply, vip4)(f) && bytes.Equal(f[0:6], w.mac) })
}

// dial connects from the peer to a listener on addr in the appliance.
func (l *lab) dial(addr string) error {
	var ln net.Listener
	err := l.kernel.inside(func() (err error) {
		ln, err = net.Listen("tcp", net.JoinHostPort(addr, "0"))
		return err
	})
	if err != nil {
		return err
	}
	defer ln.Close()
	peer := &Kernel{ns: l.peerNS}
	return peer.inside(func() error {
		fd, err := unix.Socket(family(addr), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		port := ln.Addr().(*net.TCPAddr).Port
		a := netip.MustParseAddr(addr)
		if a.Is4() {
			return unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: a.As4()})
		}
		return unix.Connect(fd, &unix.SockaddrInet6{Port: port, Addr: a.As16()})
	})
}

func family(addr string) int {
	if strings.Contains(addr, ":") {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func TestAddressesUsableAtReady(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	l.file("10-lan.network", lanFile)
	l.file("20-mysql.vip", vipFile)
	l.start(limit).awaitNotify("READY=1")
	for _, a := range []string{"fd00:198:18::2", "fd00:198:18::10", "198.18.0.2", "198.18.0.10"} {
		if err := l.dial(a); err != nil {
			t.Errorf("connect to %s: %v", a, err)
		}
	}
	// The appliance's own connections come from its own address.
	for _, dst := range []string{"198.18.0.1", "fd00:198:18::1"} {
		routes, err := l.ip.RouteGet(net.ParseIP(dst))
		l.must(err)
		if src := routes[0].Src.String(); src != "198.18.0.2" && src != "fd00:198:18::2" {
			t.Errorf("source towards %s = %s, want the static address", dst, src)
		}
	}
}

func (l *lab) delAddr(addr string) {
	l.t.Helper()
	a, err := netlink.ParseAddr(addr)
	l.must(err)
	l.must(l.ip.AddrDel(l.link(), a))
}

func TestDriftComesBack(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	l.file("10-lan.network", lanFile+"Gateway=198.18.0.1\n[Route]\nDestination=fd00:99::/48\nGateway=fd00:198:18::1\n"+
		"[Route]\nDestination=10.9.0.0/16\nTable=100\n")
	l.file("20-mysql.vip", vipFile)
	foreign, err := netlink.ParseAddr("203.0.113.5/24")
	l.must(err)
	l.must(l.ip.AddrAdd(l.link(), foreign))
	r := l.start(limit)
	r.awaitNotify("READY=1")
	w := l.wire()
	if s := r.show(); !strings.Contains(s, "repairs: 0\n") {
		t.Fatalf("before any drift:\n%s", s)
	}

	for _, a := range []string{"198.18.0.10/32", "fd00:198:18::10/128", "198.18.0.2/24"} {
		l.delAddr(a)
		l.await(a+" back", has(a))
	}
	w.await("announcement of the repaired VIP", isARP(arpRequest, vip4))

	dropped := func() {
		routes, err := l.ip.RouteListFiltered(unix.AF_INET, &netlink.Route{Protocol: Protocol}, netlink.RT_FILTER_PROTOCOL)
		l.must(err)
		if len(routes) != 1 {
			t.Fatalf("own routes = %v, want the default route", routes)
		}
		l.must(l.ip.RouteDel(&routes[0]))
	}
	l.await("default route", hasRoute("default via 198.18.0.1"))
	dropped()
	l.await("default route back", hasRoute("default via 198.18.0.1"))

	l.must(l.ip.LinkSetDown(l.link()))
	l.await("everything after link down", func(s *State) bool {
		for _, want := range []func(*State) bool{has("198.18.0.2/24"), has("fd00:198:18::2/64 nodad"), has("fd00:198:18::10/128 nodad preferred_lft 0"),
			hasRoute("default via 198.18.0.1"), hasRoute("fd00:99::/48"), hasRoute("10.9.0.0/16 table 100")} {
			if !want(s) {
				return false
			}
		}
		return s.Links[1].Up
	})
	w.await("announcement after the flap", isNA(vip6))
	l.await("foreign address", func(s *State) bool { return strings.Contains(render(s), "203.0.113.5/24 proto 0") })
	if s := r.show(); strings.Contains(s, "repairs: 0\n") || !strings.Contains(r.log.String(), "network drift repaired") {
		t.Errorf("repairs are not counted or logged:\n%s\n%s", s, r.log)
	}
}

func hasRoute(text string) func(*State) bool {
	return func(s *State) bool { return strings.Contains(render(s), " route "+text) }
}

func TestReload(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	l.file("10-lan.network", lanFile)
	l.file("20-mysql.vip", vipFile)
	r := l.start(limit)
	r.awaitNotify("READY=1")

	l.file("20-mysql.vip", "[VIP]\nAddress=198.18.0.11/32\nAnounce=no\n")
	l.file("10-lan.network", strings.Replace(lanFile, "198.18.0.2/24", "198.18.0.2", 1))
	err := r.Reload(t.Context())
	if got := Diagnostics(err); len(got) != 2 {
		t.Fatalf("Reload of a broken directory = %v, want 2 diagnostics", err)
	}
	if s, err := l.kernel.Observe(); err != nil || !has("198.18.0.10/32")(s) || !has("198.18.0.2/24")(s) {
		t.Fatalf("a refused reload changed something: %v\n%s", err, render(s))
	}
	if s, _ := r.awaitNotify("RELOADING=1\nMONOTONIC_USEC="); s == "RELOADING=1\nMONOTONIC_USEC=0" {
		t.Errorf("notify = %q, want the time", s)
	}
	r.awaitNotify("READY=1")

	l.file("10-lan.network", strings.Replace(lanFile, "::2/64", "::2/48", 1)+"DNS=198.18.0.1 fd00:198:18::1\nDomains=lan.example\n")
	l.file("20-mysql.vip", "[VIP]\nAddress=198.18.0.11/32\n")
	var plan bytes.Buffer
	l.must(r.ShowPlan(t.Context(), "", &plan))
	want := "addr del fd00:198:18::2/64 dev eth0\naddr replace fd00:198:18::2/48 nodad dev eth0\naddr replace 198.18.0.11/32 dev eth0\n" +
		"addr del 198.18.0.10/32 dev eth0\naddr del fd00:198:18::10/128 dev eth0\n" +
		"resolv.conf nameserver [198.18.0.1 fd00:198:18::1] search [lan.example]\n"
	if plan.String() != want {
		t.Errorf("plan =\n%s\nwant\n%s", plan.String(), want)
	}
	l.must(r.Reload(t.Context()))
	s, err := l.kernel.Observe()
	l.must(err)
	if !has("198.18.0.11/32")(s) || !has("fd00:198:18::2/48")(s) || has("198.18.0.10/32")(s) || has("fd00:198:18::10/128")(s) {
		t.Errorf("state after the reload:\n%s", render(s))
	}
	plan.Reset()
	l.must(r.ShowPlan(t.Context(), "", &plan))
	if plan.String() != "nothing to change\n" {
		t.Errorf("plan after the reload = %q", plan.String())
	}
	text, err := os.ReadFile(l.resolv)
	if want := "# written by netd from DNS=, Domains=, DHCP and routers\nsearch lan.example\nnameserver 198.18.0.1\nnameserver fd00:198:18::1\n"; string(text) != want {
		t.Errorf("resolv.conf = %q, %v, want %q", text, err, want)
	}
}

func TestHotplugAndCarrier(t *testing.T) {
	l := newLab(t)
	l.file("10-lan.network", lanFile)
	l.file("20-mysql.vip", vipFile)
	r := l.start(time.Hour)
	if s, _ := r.awaitNotify("STATUS="); !strings.Contains(s, "waiting: no link matches 10-lan.network, no link for VIP") {
		t.Errorf("status = %q, want the missing link", s)
	}
	l.plug("eth0", false)
	l.await("address before carrier", func(s *State) bool {
		return has("198.18.0.10/32")(s) && has("fd00:198:18::10/128 nodad preferred_lft 0")(s) && !s.Links[1].Carrier
	})
	w := l.wire()
	l.peerUp()
	_, before := r.awaitNotify("READY=1")
	if len(before) == 0 || before[len(before)-1] != "STATUS=waiting: eth0 has no carrier" {
		t.Errorf("before READY = %q, want waiting for the carrier", before)
	}
	w.await("announcement", isARP(arpRequest, vip4))
	if s := r.show(); !strings.Contains(s, "repairs: 0\n") {
		t.Errorf("a new link counts as drift:\n%s", s)
	}
}

func TestReadyAfterTimeLimit(t *testing.T) {
	l := newLab(t)
	l.file("10-lan.network", lanFile)
	s, _ := l.start(50 * time.Millisecond).awaitNotify("READY=1")
	if want := "READY=1\nSTATUS=degraded: no link matches 10-lan.network"; s != want {
		t.Errorf("ready = %q, want %q", s, want)
	}
}

func TestNotRequiredIsNotAwaited(t *testing.T) {
	l := newLab(t)
	l.file("10-lan.network", lanFile+"[Link]\nRequiredForOnline=no\n")
	s, before := l.start(time.Hour).awaitNotify("READY=1")
	if len(before) != 0 || !strings.Contains(s, "configured 0 links") {
		t.Errorf("ready = %q after %q", s, before)
	}
}

func TestRestartAdoptsAndCleans(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	l.file("10-lan.network", lanFile)
	l.file("20-mysql.vip", vipFile)
	r := l.start(limit)
	r.awaitNotify("READY=1")
	updates := make(chan netlink.AddrUpdate, 100)
	done := make(chan struct{})
	defer close(done)
	l.must(netlink.AddrSubscribeAt(l.ns, updates, done))
	r.stop()
	r.awaitNotify("STOPPING=1")
	second := l.start(limit)
	second.awaitNotify("READY=1")
	if log := second.log.String(); strings.Contains(log, "network changed") {
		t.Errorf("restart changed the network:\n%s", log)
	}
	// An address of the test's own marks the end of what is to be looked at.
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

func TestRestartRemovesWhatTheFilesLost(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	l.file("10-lan.network", lanFile)
	l.file("20-mysql.vip", vipFile)
	r := l.start(limit)
	r.awaitNotify("READY=1")
	r.stop()
	l.must(os.Remove(l.dir + "/20-mysql.vip"))
	l.start(limit).awaitNotify("READY=1")
	if s, err := l.kernel.Observe(); err != nil || has("198.18.0.10/32")(s) || !has("198.18.0.2/24")(s) {
		t.Errorf("state = %v\n%s", err, render(s))
	}
}

func TestDuplicateIsReported(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	l.file("10-lan.network", "[Match]\nName=eth0\n[Address]\nAddress=fd00:198:18::1/64\nDuplicateAddressDetection=ipv6\n")
	r := l.start(time.Hour)
	for {
		s, _ := r.awaitNotify("STATUS=")
		if strings.Contains(s, "fd00:198:18::1/64 on eth0 is a duplicate") {
			return
		}
	}
}

func TestLinkSettingsAndLabelInPlace(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	l.file("a.network", "[Match]\nType=ether\n[Link]\nMTUBytes=1400\nMACAddress=52:54:00:aa:bb:cc\n[Address]\nAddress=198.18.0.2/24\nLabel=eth0:a\n"+
		"[Address]\nAddress=198.18.7.1/32\nPeer=198.18.7.2/32\n[Network]\nIPv6AcceptRA=no\n")
	r := l.start(limit)
	r.awaitNotify("READY=1")
	l.file("a.network", "[Match]\nDriver=veth\n[Address]\nAddress=198.18.0.2/24\nLabel=eth0:b\n[Address]\nAddress=198.18.7.1/32\nPeer=198.18.7.3/32\n")
	if got, err := l.kernel.Sysctls([]string{"net/ipv6/conf/eth0/accept_ra"}); err != nil || got["net/ipv6/conf/eth0/accept_ra"] != "0" {
		t.Errorf("accept_ra = %v, %v, want 0", got, err)
	}
	l.must(r.Reload(t.Context()))
	s, err := l.kernel.Observe()
	l.must(err)
	text := render(s)
	for _, want := range []string{"link eth0 up mtu 1400 mac 52:54:00:aa:bb:cc", "198.18.0.2/24 label eth0:b proto 83", "198.18.7.1 peer 198.18.7.3/32 proto 83"} {
		if !strings.Contains(text, want) {
			t.Errorf("state lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "eth0:a") || strings.Contains(text, "198.18.7.2") {
		t.Errorf("state keeps what changed:\n%s", text)
	}
}
