// Package supervisor runs services described by systemd unit files: it orders
// them by their dependencies, starts and restarts their processes, answers the
// sd_notify protocol with its fd store, reaps every child, and keeps the last
// output of each unit in a memory ring.
//
// The subset of systemd.unit(5), systemd.service(5) and systemd.exec(5) that is
// understood is the table in keys.go; a key outside it is an error. Where the
// behaviour differs on purpose:
//   - Type=simple waits, like Type=exec, until the program was executed.
//   - A crash that leads to an automatic restart leaves the units that require
//     the crashed one alone; an explicit stop or restart takes them along.
//   - A unit that waits for another waits through that one's automatic restarts.
//   - After the main process has died, what it left behind is killed with
//     SIGKILL at once, so that a restart need not wait for it. ExecStop= runs on
//     an explicit stop only.
//   - Without RestartSteps= and RestartMaxDelaySec= the delay still grows, see
//     backoff.go.
//
// One goroutine, the loop in loop.go, owns all state of units and is the only
// place that forks and that calls wait4. Everything else reaches it through its
// mailbox.
//
// The package must not assume that it is PID 1: it needs to be a child
// subreaper, which an ordinary user's process may be. It must not use os/exec or
// os.Process.Wait, whose wait would race with the reaper, and it must not mount,
// load modules or reboot: that is cmd/init's.
package supervisor
