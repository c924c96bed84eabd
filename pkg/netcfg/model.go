package netcfg

import (
	"net/netip"
	"time"
)

// Config is what the files of one directory say.
type Config struct {
	Networks []*Network // in name order: the first that matches a link wins
	VIPs     []*VIP     // in name order
}

// Network is one .network file.
type Network struct {
	File      string // base name
	Match     Match
	MTU       int    // bytes; 0 leaves the link's own
	MAC       string // lower case with colons; "" leaves the link's own
	Required  bool   // readiness waits for it
	RA        RA
	DHCP      DHCP
	Addresses []Address
	Routes    []Route
	DNS       []netip.Addr
	Domains   []string
	NTP       []string // host names or addresses
}

// RA says what is taken from IPv6 router advertisements.
type RA struct {
	Set, Accept        bool // not set leaves the kernel's setting
	UseDNS, UseDomains bool
}

// DHCP says whether and how a link asks a DHCPv4 server. It is comparable.
type DHCP struct {
	Enabled bool
	// What of a lease is used besides the address.
	UseDNS, UseDomains, UseNTP, UseRoutes, UseHostname, UseMTU bool
	RouteMetric                                                int
	ClientID                                                   string // mac or duid
	SendHostname                                               bool
	Hostname                                                   string // "" is the system's
}

// defaultDHCP is systemd.network(5)'s, except that a lease does not name the host
// and the client identifier is the hardware address.
var defaultDHCP = DHCP{UseDNS: true, UseNTP: true, UseRoutes: true, RouteMetric: 1024, ClientID: "mac", SendHostname: true}

// Match selects links; an empty list matches every link.
type Match struct {
	Name, MAC, Driver, Type []string
	First                   bool // only the matching link with the lowest index
}

// Address is one configured address.
type Address struct {
	Prefix netip.Prefix // the address itself with its prefix length
	Peer   netip.Prefix // the other end of a point-to-point link; may be invalid
	Label  string       // IPv4 only
	DAD    bool         // IPv6 duplicate address detection
	// Deprecated addresses are no source of own connections (preferred lifetime 0).
	Deprecated bool
	// Expires is when the kernel drops the address; zero is never.
	Expires time.Time
}

// Route is one configured route. It is comparable.
type Route struct {
	Dst     netip.Prefix
	Gateway netip.Addr // invalid: on the link
	OnLink  bool       // the gateway is on the link whatever the addresses say
	Source  netip.Addr // preferred source; may be invalid
	Metric  int
	Table   int
	Scope   string // global, link or host; IPv6 has only global
	MTU     int    // bytes; 0 is the link's
}

// VIP is one virtual address.
type VIP struct {
	File     string // base name
	Address  netip.Prefix
	Link     string // name, glob or .network file; "" is by prefix
	Required bool
	Announce Announce
}

// Announce says how an address is made known to neighbours.
type Announce struct {
	Count    int // 0 is never
	Interval time.Duration
}

// defaultAnnounce is used for static addresses and for VIPs that say nothing.
var defaultAnnounce = Announce{Count: 3, Interval: time.Second}
