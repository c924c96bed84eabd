package netcfg

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// dhcpLink is a link that DHCP= is on for; it belongs to Run's goroutine.
type dhcpLink struct {
	index int
	name  string
	mac   string
	conf  DHCP

	host  string             // name that the running client sends
	stop  context.CancelFunc // of the running client; nil: none runs
	ended chan struct{}      // closed when it has
	state string
	lease *Lease
	use   leaseUse
}

// dhcpReport is a client's news.
type dhcpReport struct {
	from *dhcpLink
	dhcpNews
}

// dhcpClients are the links with DHCP=, by index.
type dhcpClients map[int]*dhcpLink

// leases returns what the links hold.
func (c dhcpClients) leases(now time.Time) map[int]*Lease {
	out := map[int]*Lease{}
	for i, d := range c {
		if d.lease != nil && d.use == leaseHeld && !d.lease.expired(now) {
			out[i] = d.lease
		}
	}
	return out
}

// admitDHCP notes the links that DHCP= is on for, with their lease of before, so
// that a restart of netd does not take the address away, and forgets the others.
func (m *Manager) admitDHCP(links []Link) {
	wanted := map[int]bool{}
	for _, d := range Resolve(m.cfg, links, nil).Links {
		l := links[slices.IndexFunc(links, func(l Link) bool { return l.Index == d.Index })]
		if !d.DHCP.Enabled || l.Type != "ether" {
			continue
		}
		wanted[d.Index] = true
		have := m.dhcp[d.Index]
		if have != nil && have.name == l.Name && have.mac == l.MAC && have.conf.ClientID == d.DHCP.ClientID {
			m.reconfigure(have, d.DHCP)
			continue
		}
		if have != nil {
			have.halt()
		}
		n := &dhcpLink{index: l.Index, name: l.Name, mac: l.MAC, conf: d.DHCP, state: "stopped"}
		var err error
		if n.lease, n.use, err = m.loadLease(l.Name, l.MAC); err != nil {
			m.opts.Log.Error("old dhcp lease not used", "link", l.Name, "err", err)
		}
		m.dhcp[d.Index] = n
	}
	for i, d := range m.dhcp {
		if wanted[i] {
			continue
		}
		d.halt()
		delete(m.dhcp, i)
		if !slices.ContainsFunc(links, func(l Link) bool { return l.Index == i }) {
			continue // an unplugged card may come back
		}
		if err := m.removeLease(d.name); err != nil {
			m.opts.Log.Error("old dhcp lease not removed", "link", d.name, "err", err)
		}
	}
}

// reconfigure takes changed keys; a client that would send something else starts
// again with its lease.
func (m *Manager) reconfigure(d *dhcpLink, conf DHCP) {
	d.conf = conf
	if d.stop != nil && d.host != m.sentHostname(conf) {
		d.halt()
	}
}

// sentHostname is what a client tells the server; "" is nothing.
func (m *Manager) sentHostname(conf DHCP) string {
	if !conf.SendHostname || conf.Hostname != "" {
		return word(conf.SendHostname, conf.Hostname, "")
	}
	name, err := os.Hostname()
	if err != nil || !isHostname(name) || name == "localhost" {
		return ""
	}
	return name
}

// halt stops the client and waits for its end; its lease stays.
func (d *dhcpLink) halt() {
	if d.stop == nil {
		return
	}
	d.stop()
	<-d.ended
	d.stop = nil
}

// steerDHCP starts clients on links that can send, and again after their carrier
// was away: the link may be in another network now.
func (m *Manager) steerDHCP(ctx context.Context, changes Changes) {
	for i, d := range m.dhcp {
		l := m.state.link(i)
		if l == nil || !l.Carrier || changes.NoCarrier[i] {
			d.halt()
			d.state = "no carrier"
		}
		if l != nil && l.Carrier && d.stop == nil {
			m.startDHCP(ctx, d)
		}
	}
}

func (m *Manager) startDHCP(ctx context.Context, d *dhcpLink) {
	hw, err := net.ParseMAC(d.mac)
	if err != nil || len(hw) != 6 {
		d.state = "no ethernet address"
		return
	}
	ctx, d.stop = context.WithCancel(ctx)
	d.ended = make(chan struct{})
	d.host, d.state = m.sentHostname(d.conf), "starting"
	if d.lease != nil && d.use == leaseHeld && d.lease.expired(time.Now()) {
		d.use = leaseHint
	}
	c := &dhcpClient{link: d.name, mac: hw, conf: d.conf, hostname: d.host, log: m.opts.Log, lease: d.lease, use: d.use,
		net:    &linkStation{kernel: m.net, index: d.index, name: d.name, mac: hw},
		jitter: func() time.Duration { return rand.N(2*time.Second) - time.Second },
		tell: func(n dhcpNews) {
			select {
			case m.reports <- dhcpReport{d, n}:
			case <-ctx.Done():
			}
		}}
	ended := d.ended
	go func() {
		defer close(ended)
		c.run(ctx)
	}()
}

// stopDHCP ends all clients; leases and addresses stay.
func (m *Manager) stopDHCP() {
	for _, d := range m.dhcp {
		d.halt()
	}
}

// takeReport notes a client's news; it tells whether the lease changed.
func (m *Manager) takeReport(r dhcpReport) bool {
	d := r.from
	if m.dhcp[d.index] != d {
		return false // of a client that was replaced meanwhile
	}
	d.state = r.state
	if r.lease == nil {
		if r.state != "lost" {
			return false
		}
		had := d.lease != nil && d.use == leaseHeld
		d.lease, d.use = nil, leaseHint
		if err := m.removeLease(d.name); err != nil {
			m.opts.Log.Error("dhcp lease file not removed", "link", d.name, "err", err)
		}
		return had
	}
	if d.lease == r.lease && d.use == leaseHeld {
		return false
	}
	d.lease, d.use = r.lease, leaseHeld
	if err := m.saveLease(r.lease); err != nil {
		m.opts.Log.Error("dhcp lease not kept", "link", d.name, "err", err)
	}
	return true
}

// leaseDirs are the directories of lease files, the surest first. The disk may
// come after netd, and not at all.
func (m *Manager) leaseDirs() []string {
	dirs := []string{m.opts.StateDir}
	if m.opts.KeepDir == "" {
		return dirs
	}
	if _, err := os.Stat(filepath.Dir(m.opts.KeepDir)); err != nil {
		return dirs
	}
	return append(dirs, m.opts.KeepDir)
}

func (m *Manager) loadLease(link, mac string) (l *Lease, use leaseUse, err error) {
	for _, dir := range m.leaseDirs() {
		if l, use, err = loadLease(dir, link, mac); l != nil {
			return l, use, nil
		}
	}
	return nil, leaseHint, err
}

func (m *Manager) saveLease(l *Lease) error {
	var errs error
	for _, dir := range m.leaseDirs() {
		errs = errors.Join(errs, saveLease(dir, l))
	}
	return errs
}

func (m *Manager) removeLease(link string) error {
	var errs error
	for _, dir := range m.leaseDirs() {
		errs = errors.Join(errs, removeLease(dir, link))
	}
	return errs
}
