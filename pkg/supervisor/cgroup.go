package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroups gives each unit a cgroup of its own, so that all its processes can be
// found and killed even when they made sessions of their own. The zero value, or
// one where no cgroup2 file system is writable, does nothing.
type cgroups struct {
	root string // directory of the units' cgroups, "" when not available
	base string // the same as /proc/<pid>/cgroup shows it
}

// newCgroups makes the units' parent cgroup below mount.
func newCgroups(mount string) cgroups {
	var st unix.Statfs_t
	if mount == "" || unix.Statfs(mount, &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		return cgroups{}
	}
	root := filepath.Join(mount, "units")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return cgroups{}
	}
	return cgroups{root: root, base: "/units/"}
}

// open makes the unit's cgroup and returns a descriptor of it for clone3, or -1.
func (c cgroups) open(unit string) (int, error) {
	if c.root == "" {
		return -1, nil
	}
	dir := filepath.Join(c.root, unit)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return -1, fmt.Errorf("make cgroup of %s: %w", unit, err)
	}
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open cgroup of %s: %w", unit, err)
	}
	return fd, nil
}

// kill kills every process of the unit. It does not use cgroup.kill: after one
// write there, Linux 6.12 also kills each process that clone3 puts into the
// cgroup later (it compares the cgroup's kill counter with that of the parent's
// own cgroup), so that the unit could never start again.
func (c cgroups) kill(unit string) {
	sent := map[int]bool{}
	for again := true; again; {
		again = false
		for _, pid := range c.pids(unit) {
			if !sent[pid] {
				sent[pid], again = true, true
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
}

// remove deletes the unit's cgroup, unless processes are still on their way out.
func (c cgroups) remove(unit string) {
	if c.root != "" {
		_ = os.Remove(filepath.Join(c.root, unit))
	}
}

// pids returns the unit's processes.
func (c cgroups) pids(unit string) []int {
	if c.root == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(c.root, unit, "cgroup.procs"))
	if err != nil {
		return nil
	}
	var pids []int
	for f := range strings.FieldsSeq(string(text)) {
		pid := 0
		if _, err := fmt.Sscan(f, &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// unitOf returns the unit whose cgroup process pid is in, or "".
func (c cgroups) unitOf(pid int) string {
	if c.root == "" {
		return ""
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return ""
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			rest, ok := strings.CutPrefix(path, c.base)
			if ok {
				name, _, _ := strings.Cut(rest, "/")
				return name
			}
		}
	}
	return ""
}
