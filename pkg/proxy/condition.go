package proxy

import (
	"time"

	"github.com/sluice-lb/sluice/pkg/balance"
	"github.com/sluice-lb/sluice/pkg/check"
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// operation is what a server can do, as its checks, the server it tracks or an
// operator see it. The values are those of "show servers state".
type operation uint8

const (
	opStopped  operation = iota // no connections
	opStarting                  // runs, but is warming up
	opRunning
	opStopping // no new connections; those it has go on
)

// admin is what keeps new connections from a server whatever it can do. The values
// are those of "show servers state".
type admin uint8

const (
	forcedMaint    admin = 1 << iota // by an operator or by "disabled"
	inheritedMaint                   // of the tracked server
	configMaint                      // forced since the configuration said so
	forcedDrain
	inheritedDrain
	resolveMaint // its name has no address; not kept, see located

	anyMaint = forcedMaint | inheritedMaint
	anyDrain = forcedDrain | inheritedDrain
)

// condition is what is known of a server's health and what is wanted of it. It is
// guarded by the backend's lock and survives reloads.
type condition struct {
	op       operation
	admin    admin
	checking bool // it has "check", and nobody switched that off
	health   check.Health
	last     check.Result
	fails    int64         // bad results while it was not down
	downs    int64         // times it stopped
	since    time.Time     // of op, or when the counters were cleared
	began    time.Time     // of op
	downtime time.Duration // before since
	unit     int           // shares for each unit of its weight, see warm

	// Of a server with "track": root is a copy of the health of the server at the end
	// of the chain, followed tells that it is checked.
	tracked  *server // guarded by watcher.order
	via      string  // its backend/name
	root     check.Health
	followed bool

	// What an operator set; the server line counts again when it says something else.
	checkPort int
	checkAddr string
	moved     bool // it has an address from "set server addr"
}

// enter begins another state at now.
func (c *condition) enter(op operation, now time.Time) {
	if c.op == opStopped {
		c.downtime += now.Sub(c.since)
	} else if op == opStopped {
		c.downs++
	}
	c.op, c.since, c.began = op, now, now
}

// up reports whether the server may get connections, were it for its health.
func (c *condition) up() bool { return c.op == opRunning || c.op == opStarting }

// downFor is the time that the server has been down in all.
func (c *condition) downFor(now time.Time) time.Duration {
	if c.op == opStopped {
		return c.downtime + now.Sub(c.since)
	}
	return c.downtime
}

// checkSettings are the parameters of conf's checks.
func checkSettings(c *config.ServerCheck) check.Settings {
	return check.Settings{Rise: c.Rise, Fall: c.Fall, Inter: c.Inter, FastInter: c.FastInter, DownInter: c.DownInter}
}

func hasCheck(c *config.Server) bool { return c != nil && c.Check != nil && c.Check.Enabled }

func hasTrack(c *config.Server) bool {
	return c != nil && c.Check != nil && !c.Check.Enabled && c.Check.Track != ""
}

// adopt takes over what a new server line says, after old, about the state. What
// an operator set stays in force until the line says something new. backend.mu is
// held.
func (s *server) adopt(old, conf *config.Server, moved bool) {
	now := time.Now()
	if old == nil {
		s.op, s.since, s.began, s.unit = opRunning, now, now, balance.Scale
		s.health = check.New(check.Defaults, !conf.Disabled)
	}
	if old == nil || old.Disabled != conf.Disabled {
		s.admin &^= forcedMaint | configMaint
		if conf.Disabled {
			s.admin |= forcedMaint | configMaint
			s.op, s.since, s.began = opStopped, now, now
		} else if old != nil && s.admin&anyMaint == 0 {
			s.revive(now)
		}
	}
	if old == nil || old.Weight != conf.Weight {
		s.weight = conf.Weight
	}
	if hasTrack(old) && !hasTrack(conf) {
		s.untrack(now)
	}
	s.adoptCheck(old, conf, moved, now)
	s.warmFurther(now)
}

// untrack ends what a server has from one that it tracked. backend.mu is held.
func (s *server) untrack(now time.Time) {
	s.admin &^= inheritedMaint | inheritedDrain
	s.followed, s.via = false, ""
	s.revive(now)
}

// adoptCheck is the part of adopt about checks. backend.mu is held.
func (s *server) adoptCheck(old, conf *config.Server, moved bool, now time.Time) {
	switch {
	case !hasCheck(conf):
		s.checking = false
		if hasCheck(old) {
			s.last = check.Result{}
			s.revive(now)
		}
	case !hasCheck(old) || moved: // up, but the first bad result takes it down
		s.checking, s.suspect = true, false
		s.health, s.last = check.New(checkSettings(conf.Check), true), check.Result{}
		s.checkPort, s.checkAddr = 0, ""
		s.revive(now)
	default:
		s.health.Configure(checkSettings(conf.Check))
		if old.Check.Port != conf.Check.Port || old.Check.Addr != conf.Check.Addr {
			s.checkPort, s.checkAddr = 0, ""
		}
	}
}

// revive makes a server that is not in maintenance run again, at once as one that is
// new. backend.mu is held.
func (s *server) revive(now time.Time) {
	if s.admin&anyMaint == 0 && !s.up() {
		s.enter(opRunning, now)
		s.warm(0)
	}
	if s.checking && s.admin&anyMaint == 0 {
		s.health.Revive()
	}
}

// judged reports whether checks say how the server is: its own or those of the
// server that it tracks.
func (s *server) judged() bool { return s.checking || s.followed }

// judge is the health that counts: the server's own, or that of the one it tracks.
func (c *condition) judge() *check.Health {
	if c.followed {
		return &c.root
	}
	return &c.health
}

// status is the server's state in the words of "show stat". backend.mu is held.
func (s *server) status() string {
	health := s.judge()
	switch {
	case s.admin&inheritedMaint != 0:
		return "MAINT (via " + s.via + ")"
	case s.admin&anyMaint != 0:
		return "MAINT"
	case !s.located:
		return "MAINT (resolution)"
	case s.op == opStopping && s.judged() && !health.Full():
		return "NOLB " + health.Progress()
	case s.op == opStopping:
		return "NOLB"
	case s.op == opStopped && s.judged() && !health.Up():
		return health.String()
	case s.op == opStopped, s.suspect:
		return "DOWN"
	case s.judged() && !health.Full():
		return health.String()
	case s.admin&anyDrain != 0:
		return "DRAIN"
	case s.judged():
		return "UP"
	}
	return "no check"
}

// healthStat fills in what "show stat" tells of checks. backend.mu is held.
func (s *server) healthStat(st *ctl.Stat, now time.Time) {
	st.SinceChange, st.Tracked, st.Throttle = seconds(now.Sub(s.since)), s.via, s.throttle()
	if !s.checking {
		return
	}
	st.CheckFails, st.CheckDowns, st.Downtime = new(s.fails), new(s.downs), new(seconds(s.downFor(now)))
	if s.admin&anyMaint != 0 {
		return // no checks then
	}
	st.CheckStatus, st.CheckDesc, st.LastCheck = s.last.Status, s.last.Reason, s.last.Info
	if s.last.Status == "" {
		st.CheckStatus, st.CheckDesc = "INI", "Initializing"
	} else {
		st.CheckDuration = new(s.last.Duration.Milliseconds())
	}
	set := s.health.Settings()
	st.CheckRise, st.CheckFall, st.CheckHealth = new(int64(set.Rise)), new(int64(set.Fall)), new(int64(s.health.Score()))
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
