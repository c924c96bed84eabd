package netcfg

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addPeer adds an address to the peer.
func (l *lab) addPeer(addr string) {
	l.t.Helper()
	p, err := l.peerIP.LinkByName("peer0")
	l.must(err)
	a, err := netlink.ParseAddr(addr)
	l.must(err)
	a.Flags = unix.IFA_F_NODAD
	l.must(l.peerIP.AddrReplace(p, a))
}

// TestSLAAC has a real radvd that is asked only once accept_ra is on, by a reload
// on a link that is up for long: netd solicits.
func TestSLAAC(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	l.file("10-lan.network", lanFile+"IPv6AcceptRA=no\n")
	r := l.start(limit)
	r.awaitNotify("READY=1")
	conf := filepath.Join(t.TempDir(), "radvd.conf")
	l.must(os.WriteFile(conf, []byte("interface peer0 {\n AdvSendAdvert on;\n MinRtrAdvInterval 600;\n MaxRtrAdvInterval 1200;\n"+
		" prefix fd00:198:18:5::/64 { AdvOnLink on; AdvAutonomous on; };\n"+
		" RDNSS fd00:198:18::1 fe80::53 { AdvRDNSSLifetime 1000; };\n DNSSL ra.example { AdvDNSSLLifetime 1000; };\n};\n"), 0o600))
	peer := &Kernel{ns: l.peerNS}
	l.must(peer.inside(func() error { return os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0) }))
	pk, err := NewKernel(l.peerNS)
	l.must(err)
	defer pk.Close()
	linkLocal := func(s *State) bool {
		return slices.ContainsFunc(s.Addrs, func(a LinkAddr) bool { return a.Prefix.Addr().IsLinkLocalUnicast() && !a.Tentative })
	}
	l.awaitIn(pk, "the router's own address", linkLocal)
	l.await("end of the kernel's own solicitations", linkLocal)
	var log syncBuffer
	l.spawn(&log, "radvd", "-n", "-d", "5", "-m", "stderr", "-C", conf, "-p", filepath.Join(t.TempDir(), "pid"))
	log.await(t, "sending RA to ff02::1") // the unsolicited one at its start
	if s, err := l.kernel.Observe(); err != nil || strings.Contains(render(s), "fd00:198:18:5:") {
		t.Fatalf("IPv6AcceptRA=no took an advertisement: %v\n%s", err, render(s))
	}
	l.file("10-lan.network", lanFile+"DNS=198.18.0.3\nIPv6AcceptRA=yes\n[IPv6AcceptRA]\nUseDomains=yes\n")
	l.must(r.Reload(t.Context()))
	l.await("address from the advertisement", func(s *State) bool {
		return slices.ContainsFunc(s.Addrs, func(a LinkAddr) bool {
			return strings.HasPrefix(a.Prefix.String(), "fd00:198:18:5:") && a.Protocol == protoRA && !a.Expires.IsZero()
		})
	})
	l.await("default route from the advertisement", func(s *State) bool {
		return slices.ContainsFunc(s.Routes, func(r LinkRoute) bool { return r.Dst.Bits() == 0 && r.Protocol == routeRA })
	})
	for end := time.Now().Add(limit); !strings.Contains(r.show(), ", slaac, "); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("show network = %s", r.show())
		}
	}
	resolv, err := os.ReadFile(l.resolv)
	if want := "# written by netd from DNS=, Domains=, DHCP and routers\nsearch ra.example\nnameserver 198.18.0.3\nnameserver fd00:198:18::1\nnameserver fe80::53%eth0\n"; string(resolv) != want {
		t.Errorf("resolv.conf = %q, %v, want %q", resolv, err, want)
	}
	var text strings.Builder
	l.must(r.ShowJSON(t.Context(), &text))
	var s Status
	l.must(json.Unmarshal([]byte(text.String()), &s))
	eth := s.Links[slices.IndexFunc(s.Links, func(l LinkStatus) bool { return l.Name == "eth0" })]
	var found []string
	for _, a := range eth.Addresses {
		found = append(found, a.Origin)
	}
	slices.Sort(found)
	if want := []string{"link-local", "slaac", "static", "static"}; !slices.Equal(found, want) {
		t.Errorf("origins = %v, want %v (no temporary address):\n%s", found, want, text.String())
	}
	if s := r.show(); !strings.Contains(s, "repairs: 0\n") {
		t.Errorf("show network = %s", s)
	}
}

// TestVIPsOnTwoLinks puts several addresses of both families on two links, all of
// which answer, and moves one.
func TestVIPsOnTwoLinks(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	l.must(l.peerIP.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "peer1"}, PeerName: "eth1", PeerNamespace: netlink.NsFd(l.ns)}))
	p, err := l.peerIP.LinkByName("peer1")
	l.must(err)
	l.must(l.peerIP.LinkSetUp(p))
	for _, s := range []string{"198.19.0.1/24", "fd00:198:18:1::1/64"} {
		a, err := netlink.ParseAddr(s)
		l.must(err)
		a.Flags = unix.IFA_F_NODAD
		l.must(l.peerIP.AddrReplace(p, a))
	}
	l.file("10-lan.network", lanFile)
	l.file("11-wan.network", "[Match]\nName=eth1\n[Network]\nAddress=198.19.0.2/24\nAddress=fd00:198:18:1::2/64\n")
	l.file("20-a.vip", "[VIP]\nAddress=198.18.0.10/32\nAddress=198.18.0.11/32\nAddress=fd00:198:18::10/128\n[VIP]\nAddress=198.19.0.10/32\nAnnounce=no\n")
	l.file("21-b.vip", "[VIP]\nAddress=fd00:198:18:1::10/128\nLink=11-wan.network\n[VIP]\nAddress=198.18.0.12/32\nLink=eth0\n")
	r := l.start(limit)
	ready, _ := r.awaitNotify("READY=1")
	if want := "READY=1\nSTATUS=configured 2 links, 4 addresses, 6 VIPs"; ready != want {
		t.Errorf("ready = %q, want %q", ready, want)
	}
	for _, a := range []string{"198.18.0.10", "198.18.0.11", "198.18.0.12", "fd00:198:18::10", "198.19.0.10", "fd00:198:18:1::10"} {
		if err := l.dial(a); err != nil {
			t.Errorf("dial %s: %v", a, err)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"10-lan.network", "11-wan.network", "20-a.vip"} {
		text, err := os.ReadFile(filepath.Join(l.dir, name))
		l.must(err)
		l.must(os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	l.must(os.WriteFile(filepath.Join(dir, "11-wan.network"), []byte("[Match]\nName=eth1\n[Network]\nAddress=198.19.0.2/24\nDHCP=ipv4\nNTP=198.18.0.1\n"), 0o644))
	var plan strings.Builder
	l.must(r.ShowPlan(t.Context(), dir, &plan))
	want := "addr del fd00:198:18:1::2/64 dev eth1\naddr del fd00:198:18:1::10/128 dev eth1\naddr del 198.18.0.12/32 dev eth0\n" +
		"dhcp4 start dev eth1\nntp servers [198.18.0.1]\n"
	if got := sortLines(plan.String()); got != sortLines(want) {
		t.Errorf("plan =\n%s\nwant\n%s", got, want)
	}
	if s, err := l.kernel.Observe(); err != nil || !has("198.18.0.12/32")(s) {
		t.Errorf("a plan changed something: %v\n%s", err, render(s))
	}
	l.must(os.WriteFile(filepath.Join(dir, "20-a.vip"), []byte("[VIP]\nAddress=1\n"), 0o644))
	if err := r.ShowPlan(t.Context(), dir, &plan); len(Diagnostics(err)) != 1 {
		t.Errorf("plan of a broken directory = %v", err)
	}
}

func sortLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
