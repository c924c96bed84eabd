package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	uwatchdog "github.com/u-root/u-root/pkg/watchdog"
	"golang.org/x/sys/unix"
)

// watchdogTimeout is how long the hardware waits for a sign of life.
const watchdogTimeout = 30 * time.Second

// watchdog feeds the first hardware watchdog while the supervisor's loop answers.
type watchdog struct {
	dev     *uwatchdog.Watchdog
	timeout time.Duration
	stop    context.CancelFunc // ends feed
}

// openWatchdog arms the hardware watchdog, if there is one. From then on only
// the supervisor's health keeps the machine from being reset.
func (m *machine) openWatchdog(ctx context.Context) error {
	if m.cmd.noWatchdog {
		return nil
	}
	dev, err := uwatchdog.Open(uwatchdog.Dev)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open watchdog: %w", err)
	}
	d := &watchdog{dev: dev, timeout: watchdogTimeout}
	// u-root's SetTimeout hands the kernel nanoseconds; the ioctl takes seconds.
	fd := int(dev.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.WDIOC_SETTIMEOUT, int(watchdogTimeout/time.Second)); err != nil {
		slog.Warn("set watchdog timeout", "err", err)
	}
	if seconds, err := unix.IoctlGetInt(fd, unix.WDIOC_GETTIMEOUT); err == nil && seconds > 0 {
		d.timeout = time.Duration(seconds) * time.Second
	}
	slog.Info("watchdog", "timeout", d.timeout)
	ctx, d.stop = context.WithCancel(ctx)
	m.dog = d
	guarded(func() { d.feed(ctx, m.sup.Ping) })
	return nil
}

// feed keeps the watchdog quiet as long as alive answers in time; it ends with
// ctx, upon which nothing feeds the hardware any more.
func (d *watchdog) feed(ctx context.Context, alive func(context.Context) error) {
	tick := time.NewTicker(d.timeout / 3)
	defer tick.Stop()
	for {
		within, cancel := context.WithTimeout(ctx, d.timeout/3)
		err := alive(within)
		cancel()
		if err == nil {
			err = d.dev.KeepAlive()
		}
		if err != nil {
			slog.Error("watchdog not fed", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lastFeed gives the rest of the shutdown one full period and ends feed: the
// supervisor's loop still answers while a dead disk holds up the last sync, and a
// shutdown that hangs must end in a reset.
func (d *watchdog) lastFeed() {
	if d != nil {
		d.stop()
		_ = d.dev.KeepAlive()
	}
}
