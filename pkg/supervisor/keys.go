package supervisor

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
)

// key is one row of the table of accepted unit file keys. set gets the value
// with specifiers expanded; an empty value resets a list. A nil set means:
// accepted, because systemd honours it on other hosts, but without effect here.
type key struct {
	section, name string
	set           func(u *Unit, value string) error
}

// keys is the documented subset of systemd's unit files.
var keys = []key{
	{"Unit", "Description", func(u *Unit, v string) error { u.Description = v; return nil }},
	{"Unit", "Documentation", func(u *Unit, v string) error { return setWords(&u.Documentation, v) }},
	{"Unit", "After", func(u *Unit, v string) error { return setUnits(&u.After, v) }},
	{"Unit", "Before", func(u *Unit, v string) error { return setUnits(&u.Before, v) }},
	{"Unit", "Requires", func(u *Unit, v string) error { return setUnits(&u.Requires, v) }},
	{"Unit", "Wants", func(u *Unit, v string) error { return setUnits(&u.Wants, v) }},
	{"Unit", "ConditionPathExists", setCondition},
	{"Unit", "StartLimitIntervalSec", func(u *Unit, v string) error { return setSpan(&u.StartLimit.Interval, v) }},
	{"Unit", "StartLimitBurst", func(u *Unit, v string) error { return setInt(&u.StartLimit.Burst, v, 0, 1<<20) }},
	{"Install", "WantedBy", func(u *Unit, v string) error { return setUnits(&u.WantedBy, v) }},
	{"Install", "RequiredBy", func(u *Unit, v string) error { return setUnits(&u.RequiredBy, v) }},

	{"Service", "Type", setType},
	{"Service", "RemainAfterExit", func(u *Unit, v string) error { return setBool(&u.Service.RemainAfterExit, v) }},
	{"Service", "ExecStartPre", func(u *Unit, v string) error { return addCommand(&u.Service.ExecStartPre, v) }},
	{"Service", "ExecStart", func(u *Unit, v string) error { return addCommand(&u.Service.ExecStart, v) }},
	{"Service", "ExecStartPost", func(u *Unit, v string) error { return addCommand(&u.Service.ExecStartPost, v) }},
	{"Service", "ExecReload", func(u *Unit, v string) error { return addCommand(&u.Service.ExecReload, v) }},
	{"Service", "ExecStop", func(u *Unit, v string) error { return addCommand(&u.Service.ExecStop, v) }},
	{"Service", "Restart", func(u *Unit, v string) error {
		return setEnum(&u.Service.Restart, v, "no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog")
	}},
	{"Service", "RestartSec", func(u *Unit, v string) error { return setSpan(&u.Service.RestartSec, v) }},
	{"Service", "RestartSteps", func(u *Unit, v string) error { return setInt(&u.Service.RestartSteps, v, 0, 1000) }},
	{"Service", "RestartMaxDelaySec", func(u *Unit, v string) error { return setSpan(&u.Service.RestartMaxDelay, v) }},
	{"Service", "SuccessExitStatus", setSuccessStatus},
	{"Service", "TimeoutStartSec", func(u *Unit, v string) error { return setSpan(&u.Service.TimeoutStart, v) }},
	{"Service", "TimeoutStopSec", func(u *Unit, v string) error { return setSpan(&u.Service.TimeoutStop, v) }},
	{"Service", "TimeoutSec", func(u *Unit, v string) error {
		if err := setSpan(&u.Service.TimeoutStart, v); err != nil {
			return err
		}
		return setSpan(&u.Service.TimeoutStop, v)
	}},
	{"Service", "WatchdogSec", func(u *Unit, v string) error { return setSpan(&u.Service.Watchdog, v) }},
	{"Service", "NotifyAccess", func(u *Unit, v string) error {
		return setEnum(&u.Service.NotifyAccess, v, "none", "main", "exec", "all")
	}},
	{"Service", "KillSignal", func(u *Unit, v string) error { return setSignal(&u.Service.KillSignal, v) }},
	{"Service", "KillMode", func(u *Unit, v string) error {
		return setEnum(&u.Service.KillMode, v, "control-group", "mixed", "process", "none")
	}},
	{"Service", "FileDescriptorStoreMax", func(u *Unit, v string) error { return setInt(&u.Service.FDStoreMax, v, 0, 1<<16) }},
	{"Service", "FileDescriptorStorePreserve", func(u *Unit, v string) error {
		return setEnum(&u.Service.FDStorePreserve, v, "no", "restart", "yes")
	}},
	{"Service", "Environment", setEnvironment},
	{"Service", "EnvironmentFile", func(u *Unit, v string) error { return addPath(&u.Service.EnvironmentFiles, v) }},
	{"Service", "WorkingDirectory", func(u *Unit, v string) error { u.Service.WorkingDirectory = v; return nil }},
	{"Service", "RuntimeDirectory", setRuntimeDirectory},
	{"Service", "RuntimeDirectoryMode", func(u *Unit, v string) error { return setBits(&u.Service.RuntimeDirectoryMode, v) }},
	{"Service", "User", func(u *Unit, v string) error { u.Service.User = v; return nil }},
	{"Service", "Group", func(u *Unit, v string) error { u.Service.Group = v; return nil }},
	{"Service", "LimitNOFILE", setLimitNOFILE},
	{"Service", "OOMScoreAdjust", func(u *Unit, v string) error {
		n := 0
		u.Service.OOMScoreAdjust = &n
		return setInt(u.Service.OOMScoreAdjust, v, -1000, 1000)
	}},
	{"Service", "UMask", func(u *Unit, v string) error {
		u.Service.UMask = new(int)
		return setBits(u.Service.UMask, v)
	}},
	{"Service", "StandardInput", func(u *Unit, v string) error {
		return setEnum(&u.Service.StandardInput, v, "null", "tty", "tty-force", "tty-fail")
	}},
	{"Service", "StandardOutput", func(u *Unit, v string) error { return setOutput(&u.Service.StandardOutput, v) }},
	{"Service", "StandardError", func(u *Unit, v string) error { return setOutput(&u.Service.StandardError, v) }},
	{"Service", "TTYPath", func(u *Unit, v string) error { u.Service.TTYPath = v; return absolute(v) }},
	{"Service", "TTYReset", func(u *Unit, v string) error { return setBool(&u.Service.TTYReset, v) }},

	// Accepted without effect: systemd honours these on other hosts. The
	// appliance has one user and a root file system in memory, and its shutdown
	// stops every unit anyway.
	{"Unit", "Conflicts", nil},
	{"Unit", "DefaultDependencies", nil},
	{"Unit", "IgnoreOnIsolate", nil},
	{"Unit", "ConditionKernelCommandLine", nil},
	{"Install", "Alias", nil},
	{"Install", "DefaultInstance", nil},
	{"Service", "AmbientCapabilities", nil},
	{"Service", "CapabilityBoundingSet", nil},
	{"Service", "DynamicUser", nil},
	{"Service", "IgnoreSIGPIPE", nil},
	{"Service", "LimitCORE", nil},
	{"Service", "LimitMEMLOCK", nil},
	{"Service", "LockPersonality", nil},
	{"Service", "MemoryDenyWriteExecute", nil},
	{"Service", "NoNewPrivileges", nil},
	{"Service", "PrivateDevices", nil},
	{"Service", "PrivateTmp", nil},
	{"Service", "ProtectClock", nil},
	{"Service", "ProtectControlGroups", nil},
	{"Service", "ProtectHome", nil},
	{"Service", "ProtectHostname", nil},
	{"Service", "ProtectKernelLogs", nil},
	{"Service", "ProtectKernelModules", nil},
	{"Service", "ProtectKernelTunables", nil},
	{"Service", "ProtectProc", nil},
	{"Service", "ProtectSystem", nil},
	{"Service", "ReadOnlyPaths", nil},
	{"Service", "ReadWritePaths", nil},
	{"Service", "RemoveIPC", nil},
	{"Service", "RestrictAddressFamilies", nil},
	{"Service", "RestrictNamespaces", nil},
	{"Service", "RestrictRealtime", nil},
	{"Service", "RestrictSUIDSGID", nil},
	{"Service", "RuntimeDirectoryPreserve", nil}, // always kept here
	{"Service", "SendSIGHUP", nil},
	{"Service", "SyslogIdentifier", nil},
	{"Service", "SystemCallArchitectures", nil},
	{"Service", "SystemCallErrorNumber", nil},
	{"Service", "SystemCallFilter", nil},
	{"Service", "TTYVHangup", nil},
	{"Service", "TTYVTDisallocate", nil},
	{"Service", "TasksMax", nil},
	{"Service", "UtmpIdentifier", nil},
}

func keyNames(section string) []string {
	var names []string
	for _, k := range keys {
		if k.section == section {
			names = append(names, k.name)
		}
	}
	return names
}

func setType(u *Unit, v string) error {
	s := ""
	err := setEnum(&s, v, "simple", "exec", "notify", "oneshot", "idle")
	u.Service.Type = Type(s)
	return err
}

func setCondition(u *Unit, v string) error {
	if v == "" {
		u.Conditions = nil
		return nil
	}
	c := Condition{Path: v}
	c.Path, c.Negate = strings.CutPrefix(v, "!")
	u.Conditions = append(u.Conditions, c)
	return absolute(c.Path)
}

func setEnvironment(u *Unit, v string) error {
	if v == "" {
		u.Service.Environment = nil
		return nil
	}
	words, err := splitWords(v)
	if err != nil {
		return err
	}
	for _, w := range words {
		if name, _, ok := strings.Cut(w, "="); !ok || !isEnvName(name) {
			return fmt.Errorf("%q is no NAME=value", w)
		}
	}
	u.Service.Environment = append(u.Service.Environment, words...)
	return nil
}

func setRuntimeDirectory(u *Unit, v string) error {
	if err := setWords(&u.Service.RuntimeDirectory, v); err != nil {
		return err
	}
	for _, d := range u.Service.RuntimeDirectory {
		if !filepath.IsLocal(d) {
			return fmt.Errorf("%q: a path relative to /run without \"..\" is needed", d)
		}
	}
	return nil
}

func setSuccessStatus(u *Unit, v string) error {
	s := &u.Service
	if v == "" {
		s.SuccessStatus, s.SuccessSignals = nil, nil
		return nil
	}
	for _, w := range strings.Fields(v) {
		var code int
		var sig syscall.Signal
		if setInt(&code, w, 0, 255) == nil {
			s.SuccessStatus = append(s.SuccessStatus, code)
		} else if setSignal(&sig, w) == nil {
			s.SuccessSignals = append(s.SuccessSignals, sig)
		} else {
			return fmt.Errorf("%q is neither an exit status from 0 to 255 nor a signal name", w)
		}
	}
	return nil
}
