package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/supervisor"
	"golang.org/x/sys/unix"
)

// step is one row of the boot table.
type step struct {
	name string
	why  string // why at this place
	run  func(m *machine, ctx context.Context) error
}

// steps is the boot. A step that fails is reported and the boot goes on: a
// machine with a wrong host name is better than none. What the VIP does not need
// is in afterwards.
var steps = []step{
	{"mount", "everything below needs /proc, /sys and /dev", (*machine).mountAll},
	{"console", "from here on messages can be read", (*machine).openConsole},
	{"command line", "its sluice.* keys steer the steps below", (*machine).readCmdline},
	{"hotplug", "before the coldplug, so that no device falls between the two", (*machine).startHotplug},
	{"disk", "looked for beside the next steps: its driver may be slow", (*machine).startData},
	{"network drivers", "netd waits for them, nothing else is as slow", (*machine).loadNetDrivers},
	{"loopback", "services may talk to 127.0.0.1 as soon as they run", (*machine).loopbackUp},
	{"sysctl", "before sockets take their defaults from it", (*machine).applySysctls},
	{"configuration", "before the services that read it; the disk had time until here", (*machine).configure},
	{"hostname", "the configuration holds it, log lines carry it", (*machine).setHostname},
	{"signals", "before there is something to shut down", (*machine).catchSignals},
	{"services", "the supervisor takes over", (*machine).startSupervisor},
}

// afterwards runs beside the services, once they are up.
var afterwards = []step{
	{"data partition", "made on a blank disk at its first boot; confd waits for it", (*machine).makeData},
	{"drivers", "storage, buttons, watchdogs: not on the way to the VIP", (*machine).loadAllDrivers},
	{"power button", "its driver is loaded now", (*machine).watchButtons},
	{"watchdog", "its driver is loaded now", (*machine).openWatchdog},
}

// machine is the state of process 1.
type machine struct {
	stderr  io.Writer
	level   slog.LevelVar // of what is printed on the console
	started time.Duration // since the kernel's start
	cmd     cmdline
	words   string // replacement of the kernel's command line, for tests

	// Where the configuration is and goes; others than the machine's in tests.
	root, runDir, dataDir, sysBlock, dev string
	judges                               [][]string

	loader   *loader
	blocks   chan struct{} // a disk came; holds one value at most
	activity chan struct{} // a unit's state changed; holds one value at most
	data     *dataSearch
	sup      *supervisor.Supervisor
	actions  chan action // what to do with the machine; the first one counts
	buttons  *buttons
	dog      *watchdog

	mu    sync.Mutex // guards marks
	marks []mark     // for "show boot"
}

// mark is one line of the boot report.
type mark struct {
	name string
	at   time.Duration // end, since the kernel's start
	took time.Duration
	err  error
}

func newMachine(words string, stderr io.Writer) *machine {
	m := &machine{stderr: stderr, started: uptime(), words: words, actions: make(chan action, 8), blocks: make(chan struct{}, 1), activity: make(chan struct{}, 1),
		root: "/", runDir: runDir, dataDir: appliance.DataDir, sysBlock: "/sys/block", dev: "/dev", judges: judges}
	m.buttons = newButtons(m.actions)
	return m
}

// uptime is the time since the kernel's start.
func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// boot runs the table.
func (m *machine) boot(ctx context.Context) { m.runSteps(ctx, steps) }

func (m *machine) runSteps(ctx context.Context, table []step) {
	for _, s := range table {
		begin := uptime()
		err := s.run(m, ctx)
		m.mark(s.name, uptime()-begin, err)
	}
}

// mark adds a line to the boot report; failures and the whole table in "show
// boot" are what people see, so that the console stays readable.
func (m *machine) mark(name string, took time.Duration, err error) {
	k := mark{name: name, at: uptime(), took: took, err: err}
	m.mu.Lock()
	m.marks = append(m.marks, k)
	m.mu.Unlock()
	if err != nil {
		slog.Error("boot step", "step", name, "err", err)
		return
	}
	slog.Info("boot", "step", name, "kernel_ms", k.at.Milliseconds(), "init_ms", (k.at - m.started).Milliseconds(), "took_ms", took.Milliseconds())
}

// showBoot prints the step table with milliseconds.
func (m *machine) showBoot(_ context.Context, req *ctl.Request, w io.Writer) error {
	if len(req.Args) > 0 {
		return ctl.ErrUsage
	}
	m.mu.Lock()
	marks := append([]mark(nil), m.marks...)
	m.mu.Unlock()
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "STEP\tKERNEL_MS\tINIT_MS\tTOOK_MS\tRESULT")
	fmt.Fprintf(tw, "init starts\t%d\t0\t0\tok\n", m.started.Milliseconds())
	for _, k := range marks {
		result := "ok"
		if k.err != nil {
			result = k.err.Error()
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%s\n", k.name, k.at.Milliseconds(),
			(k.at - m.started).Milliseconds(), k.took.Milliseconds(), oneLine(result))
	}
	return tw.Flush()
}
