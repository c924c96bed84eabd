package supervisor

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// errNotReloadable says that a unit has no ExecReload=.
var errNotReloadable = errors.New("the unit has no ExecReload=")

// notified handles one sd_notify message of a process of the unit.
func (v *service) notified(m *notifyMessage) {
	defer func() { closeAll(m.fds) }()
	if !v.mayNotify(m.pid) {
		v.note(severityWarning, "notify message of process %d refused by NotifyAccess=%s", m.pid, v.unit.notifyAccess())
		return
	}
	v.notifiedStore(m)
	if text, ok := m.vars["STATUS"]; ok && text != v.text {
		v.text = text
		v.event(EventStatus)
	}
	if n, ok := m.number("ERRNO"); ok && n > 0 {
		v.detail = "errno " + strconv.FormatUint(n, 10) + ": " + unix.Errno(n).Error()
	}
	if pid, ok := m.number("MAINPID"); ok {
		v.newMainPID(int(pid))
	}
	v.notifiedTimes(m)
	if m.vars["RELOADING"] == "1" && v.state == Active {
		v.reloadNote = true
		v.setState(Reloading, "reload-notify")
	}
	if m.vars["READY"] == "1" {
		v.notifiedReady()
	}
	if m.vars["STOPPING"] == "1" && (v.state == Active || v.state == Reloading) {
		v.stopWatchdog()
		v.setState(Stopping, "stop-notify")
		v.arm(v.unit.Service.TimeoutStop, func() { v.terminate("timeout") })
	}
	switch m.vars["WATCHDOG"] {
	case "1":
		if v.watchdog != nil {
			v.armWatchdog()
		}
	case "trigger":
		if v.mainPID > 0 {
			v.watchdogExpired("WATCHDOG=trigger")
		}
	}
}

// mayNotify applies NotifyAccess=.
func (v *service) mayNotify(pid int) bool {
	switch v.unit.notifyAccess() {
	case "all":
		return true
	case "exec":
		return pid == v.mainPID || pid == v.controlPID
	case "main":
		return pid == v.mainPID
	}
	return false
}

func (v *service) notifiedReady() {
	switch {
	case v.sub == "start" && v.unit.Service.Type == TypeNotify:
		v.startPost()
	case v.reloadNote:
		v.reloadNote = false
		if !v.reloadCmd {
			v.reloaded(nil)
		}
	}
}

func (v *service) notifiedTimes(m *notifyMessage) {
	if n, ok := m.number("WATCHDOG_USEC"); ok {
		v.watchdogEvery = time.Duration(n) * time.Microsecond
		if v.state == Active || v.state == Reloading {
			v.armWatchdog()
		}
	}
	n, ok := m.number("EXTEND_TIMEOUT_USEC")
	if !ok {
		return
	}
	d := time.Duration(n) * time.Microsecond
	switch v.state {
	case Starting:
		v.arm(d, v.startTimeout)
	case Stopping:
		v.arm(d, func() {
			v.death = cmpOr(v.death, "timeout")
			v.setState(Stopping, "stop-sigkill")
			v.kill()
		})
	}
}

// newMainPID changes the main process to another one of the unit.
func (v *service) newMainPID(pid int) {
	if pid == v.mainPID {
		return
	}
	if v.s.unitOf(pid) != v.unit.Name {
		v.note(severityWarning, "MAINPID=%d refused: not a process of this unit", pid)
		return
	}
	v.mainPID = pid
	v.s.pids.set(pid, v.unit.Name)
	v.event(EventState)
}

// notifiedStore handles FDSTORE, FDSTOREREMOVE and BARRIER. What is kept is
// taken out of m.fds; the caller closes the rest, which is what BARRIER=1 waits
// for.
func (v *service) notifiedStore(m *notifyMessage) {
	switch {
	case m.vars["FDSTOREREMOVE"] == "1":
		if v.store.remove(fdName(m.vars["FDNAME"])) > 0 {
			v.event(EventFDStore)
		}
	case m.vars["FDSTORE"] == "1":
		fds := m.fds
		m.fds = nil
		for _, fd := range fds {
			if err := v.store.add(fdName(m.vars["FDNAME"]), fd, m.vars["FDPOLL"] != "0"); err != nil {
				v.note(severityWarning, "%v", err)
			}
		}
		v.event(EventFDStore)
	}
}

// beginReload runs ExecReload= and tells done how it went.
func (v *service) beginReload(done chan error) {
	switch {
	case len(v.unit.Service.ExecReload) == 0:
		done <- fmt.Errorf("%s: %w", v.unit.Name, errNotReloadable)
		return
	case v.state != Active:
		done <- fmt.Errorf("%s: %s, only an active unit can be reloaded", v.unit.Name, v.status().State)
		return
	}
	v.reloaders = append(v.reloaders, done)
	v.reloadCmd, v.reloadNote = true, false
	v.setState(Reloading, "reload")
	v.arm(v.unit.Service.TimeoutStart, func() {
		v.dropControl()
		v.reloadCmd = false
		v.reloaded(fmt.Errorf("%s: reload timed out", v.unit.Name))
	})
	v.runControl(v.unit.Service.ExecReload, func(result string) {
		v.reloadCmd = false
		if result != "success" {
			v.reloaded(fmt.Errorf("%s: reload failed: %s (%s)", v.unit.Name, result, v.detail))
		} else if !v.reloadNote {
			v.reloaded(nil)
		}
	})
}

// reloaded ends a reload, whatever its result: the service still runs.
func (v *service) reloaded(err error) {
	v.disarm()
	v.reloadNote = false
	if err != nil {
		v.note(severityError, "%v", err)
	}
	if v.state == Reloading {
		v.setState(Active, "running")
	}
	v.endReload(err)
}

func (v *service) endReload(err error) {
	for _, done := range v.reloaders {
		done <- err
	}
	v.reloaders = nil
	v.reloadCmd, v.reloadNote = false, false
}
