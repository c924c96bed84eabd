package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/u-root/u-root/pkg/libinit"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cgroupMount is where the supervisor makes its cgroups.
const cgroupMount = "/sys/fs/cgroup"

const noExec = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// mounts are the file systems of a running machine, in order. libinit's own
// table is u-root's world: cgroup v1, Go's tool folders, /etc in a tmpfs.
var mounts = []libinit.Creator{
	libinit.Dir{Name: "/proc", Mode: 0o555},
	libinit.Mount{Source: "proc", Target: "/proc", FSType: "proc", Flags: noExec},
	libinit.Dir{Name: "/sys", Mode: 0o555},
	libinit.Mount{Source: "sysfs", Target: "/sys", FSType: "sysfs", Flags: noExec},
	libinit.Dir{Name: "/dev", Mode: 0o755},
	libinit.Mount{Source: "devtmpfs", Target: "/dev", FSType: "devtmpfs", Flags: unix.MS_NOSUID, Opts: "mode=0755"},
	libinit.Dir{Name: "/dev/pts", Mode: 0o755},
	libinit.Mount{Source: "devpts", Target: "/dev/pts", FSType: "devpts", Flags: unix.MS_NOSUID | unix.MS_NOEXEC, Opts: "mode=0620,gid=5,ptmxmode=0666"},
	libinit.Dir{Name: "/dev/shm", Mode: 0o1777},
	libinit.Mount{Source: "tmpfs", Target: "/dev/shm", FSType: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_NODEV, Opts: "mode=1777"},
	libinit.Dir{Name: "/run", Mode: 0o755},
	libinit.Mount{Source: "tmpfs", Target: "/run", FSType: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_NODEV, Opts: "mode=0755"},
	libinit.Dir{Name: "/tmp", Mode: 0o1777},
	libinit.Mount{Source: "tmpfs", Target: "/tmp", FSType: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_NODEV, Opts: "mode=1777"},
	libinit.Mount{Source: "cgroup2", Target: cgroupMount, FSType: "cgroup2", Flags: noExec, Opts: "nsdelegate"},
	libinit.Dir{Name: "/var/log", Mode: 0o755},
	libinit.Dir{Name: "/root", Mode: 0o700},
}

// mountAll creates the table's entries. What is mounted already stays: the kernel
// may have mounted devtmpfs, a test something of its own.
func (m *machine) mountAll(context.Context) error {
	old := unix.Umask(0)
	defer unix.Umask(old)
	var errs error
	for _, c := range mounts {
		if m, ok := c.(libinit.Mount); ok && isMounted(m.Target) {
			continue
		}
		if err := c.Create(); err != nil && !errors.Is(err, unix.EBUSY) {
			errs = errors.Join(errs, fmt.Errorf("create %s: %w", c, err))
		}
	}
	return errs
}

// isMounted reports whether path is on another file system than its parent.
func isMounted(path string) bool {
	var here, above unix.Stat_t
	return unix.Stat(path, &here) == nil && unix.Stat(filepath.Dir(path), &above) == nil && here.Dev != above.Dev
}

func sethostname(name string) error {
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set host name %q: %w", name, err)
	}
	return nil
}

// loopbackUp sets lo up; the kernel gives it its addresses.
func (m *machine) loopbackUp(context.Context) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// unmountAll unmounts what can hold data, last mounted first. The kernel's own
// file systems stay: the shutdown still uses them.
func unmountAll() error {
	targets, err := mountPoints("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var errs error
	for i := len(targets) - 1; i >= 0; i-- {
		if t := targets[i]; !t.pseudo {
			if err := unix.Unmount(t.path, unix.MNT_DETACH); err != nil {
				errs = errors.Join(errs, fmt.Errorf("unmount %s: %w", t.path, err))
			}
		}
	}
	return errs
}

// mountPoint is one line of mountinfo.
type mountPoint struct {
	path   string
	pseudo bool // made by the kernel or in memory: nothing to write back
}

// mountPoints parses a mountinfo file (proc(5)) in mount order.
func mountPoints(file string) ([]mountPoint, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var out []mountPoint
	for line := range strings.Lines(string(text)) {
		left, right, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(left), strings.Fields(right)
		if !ok || len(f) < 5 || len(g) < 2 {
			return nil, fmt.Errorf("read mounts: line %q", line)
		}
		path := unescape.Replace(f[4])
		out = append(out, mountPoint{path, path == "/" || !strings.HasPrefix(g[1], "/dev/")})
	}
	return out, nil
}
