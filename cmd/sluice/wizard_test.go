package main

import (
	"maps"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

const showNetwork = `status: 1 links, 2 addresses, 1 VIPs
link lo: up, carrier, mtu 65536, -, builtin
  address 127.0.0.1/8, foreign
link eth0: up, carrier, mtu 1500, 52:54:00:12:34:56, 10-lan.network
  address 198.18.0.2/24, ok, announced 3
  address fd00:198:18::2/64, being checked for duplicates, announced 0
  vip 198.18.0.10/32, ok, announced 3
  address fe80::5054:ff:fe12:3456/64, foreign
link eth1: down, no carrier, mtu 1500, 52:54:00:12:34:57, unmanaged
`

// enterAll answers the wizard's questions in order; Enter keeps what is not in changed.
func enterAll(changed map[string]string) [][2]string {
	var pairs [][2]string
	for _, q := range []string{"Host name [", "Link [", "Address, or dhcp [", "Gateway [", "Name servers [", "(VIP) [", "first service [", "Its servers ["} {
		pairs = append(pairs, [2]string{q, changed[q] + "\r"})
	}
	return pairs
}

func TestWizard(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	daemonAt(t, dir, "netd", answer("show network", showNetwork))
	c := startTTY(t, dir, 0, 0)
	c.dialog([2]string{prompt, "setup\r"})
	c.dialog(enterAll(map[string]string{"Host name [": "lb1", "Link [": "eth1", "Address, or dhcp [": "192.0.2.10/24",
		"Gateway [": "192.0.2.1", "Name servers [": "192.0.2.53", "(VIP) [": "192.0.2.20", "first service [": "6379", "Its servers [": "192.0.2.31 r2"})...)
	c.dialog([2]string{"+Address=192.0.2.10/24", ""}, [2]string{"Changes to the network:\n  change network/10-lan.network", ""},
		[2]string{"Apply this [yes]: ", "\r"}, [2]string{"Revision 1 runs.", ""}, [2]string{"a reboot keeps it [yes]: ", "\r"},
		[2]string{"Revision 1 is saved", ""}, [2]string{prompt, "setup\r"})
	// Again, with what is there now.
	c.expect("Host name [lb1]: ")
	c.send("\r")
	for _, want := range []string{"[eth1]", "[192.0.2.10/24]", "[192.0.2.1]", "[192.0.2.53]", "[192.0.2.20]", "[6379]", "[192.0.2.31 r2]"} {
		c.dialog([2]string{want + ": ", "\r"})
	}
	c.dialog([2]string{"Everything is so already.", ""}, [2]string{prompt, "exit\r"})
	c.exit()

	want := maps.Clone(factoryFiles)
	maps.Copy(want, appliance.Files{"hostname": "lb1\n",
		"proxy.cfg": "frontend redis\n   mode tcp\n   bind :6379\n   default_backend redis_servers\n" +
			"backend redis_servers\n   mode tcp\n   balance leastconn\n   server s1 192.0.2.31:6379\n   server r2\n",
		"network/10-lan.network": "# The first Ethernet link.\n[Match]\nName=eth1\n\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\nDNS=192.0.2.53\n",
		"network/20-mysql.vip":   "# The address that clients connect to.\n[VIP]\nDescription=MySQL\nAddress=192.0.2.20/32\nLink=10-lan.network\n"})
	defer f.hold()()
	if diff := cmp.Diff(want, f.content[f.running]); diff != "" || f.saved != 1 || f.revisions[1].User != "admin" || f.revisions[1].Origin != "console" {
		t.Errorf("revision %+v, saved %d (-want +got):\n%s", f.revisions[f.running], f.saved, diff)
	}
}

// Left in any way but by applying, the wizard changes nothing, not even edits that
// wait.
func TestWizardLeavesNothingBehind(t *testing.T) {
	for _, tt := range []struct {
		name   string
		edited bool
		keys   [][2]string
	}{
		{"ctrl-c at the first question", false, [][2]string{{"Host name [", "\x03"}, {"Interrupted.", ""}}},
		{"ctrl-d at the fourth", true, append(enterAll(nil)[:3], [2]string{"Gateway [", "\x04"})},
		{"ctrl-c at the last", false, append(enterAll(map[string]string{"first service [": "80"}), [2]string{"Apply this [yes]: ", "\x03"}, [2]string{"Interrupted.", ""})},
		{"ctrl-c at the last with edits", true, append(enterAll(map[string]string{"first service [": "80"}), [2]string{"Apply this [yes]: ", "\x03"}, [2]string{"Interrupted.", ""})},
		{"no", true, append(enterAll(map[string]string{"(VIP) [": "none"}), [2]string{"Apply this [yes]: ", "no\r"}, [2]string{"again [no]: ", "\r"})},
		{"again and then ctrl-c", false, append(enterAll(map[string]string{"(VIP) [": "none"}), [2]string{"Apply this [yes]: ", "no\r"},
			[2]string{"again [no]: ", "yes\r"}, [2]string{"Host name [", "\x03"}, [2]string{"Interrupted.", ""})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			f := startConfd(t, dir)
			release := f.hold()
			if tt.edited {
				f.edited = maps.Clone(factoryFiles)
				f.edited["hosts"] = "# edited\n"
			}
			release()
			before := f.snapshot()
			c := startTTY(t, dir, 80, 24)
			c.dialog([2]string{prompt, "setup\r"})
			c.dialog(tt.keys...)
			c.dialog([2]string{prompt, "exit\r"})
			c.exit()
			if diff := cmp.Diff(before, f.snapshot()); diff != "" {
				t.Errorf("confd's state changed (-before +after):\n%s", diff)
			}
		})
	}
}

// Every wrong answer gets a message that says what is accepted.
func TestWizardAnswers(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24"), netip.MustParsePrefix("2001:db8::10/64")}
	of := func(_ any, err error) error { return err }
	ask := map[string]func(string) error{
		"host": checkHost,
		"link": func(s string) error { return checkLink(s, []string{firstLink, "eth0"}, false) },
		"name": func(s string) error { return checkLink(s, []string{firstLink}, true) },
		"address": func(s string) error {
			_, _, err := parseAddresses(s)
			return err
		},
		"gateway": func(s string) error { return of(parseGateways(s, own)) },
		"dns":     func(s string) error { return of(parseDNS(s)) },
		"vip":     func(s string) error { return of(parseVIP(s, own)) },
		"port":    func(s string) error { return of(parsePort(s)) },
		"servers": func(s string) error { return of(parseServers(s)) },
	}
	for _, tt := range []struct{ question, answer, fault string }{
		{"host", "lb1.example.com", ""}, {"host", "", "accepted are"}, {"host", "a b", "accepted are"}, {"host", "-a", "accepted are"},
		{"host", strings.Repeat("a", 65), "64 characters"}, {"host", "lb_1", "accepted are"},
		{"link", "eth0", ""}, {"link", "first", ""}, {"link", "eth9", "accepted are first, eth0"}, {"link", asIs, "accepted are"},
		{"name", "enp1s0", ""}, {"name", "a/b", "accepted are"}, {"name", "averyverylongname", "accepted are"},
		{"address", "dhcp", ""}, {"address", "DHCP", ""}, {"address", "192.0.2.1/24, 2001:db8::1/64", ""}, {"address", "10.0.0.0/31", ""},
		{"address", "192.0.2.1", "ADDRESS/LENGTH"}, {"address", "", "ADDRESS/LENGTH"}, {"address", "192.0.2.0/24", "of the network"},
		{"address", "192.0.2.255/24", "broadcasts"}, {"address", "127.0.0.1/8", "accepted are"}, {"address", "224.0.0.1/4", "accepted are"},
		{"address", "192.0.2.300/24", "accepted are"}, {"address", "192.0.2.1/33", "accepted are"}, {"address", "1.2.3.4/0", "accepted are"},
		{"gateway", "192.0.2.1", ""}, {"gateway", "192.0.2.1 2001:db8::1", ""}, {"gateway", "none", ""}, {"gateway", "", ""}, {"gateway", "fe80::1", ""},
		{"gateway", "192.0.3.1", "in none of the networks 192.0.2.10/24 2001:db8::10/64"}, {"gateway", "192.0.2.10", "own address"},
		{"gateway", "router", "accepted are"}, {"gateway", "192.0.2.1 192.0.2.2", "one gateway for IPv4"},
		{"dns", "none", ""}, {"dns", "127.0.0.1", ""}, {"dns", "1.1.1.1 8.8.8.8 9.9.9.9 8.8.4.4", "at most 3"}, {"dns", "dns.example", "accepted are"},
		{"vip", "192.0.2.20", ""}, {"vip", "192.0.2.20/32", ""}, {"vip", "none", ""}, {"vip", "192.0.2.10", "own address"},
		{"vip", "192.0.2.20 192.0.2.21", "accepted are"}, {"vip", "0.0.0.0", "accepted are"},
		{"port", "1", ""}, {"port", "65535", ""}, {"port", "none", ""}, {"port", "0", "1 to 65535"}, {"port", "65536", "1 to 65535"},
		{"port", "mysql", "1 to 65535"}, {"port", "4444", "web page"},
		{"servers", "s1 s2:3307 192.0.2.1 [2001:db8::1]:80 2001:db8::2", ""}, {"servers", "", "a server is needed"}, {"servers", "s1 s1", "twice"},
		{"servers", "s1:", "HOST:PORT"}, {"servers", "s1:x", "HOST:PORT"}, {"servers", "s1:70000", "HOST:PORT"}, {"servers", "a;b", "HOST:PORT"}, {"servers", "0.0.0.0", "HOST:PORT"},
	} {
		err := ask[tt.question](tt.answer)
		if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s %q: %v, want %q", tt.question, tt.answer, err, tt.fault)
		}
	}
}

// The files that the wizard makes say to its next run what was answered, and what
// it does not ask for stays.
func TestAnswersRoundTrip(t *testing.T) {
	base := answers{host: "lb1", link: "eth0", addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24")},
		vip: netip.MustParsePrefix("192.0.2.20/32"), port: 3306, servers: []string{"s1", "192.0.2.32", "db3:3307"}}
	dhcp, bare, v6 := base, base, base
	dhcp.dhcp, dhcp.addresses, dhcp.link = true, nil, firstLink
	bare.vip, bare.port, bare.servers = netip.Prefix{}, 0, nil
	v6.vip, v6.dns = netip.MustParsePrefix("2001:db8::20/128"), []netip.Addr{netip.MustParseAddr("2001:db8::53")}
	v6.servers, v6.port = []string{"2001:db8::31", "[2001:db8::32]:81", "web3:81"}, 80
	rich := appliance.Files{"proxy.cfg": "# keep\nglobal\n   maxconn 10\n\nfrontend in\n   bind 192.0.2.9:25 # here\n   default_backend out\n" +
		"backend out\n   server a 192.0.2.5:25 check weight 3\n   # last\nlisten other\n   bind :99\n",
		"network/05-a.network": "[Match]\nMACAddress=52:54:00:12:34:56\n[Network]\nAddress=192.0.2.3/24\nDHCP=yes\n[Route]\nDestination=203.0.113.0/24\nGateway=192.0.2.7\n",
		"network/05-a.vip":     "[VIP]\nAddress=192.0.2.98/32 192.0.2.99/32\n", "network/06-b.network": "[Match]\nName=eth7\n"}
	for name, files := range map[string]appliance.Files{"empty": nil, "factory": factoryFiles, "rich": rich} {
		for _, a := range []answers{base, dhcp, bare, v6} {
			out := a.files(files)
			got := readAnswers(out)
			if name == "rich" && !a.vip.IsValid() { // the second one has become the first
				got.vip = netip.Prefix{}
			}
			if a.port == 0 {
				got.port, got.servers = 0, nil
				if out["proxy.cfg"] != files["proxy.cfg"] {
					t.Errorf("%s: without a port the proxy's file becomes\n%s", name, out["proxy.cfg"])
				}
			}
			if diff := cmp.Diff(a, got, cmp.AllowUnexported(answers{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
				cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("%s: the next run reads something else (-answered +read):\n%s\nfrom %q", name, diff, out)
			}
			if diff := cmp.Diff(out, got.files(out)); diff != "" && a.port != 0 && a.vip.IsValid() {
				t.Errorf("%s: a second run changes something (-first +second):\n%s", name, diff)
			}
		}
	}
	out := base.files(rich)
	for _, keep := range []string{"# keep\nglobal\n   maxconn 10\n", "bind 192.0.2.9:3306 # here", "   # last\nlisten other\n   bind :99\n"} {
		if !strings.Contains(out["proxy.cfg"], keep) {
			t.Errorf("the proxy's file lacks %q:\n%s", keep, out["proxy.cfg"])
		}
	}
	if !strings.Contains(out["network/05-a.network"], "[Route]\nDestination=203.0.113.0/24\nGateway=192.0.2.7\n") || out["network/06-b.network"] != rich["network/06-b.network"] {
		t.Errorf("the network's files lose what was not asked for: %q", out)
	}
	again := readAnswers(rich)
	again.servers = append(again.servers, "192.0.2.6")
	if got := again.files(rich)["proxy.cfg"]; !strings.Contains(got, "   server a 192.0.2.5:25 check weight 3\n   server s1 192.0.2.6:25\n") {
		t.Errorf("a second server: %s", got)
	}
}
