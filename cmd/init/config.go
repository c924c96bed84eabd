package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/config"
)

// checkLimit bounds the programs that judge the saved configuration.
const checkLimit = 10 * time.Second

// judges are the programs that load the configuration, as they check it.
var judges = [][]string{
	{"/usr/sbin/proxyd", "-c", "-W", "-f", "/etc/sluice/proxy.cfg"},
	{"/usr/sbin/netd", "-c", "-config", "/etc/sluice/network"},
}

// configure puts the saved configuration in force, or what takes its place, and
// says what that is. The image's own is kept as the factory's.
func (m *machine) configure(ctx context.Context) error {
	if err := os.MkdirAll(m.runDir, 0o755); err != nil {
		return err
	}
	factory, err := appliance.Factory(m.root, m.runDir)
	if err != nil {
		return err
	}
	<-m.data.done // bounded by diskLimit
	running := appliance.Running{}
	if m.data.err != nil {
		running.Problem = "the factory's configuration runs, because the saved one could not be looked for"
	}
	if m.data.status.Persistent {
		store := appliance.ReadStore(m.dataDir, factory)
		var files appliance.Files
		programs := appliance.ProgramsID(m.root)
		running, files = store.Choose(func(n int, f appliance.Files) error {
			if store.CheckedBy(n, programs) {
				return nil
			}
			return m.tryFiles(ctx, n, f)
		})
		err = files.WriteLive(m.root, nil)
	}
	err = errors.Join(err, appliance.WriteRunning(m.runDir, running))
	if running.Problem != "" && m.data.err == nil {
		err = errors.Join(err, errors.New(running.Problem))
	}
	if m.data.blank != nil {
		return err // confd is told when the partition is made
	}
	return errors.Join(err, appliance.PublishData(m.runDir, m.data.status))
}

// firstFault returns the first alert of a program that speaks as HAProxy does, or
// the first line of one that does not.
func firstFault(text string) string {
	for line := range strings.Lines(text) {
		if d, ok := config.ParseHAProxy(strings.TrimSpace(line)); ok && d.Severity == config.Alert {
			return d.Error()
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return first
}

// tryFiles puts a revision, which an image with other programs has checked, in
// force and lets the programs judge it that are about to load it. No supervisor
// waits for children yet, so this may.
func (m *machine) tryFiles(ctx context.Context, n int, f appliance.Files) error {
	if err := f.WriteLive(m.root, nil); err != nil {
		return fmt.Errorf("revision %d: %w", n, err)
	}
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	errs := make([]error, len(m.judges))
	var all sync.WaitGroup
	for i, args := range m.judges {
		all.Go(func() {
			var stderr bytes.Buffer
			cmd := exec.CommandContext(ctx, args[0], args[1:]...)
			cmd.Stderr = &stderr
			if err := cmd.Run(); err != nil {
				errs[i] = fmt.Errorf("revision %d: %s: %w: %s", n, filepath.Base(args[0]), err, firstFault(stderr.String()))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
