package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/proxy"
)

// program is the running proxyd: the engine and what surrounds it.
type program struct {
	args    *arguments
	engine  *proxy.Engine
	manager *manager
	log     *slog.Logger
	say     *messages
	sockets *sockets
	master  *config.StatsSocket // of -S; nil: none

	mu sync.Mutex // one reload at a time
}

// serve runs the proxy until a signal, or ctx's end, stops it.
func serve(ctx context.Context, a *arguments, master *config.StatsSocket, conf *config.Config, stdout io.Writer, m *messages) error {
	// Signals are caught from here on: one that comes while sockets are bound must
	// not kill the process half-way.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	p := &program{args: a, master: master, manager: newManager(), say: m}
	p.log = slog.New(slog.NewTextHandler(m.w, &slog.HandlerOptions{ReplaceAttr: p.manager.dropTime}))
	if a.silent() {
		p.log = slog.New(slog.DiscardHandler)
	}
	adopted, err := p.predecessorSockets()
	if err != nil {
		return err
	}
	engine, err := proxy.Start(conf, proxy.Options{
		Log: p.log, Resolver: &net.Resolver{}, Adopted: append(adopted, p.manager.inherited()...), Store: p.manager.store(),
		Maxconn: a.maxconn, Stdout: stdout, Stderr: m.w,
	})
	if err != nil {
		return err
	}
	p.engine = engine
	defer engine.Stop()

	p.sockets = newSockets(p.commands(), p.getSockets)
	defer p.sockets.close()
	if err := p.sockets.open(p.master, conf); err != nil {
		return err
	}
	if err := p.announce(conf); err != nil {
		return err
	}
	stopWatchdog := p.manager.watchdog(engine.Alive)
	defer stopWatchdog()
	return p.loop(ctx, signals)
}

// announce tells everyone that the proxy serves: the pid file, the predecessors
// that wait to be relieved, the parent of a daemon, the service manager.
func (p *program) announce(conf *config.Config) error {
	pidfile := conf.Global.Pidfile
	if p.args.pidfile != "" {
		pidfile = p.args.pidfile
	}
	if pidfile != "" {
		if err := os.WriteFile(pidfile, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644); err != nil {
			return fmt.Errorf("write pid file: %w", err)
		}
	}
	for _, pid := range p.args.finish {
		p.relieve(pid, syscall.SIGUSR1)
	}
	for _, pid := range p.args.terminate {
		p.relieve(pid, syscall.SIGTERM)
	}
	if err := tellParent(); err != nil {
		return err
	}
	p.manager.ready(p.status())
	return nil
}

func (p *program) relieve(pid int, sig syscall.Signal) {
	if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
		p.log.Warn("cannot signal predecessor", "pid", pid, "error", err)
	}
}

func (p *program) status() string {
	frontends, servers := 0, 0
	for _, s := range p.engine.Stats() {
		switch s.Type {
		case ctl.StatFrontend:
			frontends++
		case ctl.StatServer:
			servers++
		}
	}
	return fmt.Sprintf("serving %d frontends with %d servers", frontends, servers)
}

// loop waits for signals and the end of a soft stop.
func (p *program) loop(ctx context.Context, signals <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			p.manager.stopping()
			return nil
		case <-p.engine.Done():
			return nil
		case sig := <-signals:
			switch sig {
			case syscall.SIGUSR1:
				p.log.Info("soft stop: waiting for sessions to end")
				p.manager.stopping()
				p.engine.SoftStop()
			case syscall.SIGUSR2:
				if err := p.reload(); err != nil {
					p.say.problems(err)
					p.say.message(config.Alert, "reload refused, the running configuration stays")
				}
			case syscall.SIGHUP:
				p.logServers()
			default:
				p.manager.stopping()
				return nil
			}
		}
	}
}

// reload reads the files again and puts them in force; on an error nothing has
// changed.
func (p *program) reload() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.manager.reloading()
	defer func() { p.manager.ready(p.status()) }()
	c, err := load(p.args, p.say)
	if err != nil {
		return err
	}
	conf := c.conf
	sockets, err := p.sockets.prepare(p.master, conf)
	if err != nil {
		return err
	}
	if err := p.engine.Reload(conf); err != nil {
		sockets.abort()
		return err
	}
	p.log.Info("configuration reloaded")
	if err := p.sockets.commit(sockets); err != nil {
		p.log.Error("control socket not replaced", "error", err)
	}
	return nil
}

func (p *program) logServers() {
	for _, s := range p.engine.Stats() {
		if s.Type == ctl.StatServer {
			p.log.Info("server", "name", s.Proxy+"/"+s.Service, "status", s.Status, "address", s.Address,
				"sessions", s.SessionsCur, "total", s.SessionsTotal)
		}
	}
}

// commands are the engine's and the program's own.
func (p *program) commands() []ctl.Command {
	return append(p.engine.Commands(),
		ctl.Command{Name: "reload", Level: ctl.LevelAdmin, Help: "read the configuration files again and put them in force",
			Run: func(_ context.Context, _ *ctl.Request, w io.Writer) error {
				if err := p.reload(); err != nil {
					return fmt.Errorf("reload refused, the running configuration stays:\n%w", err)
				}
				_, err := fmt.Fprintln(w, "Success=1")
				return err
			}},
		ctl.Command{Name: ctl.GetSockets, Help: "hand the listening sockets to a successor (-x), in binary form"},
		ctl.Command{Name: "show version", Help: "print the version", Run: func(_ context.Context, _ *ctl.Request, w io.Writer) error {
			_, err := fmt.Fprintln(w, languageLine())
			return err
		}},
	)
}
