package supervisor

import (
	"path"
	"strings"
	"syscall"
	"time"
)

// Type says when a service counts as started (systemd.service(5), Type=).
type Type string

// The service types.
const (
	TypeSimple  Type = "simple"
	TypeExec    Type = "exec"
	TypeNotify  Type = "notify"
	TypeOneshot Type = "oneshot"
	TypeIdle    Type = "idle" // as simple, once no other service is starting, or after 5 s
)

// Unit is one loaded unit file: a service, or a target that only groups others.
// It is immutable after loading.
type Unit struct {
	Name string // with suffix, e.g. "proxyd.service"
	File string // path of the file it was read from

	Description   string
	Documentation []string
	After         []string
	Before        []string
	Requires      []string
	Wants         []string
	WantedBy      []string // [Install]
	RequiredBy    []string // [Install]
	Conditions    []Condition
	StartLimit    StartLimit

	Service Service
}

// Condition is one ConditionPathExists=; a unit with a failed one is skipped,
// which is no failure.
type Condition struct {
	Path   string
	Negate bool
}

// StartLimit bounds how often a unit may be started within an interval.
type StartLimit struct {
	Interval time.Duration // 0: no limit
	Burst    int
}

// Service is a [Service] section.
type Service struct {
	Type            Type
	RemainAfterExit bool
	ExecStartPre    []Command
	ExecStart       []Command
	ExecStartPost   []Command
	ExecReload      []Command
	ExecStop        []Command

	Restart string // no, always, on-success, on-failure, on-abnormal, on-abort, on-watchdog
	//lint:ignore ST1011 systemd's name of the key
	RestartSec      time.Duration
	RestartSteps    int
	RestartMaxDelay time.Duration
	SuccessStatus   []int            // exit codes besides 0
	SuccessSignals  []syscall.Signal // signals besides HUP, INT, TERM, PIPE

	TimeoutStart time.Duration // 0: none
	TimeoutStop  time.Duration // 0: none
	Watchdog     time.Duration // 0: off
	NotifyAccess string        // "", none, main, exec, all

	KillSignal syscall.Signal
	KillMode   string // control-group, mixed, process, none

	FDStoreMax      int
	FDStorePreserve string // no, restart, yes

	Environment          []string // NAME=value
	EnvironmentFiles     []string // a leading "-": may be missing
	WorkingDirectory     string
	RuntimeDirectory     []string // below /run
	RuntimeDirectoryMode int
	User, Group          string
	LimitNOFILE          *Limit
	OOMScoreAdjust       *int
	UMask                *int

	StandardInput  string // null, tty, tty-force, tty-fail
	StandardOutput string // inherit, journal, null, tty, kmsg
	StandardError  string
	TTYPath        string
	TTYReset       bool
}

// Command is one Exec line.
type Command struct {
	Args          []string
	Argv0         string // with the "@" prefix, else ""
	IgnoreFailure bool   // prefix "-"
	NoExpand      bool   // prefix ":"
}

// Limit is a resource limit.
type Limit struct{ Soft, Hard uint64 }

// defaults returns a unit with systemd's default values.
func defaults(name, file string) *Unit {
	return &Unit{
		Name:       name,
		File:       file,
		StartLimit: StartLimit{Interval: 10 * time.Second, Burst: 5},
		Service: Service{
			Restart:              "no",
			RestartSec:           100 * time.Millisecond,
			TimeoutStart:         90 * time.Second,
			TimeoutStop:          90 * time.Second,
			KillSignal:           syscall.SIGTERM,
			KillMode:             "control-group",
			FDStorePreserve:      "restart",
			RuntimeDirectoryMode: 0o755,
			StandardInput:        "null",
			StandardOutput:       "journal",
			StandardError:        "inherit",
		},
	}
}

// isTarget reports whether the unit has no processes of its own.
func (u *Unit) isTarget() bool { return unitSuffix(u.Name) == ".target" }

// notifyAccess returns the effective NotifyAccess=.
func (u *Unit) notifyAccess() string {
	s := &u.Service
	if s.NotifyAccess == "" || s.NotifyAccess == "none" {
		if s.Type == TypeNotify || s.Watchdog > 0 {
			return "main"
		}
		return "none"
	}
	return s.NotifyAccess
}

// usesTTY reports whether the unit's processes get a controlling terminal.
func (s *Service) usesTTY() bool { return strings.HasPrefix(s.StandardInput, "tty") }

// unitSuffix returns ".service" or ".target", or what else follows the last dot.
func unitSuffix(name string) string { return path.Ext(name) }

// templateOf returns the file name of the template that name is an instance of,
// or "" when it is not an instance.
func templateOf(name string) string {
	prefix, rest, found := strings.Cut(name, "@")
	if !found || strings.HasPrefix(rest, ".") {
		return ""
	}
	return prefix + "@" + unitSuffix(name)
}
