package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// trampolineName is argv[0] of the supervisor's own program when it runs between
// fork and exec of a service.
const trampolineName = "exec-unit"

// exitExec is the status of a process that could not become its program, from
// systemd.exec(5): EXIT_EXEC.
const exitExec = 203

// execSpec is what the trampoline needs to become the service's process.
type execSpec struct {
	Args      []string // program and arguments
	Argv0     string   // name to show instead of the program's path, or ""
	Env       []string
	ListenFDs int    // descriptors from 3 on
	Names     string // LISTEN_FDNAMES
	Watchdog  bool   // set WATCHDOG_PID
	StatusFD  int    // gets the error text; closed by a successful exec

	Dir       string
	NoFile    *Limit
	OOMScore  *int
	UMask     *int
	User      string
	Group     string
	TTY       string // path of the controlling terminal, or ""
	TTYSteal  bool   // take it from another session
	TTYReset  bool
	TTYStdout bool
	TTYStderr bool
}

// IsTrampoline reports whether a program was started by a Supervisor to become a
// service; it must then call ExecUnit before anything else.
func IsTrampoline(args []string) bool {
	return len(args) == 2 && args[0] == trampolineName
}

// ExecUnit prepares the process and executes the service's program. It returns
// only on failure, with the exit status to use; the supervisor has the reason.
//
// Go cannot run code between fork and exec, and LISTEN_PID must name the
// process that reads it, so the supervisor's program is executed first.
func ExecUnit(args []string) int {
	runtime.LockOSThread()
	var spec execSpec
	if err := json.Unmarshal([]byte(args[1]), &spec); err != nil {
		fmt.Fprintf(os.Stderr, "%s: read specification: %v\n", trampolineName, err)
		return exitExec
	}
	err := spec.exec()
	_, _ = unix.Write(spec.StatusFD, []byte(err.Error()))
	return exitExec
}

func (s *execSpec) exec() error {
	unix.CloseOnExec(s.StatusFD)
	steps := []func() error{s.setTTY, s.setLimits, s.setUser, s.setDir}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	env := s.Env
	pid := strconv.Itoa(os.Getpid())
	if s.ListenFDs > 0 {
		env = append(env, "LISTEN_PID="+pid, "LISTEN_FDS="+strconv.Itoa(s.ListenFDs), "LISTEN_FDNAMES="+s.Names)
	}
	if s.Watchdog {
		env = append(env, "WATCHDOG_PID="+pid)
	}
	program, err := lookProgram(s.Args[0], env)
	if err != nil {
		return err
	}
	argv := append([]string{s.Args[0]}, s.Args[1:]...)
	if s.Argv0 != "" {
		argv[0] = s.Argv0
	}
	err = syscall.Exec(program, argv, env)
	return fmt.Errorf("execute %s: %w", program, err)
}

// lookProgram finds a program without a slash in the PATH of the service.
func lookProgram(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, e := range env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			if err := os.Setenv("PATH", path); err != nil {
				return "", err
			}
		}
	}
	return exec.LookPath(name)
}

// setTTY makes the terminal the controlling one of this session (the supervisor
// made the process a session leader) and its standard input.
func (s *execSpec) setTTY() error {
	if s.TTY == "" {
		return nil
	}
	// Without O_NOCTTY the open itself would take a free terminal.
	fd, err := unix.Open(s.TTY, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.TTY, err)
	}
	steal := 0
	if s.TTYSteal {
		steal = 1
	}
	if err := unix.IoctlSetInt(fd, unix.TIOCSCTTY, steal); err != nil {
		return fmt.Errorf("take %s as controlling terminal: %w", s.TTY, err)
	}
	if s.TTYReset {
		if err := resetTTY(fd); err != nil {
			return fmt.Errorf("reset %s: %w", s.TTY, err)
		}
	}
	targets := []int{0}
	if s.TTYStdout {
		targets = append(targets, 1)
	}
	if s.TTYStderr {
		targets = append(targets, 2)
	}
	for _, t := range targets {
		if err := unix.Dup3(fd, t, 0); err != nil {
			return fmt.Errorf("make %s descriptor %d: %w", s.TTY, t, err)
		}
	}
	return nil
}

// resetTTY restores the line settings that a crashed program may have changed:
// cooked mode with echo, signals and newline translation. Speed and frame stay.
func resetTTY(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag = t.Iflag&^(unix.IGNBRK|unix.BRKINT|unix.ISTRIP|unix.INLCR|unix.IGNCR|unix.IUCLC) | unix.ICRNL | unix.IMAXBEL | unix.IUTF8
	t.Oflag |= unix.OPOST | unix.ONLCR
	t.Cflag |= unix.CREAD
	t.Lflag = unix.ISIG | unix.ICANON | unix.IEXTEN | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHOCTL | unix.ECHOKE
	t.Cc[unix.VINTR], t.Cc[unix.VQUIT], t.Cc[unix.VERASE], t.Cc[unix.VKILL] = 3, 28, 127, 21
	t.Cc[unix.VEOF], t.Cc[unix.VSUSP], t.Cc[unix.VSTART], t.Cc[unix.VSTOP] = 4, 26, 17, 19
	t.Cc[unix.VTIME], t.Cc[unix.VMIN] = 0, 1
	return unix.IoctlSetTermios(fd, unix.TCSETSF, t)
}

func (s *execSpec) setLimits() error {
	if s.NoFile != nil {
		// syscall, not unix: syscall.Exec restores the limit that the Go runtime
		// found at start unless it was set through this function.
		l := syscall.Rlimit{Cur: s.NoFile.Soft, Max: s.NoFile.Hard}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			return fmt.Errorf("set LimitNOFILE=%d:%d: %w", l.Cur, l.Max, err)
		}
	}
	if s.OOMScore != nil {
		if err := os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(*s.OOMScore)), 0); err != nil {
			return fmt.Errorf("set OOMScoreAdjust=%d: %w", *s.OOMScore, err)
		}
	}
	if s.UMask != nil {
		syscall.Umask(*s.UMask)
	}
	return nil
}

func (s *execSpec) setUser() error {
	if s.User == "" && s.Group == "" {
		return nil
	}
	uid, gid, err := lookupUser(s.User, s.Group)
	if err != nil {
		return err
	}
	if err := syscall.Setgroups([]int{gid}); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("become group %d: %w", gid, err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("become user %d: %w", uid, err)
	}
	return nil
}

// lookupUser resolves User= and Group=, names or numbers.
func lookupUser(name, group string) (uid, gid int, err error) {
	uid, gid = os.Getuid(), os.Getgid()
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			u, err = user.LookupId(name)
		}
		switch {
		case err == nil:
			uid, _ = strconv.Atoi(u.Uid)
			gid, _ = strconv.Atoi(u.Gid)
		case isNumber(name):
			uid, _ = strconv.Atoi(name)
			gid = uid
		default:
			return 0, 0, fmt.Errorf("look up user: %w", err)
		}
	}
	if group != "" {
		if isNumber(group) {
			gid, _ = strconv.Atoi(group)
			return uid, gid, nil
		}
		g, err := user.LookupGroup(group)
		if err != nil {
			return 0, 0, fmt.Errorf("look up group: %w", err)
		}
		gid, _ = strconv.Atoi(g.Gid)
	}
	return uid, gid, nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// setDir enters WorkingDirectory=; with a leading "-" it may be missing.
func (s *execSpec) setDir() error {
	if s.Dir == "" {
		return nil
	}
	dir, optional := strings.CutPrefix(s.Dir, "-")
	if dir == "~" {
		dir = "/"
	}
	if err := os.Chdir(dir); err != nil && (!optional || !errors.Is(err, os.ErrNotExist)) {
		return fmt.Errorf("enter WorkingDirectory: %w", err)
	}
	return nil
}
