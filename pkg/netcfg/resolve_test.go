package netcfg

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func loadText(t *testing.T, files map[string]string) *Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestLeaseInThePlan applies leases to the fake kernel: what is used of them by
// key, renewal, and the end.
func TestLeaseInThePlan(t *testing.T) {
	now := time.Now()
	lease := &Lease{Link: "eth0", Address: netip.MustParsePrefix("198.18.0.50/24"), Server: netip.MustParseAddr("198.18.0.1"), Obtained: now, Lifetime: 600, T1: 300, T2: 525,
		Routes: []LeaseRoute{{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("198.18.0.1")}, {netip.MustParsePrefix("10.0.0.0/8"), netip.Addr{}},
			{netip.MustParsePrefix("10.9.0.0/16"), netip.MustParseAddr("192.0.2.1")}},
		DNS: []netip.Addr{netip.MustParseAddr("198.18.0.1")}, Domains: []string{"dhcp.example"}, NTP: []netip.Addr{netip.MustParseAddr("198.18.0.9")}, Hostname: "lb9", MTU: 1400}
	const head = "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n"
	for _, tt := range []struct{ name, file, plan, also string }{
		{"defaults", head, "addr replace 198.18.0.50/24 dynamic dev eth0\nroute replace 10.0.0.0/8 src 198.18.0.50 metric 1024 scope link dev eth0\n" +
			"route replace default via 198.18.0.1 src 198.18.0.50 metric 1024 dev eth0\nroute replace 10.9.0.0/16 via 192.0.2.1 src 198.18.0.50 metric 1024 onlink dev eth0\n",
			"dns [198.18.0.1] domains [] ntp [198.18.0.9] host  mtu 0"},
		{"nothing but the address", head + "[DHCPv4]\nUseDNS=no\nUseRoutes=no\nUseNTP=no\n", "addr replace 198.18.0.50/24 dynamic dev eth0\n", "dns [] domains [] ntp [] host  mtu 0"},
		{"all, files first", head + "DNS=198.18.0.3\nDomains=lan\nNTP=time.example\n[DHCPv4]\nUseDomains=yes\nUseMTU=yes\nUseHostname=yes\nUseRoutes=no\n",
			"link set eth0 mtu 1400\naddr replace 198.18.0.50/24 dynamic dev eth0\n",
			"dns [198.18.0.3 198.18.0.1] domains [lan dhcp.example] ntp [time.example 198.18.0.9] host lb9 mtu 1400"},
		{"a route of the file that needs the lease", head + "Gateway=198.18.0.9\n[DHCPv4]\nUseRoutes=no\nUseDNS=no\nUseNTP=no\n",
			"addr replace 198.18.0.50/24 dynamic dev eth0\nroute replace default via 198.18.0.9 dev eth0\n", "dns [] domains [] ntp [] host  mtu 0"},
		{"own MTU wins", head + "[Link]\nMTUBytes=1450\n[DHCPv4]\nUseMTU=yes\nUseRoutes=no\nUseDNS=no\nUseNTP=no\n",
			"link set eth0 mtu 1450\naddr replace 198.18.0.50/24 dynamic dev eth0\n", "dns [] domains [] ntp [] host  mtu 1450"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeOS()
			cfg := loadText(t, map[string]string{"a.network": tt.file})
			carry := func(l *Lease) (string, *Desired) {
				var b strings.Builder
				d := Resolve(cfg, f.Links, map[int]*Lease{2: l})
				for _, op := range Plan(d, &f.State) {
					if op.Kind != OpLinkUp && op.Kind != OpSysctl {
						fmt.Fprintln(&b, op)
					}
					if err := f.apply(op); err != nil {
						t.Fatal(err)
					}
				}
				return b.String(), d
			}
			got, d := carry(lease)
			if diff := cmp.Diff(tt.plan, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			also := fmt.Sprintf("dns %v domains %v ntp %v host %s mtu %d", d.DNS, d.Domains, d.NTP, d.Hostname, d.Links[1].MTU)
			if also != tt.also || len(d.Missing)+len(d.Problems) != 0 {
				t.Errorf("desired = %s, missing %v, problems %v, want %s", also, d.Missing, d.Problems, tt.also)
			}
			if again, _ := carry(lease); again != "" {
				t.Errorf("second plan = %q, want none", again)
			}
			longer := *lease
			longer.Obtained = now.Add(time.Minute)
			renewal := Plan(Resolve(cfg, f.Links, map[int]*Lease{2: &longer}), &f.State)
			if len(renewal) != 1 || !renewal[0].Renew || renewal[0].Addr.Prefix != lease.Address {
				t.Errorf("renewal = %v, want a new lifetime only", renewal)
			}
			if _, d := carry(nil); !slices.Equal(d.Missing, []string{"eth0 has no DHCP lease"}) {
				t.Errorf("missing = %q", d.Missing)
			}
			if text := render(&f.State); strings.Contains(text, "198.18.0.50") || strings.Contains(text, " route ") {
				t.Errorf("without the lease:\n%s", text)
			}
		})
	}
}

// TestLeasesThatClash reports what cannot be put in place; the files win over
// leases and the first link over the second.
func TestLeasesThatClash(t *testing.T) {
	lease := func(addr string) *Lease {
		return &Lease{Address: netip.MustParsePrefix(addr), Routes: []LeaseRoute{{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("198.18.0.1")}}}
	}
	cfg := loadText(t, map[string]string{
		"a.network": "[Match]\nName=eth0\n[Network]\nDHCP=yes\n",
		"b.network": "[Match]\nName=eth1\n[Network]\nDHCP=yes\nAddress=198.18.0.2/24\nGateway=10.0.0.1\n",
		"c.network": "[Match]\nName=lo\n[Network]\nDHCP=yes\n",
		"d.vip":     "[VIP]\nAddress=198.18.0.50/32\n"})
	links := newFakeOS().Links
	for _, tt := range []struct {
		leases   map[int]*Lease
		problems []string
	}{
		{map[int]*Lease{2: lease("198.18.0.50/24"), 3: lease("198.18.0.51/24")}, []string{
			"gateway 10.0.0.1 of b.network is not on the link: the DHCP lease is 198.18.0.51/24",
			"route default via 198.18.0.1 src 198.18.0.51 metric 1024 is set on eth0 and not on eth1: another RouteMetric= is needed",
			"VIP 198.18.0.50/32 of d.vip is the address of eth0 already"}},
		{map[int]*Lease{2: lease("198.18.0.2/24")}, []string{"address 198.18.0.2 of the DHCP lease of eth0 is set on eth1 already"}},
	} {
		want := append([]string{"lo is no Ethernet link: DHCP= of c.network does not work on it"}, tt.problems...)
		if d := cmp.Diff(want, Resolve(cfg, links, tt.leases).Problems); d != "" {
			t.Errorf("problems (-want +got):\n%s", d)
		}
	}
}
