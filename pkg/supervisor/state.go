package supervisor

import (
	"fmt"
	"time"
)

// State is the coarse state of a unit, systemd's ActiveState.
type State string

// The states. A unit that waits for others to start shows as Waiting; one that
// waits for its next automatic restart as Restarting.
const (
	Inactive   State = "inactive"
	Waiting    State = "waiting"
	Starting   State = "activating"
	Active     State = "active"
	Reloading  State = "reloading"
	Stopping   State = "deactivating"
	Restarting State = "auto-restart"
	Failed     State = "failed"
)

// Status is a snapshot of a unit.
type Status struct {
	Unit        string
	Description string
	State       State
	Sub         string // finer state, systemd's words: running, start-pre, stop-sigterm, ...
	Result      string // of the last run: success, exit-code, signal, core-dump, watchdog, timeout, protocol, resources, start-limit-hit, dependency, condition
	Detail      string // more about Result for people, e.g. "status 1"
	Text        string // the service's STATUS=
	MainPID     int    // 0: none
	Restarts    int    // automatic restarts since the last explicit start
	Since       time.Time
	StoredFDs   int
}

// Ready reports whether the unit is up.
func (s Status) Ready() bool { return s.State == Active || s.State == Reloading }

func (v *service) status() Status {
	st := Status{
		Unit: v.unit.Name, Description: v.unit.Description,
		State: v.state, Sub: v.sub, Result: v.result, Detail: v.detail, Text: v.text,
		MainPID: v.mainPID, Restarts: v.restarts, Since: v.since, StoredFDs: len(v.store.fds),
	}
	if v.job == jobStart && v.idle() {
		st.State = Waiting
	}
	return st
}

// setState changes state and substate and tells everybody who listens.
func (v *service) setState(state State, sub string) {
	if v.state == state && v.sub == sub {
		return
	}
	if v.state != state {
		v.since = time.Now()
	}
	v.state, v.sub = state, sub
	v.event(EventState)
}

func (v *service) event(kind EventKind) {
	v.s.emit(Event{Kind: kind, Unit: v.unit.Name, Status: v.status()})
}

// idle reports whether the unit has neither processes nor a pending restart.
func (v *service) idle() bool { return v.state == Inactive || v.state == Failed }

// note writes a line of the supervisor's own into the unit's log.
func (v *service) note(severity int, format string, args ...any) {
	v.ring().Append(time.Now(), severity, "init: "+fmt.Sprintf(format, args...))
}

// restartOn holds, for each value of Restart=, the results that lead to a
// restart (systemd.service(5), table "Exit causes").
var restartOn = map[string]func(result string) bool{
	"no":          func(string) bool { return false },
	"always":      func(string) bool { return true },
	"on-success":  func(r string) bool { return r == "success" },
	"on-failure":  func(r string) bool { return r != "success" },
	"on-abnormal": func(r string) bool { return r == "signal" || r == "core-dump" || r == "timeout" || r == "watchdog" },
	"on-abort":    func(r string) bool { return r == "signal" || r == "core-dump" },
	"on-watchdog": func(r string) bool { return r == "watchdog" },
}
