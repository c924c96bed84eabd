package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/supervisor"
)

// Paths and names of the running system.
const (
	unitDir       = "/usr/lib/systemd/system"
	defaultTarget = "multi-user.target"
	runDir        = "/run/sluice"
	controlSocket = "/run/sluice/init.sock"
	ttyPrefix     = "console-getty@"
)

// What the VIP does not need waits for the services, but no longer than
// settleLimit. At a first boot confd waits itself, for the data partition: then
// it is enough that no state changed for settleQuiet.
const (
	settleLimit = 5 * time.Second
	settleQuiet = 2 * time.Second
)

// startSupervisor loads the units and starts the default target. What can be
// started is, whatever is wrong with the rest.
func (m *machine) startSupervisor(ctx context.Context) error {
	var instances []string
	for _, tty := range terminals("/sys/class/tty/console/active", "/dev") {
		instances = append(instances, ttyPrefix+tty+".service")
	}
	set, err := supervisor.Load(unitDir, instances...)
	if set == nil {
		// Without a unit directory there is nothing to run but a rescue by
		// control socket.
		set, _ = supervisor.NewSet(nil)
	}
	sup, newErr := supervisor.New(set, supervisor.Options{
		RunDir: runDir, RuntimeRoot: "/run", DevLog: "/dev/log", CgroupMount: cgroupMount,
		Env:     []string{"HOME=/root", "LANG=C.UTF-8"},
		Sinks:   m.sinks(ctx),
		OnEvent: m.event,
	})
	if newErr != nil {
		return errors.Join(err, newErr)
	}
	m.sup = sup
	guarded(func() {
		if err := sup.Run(ctx); err != nil {
			panic(err)
		}
	})
	settled := make(chan struct{})
	guarded(func() {
		defer close(settled)
		if err := sup.Start(ctx, defaultTarget); err != nil {
			slog.Error("start services", "err", err)
		}
	})
	guarded(func() {
		m.settle(settled, m.data != nil && m.data.blank != nil)
		m.runSteps(ctx, afterwards)
	})
	if !m.cmd.noWatchdog {
		err = errors.Join(err, setPanic("/proc/sys/kernel"))
	}
	return errors.Join(err, m.serveControl(ctx))
}

// settle waits for the services; with first, until they are quiet.
func (m *machine) settle(settled <-chan struct{}, first bool) {
	quiet := time.NewTimer(settleQuiet)
	if !first {
		quiet.Stop()
	}
	defer quiet.Stop()
	limit := time.After(settleLimit)
	for {
		select {
		case <-settled:
			return
		case <-limit:
			return
		case <-quiet.C:
			return
		case <-m.activity:
			if first {
				quiet.Reset(settleQuiet)
			}
		}
	}
}

// sinks returns where log lines go besides the rings.
func (m *machine) sinks(ctx context.Context) []func(supervisor.Line) {
	var sinks []func(supervisor.Line)
	if m.cmd.logConsole {
		lines := make(chan supervisor.Line, 1024)
		guarded(func() {
			for l := range lines {
				fmt.Fprintf(m.stderr, "%s: %s\n", l.Unit, l.Text)
			}
		})
		sinks = append(sinks, func(l supervisor.Line) {
			select {
			case lines <- l:
			default: // a slow console must not hold up a service
			}
		})
	}
	if m.cmd.syslog != "" {
		host, _ := os.Hostname()
		f := supervisor.NewForwarder(m.cmd.syslog, host)
		guarded(func() { f.Run(ctx) })
		sinks = append(sinks, f.Sink)
	}
	return sinks
}

// event puts the first time that each unit is up, and each failure, into the
// boot report. It runs in the supervisor's loop.
func (m *machine) event(e supervisor.Event) {
	if e.Kind != supervisor.EventState {
		return
	}
	select {
	case m.activity <- struct{}{}:
	default: // settle knows already, or is done
	}
	st := e.Status
	switch {
	case st.State == supervisor.Active && st.Restarts == 0 && !m.marked(e.Unit):
		m.mark(e.Unit, 0, nil)
		if strings.HasPrefix(e.Unit, ttyPrefix) {
			m.level.Set(slog.LevelWarn) // the console is an administrator's now
		}
	case st.State == supervisor.Failed:
		slog.Error("unit failed", "unit", e.Unit, "result", st.Result, "detail", st.Detail)
	case st.State == supervisor.Restarting && st.Result == "success":
		slog.Info("unit restarts", "unit", e.Unit, "detail", st.Detail)
	case st.State == supervisor.Restarting:
		slog.Warn("unit restarts", "unit", e.Unit, "result", st.Result, "detail", st.Detail)
	}
}

func (m *machine) marked(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.marks {
		if k.name == name {
			return true
		}
	}
	return false
}

// serveControl serves the control socket for as long as the machine runs.
func (m *machine) serveControl(ctx context.Context) error {
	table := append(m.sup.Commands(),
		ctl.Command{Name: "show boot", Help: "the boot steps with milliseconds since the kernel's and init's start", Run: m.showBoot},
		m.actionCommand("poweroff", "stop all units and switch the machine off", actionPoweroff),
		m.actionCommand("reboot", "stop all units and start the machine again", actionReboot),
	)
	l, err := ctl.Listen(controlSocket, 0o600)
	if err != nil {
		return err
	}
	guarded(func() {
		if err := ctl.NewServer(survivable(table), ctl.LevelAdmin).Serve(ctx, l); err != nil {
			slog.Error("control socket", "err", err)
		}
	})
	return nil
}

// survivable makes a panic in a command that command's failure: in process 1 it
// would end the machine.
func survivable(table []ctl.Command) []ctl.Command {
	for i := range table {
		run := table[i].Run
		table[i].Run = func(ctx context.Context, req *ctl.Request, w io.Writer) (err error) {
			defer func() {
				if p := recover(); p != nil {
					slog.Error("control command panicked", "command", table[i].Name, "panic", p, "stack", string(debug.Stack()))
					err = fmt.Errorf("internal fault in %q: %v", table[i].Name, p)
				}
			}()
			return run(ctx, req, w)
		}
	}
	return table
}

func (m *machine) actionCommand(name, help string, a action) ctl.Command {
	return ctl.Command{
		Name: name, Help: help, Level: ctl.LevelAdmin,
		Run: func(_ context.Context, req *ctl.Request, w io.Writer) error {
			if len(req.Args) > 0 {
				return ctl.ErrUsage
			}
			fmt.Fprintf(w, "%s: begun\n", a)
			m.actions <- a
			return nil
		},
	}
}

// serve waits for the end of the machine's life.
func (m *machine) serve(ctx context.Context) error {
	if m.sup == nil {
		return errors.New("there is no supervisor") // ends in a reboot
	}
	a := <-m.actions
	// More requests change nothing any more, and must not block who sends them.
	guarded(func() {
		for range m.actions {
		}
	})
	return m.shutdown(ctx, a)
}
