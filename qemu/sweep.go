package qemu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// claimPrefix starts the names of scratch directories; the owner's process number
// follows, for people. Whether the owner lives is told by a lock, not the number.
const claimPrefix = "sluice-lab-"

// claimDir makes a scratch directory under parent that sweep leaves alone while
// this process lives. release removes it.
func claimDir(parent string) (dir string, release func() error, err error) {
	// The directory gets the name that sweep looks for when its lock is held.
	young, err := os.MkdirTemp(parent, "sluice-new-")
	if err != nil {
		return "", nil, fmt.Errorf("make scratch directory: %w", err)
	}
	lock, err := tryLock(filepath.Join(young, "lock"))
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(young))
	}
	suffix := strings.TrimPrefix(filepath.Base(young), "sluice-new-")
	dir = filepath.Join(parent, claimPrefix+strconv.Itoa(os.Getpid())+"-"+suffix)
	if err := os.Rename(young, dir); err != nil {
		_ = lock.Close()
		return "", nil, errors.Join(err, os.RemoveAll(young))
	}
	return dir, func() error {
		defer lock.Close()
		return removeTree(dir)
	}, nil
}

// sweep removes the scratch directories under parent whose owners are dead.
func sweep(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, claimPrefix+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		path := filepath.Join(dir, "lock")
		if _, err := os.Stat(path); err != nil {
			continue // just being removed
		}
		lock, err := tryLock(path)
		if err != nil {
			continue // its owner lives
		}
		errs = append(errs, removeTree(dir))
		_ = lock.Close()
	}
	return errors.Join(errs...)
}

// errLocked says that another process holds a lock.
var errLocked = errors.New("locked by another process")

// tryLock takes an exclusive lock on path, which is made when missing. The lock
// ends with the file, so also with the process.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errLocked
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// removeTree unmounts what is mounted below dir, which a killed container engine
// leaves, and removes it.
func removeTree(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	for _, target := range mountsBelow(string(mounts), dir) {
		if err := unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s: %w", target, err)
		}
	}
	return os.RemoveAll(dir)
}

// mountsBelow returns the mount points below dir, the last mounted first, from
// the content of /proc/PID/mountinfo (proc(5)).
func mountsBelow(mountinfo, dir string) []string {
	var out []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			out = append([]string{fields[4]}, out...)
		}
	}
	return out
}
