package supervisor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// role tells a unit's main process from the others that the supervisor starts
// for it.
type role int

const (
	roleMain role = iota
	roleControl
)

// spawn starts one command of the service through the trampoline. Whether the
// program could be executed arrives later as v.executed.
func (v *service) spawn(c Command, r role) (pid int, err error) {
	env, err := v.s.environment(v.unit)
	if err != nil {
		return 0, err
	}
	if r == roleControl && v.mainPID > 0 {
		env = append(env, "MAINPID="+strconv.Itoa(v.mainPID))
	}
	spec := v.spec(c, r, env)
	files, err := v.stdio()
	if err != nil {
		return 0, err
	}
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	fds := []uintptr{files[0].Fd(), files[1].Fd(), files[2].Fd()}
	if r == roleMain {
		for _, f := range v.store.fds {
			fds = append(fds, uintptr(f.fd))
		}
	}
	status, statusW, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make status pipe: %w", err)
	}
	defer statusW.Close()
	spec.StatusFD = len(fds)
	fds = append(fds, statusW.Fd())

	pid, err = v.fork(spec, fds)
	if err != nil {
		_ = status.Close()
		return 0, err
	}
	v.s.pids.set(pid, v.unit.Name)
	v.executing[pid] = nil
	// The goroutine ends when the trampoline has executed the program or has died.
	go func() {
		text, _ := io.ReadAll(io.LimitReader(status, 4096))
		_ = status.Close()
		v.s.post(func() { v.executed(pid, string(text)) })
	}()
	return pid, nil
}

func (v *service) fork(spec *execSpec, fds []uintptr) (int, error) {
	arg, err := json.Marshal(spec)
	if err != nil {
		return 0, fmt.Errorf("encode specification: %w", err)
	}
	attr := &syscall.ProcAttr{Files: fds, Sys: &syscall.SysProcAttr{Setsid: true}}
	cg, err := v.s.cgroups.open(v.unit.Name)
	if err != nil {
		return 0, err
	}
	if cg >= 0 {
		defer unix.Close(cg)
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, cg
	}
	pid, err := syscall.ForkExec(v.s.opts.Program, []string{trampolineName, string(arg)}, attr)
	if err != nil {
		return 0, fmt.Errorf("fork: %w", err)
	}
	return pid, nil
}

func (v *service) spec(c Command, r role, env []string) *execSpec {
	u := &v.unit.Service
	args := c.Args
	if !c.NoExpand {
		vars := map[string]string{}
		for _, e := range env {
			name, value, _ := strings.Cut(e, "=")
			vars[name] = value
		}
		args = expandEnv(args, vars)
	}
	spec := &execSpec{
		Args: args, Argv0: c.Argv0, Env: env,
		Dir: u.WorkingDirectory, User: u.User, Group: u.Group,
		NoFile: u.LimitNOFILE, OOMScore: u.OOMScoreAdjust, UMask: u.UMask,
	}
	if r == roleControl {
		return spec
	}
	spec.ListenFDs, spec.Names = len(v.store.fds), v.store.names()
	if v.watchdogEvery > 0 {
		spec.Watchdog = true
		spec.Env = append(spec.Env, "WATCHDOG_USEC="+strconv.FormatInt(v.watchdogEvery.Microseconds(), 10))
	}
	if u.usesTTY() {
		spec.TTY, spec.TTYReset, spec.TTYSteal = u.TTYPath, u.TTYReset, u.StandardInput == "tty-force"
		spec.TTYStdout = u.StandardOutput == "tty" || u.StandardOutput == "inherit"
		spec.TTYStderr = u.StandardError == "tty" || u.StandardError == "inherit" && spec.TTYStdout
	}
	return spec
}

// stdio opens the three standard descriptors; the caller closes them.
func (v *service) stdio() ([]*os.File, error) {
	var files []*os.File
	out := v.unit.Service.StandardOutput
	errOut := v.unit.Service.StandardError
	if errOut == "inherit" {
		errOut = out
	}
	for _, kind := range []string{"null", out, errOut} {
		f, err := v.openStdio(kind)
		if err != nil {
			for _, f := range files {
				_ = f.Close()
			}
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (v *service) openStdio(kind string) (*os.File, error) {
	switch kind {
	case "journal":
		return v.logPipe()
	case "kmsg":
		return os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	}
	return os.OpenFile(os.DevNull, os.O_RDWR, 0) // the trampoline puts a terminal in its place
}

// logPipe returns a fresh write end of the pipe into the unit's log ring. The
// pipe is made once and lives as long as the supervisor.
func (v *service) logPipe() (*os.File, error) {
	if v.logW == nil {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("make log pipe: %w", err)
		}
		v.logW = w
		go readLines(r, func(line string) { v.ring().Append(time.Now(), severityInfo, line) })
	}
	fd, err := unix.FcntlInt(v.logW.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("duplicate log pipe: %w", err)
	}
	return os.NewFile(uintptr(fd), "log"), nil
}

// readLines gives each line of r to f until r ends; it owns r. A line longer
// than ringLineMax is cut into several. Each line is a string of its own: a part of
// a larger one would keep all of that in the ring.
func readLines(r io.ReadCloser, f func(string)) {
	defer r.Close()
	buf := make([]byte, 0, ringLineMax)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		rest := buf
		for {
			line, after, found := bytes.Cut(rest, []byte{'\n'})
			if !found {
				break
			}
			f(string(bytes.TrimRight(line, "\r")))
			rest = after
		}
		if len(rest) == cap(buf) || err != nil && len(rest) > 0 {
			f(string(rest))
			rest = nil
		}
		buf = buf[:copy(buf[:cap(buf)], rest)]
		if err != nil {
			return
		}
	}
}

// makeRuntimeDirs makes RuntimeDirectory= below the run directory.
func (v *service) makeRuntimeDirs() error {
	for _, d := range v.unit.Service.RuntimeDirectory {
		path := filepath.Join(v.s.opts.RuntimeRoot, d)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return fmt.Errorf("make RuntimeDirectory: %w", err)
		}
		if err := os.Chmod(path, fs.FileMode(v.unit.Service.RuntimeDirectoryMode)); err != nil {
			return fmt.Errorf("set RuntimeDirectoryMode: %w", err)
		}
	}
	return nil
}

// readEnvironmentFile reads NAME=value lines (systemd.exec(5),
// EnvironmentFile=); a name with a leading "-" may be missing.
func readEnvironmentFile(name string) ([]string, error) {
	path, optional := strings.CutPrefix(name, "-")
	text, err := os.ReadFile(path)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read EnvironmentFile: %w", err)
	}
	var out []string
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || !isEnvName(key) {
			return nil, fmt.Errorf("%s:%d: %q is no NAME=value", path, i+1, line)
		}
		words, err := splitWords(value)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		out = append(out, key+"="+strings.Join(words, " "))
	}
	return out, nil
}
