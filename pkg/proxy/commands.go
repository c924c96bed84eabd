package proxy

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// Commands is the engine's part of the runtime API (management guide, section
// 9.3).
func (e *Engine) Commands() []ctl.Command {
	return slices.Concat([]ctl.Command{
		{Name: "show info", Help: "report information about the running process", Run: e.showInfo},
		{Name: "show stat", Help: "report counters of frontends, backends and servers in CSV", Run: e.showStat},
		{Name: "show backend", Help: "list the backends", Run: e.showBackend},
	}, e.sessionCommands(), e.frontendCommands(), e.serverCommands(), missingCommands())
}

func (e *Engine) showInfo(_ context.Context, _ *ctl.Request, w io.Writer) error {
	_, err := io.WriteString(w, e.info())
	return err
}

// info is gathered under mu and written without it: a client that does not read
// must hold nobody up.
func (e *Engine) info() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var w strings.Builder
	up := time.Since(e.started)
	var dropped int64
	for _, s := range e.sinks {
		dropped += s.dropped.Load()
	}
	var total int64
	for _, f := range e.frontends {
		total += f.stats.conns.Load()
	}
	rows := []struct {
		name  string
		value any
	}{
		{"Name", "Sluice"},
		{"Nbthread", len(e.workers)},
		{"Pid", os.Getpid()},
		{"Uptime", up.Truncate(time.Second)},
		{"Uptime_sec", int64(up.Seconds())},
		{"Maxconn", e.maxconn.Load()},
		{"ConnRateLimit", e.connRate.limit.Load()},
		{"SessRateLimit", e.sessRate.limit.Load()},
		{"Maxpipes", e.pipes.Most()},
		{"PipesUsed", e.pipes.Used()},
		{"CurrConns", e.conns.Load()},
		{"CumConns", total},
		{"Listeners", len(e.listeners)},
		{"Stopping", boolDigit(e.closing.Load())},
		{"Reloads", max(e.reloads-1, 0)},
		{"DroppedLogs", dropped},
		{"node", e.conf.Global.Node},
		{"description", e.conf.Global.Description},
	}
	for _, r := range rows {
		fmt.Fprintf(&w, "%s: %v\n", r.name, r.value)
	}
	return w.String()
}

func boolDigit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (e *Engine) showStat(_ context.Context, _ *ctl.Request, w io.Writer) error {
	return ctl.WriteStats(w, e.Stats())
}

// Stats returns a record for each frontend, server and backend, in the order of
// the configuration file.
func (e *Engine) Stats() []ctl.Stat {
	e.mu.Lock()
	defer e.mu.Unlock()
	var stats []ctl.Stat
	for _, p := range e.conf.Proxies {
		if f := e.frontends[p.Name]; f != nil && p.Kind.HasFrontend() {
			stats = append(stats, e.frontendStat(f, p))
		}
		if b := e.backends[p.Name]; b != nil && p.Kind.HasBackend() {
			stats = append(stats, b.stat(p)...)
		}
	}
	return stats
}

func (e *Engine) frontendStat(f *frontend, p *config.Proxy) ctl.Stat {
	s := f.stats.record(f.clock.now())
	s.Proxy, s.Service, s.Type, s.Mode = p.Name, "FRONTEND", ctl.StatFrontend, "tcp"
	s.ProcessID, s.ProxyID = 1, int64(p.ID)
	s.Status, s.SessionsCur = f.opening.String(), f.conns.Load()
	s.RateLimit = int64(p.RateSessions)
	if e.closing.Load() {
		s.Status = "STOP"
	}
	if s.SessionsLimit = f.maxconn.Load(); s.SessionsLimit == noLimit {
		s.SessionsLimit = e.maxconn.Load()
	}
	return s
}

// stat returns the records of all servers and then that of the backend.
func (b *backend) stat(p *config.Proxy) []ctl.Stat {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.stats.record(b.clock.now())
	all.Proxy, all.Service, all.Type, all.Mode = p.Name, "BACKEND", ctl.StatBackend, "tcp"
	all.ProcessID, all.ProxyID = 1, int64(p.ID)
	all.SessionsCur, all.Algorithm = b.conns.Load(), p.Balance.Algorithm
	all.QueueCur, all.QueueMax = int64(b.queue.len), int64(b.queue.peak)
	all.SessionsLimit = int64(b.fullconn)
	all.Status, all.Weight = "DOWN", int64(b.weight())
	now := time.Now()
	all.SinceChange, all.CheckDowns, all.Downtime = seconds(now.Sub(b.since)), new(b.downs), new(seconds(b.downFor(now)))
	if b.direct != nil {
		all.Status = "UP"
	}
	var stats []ctl.Stat
	for _, srv := range b.servers {
		s := srv.stats.record(b.clock.now())
		s.Proxy, s.Service, s.Type, s.Mode = p.Name, srv.name, ctl.StatServer, "tcp"
		s.ProcessID, s.ProxyID, s.ServID = 1, int64(p.ID), int64(srv.conf.ID)
		s.SessionsCur, s.SessionsLimit = int64(srv.served), int64(srv.limits.maxconn)
		s.QueueCur, s.QueueMax, s.QueueLimit = int64(srv.queue.len), int64(srv.queue.peak), int64(srv.limits.maxqueue)
		s.Status, s.Weight, s.Address = srv.status(), int64(srv.effectiveWeight()), srv.target.Load().String()
		srv.healthStat(&s, now)
		if srv.backup {
			s.Backup = 1
		} else {
			s.Active = 1
		}
		if srv.usable() && !srv.suspect {
			all.Status = "UP"
			all.Active += s.Active
			all.Backup += s.Backup
		}
		stats = append(stats, s)
	}
	return append(stats, all)
}

// String returns "address:port", with "+offset" for a port that follows the
// client's, or the path of a UNIX socket.
func (t *target) String() string {
	switch {
	case t.path != "":
		return t.path
	case !t.addr.IsValid():
		return ""
	}
	host := t.addr.String()
	if t.addr.Is6() {
		host = "[" + host + "]"
	}
	if t.portRelative {
		return fmt.Sprintf("%s:%+d", host, t.port)
	}
	return fmt.Sprintf("%s:%d", host, t.port)
}

// record returns the counters as a statistics record; now is on the clock of the rate.
func (p *proxyStats) record(now int64) ctl.Stat {
	return ctl.Stat{
		Rate: p.rate.perSecond(now), RateMax: p.rate.peak.Load(),
		SessionsTotal: p.sessions.Load(), SessionsMax: p.peakSessions.Load(),
		BytesIn: p.bytesIn.Load(), BytesOut: p.bytesOut.Load(),
		ConnsTotal: p.conns.Load(), DeniedConns: p.deniedConns.Load(), RequestErrors: p.requestErrors.Load(),
		ConnectErrors: p.connectErrors.Load(), Retries: p.retries.Load(), Redispatches: p.redispatches.Load(),
	}
}

func (e *Engine) showBackend(_ context.Context, _ *ctl.Request, w io.Writer) error {
	e.mu.Lock()
	conf := e.conf
	e.mu.Unlock()
	fmt.Fprintln(w, "# name")
	for _, p := range conf.Proxies {
		if p.Kind.HasBackend() {
			fmt.Fprintln(w, p.Name)
		}
	}
	return nil
}
