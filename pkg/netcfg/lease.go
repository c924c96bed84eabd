package netcfg

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"
)

// Lease is what a DHCPv4 server granted to a link.
type Lease struct {
	Link     string       `json:"link"`
	MAC      string       `json:"mac"` // of the link
	Address  netip.Prefix `json:"address"`
	Server   netip.Addr   `json:"server"`
	Obtained time.Time    `json:"obtained"` // when the granted request was sent
	Lifetime int          `json:"lifetime"` // seconds; 0 is without end
	T1       int          `json:"t1"`       // seconds until the server is asked to renew
	T2       int          `json:"t2"`       // seconds until any server is asked
	Routes   []LeaseRoute `json:"routes,omitempty"`
	DNS      []netip.Addr `json:"dns,omitempty"`
	Domains  []string     `json:"domains,omitempty"`
	NTP      []netip.Addr `json:"ntp,omitempty"`
	Hostname string       `json:"hostname,omitempty"`
	MTU      int          `json:"mtu,omitempty"` // bytes
}

// LeaseRoute is one route of a lease; without a gateway it is on the link.
type LeaseRoute struct {
	Destination netip.Prefix `json:"destination"`
	Gateway     netip.Addr   `json:"gateway,omitzero"`
}

// Expires returns when the lease ends; zero is never.
func (l *Lease) Expires() time.Time {
	if l.Lifetime == 0 {
		return time.Time{}
	}
	return l.Obtained.Add(seconds(l.Lifetime))
}

// expired tells whether the lease is over, or so nearly that the kernel would
// take no address for the rest of it.
func (l *Lease) expired(now time.Time) bool {
	return l.Lifetime != 0 && now.Add(time.Second).After(l.Expires())
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// leaseFrom reads an OFFER or ACK. What a link cannot use is left out; without a
// usable address, server or lifetime the message is refused.
func leaseFrom(m *dhcpv4.DHCPv4, link, mac string, sent time.Time) (*Lease, error) {
	l := &Lease{Link: link, MAC: mac, Obtained: sent}
	addr, server := unicast4(m.YourIPAddr), unicast4(m.ServerIdentifier())
	if !addr.IsValid() || addr.IsLoopback() {
		return nil, fmt.Errorf("read lease: address %v is not usable", m.YourIPAddr)
	}
	if !server.IsValid() {
		return nil, fmt.Errorf("read lease of %s: no server identifier", addr)
	}
	mask := m.SubnetMask()
	if mask == nil {
		mask = net.IP(addr.AsSlice()).DefaultMask()
	}
	ones, bits := mask.Size()
	if bits != 32 || ones == 0 {
		return nil, fmt.Errorf("read lease of %s: mask %s is not usable", addr, mask)
	}
	l.Address, l.Server = netip.PrefixFrom(addr, ones), server
	if err := l.times(m); err != nil {
		return nil, err
	}
	l.routes(m)
	l.DNS, l.NTP = unicasts(m.DNS()), unicasts(m.NTPServers())
	l.names(m)
	if mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, m.Options); err == nil && mtu >= 576 {
		l.MTU = int(mtu)
	}
	return l, nil
}

// times takes lifetime, T1 and T2 (RFC 2131 section 4.4.5 has the defaults).
func (l *Lease) times(m *dhcpv4.DHCPv4) error {
	const infinite = 0xffffffff
	life := uint32(m.IPAddressLeaseTime(0) / time.Second)
	switch {
	case life == 0:
		return fmt.Errorf("read lease of %s: no lease time", l.Address)
	case life == infinite:
		return nil
	}
	l.Lifetime = int(life)
	l.T1 = int(m.IPAddressRenewalTime(0) / time.Second)
	l.T2 = int(m.IPAddressRebindingTime(0) / time.Second)
	if l.T2 <= 0 || l.T2 >= l.Lifetime {
		l.T2 = l.Lifetime * 7 / 8
	}
	if l.T1 <= 0 || l.T1 >= l.T2 {
		l.T1 = min(l.Lifetime/2, l.T2)
	}
	return nil
}

// routes takes the classless routes, or without them the first router (RFC 3442).
func (l *Lease) routes(m *dhcpv4.DHCPv4) {
	for _, r := range m.ClasslessStaticRoute() {
		to, ok := netip.AddrFromSlice(r.Dest.IP)
		ones, _ := r.Dest.Mask.Size()
		if ok {
			l.addRoute(netip.PrefixFrom(to.Unmap(), ones).Masked(), unicast4(r.Router))
		}
	}
	if gws := unicasts(m.Router()); len(l.Routes) == 0 && len(gws) > 0 {
		l.addRoute(netip.PrefixFrom(netip.IPv4Unspecified(), 0), gws[0])
	}
}

// addRoute leaves out what the kernel would refuse, and all but the first route to
// a destination.
func (l *Lease) addRoute(to netip.Prefix, gw netip.Addr) {
	const most = 64
	if len(l.Routes) == most || to.Addr().IsLoopback() || to.Addr().IsMulticast() || gw.IsLoopback() || gw == l.Address.Addr() ||
		slices.ContainsFunc(l.Routes, func(r LeaseRoute) bool { return r.Destination == to }) {
		return
	}
	l.Routes = append(l.Routes, LeaseRoute{Destination: to, Gateway: gw})
}

// names takes domains and host name. They come from the network and go into
// resolv.conf, so anything but plain names is left out.
func (l *Lease) names(m *dhcpv4.DHCPv4) {
	domains := strings.Fields(m.DomainName())
	if search := m.DomainSearch(); search != nil {
		domains = append(domains, search.Labels...)
	}
	for _, d := range domains {
		if d = strings.TrimSuffix(d, "."); isDomain(d) && len(l.Domains) < 16 {
			l.Domains = appendNew(l.Domains, []string{d})
		}
	}
	if h := m.HostName(); isHostname(h) {
		l.Hostname = h
	}
}

// unicast4 returns ip when it can be the address of a station, else nothing.
func unicast4(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	a = a.Unmap()
	if !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a.As4()[0] >= 240 {
		return netip.Addr{}
	}
	return a
}

func unicasts(ips []net.IP) []netip.Addr {
	var out []netip.Addr
	for _, ip := range ips {
		if a := unicast4(ip); a.IsValid() && len(out) < 16 {
			out = appendNew(out, []netip.Addr{a})
		}
	}
	return out
}

// storedLease is a lease file: JSON, one for each link. The wall clock of a
// machine that just booted may be wrong, so within one boot the age of a lease is
// taken from the time since boot.
type storedLease struct {
	Lease
	Boot  string `json:"boot"`       // /proc/sys/kernel/random/boot_id
	Since int64  `json:"boot_nanos"` // CLOCK_BOOTTIME at Obtained
}

// leaseUse says how far a lease from a file can be trusted.
type leaseUse int

const (
	leaseHint  leaseUse = iota // ask for the address again
	leaseSpare                 // as well use it when no server answers
	leaseHeld                  // of this boot and not over: the link has it
)

func leasePath(dir, link string) string { return filepath.Join(dir, "dhcp4-"+link+".lease") }

func sinceBoot() (id string, since time.Duration) {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail with this clock
	return strings.TrimSpace(string(text)), time.Duration(ts.Nano())
}

// saveLease writes the lease's file atomically.
func saveLease(dir string, l *Lease) error {
	id, since := sinceBoot()
	text, err := json.MarshalIndent(storedLease{Lease: *l, Boot: id, Since: int64(since - time.Since(l.Obtained))}, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep lease: %w", err)
	}
	return replaceFile(leasePath(dir, l.Link), append(text, '\n'))
}

// removeLease forgets the lease of a link.
func removeLease(dir, link string) error {
	if err := os.Remove(leasePath(dir, link)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// loadLease reads the lease of a link; nil without an error means that there is
// none for this hardware address.
func loadLease(dir, link, mac string) (*Lease, leaseUse, error) {
	text, err := os.ReadFile(leasePath(dir, link))
	if errors.Is(err, os.ErrNotExist) {
		return nil, leaseHint, nil
	}
	if err != nil {
		return nil, leaseHint, err
	}
	var s storedLease
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, leaseHint, fmt.Errorf("read %s: %w", leasePath(dir, link), err)
	}
	if s.MAC != mac || s.Link != link || !s.Address.Addr().Is4() || !s.Server.Is4() || s.Lifetime < 0 || s.T1 < 0 || s.T2 < s.T1 || s.Lifetime < s.T2 {
		return nil, leaseHint, nil
	}
	now := time.Now()
	id, since := sinceBoot()
	age, use := now.Round(0).Sub(s.Obtained), leaseSpare
	if id == s.Boot && id != "" {
		age, use = since-time.Duration(s.Since), leaseHeld
	}
	s.Obtained = now.Add(-age)
	if age < 0 || s.expired(now) {
		use = leaseHint
	}
	return &s.Lease, use, nil
}
