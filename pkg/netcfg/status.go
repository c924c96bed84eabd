package netcfg

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"
)

// Status is the answer of "show network json".
type Status struct {
	Status   string       `json:"status"`   // one line, as told to the service manager
	Ready    bool         `json:"ready"`    // READY=1 was sent
	Missing  []string     `json:"missing"`  // what required links and addresses still lack
	Problems []string     `json:"problems"` // parts of the configuration that cannot be put in place
	Failed   []string     `json:"failed"`   // changes that the kernel refused
	Links    []LinkStatus `json:"links"`
	DNS      []netip.Addr `json:"dns"` // as in resolv.conf
	Domains  []string     `json:"domains"`
	Time     TimeStatus   `json:"time"`
	Counters Counters     `json:"counters"`
}

// Counters count since netd's start.
type Counters struct {
	Repairs        int    `json:"repairs"` // changes that drift made necessary
	LastRepair     string `json:"last_repair"`
	LostEvents     int    `json:"lost_events"` // times that the kernel dropped netlink events
	Reloads        int    `json:"reloads"`
	RefusedReloads int    `json:"refused_reloads"`
}

// LinkStatus is one link.
type LinkStatus struct {
	Name      string          `json:"name"`
	Index     int             `json:"index"`
	Type      string          `json:"type"`
	Driver    string          `json:"driver"`
	MAC       string          `json:"mac"`
	MTU       int             `json:"mtu"`
	Up        bool            `json:"up"`
	Carrier   bool            `json:"carrier"`
	File      string          `json:"file"` // .network file, "builtin" or "unmanaged"
	Required  bool            `json:"required"`
	DHCP      *DHCPStatus     `json:"dhcp,omitempty"`
	Addresses []AddressStatus `json:"addresses"`
	Routes    []RouteStatus   `json:"routes"`
}

// DHCPStatus is a link's DHCPv4 client.
type DHCPStatus struct {
	// State is stopped, no carrier, starting, rebooting, selecting, requesting,
	// bound, renewing, rebinding or lost.
	State   string    `json:"state"`
	Lease   *Lease    `json:"lease,omitempty"`  // in use
	Renews  time.Time `json:"renews,omitzero"`  // zero: never
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// AddressStatus is one address of a link, configured or found.
type AddressStatus struct {
	Address netip.Prefix `json:"address"`
	// Origin is static, dhcp, vip, slaac, link-local, kernel or foreign.
	Origin    string    `json:"origin"`
	State     string    `json:"state"` // "ok", or why it is not usable
	Expires   time.Time `json:"expires,omitzero"`
	Announced int       `json:"announced"` // times
}

// RouteStatus is one route over a link.
type RouteStatus struct {
	Route       string       `json:"route"` // in the words of ip-route(8)
	Destination netip.Prefix `json:"destination"`
	Gateway     netip.Addr   `json:"gateway,omitzero"`
	Metric      int          `json:"metric"`
	Origin      string       `json:"origin"` // static, dhcp, slaac, kernel or foreign
}

// look collects the status; Run's goroutine.
func (m *Manager) look() *Status {
	s := &Status{Status: m.status, Ready: m.ready, Missing: list(m.missing), Problems: list(m.desired.Problems),
		Failed: []string{}, Links: []LinkStatus{}, DNS: list(m.desired.DNS), Domains: list(m.desired.Domains),
		Time: m.timekeeper.show(), Counters: Counters{Repairs: m.counts.repairs, LastRepair: m.counts.lastRepair, LostEvents: m.counts.lost,
			Reloads: m.counts.reloads, RefusedReloads: m.counts.refused}}
	for f := range m.failed {
		s.Failed = append(s.Failed, f)
	}
	slices.Sort(s.Failed)
	for _, l := range m.state.Links {
		s.Links = append(s.Links, m.lookAt(l))
	}
	return s
}

// list copies a list; an empty one is [] in JSON, not null.
func list[T any](from []T) []T { return append([]T{}, from...) }

func (m *Manager) lookAt(l Link) LinkStatus {
	out := LinkStatus{Name: l.Name, Index: l.Index, Type: l.Type, Driver: l.Driver, MAC: l.MAC, MTU: l.MTU, Up: l.Up, Carrier: l.Carrier, File: "unmanaged",
		Addresses: []AddressStatus{}, Routes: []RouteStatus{}}
	var d DesiredLink
	if i := slices.IndexFunc(m.desired.Links, func(d DesiredLink) bool { return d.Index == l.Index }); i >= 0 {
		d = m.desired.Links[i]
		out.Required, out.File = d.Required, word(d.File == "", "builtin", d.File)
	}
	if c := m.dhcp[l.Index]; c != nil {
		out.DHCP = &DHCPStatus{State: c.state}
		if lease := m.dhcp.leases(time.Now())[l.Index]; lease != nil {
			out.DHCP.Lease, out.DHCP.Expires = lease, lease.Expires()
			if lease.T1 > 0 {
				out.DHCP.Renews = lease.Obtained.Add(seconds(lease.T1))
			}
		}
	}
	for _, want := range d.Addrs {
		what := m.state.lacks(l.Index, want.Address)
		origin := "static"
		if want.VIP || want.DHCP {
			origin = word(want.VIP, "vip", "dhcp")
		}
		out.Addresses = append(out.Addresses, AddressStatus{Address: want.Prefix, Origin: origin, State: word(what == "", "ok", what),
			Expires: want.Expires, Announced: m.counts.announced[want.Prefix.Addr()]})
	}
	for _, a := range m.state.Addrs {
		if a.Index == l.Index && a.Protocol != Protocol {
			out.Addresses = append(out.Addresses, AddressStatus{Address: a.Prefix, Origin: a.origin(), State: a.fault(), Expires: a.Expires})
		}
	}
	for _, r := range m.state.Routes {
		if r.Index == l.Index {
			out.Routes = append(out.Routes, RouteStatus{Route: r.Route.String(), Destination: r.Dst, Gateway: r.Gateway, Metric: r.Metric, Origin: r.origin(d)})
		}
	}
	return out
}

// origin names who set an address that is not netd's.
func (a *LinkAddr) origin() string {
	switch {
	case a.Protocol == protoRA:
		return "slaac"
	case a.Protocol == protoLinkLocal:
		return "link-local"
	case a.Protocol == protoLoopback || a.Prefix.Addr().IsLoopback():
		return "kernel"
	}
	return "foreign"
}

// fault is why an address is not usable, or "ok".
func (a *LinkAddr) fault() string {
	switch {
	case a.Duplicate:
		return "a duplicate: another station has it"
	case a.Tentative:
		return "being checked for duplicates"
	}
	return "ok"
}

// Route protocols of linux/rtnetlink.h.
const (
	routeKernel = 2
	routeRA     = 9
)

func (r *LinkRoute) origin(d DesiredLink) string {
	switch r.Protocol {
	case Protocol:
		dhcp := slices.ContainsFunc(d.Addrs, func(a DesiredAddr) bool { return a.DHCP && a.Prefix.Addr() == r.Source })
		return word(dhcp, "dhcp", "static")
	case routeKernel:
		return "kernel"
	case routeRA:
		return "slaac"
	}
	return "foreign"
}

// Status returns what netd sees and does.
func (m *Manager) Status(ctx context.Context) (s *Status, err error) {
	err = m.do(ctx, func(context.Context) { s = m.look() })
	return s, err
}

// ShowJSON writes the Status as JSON.
func (m *Manager) ShowJSON(ctx context.Context, w io.Writer) error {
	s, err := m.Status(ctx)
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// ShowTime writes what the time-sync loop does.
func (m *Manager) ShowTime(_ context.Context, w io.Writer) error {
	s := m.timekeeper.show()
	fmt.Fprintln(w, "time:", s)
	for _, a := range s.Servers {
		if a.Error != "" {
			fmt.Fprintf(w, "  server %s %s, failed: %s\n", a.Name, orDash(a.Address), a.Error)
			continue
		}
		fmt.Fprintf(w, "  server %s %s, stratum %d, offset %s, delay %s\n", a.Name, a.Address, a.Stratum, round(a.Offset), round(a.RTT))
	}
	_, err := fmt.Fprintf(w, "steps: %d\n", s.Steps)
	return err
}

// String returns the state on one line.
func (s TimeStatus) String() string {
	switch {
	case s.State == "synchronized":
		return fmt.Sprintf("synchronized to %s, stratum %d, offset %s, delay %s, next in %d s", s.Server, s.Stratum, round(s.Offset), round(s.RTT), s.Poll)
	case s.Message != "":
		return s.State + ", " + s.Message
	}
	return s.State
}

func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }

// ShowPlan writes what a reload of dir would change now; "" is the directory that
// netd runs with.
func (m *Manager) ShowPlan(ctx context.Context, dir string, w io.Writer) error {
	cfg, err := Load(word(dir == "", m.opts.Dir, dir))
	if err != nil {
		return err
	}
	var lines []string
	if derr := m.do(ctx, func(context.Context) { lines, err = m.plan(cfg) }); derr != nil {
		return derr
	}
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		lines = []string{"nothing to change"}
	}
	for _, l := range lines {
		fmt.Fprintln(w, l)
	}
	return nil
}

// plan returns one line for each operation on the kernel, and for what else
// would change.
func (m *Manager) plan(cfg *Config) ([]string, error) {
	desired, state, err := m.observe(cfg)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, op := range Plan(desired, state) {
		lines = append(lines, op.String())
	}
	for _, d := range desired.Links {
		if d.DHCP.Enabled && m.dhcp[d.Index] == nil {
			lines = append(lines, "dhcp4 start dev "+d.Name)
		}
	}
	for _, l := range state.Links {
		on := slices.ContainsFunc(desired.Links, func(d DesiredLink) bool { return d.Index == l.Index && d.DHCP.Enabled })
		if m.dhcp[l.Index] != nil && !on {
			lines = append(lines, "dhcp4 stop dev "+l.Name)
		}
	}
	if !slices.Equal(desired.DNS, m.desired.DNS) || !slices.Equal(desired.Domains, m.desired.Domains) {
		lines = append(lines, fmt.Sprintf("resolv.conf nameserver %v search %v", desired.DNS, desired.Domains))
	}
	if !slices.Equal(desired.NTP, m.desired.NTP) {
		lines = append(lines, fmt.Sprintf("ntp servers %v", desired.NTP))
	}
	for _, p := range desired.Problems {
		lines = append(lines, "problem: "+p)
	}
	return lines, nil
}
