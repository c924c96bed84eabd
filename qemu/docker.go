package qemu

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long an own container engine may take to answer, and to end.
const (
	engineStart = time.Minute
	engineStop  = 30 * time.Second
)

// Engine is a Docker engine: the machine's, or one of our own where none runs.
type Engine struct {
	host  string // value of docker's --host; "" is the machine's engine
	About string // which engine it is, for a person
}

// OpenEngine returns the machine's Docker engine when it answers; otherwise it
// starts one that ends with the lab, without a bridge and without packet filter
// rules. Its data stays below cacheDir for the next run.
func (l *Lab) OpenEngine(ctx context.Context, cacheDir string) (*Engine, error) {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, fmt.Errorf("find docker: %w (Debian packages docker.io and, from Debian 13 on, docker-cli)", err)
	}
	machine := &Engine{}
	if out, err := machine.run(ctx, "info", "--format", "{{.ServerVersion}}"); err == nil {
		machine.About = "the machine's Docker engine " + out
		return machine, machine.sweep(ctx)
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		return nil, fmt.Errorf("no Docker engine answers and none can be started: %w (Debian package docker.io)", err)
	}
	slot, err := l.claimEngineSlot(filepath.Join(cacheDir, "docker"))
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, driver := range []string{"overlay2", "vfs"} {
		e, err := l.startEngine(ctx, slot, driver)
		if err == nil {
			return e, e.sweep(ctx)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("start a Docker engine: %w", errors.Join(errs...))
}

// engineSlot is where an own engine lives. Both directories are the same in each
// run, so that an engine finds and removes what a killed one has left running.
type engineSlot struct {
	data string // images and containers
	exec string // sockets and state of running containers; a short path, see unix(7)
}

// claimEngineSlot returns the first slot below parent that no other run uses. The
// engine of a run that was killed may still be about to stop: its end is awaited.
func (l *Lab) claimEngineSlot(parent string) (engineSlot, error) {
	parent, err := filepath.Abs(parent)
	if err != nil {
		return engineSlot{}, err
	}
	for n := 0; ; n++ {
		data := filepath.Join(parent, strconv.Itoa(n))
		sum := sha256.Sum256([]byte(data))
		slot := engineSlot{data: data, exec: "/run/sluice-lab/" + hex.EncodeToString(sum[:4])}
		for _, dir := range []string{slot.data, slot.exec} {
			if err := os.MkdirAll(dir, 0o711); err != nil {
				return engineSlot{}, fmt.Errorf("make directory of the container engine: %w", err)
			}
		}
		lock, err := tryLock(filepath.Join(data, "lock"))
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return engineSlot{}, err
		}
		l.Defer(lock.Close)
		return slot, slot.awaitOld()
	}
}

// pidFile is where the slot's engine writes its process number.
func (s engineSlot) pidFile() string { return filepath.Join(s.exec, "pid") }

// awaitOld waits until an engine that a killed run has left in the slot has ended,
// and removes the files by which a new one would take it for running.
func (s engineSlot) awaitOld() error {
	text, err := os.ReadFile(s.pidFile())
	if err != nil {
		return nil // there is none
	}
	cmdline := "/proc/" + strings.TrimSpace(string(text)) + "/cmdline"
	deadline := time.After(engineStop)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		args, err := os.ReadFile(cmdline)
		if err != nil || !bytes.Contains(args, []byte(s.pidFile())) {
			break // it has ended; the number may be another process's now
		}
		select {
		case <-tick.C:
		case <-deadline:
			return fmt.Errorf("the container engine of an earlier run, process %s, does not end", bytes.TrimSpace(text))
		}
	}
	for _, path := range []string{s.pidFile(), filepath.Join(s.exec, "state/containerd/containerd.pid")} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// startEngine starts dockerd and waits until it answers.
func (l *Lab) startEngine(ctx context.Context, slot engineSlot, driver string) (*Engine, error) {
	logPath := filepath.Join(l.Dir, "docker-"+driver+".log")
	logFile, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	// Our engine must not read the machine's settings: dockerd wants a file.
	settings := filepath.Join(slot.exec, "daemon.json")
	if err := os.WriteFile(settings, []byte("{}\n"), 0o600); err != nil {
		return nil, err
	}
	socket := "unix://" + filepath.Join(slot.exec, "sock")
	cmd := exec.Command("dockerd", "--host", socket, "--config-file", settings, "--pidfile", slot.pidFile(),
		"--data-root", filepath.Join(slot.data, driver), "--exec-root", filepath.Join(slot.exec, "state"),
		"--storage-driver", driver, "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")
	cmd.Stdout, cmd.Stderr = logFile, logFile
	proc, err := startProcess(nil, cmd, syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	l.Defer(func() error {
		proc.signal(syscall.SIGTERM)
		<-proc.done // dockerd stops its containers within its own time limit
		return nil
	})
	e := &Engine{host: socket, About: "an own Docker engine (" + driver + ")"}
	ctx, cancel := context.WithTimeout(ctx, engineStart)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err = e.run(ctx, "info"); err == nil {
			return e, nil
		}
		select {
		case <-tick.C:
		case <-proc.done:
			return nil, fmt.Errorf("dockerd with storage driver %s ended: %s", driver, tailOf(logPath))
		case <-ctx.Done():
			return nil, fmt.Errorf("dockerd with storage driver %s does not answer: %w: %s", driver, err, tailOf(logPath))
		}
	}
}

// tailOf returns the last 2,000 bytes of a log file, or why it cannot be read.
func tailOf(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-2000):])
}

// command prepares a docker command for this engine.
func (e *Engine) command(ctx context.Context, args ...string) *exec.Cmd {
	if e.host != "" {
		args = append([]string{"--host", e.host}, args...)
	}
	return exec.CommandContext(ctx, "docker", args...)
}

// run runs a docker command and returns its trimmed standard output.
func (e *Engine) run(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := e.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// ownerLabel marks our containers with the scratch directory of their lab.
const ownerLabel = "sluice.lab"

// runContainer starts a container without network and returns its identity. The
// lab removes it.
func (l *Lab) runContainer(ctx context.Context, e *Engine, args ...string) (string, error) {
	id, err := e.run(ctx, append([]string{"run", "--detach", "--label", ownerLabel + "=" + l.Dir}, args...)...)
	if err != nil {
		return "", err
	}
	l.Defer(func() error {
		_, err := e.run(context.Background(), "rm", "--force", "--volumes", id)
		return err
	})
	return id, nil
}

// addContainerHost puts a host on the segment whose network a container holds that
// does nothing else: the host's addresses stay while its services, containers with
// the network "container:" and the returned identity, are down.
func (l *Lab) addContainerHost(ctx context.Context, e *Engine, image debianImage, name string, addrs ...netip.Prefix) (string, *Netns, error) {
	// As the first process of its container, sleep hears no signal but KILL.
	holder, err := l.runContainer(ctx, e, "--network", "none", "--hostname", name, "--stop-signal", "KILL", image.tag(), "sleep", "infinity")
	if err != nil {
		return "", nil, fmt.Errorf("start network of %s: %w", name, err)
	}
	pid, err := e.pid(ctx, holder)
	if err != nil {
		return "", nil, err
	}
	ns, err := netnsOfProcess(name, pid)
	if err != nil {
		return "", nil, err
	}
	l.Defer(ns.Close)
	return holder, ns, l.plug(ns, addrs)
}

// sweep removes the containers of labs that are gone.
func (e *Engine) sweep(ctx context.Context) error {
	list, err := e.run(ctx, "ps", "--all", "--filter", "label="+ownerLabel, "--format", `{{.ID}} {{.Label "`+ownerLabel+`"}}`)
	if err != nil {
		return err
	}
	for line := range strings.Lines(list) {
		id, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := os.Stat(dir); err == nil {
			continue // its lab lives: a dead one's directory has been swept before
		}
		if _, err := e.run(ctx, "rm", "--force", "--volumes", id); err != nil {
			return err
		}
	}
	return nil
}

// pid returns the process number of a running container's first process.
func (e *Engine) pid(ctx context.Context, id string) (int, error) {
	out, err := e.run(ctx, "inspect", "--format", "{{.State.Pid}}", id)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(out)
	if err != nil || pid == 0 {
		return 0, fmt.Errorf("container %s has no process (%q)", id, out)
	}
	return pid, nil
}

// awaitLog follows a container's log from its last start until a line matches.
func (e *Engine) awaitLog(ctx context.Context, id string, since time.Time, re *regexp.Regexp, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := e.command(ctx, "logs", "--follow", "--since", since.UTC().Format(time.RFC3339Nano), id)
	log := newConsole(nil, nil)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("follow log of container %s: %w", id, err)
	}
	done := make(chan struct{})
	go func() { // ends with the command: with cancel, or with the container
		defer close(done)
		_ = cmd.Wait()
		log.end()
	}()
	_, err := log.Expect(ctx, re, timeout)
	cancel()
	<-done
	return err
}
