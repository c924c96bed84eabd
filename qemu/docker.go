package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// engineStart is how long an own container engine may take to answer.
const engineStart = time.Minute

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
	dataDir, err := l.claimEngineData(filepath.Join(cacheDir, "docker"))
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, driver := range []string{"overlay2", "vfs"} {
		e, err := l.startEngine(ctx, dataDir, driver)
		if err == nil {
			return e, e.sweep(ctx)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("start a Docker engine: %w", errors.Join(errs...))
}

// claimEngineData returns the first data directory below parent that no engine of
// another run uses.
func (l *Lab) claimEngineData(parent string) (string, error) {
	for n := 0; ; n++ {
		dir := filepath.Join(parent, strconv.Itoa(n))
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return "", fmt.Errorf("make directory of the container engine: %w", err)
		}
		lock, err := tryLock(filepath.Join(dir, "lock"))
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return "", err
		}
		l.Defer(lock.Close)
		return dir, nil
	}
}

// startEngine starts dockerd and waits until it answers.
func (l *Lab) startEngine(ctx context.Context, dataDir, driver string) (*Engine, error) {
	private := filepath.Join(l.Dir, "docker-"+driver)
	if err := os.MkdirAll(private, 0o700); err != nil {
		return nil, err
	}
	logPath := filepath.Join(private, "log")
	logFile, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	socket := "unix://" + filepath.Join(private, "sock")
	cmd := exec.Command("dockerd", "--host", socket, "--data-root", filepath.Join(dataDir, driver),
		"--exec-root", filepath.Join(private, "exec"), "--pidfile", filepath.Join(private, "pid"),
		"--config-file", filepath.Join(private, "no-daemon.json"),
		"--storage-driver", driver, "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")
	// dockerd insists that a config file named by flag exists.
	if err := os.WriteFile(filepath.Join(private, "no-daemon.json"), []byte("{}\n"), 0o600); err != nil {
		return nil, err
	}
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
