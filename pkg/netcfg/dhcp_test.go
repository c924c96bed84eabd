package netcfg

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

// script is a station whose server answers by a function; times are those of the
// test's bubble.
type script struct {
	began  time.Time
	log    []string // messages sent: time, type, way, addresses
	mu     sync.Mutex
	answer func(m *dhcpv4.DHCPv4, w way) *dhcpv4.DHCPv4 // guarded by mu
	taken  map[netip.Addr]bool
}

func (s *script) note(m *dhcpv4.DHCPv4, w way) {
	line := time.Since(s.began).Round(time.Second).String() + " " + m.MessageType().String()
	if a := m.RequestedIPAddress(); a != nil && !a.IsUnspecified() {
		line += " for " + a.String()
	}
	if !m.ClientIPAddr.IsUnspecified() {
		line += " of " + m.ClientIPAddr.String()
	}
	if w.to.IsValid() {
		line += " to " + w.to.String()
	}
	s.log = append(s.log, line)
}

func (s *script) exchange(ctx context.Context, m *dhcpv4.DHCPv4, w way, match func(*dhcpv4.DHCPv4) bool) (*dhcpv4.DHCPv4, error) {
	s.note(m, w)
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if a := answer(m, w); a != nil && match(a) {
		return a, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *script) send(m *dhcpv4.DHCPv4) error { s.note(m, way{}); return nil }

func (s *script) inUse(_ context.Context, a netip.Addr) (bool, error) { return s.taken[a], nil }

// reply makes a server's message for an hour's lease.
func reply(m *dhcpv4.DHCPv4, kind dhcpv4.MessageType, addr string, opts ...dhcpv4.Option) *dhcpv4.DHCPv4 {
	a, err := dhcpv4.NewReplyFromRequest(m, dhcpv4.WithMessageType(kind), dhcpv4.WithYourIP(net.ParseIP(addr)),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IP{198, 18, 0, 1})), dhcpv4.WithNetmask(net.CIDRMask(24, 32)),
		dhcpv4.WithOption(dhcpv4.OptIPAddressLeaseTime(time.Hour)))
	if err != nil {
		panic(err)
	}
	for _, o := range opts {
		a.UpdateOption(o)
	}
	return a
}

// grant answers as a server that has one address for everybody.
func grant(addr string) func(*dhcpv4.DHCPv4, way) *dhcpv4.DHCPv4 {
	return func(m *dhcpv4.DHCPv4, _ way) *dhcpv4.DHCPv4 {
		if m.MessageType() == dhcpv4.MessageTypeDiscover {
			return reply(m, dhcpv4.MessageTypeOffer, addr)
		}
		return reply(m, dhcpv4.MessageTypeAck, addr)
	}
}

func silent(*dhcpv4.DHCPv4, way) *dhcpv4.DHCPv4 { return nil }

func refuse(m *dhcpv4.DHCPv4, _ way) *dhcpv4.DHCPv4 {
	if m.MessageType() == dhcpv4.MessageTypeDiscover {
		return nil
	}
	return reply(m, dhcpv4.MessageTypeNak, "0.0.0.0")
}

// play runs a client for a time and returns what it sent and told. change maps
// times to a server's new behaviour.
func play(t *testing.T, s *script, lease *Lease, use leaseUse, length time.Duration, change map[time.Duration]func(*dhcpv4.DHCPv4, way) *dhcpv4.DHCPv4) (sent, told []string) {
	synctest.Test(t, func(t *testing.T) {
		s.began = time.Now()
		if lease != nil {
			lease.Obtained = time.Now()
		}
		last := ""
		c := &dhcpClient{link: "eth0", mac: net.HardwareAddr{2, 0, 0, 0, 0, 1}, conf: defaultDHCP, net: s, lease: lease, use: use,
			jitter: func() time.Duration { return 0 }, log: slog.New(slog.DiscardHandler),
			tell: func(n dhcpNews) {
				line := n.state
				if n.lease != nil {
					line += " " + n.lease.Address.String()
				}
				if line != last {
					told = append(told, time.Since(s.began).Round(time.Second).String()+" "+line)
				}
				last = line
			}}
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		ended := make(chan struct{})
		go func() {
			c.run(ctx)
			close(ended)
		}()
		for at, f := range change {
			time.AfterFunc(at, func() {
				s.mu.Lock()
				s.answer = f
				s.mu.Unlock()
			})
		}
		<-ended
		synctest.Wait()
	})
	return s.log, told
}

func TestDHCPLife(t *testing.T) {
	type behaviour = func(*dhcpv4.DHCPv4, way) *dhcpv4.DHCPv4
	old := func() *Lease {
		return &Lease{Link: "eth0", Address: netip.MustParsePrefix("198.18.0.50/24"), Server: netip.MustParseAddr("198.18.0.1"), Lifetime: 3600, T1: 1800, T2: 3150}
	}
	for _, tt := range []struct {
		name       string
		server     behaviour
		lease      *Lease
		use        leaseUse
		length     time.Duration
		change     map[time.Duration]behaviour
		taken      string
		sent, told []string
	}{
		{name: "bound and renewed at T1", server: grant("198.18.0.50"), length: 3601 * time.Second,
			sent: []string{"0s DISCOVER", "0s REQUEST for 198.18.0.50", "30m0s REQUEST of 198.18.0.50 to 198.18.0.1", "1h0m0s REQUEST of 198.18.0.50 to 198.18.0.1"},
			told: []string{"0s selecting", "0s requesting", "0s bound 198.18.0.50/24", "30m0s renewing 198.18.0.50/24", "30m0s bound 198.18.0.50/24",
				"1h0m0s renewing 198.18.0.50/24", "1h0m0s bound 198.18.0.50/24"}},
		{name: "no server", server: silent, length: 150 * time.Second,
			sent: []string{"0s DISCOVER", "4s DISCOVER", "12s DISCOVER", "28s DISCOVER", "1m0s DISCOVER", "2m4s DISCOVER"}, told: []string{"0s selecting"}},
		{name: "server gone: renew, rebind, expire, ask for the same", server: grant("198.18.0.50"), length: 3605 * time.Second,
			change: map[time.Duration]behaviour{time.Minute: silent},
			sent: []string{"0s DISCOVER", "0s REQUEST for 198.18.0.50",
				"30m0s REQUEST of 198.18.0.50 to 198.18.0.1", "41m15s REQUEST of 198.18.0.50 to 198.18.0.1", "46m53s REQUEST of 198.18.0.50 to 198.18.0.1",
				"49m41s REQUEST of 198.18.0.50 to 198.18.0.1", "51m6s REQUEST of 198.18.0.50 to 198.18.0.1", "52m6s REQUEST of 198.18.0.50 to 198.18.0.1",
				"52m30s REQUEST of 198.18.0.50", "56m15s REQUEST of 198.18.0.50", "58m8s REQUEST of 198.18.0.50", "59m8s REQUEST of 198.18.0.50",
				"1h0m0s DISCOVER for 198.18.0.50", "1h0m4s DISCOVER for 198.18.0.50"},
			told: []string{"0s selecting", "0s requesting", "0s bound 198.18.0.50/24", "30m0s renewing 198.18.0.50/24", "52m30s rebinding 198.18.0.50/24", "1h0m0s lost", "1h0m0s selecting"}},
		{name: "another server answers the rebinding", server: grant("198.18.0.50"), length: 3200 * time.Second,
			change: map[time.Duration]behaviour{time.Minute: func(m *dhcpv4.DHCPv4, w way) *dhcpv4.DHCPv4 {
				if w.to.IsValid() {
					return nil
				}
				return grant("198.18.0.50")(m, w)
			}},
			sent: []string{"0s DISCOVER", "0s REQUEST for 198.18.0.50",
				"30m0s REQUEST of 198.18.0.50 to 198.18.0.1", "41m15s REQUEST of 198.18.0.50 to 198.18.0.1", "46m53s REQUEST of 198.18.0.50 to 198.18.0.1",
				"49m41s REQUEST of 198.18.0.50 to 198.18.0.1", "51m6s REQUEST of 198.18.0.50 to 198.18.0.1", "52m6s REQUEST of 198.18.0.50 to 198.18.0.1",
				"52m30s REQUEST of 198.18.0.50"},
			told: []string{"0s selecting", "0s requesting", "0s bound 198.18.0.50/24", "30m0s renewing 198.18.0.50/24", "52m30s rebinding 198.18.0.50/24", "52m30s bound 198.18.0.50/24"}},
		{name: "NAK on renewal", server: grant("198.18.0.50"), length: 1801 * time.Second, change: map[time.Duration]behaviour{time.Minute: refuse},
			sent: []string{"0s DISCOVER", "0s REQUEST for 198.18.0.50", "30m0s REQUEST of 198.18.0.50 to 198.18.0.1", "30m0s DISCOVER"},
			told: []string{"0s selecting", "0s requesting", "0s bound 198.18.0.50/24", "30m0s renewing 198.18.0.50/24", "30m0s lost", "30m0s selecting"}},
		{name: "restart: confirmed", server: grant("198.18.0.50"), lease: old(), use: leaseHeld, length: time.Minute,
			sent: []string{"0s REQUEST for 198.18.0.50"}, told: []string{"0s rebooting 198.18.0.50/24", "0s bound 198.18.0.50/24"}},
		{name: "restart: refused", server: refuse, lease: old(), use: leaseHeld, length: 2 * time.Second,
			sent: []string{"0s REQUEST for 198.18.0.50", "0s DISCOVER"}, told: []string{"0s rebooting 198.18.0.50/24", "0s lost", "0s selecting"}},
		{name: "restart: nobody answers", server: silent, lease: old(), use: leaseHeld, length: time.Minute,
			sent: []string{"0s REQUEST for 198.18.0.50", "1s REQUEST for 198.18.0.50", "3s REQUEST for 198.18.0.50"},
			told: []string{"0s rebooting 198.18.0.50/24", "7s bound 198.18.0.50/24"}},
		{name: "boot: the old lease is used only when nobody answers", server: silent, lease: old(), use: leaseSpare, length: time.Minute,
			sent: []string{"0s REQUEST for 198.18.0.50", "1s REQUEST for 198.18.0.50", "3s REQUEST for 198.18.0.50"},
			told: []string{"0s rebooting", "7s bound 198.18.0.50/24"}},
		{name: "boot: an old lease that is over is a hint", server: silent, lease: old(), use: leaseHint, length: 10 * time.Second,
			sent: []string{"0s REQUEST for 198.18.0.50", "1s REQUEST for 198.18.0.50", "3s REQUEST for 198.18.0.50", "7s DISCOVER for 198.18.0.50"},
			told: []string{"0s rebooting", "7s lost", "7s selecting"}},
		{name: "address in use is declined", server: grant("198.18.0.50"), length: 15 * time.Second, taken: "198.18.0.50",
			change: map[time.Duration]behaviour{time.Second: grant("198.18.0.51")},
			sent:   []string{"0s DISCOVER", "0s REQUEST for 198.18.0.50", "0s DECLINE for 198.18.0.50", "12s DISCOVER", "12s REQUEST for 198.18.0.51"},
			told:   []string{"0s selecting", "0s requesting", "12s selecting", "12s requesting", "12s bound 198.18.0.51/24"}},
		{name: "useless offer is ignored", server: func(m *dhcpv4.DHCPv4, _ way) *dhcpv4.DHCPv4 {
			return reply(m, dhcpv4.MessageTypeOffer, "224.0.0.1")
		}, length: 5 * time.Second, sent: []string{"0s DISCOVER", "4s DISCOVER"}, told: []string{"0s selecting"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{answer: tt.server, taken: map[netip.Addr]bool{}}
			if tt.taken != "" {
				s.taken[netip.MustParseAddr(tt.taken)] = true
			}
			sent, told := play(t, s, tt.lease, tt.use, tt.length, tt.change)
			if d := cmp.Diff(tt.sent, sent); d != "" {
				t.Errorf("sent (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.told, told); d != "" {
				t.Errorf("told (-want +got):\n%s", d)
			}
		})
	}
}

func TestLeaseFrom(t *testing.T) {
	request := (&dhcpClient{mac: net.HardwareAddr{2, 0, 0, 0, 0, 1}, conf: defaultDHCP, hostname: "lb1"}).message(dhcpv4.MessageTypeRequest)
	if id := request.Options.Get(dhcpv4.OptionClientIdentifier); !bytes.Equal(id, []byte{1, 2, 0, 0, 0, 0, 1}) || request.HostName() != "lb1" {
		t.Errorf("client identifier = %x, host name = %q", id, request.HostName())
	}
	if id := clientID("duid", net.HardwareAddr{2, 0, 0, 0, 0, 1}); len(id) != 15 || id[0] != 255 || !bytes.Equal(id[5:], []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 1}) {
		t.Errorf("duid = %x", id)
	}
	ack := func(opts ...dhcpv4.Option) *dhcpv4.DHCPv4 {
		return reply(request, dhcpv4.MessageTypeAck, "198.18.0.50", opts...)
	}
	l, err := leaseFrom(ack(dhcpv4.OptRouter(net.IP{198, 18, 0, 1}), dhcpv4.OptDNS(net.IP{198, 18, 0, 1}, net.IP{0, 0, 0, 0}, net.IP{198, 18, 0, 1}),
		dhcpv4.OptDomainName("lan.example evil\nnameserver 1.2.3.4"), dhcpv4.OptHostName("a b"),
		dhcpv4.OptRenewTimeValue(time.Hour), dhcpv4.OptNTPServers(net.IP{198, 18, 0, 9})), "eth0", "02:00:00:00:00:01", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Lease{Link: "eth0", MAC: "02:00:00:00:00:01", Address: netip.MustParsePrefix("198.18.0.50/24"), Server: netip.MustParseAddr("198.18.0.1"),
		Lifetime: 3600, T1: 1800, T2: 3150, DNS: []netip.Addr{netip.MustParseAddr("198.18.0.1")}, NTP: []netip.Addr{netip.MustParseAddr("198.18.0.9")},
		Domains: []string{"lan.example", "evil", "nameserver", "1.2.3.4"},
		Routes:  []LeaseRoute{{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("198.18.0.1")}}}
	if d := cmp.Diff(want, l, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Errorf("lease (-want +got):\n%s", d)
	}
	_, ten, _ := net.ParseCIDR("10.0.0.0/8")
	l, err = leaseFrom(ack(dhcpv4.OptRouter(net.IP{198, 18, 0, 1}), dhcpv4.OptClasslessStaticRoute(&dhcpv4.Route{Dest: ten, Router: net.IP{198, 18, 0, 7}},
		&dhcpv4.Route{Dest: &net.IPNet{IP: net.IP{172, 16, 0, 0}, Mask: net.CIDRMask(12, 32)}, Router: net.IPv4zero},
		&dhcpv4.Route{Dest: ten, Router: net.IP{198, 18, 0, 8}},                                                                // a second way
		&dhcpv4.Route{Dest: &net.IPNet{IP: net.IP{172, 32, 0, 0}, Mask: net.CIDRMask(12, 32)}, Router: net.IP{198, 18, 0, 50}}, // over itself
		&dhcpv4.Route{Dest: &net.IPNet{IP: net.IP{127, 0, 0, 0}, Mask: net.CIDRMask(8, 32)}, Router: net.IP{198, 18, 0, 7}})), "eth0", "", time.Time{})
	if err != nil || len(l.Routes) != 2 || l.Routes[0].Destination.String() != "10.0.0.0/8" || l.Routes[1].Gateway.IsValid() {
		t.Errorf("classless routes = %v, %v: want them instead of the router", l, err)
	}
	for name, m := range map[string]*dhcpv4.DHCPv4{
		"no lifetime":  ack(dhcpv4.OptIPAddressLeaseTime(0)),
		"bad mask":     ack(dhcpv4.OptSubnetMask(net.IPMask{255, 0, 255, 0})),
		"no server":    ack(dhcpv4.OptServerIdentifier(net.IPv4zero)),
		"bad address":  reply(request, dhcpv4.MessageTypeAck, "255.255.255.255"),
		"no address":   reply(request, dhcpv4.MessageTypeAck, "0.0.0.0"),
		"own loopback": reply(request, dhcpv4.MessageTypeAck, "127.0.0.1"),
	} {
		if l, err := leaseFrom(m, "eth0", "", time.Time{}); err == nil {
			t.Errorf("%s: lease = %v, want a fault", name, l)
		}
	}
}

func FuzzLease(f *testing.F) {
	request := (&dhcpClient{mac: net.HardwareAddr{2, 0, 0, 0, 0, 1}, conf: defaultDHCP}).message(dhcpv4.MessageTypeRequest)
	f.Add(reply(request, dhcpv4.MessageTypeAck, "198.18.0.50", dhcpv4.OptRouter(net.IP{198, 18, 0, 1}), dhcpv4.OptDNS(net.IP{198, 18, 0, 1})).ToBytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := dhcpv4.FromBytes(b)
		if err != nil {
			return
		}
		l, err := leaseFrom(m, "eth0", "", time.Now())
		if err != nil {
			return
		}
		if !l.Address.IsValid() || l.Lifetime < 0 || l.T1 > l.T2 || l.T2 > l.Lifetime || slices.ContainsFunc(l.Domains, func(d string) bool { return !isDomain(d) }) {
			t.Errorf("lease = %+v", l)
		}
		d := Resolve(&Config{Networks: []*Network{{File: "a", Match: Match{Name: []string{"eth0"}}, DHCP: DHCP{Enabled: true, UseRoutes: true}}}},
			[]Link{{Index: 2, Name: "eth0", Type: "ether"}}, map[int]*Lease{2: l})
		if len(d.Links) != 1 || len(d.Links[0].Addrs) != 1 {
			t.Errorf("Resolve = %+v", d)
		}
	})
}

func TestLeaseFile(t *testing.T) {
	dir := t.TempDir()
	l := &Lease{Link: "eth0", MAC: "02:00:00:00:00:01", Address: netip.MustParsePrefix("198.18.0.50/24"), Server: netip.MustParseAddr("198.18.0.1"),
		Obtained: time.Now().Add(-time.Minute), Lifetime: 3600, T1: 1800, T2: 3150}
	if err := saveLease(dir+"/new", l); err != nil {
		t.Fatal(err)
	}
	got, use, err := loadLease(dir+"/new", "eth0", l.MAC)
	if err != nil || use != leaseHeld || got.Address != l.Address || got.Obtained.Sub(l.Obtained).Abs() > time.Second {
		t.Errorf("loadLease = %v, %v, %v", got, use, err)
	}
	if got, _, err := loadLease(dir+"/new", "eth0", "02:00:00:00:00:02"); got != nil || err != nil {
		t.Errorf("lease of another card = %v, %v, want none", got, err)
	}
	if got, _, err := loadLease(dir, "eth0", l.MAC); got != nil || err != nil {
		t.Errorf("without a file = %v, %v, want none", got, err)
	}
	for _, tt := range []struct {
		name string
		age  time.Duration
		want leaseUse
	}{{"of this boot, over", 2 * time.Hour, leaseHint}, {"of this boot", 10 * time.Second, leaseHeld}} {
		l.Obtained = time.Now().Add(-tt.age)
		if err := saveLease(dir, l); err != nil {
			t.Fatal(err)
		}
		if _, use, err := loadLease(dir, "eth0", l.MAC); use != tt.want || err != nil {
			t.Errorf("%s: use = %v, %v, want %v", tt.name, use, err, tt.want)
		}
	}
	otherBoot := func(s string) {
		t.Helper()
		if err := replaceFile(leasePath(dir, "eth0"), []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	head := `{"link":"eth0","mac":"02:00:00:00:00:01","address":"198.18.0.50/24","server":"198.18.0.1","lifetime":3600,"t1":1800,"t2":3150,"boot":"other","obtained":"`
	for at, want := range map[time.Time]leaseUse{time.Now().Add(-time.Minute): leaseSpare, time.Now().Add(-2 * time.Hour): leaseHint, time.Now().Add(time.Hour): leaseHint} {
		otherBoot(head + at.Format(time.RFC3339) + `"}`)
		if l, use, err := loadLease(dir, "eth0", l.MAC); err != nil || l == nil || use != want {
			t.Errorf("lease of %v of another boot = %v, %v, %v, want use %v", at, l, use, err, want)
		}
	}
	otherBoot("{")
	if _, _, err := loadLease(dir, "eth0", l.MAC); err == nil {
		t.Error("broken file = nil, want a fault")
	}
	if err := errors.Join(removeLease(dir, "eth0"), removeLease(dir, "eth0")); err != nil {
		t.Error(err)
	}
}
