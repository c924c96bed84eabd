package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"golang.org/x/sys/unix"
)

// machine is the appliance that configurations are applied to: its files, and the
// daemons that read them.
type machine struct {
	root, run    string
	proxyd, netd string // programs that judge
	setHostname  func(name string) error
}

func newMachine(f *flags) *machine {
	m := &machine{root: f.root, run: f.run, proxyd: f.proxyd, netd: f.netd}
	m.setHostname = func(name string) error {
		if m.root != "/" {
			return nil // somebody else's machine
		}
		return unix.Sethostname([]byte(name))
	}
	return m
}

// Actions puts to in force where from is. Names come first, because the proxy
// looks servers up in the hosts table. Then the proxy, then the network: the
// proxy binds addresses that are not there yet (net.ipv4.ip_nonlocal_bind, set by
// 50-sluice.conf), so an address that comes is served from its first moment, and
// one that goes does so when nobody listens on it any more. netd in turn sets new
// addresses before it removes old ones.
func (m *machine) Actions(from, to appliance.Files) []appliance.Action {
	return []appliance.Action{
		m.action("names", from, to, isName, m.nameHost),
		m.action("proxy", from, to, func(name string) bool { return name == appliance.ProxyFile }, m.reloadProxy),
		m.action("network", from, to, appliance.IsNetwork, m.reloadNetwork),
	}
}

func isName(name string) bool { return name == "hosts" || name == "hostname" }

// action writes a part of the files and makes a daemon read them.
func (m *machine) action(name string, from, to appliance.Files, keep func(string) bool, load func(context.Context, appliance.Files) error) appliance.Action {
	put := func(f appliance.Files) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := f.WriteLive(m.root, keep); err != nil {
				return err
			}
			return load(ctx, f)
		}
	}
	return appliance.Action{Name: name, Do: put(to), Undo: put(from)}
}

func (m *machine) nameHost(_ context.Context, f appliance.Files) error {
	name := strings.TrimSpace(f["hostname"])
	if name == "" {
		return nil
	}
	if err := m.setHostname(name); err != nil {
		return fmt.Errorf("set host name %q: %w", name, err)
	}
	return nil
}

func (m *machine) socket(name string) string { return filepath.Join(m.run, name+".sock") }

// reloadProxy makes proxyd read its file. One that is not running, because its
// last file was not for it, is started.
func (m *machine) reloadProxy(ctx context.Context, _ appliance.Files) error {
	return m.reload(ctx, "proxyd")
}

// reloadNetwork makes netd read its files, and fails where the kernel refused a
// change.
func (m *machine) reloadNetwork(ctx context.Context, _ appliance.Files) error {
	if err := m.reload(ctx, "netd"); err != nil {
		return err
	}
	return m.networkFailures(ctx)
}

func (m *machine) reload(ctx context.Context, name string) error {
	_, err := ctl.Call(ctx, m.socket(name), "reload", nil)
	if refused := (*ctl.CommandError)(nil); err == nil || errors.As(err, &refused) || ctx.Err() != nil {
		return err
	}
	if _, startErr := ctl.Call(ctx, m.socket("init"), "restart unit "+name+".service", nil); startErr != nil {
		return errors.Join(err, startErr)
	}
	return nil
}

// networkFailures returns what netd could not do.
func (m *machine) networkFailures(ctx context.Context) error {
	text, err := ctl.Call(ctx, m.socket("netd"), "show network", nil)
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(text) {
		if failure, ok := strings.CutPrefix(strings.TrimSpace(line), "failed: "); ok {
			errs = append(errs, errors.New(failure))
		}
	}
	return errors.Join(errs...)
}

// Alive fails unless proxy and network daemon answer.
func (m *machine) Alive(ctx context.Context) error {
	_, err := ctl.Call(ctx, m.socket("proxyd"), "show info", nil)
	return errors.Join(err, m.networkFailures(ctx))
}
