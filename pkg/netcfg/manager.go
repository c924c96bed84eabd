package netcfg

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Options say how a Manager runs.
type Options struct {
	Dir        string // configuration directory
	ResolvConf string // path to write when name servers are configured
	StateDir   string // for what outlives a restart of netd: DHCP leases
	KeepDir    string // for what also outlives the boot; used while its parent is there
	// SetHostname sets the host name for UseHostname=; nil leaves it.
	SetHostname func(string) error
	Clock       Clock         // for NTP=; nil leaves the time
	Online      time.Duration // longest wait for required links before READY=1
	Watchdog    time.Duration // between WATCHDOG=1 messages; 0 is never
	Notify      func(string)  // sends a state of sd_notify(3); called by Run's goroutine
	Log         *slog.Logger
}

// Time limits of the loop.
const (
	settle    = 5 * time.Millisecond // events within this are handled at once
	maxSettle = 10 * time.Second     // when changes do not stay: someone else undoes them
	firstTry  = 250 * time.Millisecond
	lastTry   = 30 * time.Second
)

// Manager keeps the kernel's network as the configuration says. Its fields
// belong to Run's goroutine; the methods hand it functions to run.
type Manager struct {
	opts  Options
	net   *Kernel
	calls chan func(context.Context)
	done  chan struct{} // closed when Run returned

	cfg      *Config
	desired  *Desired
	state    *State // after the last sync
	missing  []string
	status   string
	ready    bool
	timedOut bool

	carrier    map[int]string  // links with carrier to their hardware address
	configured map[int]bool    // links that were configured once
	streak     int             // syncs in a row that had something to do
	failed     map[string]bool // operations that failed in the last sync, with cause
	tries      int             // syncs in a row with a failed operation
	schedule   announcements
	dhcp       dhcpClients
	reports    chan dhcpReport // of DHCP clients
	hostname   string          // that was set last
	timekeeper *timekeeper
	router     routerOptions
	routerEnd  <-chan time.Time // when the first of router is over; nil: none
	counts     counters
}

// counters are what show network reports.
type counters struct {
	repairs, lost, reloads, refused int
	announced                       map[netip.Addr]int
	lastRepair                      string
}

// NewManager returns a Manager for a configuration that was loaded from
// opts.Dir.
func NewManager(cfg *Config, k *Kernel, opts Options) *Manager {
	return &Manager{opts: opts, net: k, cfg: cfg, calls: make(chan func(context.Context)), done: make(chan struct{}),
		carrier: map[int]string{}, configured: map[int]bool{}, schedule: announcements{},
		dhcp: dhcpClients{}, reports: make(chan dhcpReport), timekeeper: newTimekeeper(opts.Clock, k, opts.Log),
		counts: counters{announced: map[netip.Addr]int{}}}
}

// Run configures the network and keeps it configured until ctx ends; what was
// configured stays. It fails when the kernel cannot be asked or watched.
func (m *Manager) Run(ctx context.Context) error {
	defer close(m.done)
	ctx, cancel := context.WithCancel(ctx)
	// Watching starts before the first look, so that no change falls in between.
	watch, err := m.net.Watch(ctx)
	if err != nil {
		cancel()
		return err
	}
	defer m.stopDHCP()
	defer m.timekeeper.start(ctx)()
	defer cancel() // before the two above wait
	if err := m.sync(ctx, reasonStart, Changes{}); err != nil {
		return err
	}
	online := time.After(m.opts.Online)
	watchdog := m.watchdog()
	var settled, retry <-chan time.Time
	for {
		m.tell()
		if len(m.failed) > 0 && retry == nil {
			retry = time.After(min(firstTry<<min(m.tries, 10), lastTry))
		}
		timer, announce := m.nextAnnouncement()
		var err error
		select {
		case <-ctx.Done():
			m.opts.Notify("STOPPING=1")
			return nil
		case _, open := <-watch.C:
			if !open {
				if ctx.Err() == nil {
					err = watch.Err()
				}
			} else if settled == nil {
				settled = time.After(min(settle<<min(m.streak, 12), maxSettle))
			}
		case <-settled:
			settled = nil
			err = m.sync(ctx, reasonEvent, watch.Take())
		case <-m.routerEnd:
			err = m.sync(ctx, reasonLease, Changes{})
		case <-retry:
			retry = nil
			err = m.sync(ctx, reasonEvent, watch.Take())
		case r := <-m.reports:
			if m.takeReport(r) {
				err = m.sync(ctx, reasonLease, Changes{})
			}
		case f := <-m.calls:
			f(ctx)
		case <-announce:
			m.announce()
		case <-online:
			m.timedOut = true
		case <-watchdog:
			m.opts.Notify("WATCHDOG=1")
		}
		if timer != nil {
			timer.Stop()
		}
		if err != nil {
			return err
		}
	}
}

func (m *Manager) watchdog() <-chan time.Time {
	if m.opts.Watchdog <= 0 {
		return nil
	}
	return time.Tick(m.opts.Watchdog)
}

// reason is why a sync happens.
type reason int

const (
	reasonStart reason = iota
	reasonReload
	reasonEvent
	reasonLease // or what a router named
)

// observe looks at the kernel and works out what it should look like.
func (m *Manager) observe(cfg *Config) (*Desired, *State, error) {
	state, err := m.net.Observe()
	if err != nil {
		return nil, nil, err
	}
	if cfg == m.cfg {
		m.admitDHCP(state.Links)
	}
	desired := Resolve(cfg, state.Links, m.dhcp.leases(time.Now()))
	m.router.addTo(desired)
	var keys []string
	for _, d := range desired.Links {
		for _, s := range d.Sysctls {
			keys = append(keys, s.Key)
		}
	}
	state.Sysctls, err = m.net.Sysctls(keys)
	return desired, state, err
}

// sync compares, changes the difference and schedules announcements.
func (m *Manager) sync(ctx context.Context, why reason, changes Changes) error {
	if changes.Lost > 0 {
		m.counts.lost += changes.Lost
		m.opts.Log.Warn("network events were lost, looked at everything again", "times", changes.Lost)
	}
	m.router.take(changes.Router)
	m.routerEnd = nil
	if d := m.router.expire(time.Now()); d > 0 {
		m.routerEnd = time.After(d)
	}
	desired, state, err := m.observe(m.cfg)
	if err != nil {
		return err
	}
	ops := Plan(desired, state)
	m.apply(why, ops)
	if len(ops) > 0 {
		if desired, state, err = m.observe(m.cfg); err != nil {
			return err
		}
	}
	m.desired, m.state = desired, state
	for _, d := range desired.Links {
		m.configured[d.Index] = true
	}
	m.missing = missing(desired, state)
	m.reannounce(why, ops, changes)
	m.steerDHCP(ctx, changes)
	m.timekeeper.set(desired.NTP)
	m.takeHostname(desired.Hostname)
	if err := writeResolvConf(m.opts.ResolvConf, desired.DNS, desired.Domains); err != nil {
		m.opts.Log.Error("name servers not written", "err", err)
	}
	return nil
}

// takeHostname sets the host name of a lease; a lost lease leaves it.
func (m *Manager) takeHostname(name string) {
	if name == "" || name == m.hostname || m.opts.SetHostname == nil {
		return
	}
	m.hostname = name
	if err := m.opts.SetHostname(name); err != nil {
		m.opts.Log.Error("host name not set", "name", name, "err", err)
		return
	}
	m.opts.Log.Info("host name set from the dhcp lease", "name", name)
}

func (m *Manager) apply(why reason, ops []Op) {
	if len(ops) > 0 {
		m.streak++
	} else {
		m.streak = 0
	}
	before := m.failed
	m.failed = map[string]bool{}
	for _, op := range ops {
		err := m.net.Apply(op)
		switch {
		case err != nil:
			m.failed[err.Error()] = true
			if !before[err.Error()] {
				m.opts.Log.Error("network change failed", "err", err)
			}
		case why == reasonEvent && m.configured[op.Index] && op.Kind != OpAddrDel && op.Kind != OpRouteDel && len(before) == 0:
			m.counts.repairs++
			m.counts.lastRepair = op.String()
			m.opts.Log.Warn("network drift repaired", "op", op.String())
		default:
			m.opts.Log.Info("network changed", "op", op.String())
		}
	}
	if len(m.failed) == 0 {
		m.tries = 0
	} else {
		m.tries++
	}
}

// reannounce schedules what is new to the neighbours: addresses that were set,
// and all addresses of links whose carrier came or whose hardware address
// changed.
func (m *Manager) reannounce(why reason, ops []Op, changes Changes) {
	now := time.Now()
	carrier := map[int]string{}
	for _, l := range m.state.Links {
		if l.Carrier {
			carrier[l.Index] = l.MAC
		}
	}
	for _, d := range m.desired.Links {
		turnedOn := slices.ContainsFunc(ops, func(o Op) bool {
			return o.Kind == OpSysctl && o.Index == d.Index && o.Sysctl.Value == "1" && strings.HasSuffix(o.Sysctl.Key, "/accept_ra")
		})
		// At start the name servers of earlier advertisements are not known.
		if d.RA.Accept && (turnedOn || why == reasonStart) {
			m.schedule.add(now, d.Index, allRouters, solicitation)
		}
		hw, up := carrier[d.Index]
		fresh := m.carrier[d.Index] != hw || changes.NoCarrier[d.Index]
		for _, a := range d.Addrs {
			set := slices.ContainsFunc(ops, func(o Op) bool {
				return o.Kind == OpAddrReplace && !o.Renew && o.Index == d.Index && o.Addr == a.Address
			})
			if up && (fresh || set || why == reasonStart) {
				m.schedule.add(now, d.Index, a.Prefix.Addr(), a.Announce)
			}
		}
	}
	m.carrier = carrier
}

// nextAnnouncement returns a timer for the next one, or nils.
func (m *Manager) nextAnnouncement() (*time.Timer, <-chan time.Time) {
	at, any := m.schedule.next()
	if !any {
		return nil, nil
	}
	t := time.NewTimer(time.Until(at))
	return t, t.C
}

// announce sends what is due, except for addresses and links that are gone.
func (m *Manager) announce() {
	for _, key := range m.schedule.due(time.Now()) {
		l := m.state.link(key.link)
		if l != nil && l.Carrier && key.addr == allRouters {
			if err := m.net.Solicit(*l); err != nil {
				m.opts.Log.Error("routers not solicited", "err", err)
			}
			continue
		}
		there := slices.ContainsFunc(m.state.Addrs, func(a LinkAddr) bool {
			return a.Index == key.link && a.Prefix.Addr() == key.addr && a.Protocol == Protocol && !a.Duplicate && !a.Tentative
		})
		if l == nil || !l.Carrier || !there {
			continue
		}
		if err := m.net.Announce(*l, key.addr); err != nil {
			m.opts.Log.Error("announcement not sent", "err", err)
			continue
		}
		m.counts.announced[key.addr]++
	}
}

// tell sends READY=1 when it is time, and STATUS= when it changed.
func (m *Manager) tell() {
	status := "configured " + m.summary()
	switch {
	case len(m.missing) > 0 && !m.ready && !m.timedOut:
		status = "waiting: " + strings.Join(m.missing, ", ")
	case len(m.missing)+len(m.desired.Problems) > 0:
		status = "degraded: " + strings.Join(slices.Concat(m.missing, m.desired.Problems), ", ")
	}
	if !m.ready && (len(m.missing) == 0 || m.timedOut) {
		m.ready, m.status = true, status
		m.opts.Notify("READY=1\nSTATUS=" + status)
		m.opts.Log.Info("network ready", "status", status)
		return
	}
	if status != m.status {
		m.status = status
		m.opts.Notify("STATUS=" + status)
		m.opts.Log.Info("network status", "status", status)
	}
}

// do runs f in Run's goroutine; run is Run's context.
func (m *Manager) do(ctx context.Context, f func(run context.Context)) error {
	ran := make(chan struct{})
	select {
	case m.calls <- func(run context.Context) { f(run); close(ran) }:
		<-ran
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.done:
		return fmt.Errorf("netd is stopping")
	}
}

// Reload reads the directory again and applies it. A directory with faults is
// refused with all of them and nothing changes.
func (m *Manager) Reload(ctx context.Context) (err error) {
	if derr := m.do(ctx, func(run context.Context) { err = m.reload(run) }); derr != nil {
		return derr
	}
	return err
}

func (m *Manager) reload(ctx context.Context) error {
	if m.ready {
		m.opts.Notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonicMicros()))
	}
	cfg, err := Load(m.opts.Dir)
	if err != nil {
		m.counts.refused++
	} else {
		m.counts.reloads++
		m.cfg = cfg
		err = m.sync(ctx, reasonReload, Changes{})
	}
	if m.ready {
		m.opts.Notify("READY=1\nSTATUS=" + m.status)
	}
	return err
}

// monotonicMicros is CLOCK_MONOTONIC in microseconds, as sd_notify(3) wants it.
func monotonicMicros() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail with this clock
	return ts.Nano() / 1000
}
