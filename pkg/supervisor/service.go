package supervisor

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// service is the state machine of one unit. It belongs to the loop.
//
//	inactive -> start-pre -> start -> start-post -> running | exited
//	running -> reload -> running
//	running -> stop -> stop-sigterm -> stop-sigkill -> dead | auto-restart
//
// "dead" is where every way ends: it decides between inactive, failed and a
// restart.
type service struct {
	s    *Supervisor // immutable
	unit *Unit       // immutable
	logW *os.File    // write end of the log pipe, or nil

	state    State
	sub      string
	result   string
	detail   string
	text     string
	since    time.Time
	upSince  time.Time // when it became active, zero when it has not
	restarts int
	startOK  bool // the last start succeeded, perhaps by a failed condition

	job       job
	thenStart bool // start again after job stop
	waiters   []chan error

	mainPID    int
	controlPID int
	executing  map[int]*unix.WaitStatus // processes whose exec is not known yet; with their end if that was first
	control    []Command                // control commands still to run, first one running
	controlEnd func(result string)      // gets "success" or why a control command failed
	mainQueue  []Command                // further ExecStart= of a oneshot
	death      string                   // result decided before the main process ends: timeout, watchdog
	timer      *time.Timer              // of the present state
	timerGen   int                      // tells a fired timer from a replaced one
	reloaders  []chan error             // wait for the end of a reload
	reloadCmd  bool                     // ExecReload= runs
	reloadNote bool                     // RELOADING=1 came without READY=1 yet
	signalled  bool                     // STOPPING=1 came
	waited     bool                     // Type=idle has waited long enough

	watchdogEvery time.Duration
	watchdog      *time.Timer
	watchdogGen   int

	store   fdStore
	backoff backoff
	limiter startLimiter
}

func newService(s *Supervisor, u *Unit) *service {
	return &service{
		s: s, unit: u, state: Inactive, sub: "dead", since: time.Now(),
		executing: map[int]*unix.WaitStatus{},
		store:     fdStore{max: u.Service.FDStoreMax, poll: s.poller},
		backoff:   newBackoff(&u.Service),
		limiter:   startLimiter{limit: u.StartLimit},
	}
}

func (v *service) ring() *Ring { return v.s.rings[v.unit.Name] }

// release frees what the unit holds when the loop ends.
func (v *service) release() {
	v.disarm()
	v.stopWatchdog()
	v.store.clear()
	if v.logW != nil {
		_ = v.logW.Close()
	}
	v.finish(fmt.Errorf("%s: the supervisor ends", v.unit.Name))
	v.endReload(fmt.Errorf("%s: the supervisor ends", v.unit.Name))
}

// arm calls f in the loop after d, unless the state's timer is set again or
// disarmed before; d of 0 means never.
func (v *service) arm(d time.Duration, f func()) {
	v.disarm()
	if d <= 0 {
		return
	}
	gen := v.timerGen
	v.timer = time.AfterFunc(d, func() {
		v.s.post(func() {
			if gen == v.timerGen {
				v.s.dirty = true
				f()
			}
		})
	})
}

func (v *service) disarm() {
	v.timerGen++
	if v.timer != nil {
		v.timer.Stop()
		v.timer = nil
	}
}

// begin starts the unit; its dependencies are up.
func (v *service) begin() {
	v.result, v.detail, v.text, v.death = "success", "", "", ""
	v.startOK, v.signalled, v.upSince = false, false, time.Time{}
	v.watchdogEvery = v.unit.Service.Watchdog
	for _, c := range v.unit.Conditions {
		if _, err := os.Stat(c.Path); (err == nil) == c.Negate {
			v.startOK, v.result, v.detail = true, "condition", "ConditionPathExists="+c.Path+" is not met"
			v.setState(Inactive, "dead")
			v.started(nil)
			return
		}
	}
	if v.unit.isTarget() {
		v.enterActive("active")
		return
	}
	if !v.limiter.allow(time.Now()) {
		v.fail("start-limit-hit", "started too often")
		return
	}
	if err := v.makeRuntimeDirs(); err != nil {
		v.fail("resources", err.Error())
		return
	}
	v.setState(Starting, "start-pre")
	v.arm(v.unit.Service.TimeoutStart, v.startTimeout)
	v.runControl(v.unit.Service.ExecStartPre, func(result string) {
		if result != "success" {
			v.dead(result)
			return
		}
		v.mainQueue = v.unit.Service.ExecStart
		v.setState(Starting, "start")
		v.startMain()
	})
}

// startMain starts the main process, or the next of a oneshot's.
func (v *service) startMain() {
	if len(v.mainQueue) == 0 {
		v.startPost()
		return
	}
	c := v.mainQueue[0]
	pid, err := v.spawn(c, roleMain)
	if err != nil {
		v.detail = err.Error()
		v.note(severityError, "%v", err)
		v.dead("resources")
		return
	}
	v.mainPID = pid
	v.event(EventState)
}

// executed is told that the trampoline of process pid has executed its program,
// or with text why it could not.
func (v *service) executed(pid int, text string) {
	v.s.dirty = true
	defer func() {
		ws := v.executing[pid]
		delete(v.executing, pid)
		if ws != nil {
			v.exited(pid, *ws)
		}
	}()
	if text != "" {
		v.note(severityError, "%s", text)
		if pid == v.mainPID || pid == v.controlPID {
			v.detail = text
		}
		return
	}
	t := v.unit.Service.Type
	if pid == v.mainPID && v.sub == "start" && (t == TypeSimple || t == TypeExec || t == TypeIdle) {
		v.startPost()
	}
}

// startPost runs when the main process is up.
func (v *service) startPost() {
	if len(v.unit.Service.ExecStartPost) > 0 {
		v.setState(Starting, "start-post")
	}
	v.runControl(v.unit.Service.ExecStartPost, func(result string) {
		switch {
		case result != "success":
			v.terminate(result)
		case v.unit.Service.Type == TypeOneshot && !v.unit.Service.RemainAfterExit:
			v.startOK = true
			v.dead("success")
		case v.mainPID == 0:
			v.enterActive("exited")
		default:
			v.enterActive("running")
		}
	})
}

func (v *service) enterActive(sub string) {
	v.disarm()
	v.startOK = true
	if v.upSince.IsZero() {
		v.upSince = time.Now()
	}
	v.setState(Active, sub)
	v.armWatchdog()
	v.started(nil)
}

func (v *service) startTimeout() {
	v.note(severityError, "start timed out after %s", v.unit.Service.TimeoutStart)
	v.terminate("timeout")
}

// runControl runs cmds one after the other and then calls end.
func (v *service) runControl(cmds []Command, end func(result string)) {
	v.control, v.controlEnd = cmds, end
	v.nextControl()
}

func (v *service) nextControl() {
	if len(v.control) == 0 {
		end := v.controlEnd
		v.controlEnd = nil
		end("success")
		return
	}
	pid, err := v.spawn(v.control[0], roleControl)
	if err != nil {
		v.note(severityError, "%v", err)
		v.controlDone("resources")
		return
	}
	v.controlPID = pid
}

func (v *service) controlDone(result string) {
	v.controlPID = 0
	if len(v.control) > 0 && v.control[0].IgnoreFailure {
		result = "success"
	}
	if result == "success" && len(v.control) > 0 {
		v.control = v.control[1:]
		v.nextControl()
		return
	}
	end := v.controlEnd
	v.control, v.controlEnd = nil, nil
	if end != nil {
		end(result)
	}
}

// exited is told that one of the unit's processes has ended. When executed has
// not been told about it yet, the end waits for that, which is on its way.
func (v *service) exited(pid int, ws unix.WaitStatus) {
	if early, ok := v.executing[pid]; ok && early == nil {
		v.executing[pid] = &ws
		return
	}
	result, detail := v.judge(ws)
	switch pid {
	case v.controlPID:
		if result != "success" {
			v.note(severityError, "%s: %s", v.control[0].Args[0], detail)
			v.detail = cmpOr(v.detail, detail)
		}
		v.controlDone(result)
	case v.mainPID:
		v.mainExited(result, detail)
	}
	v.s.dirty = true
}

// judge turns a wait status into a result and words for it.
func (v *service) judge(ws unix.WaitStatus) (result, detail string) {
	s := &v.unit.Service
	if ws.Exited() {
		code := ws.ExitStatus()
		detail = fmt.Sprintf("status %d", code)
		if code == 0 || slices.Contains(s.SuccessStatus, code) {
			return "success", detail
		}
		return "exit-code", detail
	}
	sig := ws.Signal()
	detail = "signal " + unix.SignalName(sig)
	clean := []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGPIPE}
	switch {
	case slices.Contains(clean, sig) || slices.Contains(s.SuccessSignals, sig):
		return "success", detail
	case ws.CoreDump():
		return "core-dump", detail
	}
	return "signal", detail
}

func (v *service) mainExited(result, detail string) {
	pid := v.mainPID
	v.mainPID = 0
	if v.detail == "" || result == "success" {
		v.detail = detail
	}
	if v.death != "" {
		result = v.death
	}
	oneshot := v.unit.Service.Type == TypeOneshot
	if v.sub == "start" && oneshot && v.death == "" {
		if result == "success" || v.mainQueue[0].IgnoreFailure {
			v.mainQueue = v.mainQueue[1:]
			v.startMain()
			return
		}
	}
	if v.sub == "start" && v.unit.Service.Type == TypeNotify && result == "success" {
		result, v.detail = "protocol", "ended without READY=1"
	}
	if c := v.unit.Service.ExecStart; len(c) > 0 && c[len(c)-1].IgnoreFailure && v.death == "" {
		result = "success"
	}
	if v.state != Stopping {
		v.note(severityFor(result), "main process %d ended: %s", pid, v.detail)
	}
	if v.sub == "stop" {
		if result != "success" {
			v.death = result
		}
		return // ExecStop= still runs; its end goes on
	}
	v.dead(result)
}

func severityFor(result string) int {
	if result == "success" {
		return severityInfo
	}
	return severityError
}

// fail ends a start that had no process yet.
func (v *service) fail(result, detail string) {
	v.result, v.detail = result, detail
	v.note(severityError, "%s: %s", result, detail)
	v.disarm()
	v.releaseStore()
	v.setState(Failed, "failed")
	v.started(fmt.Errorf("%s: %s (%s)", v.unit.Name, result, detail))
}

// dead is the end of every run: the main process is gone.
func (v *service) dead(result string) {
	v.disarm()
	v.stopWatchdog()
	v.dropControl()
	v.killRest()
	v.s.cgroups.remove(v.unit.Name)
	v.mainPID, v.mainQueue = 0, nil
	v.result = result
	v.endReload(fmt.Errorf("%s ended: %s", v.unit.Name, v.detail))
	asked := v.job == jobStop || v.s.stopping
	if !asked && restartOn[v.unit.Service.Restart](result) {
		v.restartLater(result)
		return
	}
	v.releaseStore()
	if result == "success" {
		v.setState(Inactive, "dead")
	} else {
		v.setState(Failed, "failed")
	}
	v.ended()
}

// releaseStore closes the stored descriptors of a unit that will not come back,
// by FileDescriptorStorePreserve=.
func (v *service) releaseStore() {
	keep := v.unit.Service.FDStorePreserve
	if keep == "yes" || keep == "restart" && v.thenStart || len(v.store.fds) == 0 {
		return
	}
	v.store.clear()
	v.event(EventFDStore)
}

// restartLater waits for the automatic restart. Whoever waits for the start is
// told that this try failed; units that wait for this one go on waiting.
func (v *service) restartLater(result string) {
	ran := time.Duration(0)
	if !v.upSince.IsZero() {
		ran = time.Since(v.upSince)
	}
	delay := v.backoff.next(ran)
	if result == "success" {
		v.backoff.count = 0
		delay = v.unit.Service.RestartSec
	}
	v.restarts++
	if v.unit.Service.FDStorePreserve == "no" && len(v.store.fds) > 0 {
		v.store.clear()
	}
	v.setState(Restarting, "auto-restart")
	v.note(severityFor(result), "restart %d in %s (%s)", v.restarts, delay, result)
	v.started(v.failure())
	v.arm(max(delay, time.Nanosecond), v.begin)
}

// failure describes the last run as an error.
func (v *service) failure() error {
	return fmt.Errorf("%s: %s (%s)", v.unit.Name, v.result, v.detail)
}
