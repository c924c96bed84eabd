package proxy

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/sluice-lb/sluice/pkg/check"
)

// The lines about state changes are HAProxy's, word by word: programs read them.

// title is how lines name the server.
func (s *server) title() string {
	if s.backup {
		return "Backup Server " + s.path()
	}
	return "Server " + s.path()
}

func (s *server) path() string { return s.backend.name + "/" + s.name }

// left is the end of a line about a server that went. backend.mu is held.
func (b *backend) left(s *server) string {
	active, backup := b.count()
	return fmt.Sprintf(". %d active and %d backup servers left.%s %d sessions active, 0 requeued, %d remaining in queue.",
		active, backup, onBackup(active, backup), s.served, b.queue.len)
}

// online is the end of a line about a server that came. backend.mu is held.
func (b *backend) online() string {
	active, backup := b.count()
	return fmt.Sprintf(". %d active and %d backup servers online.%s 0 sessions requeued, %d total in queue.",
		active, backup, onBackup(active, backup), b.queue.len)
}

func onBackup(active, backup int) string {
	if active == 0 && backup > 0 {
		return " Running on backup."
	}
	return ""
}

// count returns how many servers take connections. mu is held.
func (b *backend) count() (active, backup int) {
	for _, s := range b.servers {
		switch {
		case !s.usable() || s.suspect:
		case s.backup:
			backup++
		default:
			active++
		}
	}
	return active, backup
}

// reason says what a check has found.
func reason(r *check.Result) string {
	text := ", reason: " + r.Reason
	if r.Info != "" {
		text += fmt.Sprintf(", info: %q", r.Info)
	}
	return text + fmt.Sprintf(", check duration: %dms", r.Duration.Milliseconds())
}

// checkLine is the line of "option log-health-checks". backend.mu is held.
func (s *server) checkLine(r *check.Result) string {
	kind, outcome, state := "", "failed", "DOWN"
	if s.backup {
		kind = "backup "
	}
	if r.Good {
		outcome = "succeeded"
	}
	if s.health.Up() {
		state = "UP"
	}
	return fmt.Sprintf("Health check for %sserver %s %s%s, status: %s %s.", kind, s.path(), outcome, reason(r), s.health.Progress(), state)
}

// operationLine is the line about a server whose operation is new for the reason
// why. backend.mu is held.
func (s *server) operationLine(why string) (int, string) {
	switch s.op {
	case opStopped:
		return severityAlert, s.title() + " is DOWN" + why + s.backend.left(s)
	case opStopping:
		return severityNotice, s.title() + " is stopping" + why + s.backend.online()
	}
	return severityNotice, s.title() + " is UP" + why + s.backend.online()
}

// adminLines are the lines about a server whose admin was old, and its operation
// was. via names the tracked server behind it, with a blank and "via" before it, or
// is empty. backend.mu is held.
func (s *server) adminLines(old admin, was operation, via string) []string {
	forced := func(a admin, word string) string {
		if a != 0 {
			return "forced " + word
		}
		return word
	}
	now := s.admin
	switch {
	case old&anyMaint == 0 && now&anyMaint != 0 && was == opStopped:
		return []string{s.title() + " was DOWN and now enters maintenance" + via + "."}
	case old&anyMaint == 0 && now&anyMaint != 0:
		return []string{s.title() + " is going DOWN for maintenance" + via + s.backend.left(s)}
	case old&anyMaint != 0 && now&anyMaint == 0:
		word := "READY"
		if now&anyDrain != 0 {
			word = "DRAIN"
		}
		lines := []string{fmt.Sprintf("%s is %s/%s (leaving %s).", s.title(), upOrDown(s.op), word, forced(old&forcedMaint, "maintenance"))}
		if now&anyDrain != 0 {
			lines = append(lines, fmt.Sprintf("%s remains in %s mode%s.", s.title(), forced(now&forcedDrain, "drain"), via))
		}
		return lines
	case now&anyMaint != 0:
	case old&anyDrain == 0 && now&anyDrain != 0:
		return []string{s.title() + " enters drain state" + via + s.backend.online()}
	case old&anyDrain != 0 && now&anyDrain == 0:
		return []string{fmt.Sprintf("%s is %s (leaving %s)%s.", s.title(), upOrDown(s.op), forced(old&forcedDrain, "drain"), via)}
	}
	return nil
}

func upOrDown(op operation) string {
	if op == opStopped {
		return "DOWN"
	}
	return "UP"
}

// tell writes a line about a server of b to the process log and to b's targets.
func (w *watcher) tell(b *backend, severity int, line string) {
	level := slog.LevelInfo
	if severity <= severityAlert {
		level = slog.LevelWarn
	}
	w.log.Log(w.ctx, level, line)
	if l := b.logger.Load(); l != nil {
		l.emit(severity, time.Now(), []byte(line))
	}
}
