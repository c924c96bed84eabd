// Command netd is the network configurator: the only writer of links, addresses,
// routes and virtual addresses (VIPs). It reads the files that package netcfg
// describes, keeps the kernel as they say, and announces the addresses.
//
// READY=1 is sent when every required link has its carrier, its lease if it wants
// one and usable addresses, or when the time of -online-timeout is over. SIGHUP
// reloads, SIGTERM and SIGINT stop; addresses and leases stay, so a restart never
// takes the VIP off the wire. "netd -c" checks a directory, "netd -c -plan" also
// asks the running netd what it would change.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/netcfg"
	"github.com/vishvananda/netns"
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
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// flags are netd's command line.
type flags struct {
	config, socket, resolv, state, keep string
	online                              time.Duration
	check, plan                         bool
}

func parseFlags(args []string, stderr io.Writer) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("netd", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.config, "config", "/etc/sluice/network", "`directory` of *.network and *.vip files")
	set.StringVar(&f.socket, "socket", "/run/sluice/netd.sock", "control socket `path`")
	set.StringVar(&f.resolv, "resolv-conf", "/etc/resolv.conf", "`path` to write when name servers are configured")
	set.StringVar(&f.state, "state", "/run/sluice/netd", "`directory` for DHCP leases")
	set.StringVar(&f.keep, "keep", "", "`directory` for DHCP leases that outlive the boot; used while its parent is there")
	set.DurationVar(&f.online, "online-timeout", 20*time.Second, "longest wait for required links before readiness is reported")
	set.BoolVar(&f.check, "c", false, "check the configuration and exit")
	set.BoolVar(&f.plan, "plan", false, "with -c: ask the running netd what the configuration would change")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if f.plan && !f.check {
		return nil, errors.New("flag -plan: it needs -c")
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("argument %q: netd takes only flags", set.Arg(0))
	}
	return f, nil
}

func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	f, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, unix.SIGHUP) // before READY, so that no early SIGHUP kills
	defer signal.Stop(hangup)
	cfg, err := netcfg.Load(f.config)
	if err != nil {
		return err
	}
	if f.check {
		fmt.Fprintf(stdout, "Configuration is valid: %d network files, %d VIPs\n", len(cfg.Networks), len(cfg.VIPs))
		if f.plan {
			return askPlan(ctx, f, stdout)
		}
		return nil
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	kernel, err := netcfg.NewKernel(netns.None())
	if err != nil {
		return err
	}
	defer kernel.Close()
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read watchdog interval: %w", err)
	}
	m := netcfg.NewManager(cfg, kernel, netcfg.Options{Dir: f.config, ResolvConf: f.resolv, Online: f.online,
		StateDir: f.state, KeepDir: f.keep, Clock: netcfg.SystemClock{}, SetHostname: func(name string) error { return unix.Sethostname([]byte(name)) },
		Watchdog: watchdog / 2, Log: log, Notify: func(state string) {
			if _, err := daemon.SdNotify(false, state); err != nil {
				log.Error("service manager not told", "state", state, "err", err)
			}
		}})
	return serve(ctx, m, f.socket, hangup, log)
}

// askPlan writes what the running netd would change for the directory.
func askPlan(ctx context.Context, f *flags, stdout io.Writer) error {
	dir, err := filepath.Abs(f.config)
	if err != nil {
		return err
	}
	escaped := strings.NewReplacer(`\`, `\\`, " ", `\ `, ";", `\;`, "\t", "\\\t").Replace(dir)
	return ctl.Stream(ctx, f.socket, "plan "+escaped, nil, stdout)
}

// serve runs the manager, the control socket and the reload signal until ctx
// ends or one of them fails.
func serve(ctx context.Context, m *netcfg.Manager, socket string, hangup <-chan os.Signal, log *slog.Logger) error {
	l, err := ctl.Listen(socket, 0o600)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	served := make(chan error, 1)
	go func() {
		err := ctl.NewServer(commands(m), ctl.LevelAdmin).Serve(ctx, l)
		if err != nil {
			cancel(err)
		}
		served <- err
	}()
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
				if err := m.Reload(ctx); err != nil {
					log.Error("reload refused", "err", err)
				}
			}
		}
	}()
	err = m.Run(ctx)
	cancel(nil)
	return errors.Join(err, <-served)
}

// commands is netd's control table.
func commands(m *netcfg.Manager) []ctl.Command {
	return []ctl.Command{
		{Name: "show network", Help: "links, addresses, VIPs, routes and repairs", Level: ctl.LevelUser,
			Run: plain(m.ShowNetwork)},
		{Name: "show network json", Help: "the same for programs", Level: ctl.LevelUser,
			Run: plain(m.ShowJSON)},
		{Name: "show time", Help: "what the time servers say", Level: ctl.LevelUser,
			Run: plain(m.ShowTime)},
		{Name: "show plan", Help: "what a reload would change now", Level: ctl.LevelUser,
			Run: plain(func(ctx context.Context, w io.Writer) error { return m.ShowPlan(ctx, "", w) })},
		{Name: "plan", Args: "<directory>", Help: "what the files of another directory would change now", Level: ctl.LevelAdmin,
			Run: func(ctx context.Context, req *ctl.Request, w io.Writer) error {
				if len(req.Args) != 1 || !filepath.IsAbs(req.Args[0]) {
					return fmt.Errorf("%w: an absolute path is needed", ctl.ErrUsage)
				}
				return m.ShowPlan(ctx, req.Args[0], w)
			}},
		{Name: "reload", Help: "read the configuration again and apply it", Level: ctl.LevelAdmin,
			Run: plain(func(ctx context.Context, w io.Writer) error {
				if err := m.Reload(ctx); err != nil {
					return err
				}
				_, err := fmt.Fprintln(w, "reloaded")
				return err
			})},
	}
}

// plain makes a command of a function without arguments.
func plain(f func(context.Context, io.Writer) error) func(context.Context, *ctl.Request, io.Writer) error {
	return func(ctx context.Context, req *ctl.Request, w io.Writer) error {
		if len(req.Args) > 0 {
			return ctl.ErrUsage
		}
		return f(ctx, w)
	}
}
