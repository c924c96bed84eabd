// Command confd is the configuration's keeper: the only writer of revisions, the
// owner of Apply, Save and the passwords. Package appliance has the rules; here
// are the control socket, the judges (proxyd -c, netd -c) and the steps that put
// a configuration in force on this machine.
//
// READY=1 is sent when the control socket answers, which is after init has said
// where the data partition is: at a first boot it is being formatted meanwhile.
// SIGTERM and SIGINT stop it; what runs goes on, a countdown continues with the
// next start.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "confd:", err)
		os.Exit(1)
	}
}

// flags are confd's command line.
type flags struct {
	socket, root, run, dir, proxyd, netd string
	wait                                 time.Duration
}

func parseFlags(args []string, stderr io.Writer) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("confd", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.socket, "socket", "/run/sluice/confd.sock", "control socket `path`")
	set.StringVar(&f.root, "root", "/", "`directory` below which etc/sluice, etc/hosts and etc/hostname are")
	set.StringVar(&f.run, "run", appliance.RunDir, "`directory` of the other daemons' sockets and of what ends with the machine")
	set.StringVar(&f.dir, "dir", "/var/lib/sluice", "`directory` for revisions where no init of Sluice's names the data partition")
	set.StringVar(&f.proxyd, "proxyd", "/usr/sbin/proxyd", "`program` that judges the proxy's file with -c")
	set.StringVar(&f.netd, "netd", "/usr/sbin/netd", "`program` that judges the network's files with -c")
	set.DurationVar(&f.wait, "wait", 90*time.Second, "longest wait for init's word about the data partition")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("argument %q: confd takes only flags", set.Arg(0))
	}
	return f, nil
}

func run(ctx context.Context, args []string, _ io.Reader, _, stderr io.Writer) error {
	f, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if err := os.MkdirAll(f.run, 0o755); err != nil {
		return err
	}
	factory, err := appliance.Factory(f.root, f.run)
	if err != nil {
		return err
	}
	status := f.awaitData(ctx)
	if ctx.Err() != nil {
		return nil
	}
	s, err := newService(ctx, f, status, factory, log)
	if err != nil {
		return err
	}
	defer s.keeper.Close()
	l, err := ctl.Listen(f.socket, 0o600)
	if err != nil {
		return err
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS="+s.status()); err != nil {
		log.Error("service manager not told", "err", err)
	}
	err = ctl.NewServer(s.commands(), ctl.LevelAdmin).Serve(ctx, l)
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	return err
}

// awaitData returns where the store is. Sluice's init notes what runs before it
// starts a service; where nobody did, the store is on this host's disk, and that is
// noted for a restart. Without the word that init owes, everything works but
// survives no reboot.
func (f *flags) awaitData(ctx context.Context) appliance.DataStatus {
	if _, err := os.Stat(filepath.Join(f.run, appliance.RunningFile)); errors.Is(err, fs.ErrNotExist) {
		status := appliance.DataStatus{Dir: f.dir, Persistent: true}
		if err := appliance.PublishData(f.run, status); err != nil {
			status.Problem = err.Error()
		}
		return status
	}
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	status, err := appliance.AwaitData(ctx, f.run)
	if err != nil {
		status = appliance.DataStatus{Problem: fmt.Sprintf("nothing can be saved: %v", err)}
	}
	if status.Dir == "" {
		status.Dir = filepath.Join(f.run, "data")
	}
	return status
}

// uptime is the time since the kernel's start; setting the clock does not touch
// it.
func uptime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail with this clock
	return time.Duration(ts.Nano())
}
