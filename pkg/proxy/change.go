package proxy

import (
	"slices"
	"time"
)

// Changes of a server's state are made one at a time, under watcher.order, so that
// log lines and the servers that track it see them in their order.

// setOperation puts what a server can do in force, for the reason why, which ends
// up in the log. A server in maintenance stays there. order is held.
func (w *watcher) setOperation(s *server, op operation, why string) {
	b := s.backend
	b.mu.Lock()
	if s.admin&anyMaint != 0 || s.op == op || op == opRunning && s.up() {
		b.mu.Unlock()
		return
	}
	if now := time.Now(); op == opRunning {
		s.comeUp(now)
	} else {
		s.enter(op, now)
	}
	emptied := b.rearranged()
	severity, line := s.operationLine(why)
	after := s.consequence()
	b.mu.Unlock()
	w.tell(b, severity, line)
	w.conclude(s, emptied, after)
}

// setAdmin adds and removes reasons to keep connections from a server. via is the
// tracked server that they come from, or empty. order is held.
func (w *watcher) setAdmin(s *server, add, remove admin, via string) {
	b := s.backend
	b.mu.Lock()
	old, was := s.admin, s.op
	s.admin = old&^remove | add
	if s.admin == old {
		b.mu.Unlock()
		return
	}
	switch now := time.Now(); {
	case s.admin&anyMaint != 0 && s.op != opStopped:
		s.health.Force(false)
		s.enter(opStopped, now)
	case s.admin&anyMaint == 0 && old&anyMaint != 0:
		if s.checking {
			s.health.Revive()
		}
		s.leaveMaintenance(now)
	}
	emptied := b.rearranged()
	lines := s.adminLines(old, was, via)
	var after consequence
	if s.op != was {
		after = s.consequence()
	}
	b.mu.Unlock()
	severity := severityNotice
	if old&anyDrain == 0 && was != opStopped && s.admin&anyMaint != 0 {
		severity = severityAlert // it was in use until now
	}
	for _, line := range lines {
		w.tell(b, severity, line)
	}
	w.conclude(s, emptied, after)
}

// leaveMaintenance has a server do what it can. backend.mu is held.
func (s *server) leaveMaintenance(now time.Time) {
	if s.followed && !s.root.Up() {
		s.enter(opStopped, now)
	} else {
		s.comeUp(now)
	}
}

// rearranged deals the connections out anew and reports whether the last server
// has gone. mu is held.
func (b *backend) rearranged() (emptied bool) {
	downs := b.downs
	b.reweigh()
	b.settleQueues()
	return b.downs != downs
}

// consequence is what follows for sessions from a server's new state.
type consequence struct {
	end map[*server]bool // whose sessions end
	who byte             // termination code
}

// consequence reads "on-marked-down" and "on-marked-up". backend.mu is held.
func (s *server) consequence() consequence {
	c := s.conf.Check
	switch {
	case c == nil:
	case s.op == opStopped && c.ShutDown:
		return consequence{map[*server]bool{s: true}, byDown}
	case s.up() && c.ShutBackups && !s.backup && s.weight > 0:
		backups := map[*server]bool{}
		for _, other := range s.backend.servers {
			if other.backup {
				backups[other] = true
			}
		}
		return consequence{backups, byUp}
	}
	return consequence{}
}

// conclude does what follows from a change of s once its lock is free. order is
// held.
func (w *watcher) conclude(s *server, emptied bool, after consequence) {
	if emptied {
		w.tell(s.backend, severityEmerg, "backend "+s.backend.name+" has no server available!")
	}
	if len(after.end) > 0 {
		w.endSessions(after.end, after.who)
	}
	w.heat(s)
	w.lead(s)
}

// viaText tells of the server behind what happens to this one, as lines do. backend.mu
// is held.
func (s *server) viaText() string {
	if s.via == "" {
		return ""
	}
	return " via " + s.via
}

// lead tells the servers that track s of its state, the last one first as HAProxy
// does. order is held.
func (w *watcher) lead(s *server) {
	for _, f := range slices.Backward(w.followers[s]) {
		w.follow(f)
	}
}

// follow brings a server in line with the one it tracks. order is held.
func (w *watcher) follow(f *server) {
	t := f.tracked
	t.backend.mu.Lock()
	state, judged := t.condition, t.judged()
	t.backend.mu.Unlock()

	f.backend.mu.Lock()
	f.root, f.followed, f.via = *state.judge(), judged, t.path()
	via := f.viaText() // a reload may change it as soon as the lock is free
	f.backend.mu.Unlock()

	var add admin
	if state.admin&anyMaint != 0 {
		add |= inheritedMaint
	}
	if state.admin&anyDrain != 0 {
		add |= inheritedDrain
	}
	w.setAdmin(f, add, (inheritedMaint|inheritedDrain)&^add, via)
	if state.up() {
		state.op = opRunning // each warms up for itself
	}
	w.setOperation(f, state.op, via)
	w.lead(f)
}
