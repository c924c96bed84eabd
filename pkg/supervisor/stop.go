package supervisor

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// beginStop stops the unit; nothing that depends on it runs any more.
func (v *service) beginStop() {
	switch {
	case v.state == Restarting:
		v.dead(v.result)
	case v.mainPID == 0 && v.controlPID == 0 && v.state != Active:
		v.dead("success")
	case v.state == Active || v.state == Reloading:
		v.dropControl()
		v.stopWatchdog()
		v.setState(Stopping, "stop")
		v.arm(v.unit.Service.TimeoutStop, func() { v.terminate("timeout") })
		v.runControl(v.unit.Service.ExecStop, func(result string) { v.terminate(result) })
	case v.state == Stopping:
		// On its way already, for another reason.
	default:
		v.terminate("success")
	}
}

// dropControl forgets and kills a control process that runs.
func (v *service) dropControl() {
	if v.controlPID > 0 {
		v.killGroup(v.controlPID)
		v.s.pids.remove(v.controlPID)
	}
	v.control, v.controlEnd, v.controlPID = nil, nil, 0
}

// terminate sends KillSignal= and, when the main process is still there after
// TimeoutStopSec=, SIGKILL. A result other than "success" is what the run will
// be judged by.
func (v *service) terminate(result string) {
	v.end(result, v.unit.Service.KillSignal, "stop-sigterm")
}

func (v *service) end(result string, sig syscall.Signal, sub string) {
	if result != "success" && v.death == "" {
		v.death = result
	}
	v.dropControl()
	v.stopWatchdog()
	if v.mainPID == 0 {
		v.dead(cmpOr(v.death, "success"))
		return
	}
	v.setState(Stopping, sub)
	v.signal(sig)
	v.arm(v.unit.Service.TimeoutStop, func() {
		v.note(severityWarning, "still there %s after %s, killing it", v.unit.Service.TimeoutStop, unix.SignalName(sig))
		v.death = cmpOr(v.death, "timeout")
		v.setState(Stopping, "stop-sigkill")
		v.kill()
	})
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// signal sends sig to the processes that KillMode= says.
func (v *service) signal(sig syscall.Signal) {
	if v.unit.Service.KillMode == "none" {
		return
	}
	_ = unix.Kill(v.mainPID, sig)
	if v.unit.Service.KillMode != "control-group" || sig == unix.SIGABRT {
		return
	}
	if pids := v.s.cgroups.pids(v.unit.Name); pids != nil {
		for _, pid := range pids {
			if pid != v.mainPID {
				_ = unix.Kill(pid, sig)
			}
		}
		return
	}
	// The main process leads its group; it gets the signal a second time, which
	// the kernel merges with the first while it is pending.
	_ = unix.Kill(-v.mainPID, sig)
}

// kill sends SIGKILL to the main process and, by KillMode=, to all others. The
// main process may be gone while ExecStop= runs; number 0 would be our own group.
func (v *service) kill() {
	if v.mainPID > 0 {
		_ = unix.Kill(v.mainPID, unix.SIGKILL)
		v.killGroup(v.mainPID)
	}
	v.killRest()
}

// killGroup kills the process group that pid leads, pid being alive or a zombie.
func (v *service) killGroup(pid int) {
	if m := v.unit.Service.KillMode; m == "control-group" || m == "mixed" {
		_ = unix.Kill(-pid, unix.SIGKILL)
	}
}

// killRest kills what is left in the unit's cgroup.
func (v *service) killRest() {
	if m := v.unit.Service.KillMode; m == "control-group" || m == "mixed" {
		v.s.cgroups.kill(v.unit.Name)
	}
}

// armWatchdog starts or restarts WatchdogSec='s clock.
func (v *service) armWatchdog() {
	v.stopWatchdog()
	if v.watchdogEvery <= 0 || v.mainPID == 0 {
		return
	}
	gen := v.watchdogGen
	v.watchdog = time.AfterFunc(v.watchdogEvery, func() {
		v.s.post(func() {
			// A ping that waits in the socket counts.
			v.s.drainNotify()
			if gen == v.watchdogGen {
				v.s.dirty = true
				v.watchdogExpired("no WATCHDOG=1 for " + v.watchdogEvery.String())
			}
		})
	})
}

func (v *service) stopWatchdog() {
	v.watchdogGen++
	if v.watchdog != nil {
		v.watchdog.Stop()
		v.watchdog = nil
	}
}

// watchdogExpired aborts the main process, so that it leaves a trace of what it
// hung on.
func (v *service) watchdogExpired(why string) {
	v.note(severityError, "watchdog: %s", why)
	v.end("watchdog", unix.SIGABRT, "stop-watchdog")
}
