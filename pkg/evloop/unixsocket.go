package evloop

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Owner tells who may connect to a UNIX socket.
type Owner struct {
	Mode     uint32 // permission bits; 0: as the umask makes them
	UID, GID int    // -1: those of the process
}

// apply gives the file at path to the owner.
func (o Owner) apply(path string) error {
	if o.UID >= 0 || o.GID >= 0 {
		if err := os.Chown(path, o.UID, o.GID); err != nil {
			return err
		}
	}
	if o.Mode == 0 {
		return nil
	}
	return unix.Chmod(path, o.Mode)
}

// ListenUnix binds a nonblocking listening UNIX stream socket; a socket file left
// by an earlier process is replaced. A path that begins with "@" is the name of an
// abstract socket, which has no owner.
func ListenUnix(path string, backlog int, o Owner) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("create socket for %s: %w", path, err)
	}
	if strings.HasPrefix(path, "@") {
		if err = abstractCall(unix.SYS_BIND, fd, path); err != nil {
			err = fmt.Errorf("bind %s: %w", path, err)
		} else {
			err = listen(fd, path, backlog)
		}
		if err != nil {
			_ = unix.Close(fd)
			return -1, err
		}
		return fd, nil
	}
	// The name is taken by a rename, so that there is no moment without a socket.
	tmp := fmt.Sprintf("%s.%d%s", path, os.Getpid(), tmpSuffix)
	_ = os.Remove(tmp)
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: tmp}); err != nil {
		err = fmt.Errorf("bind %s: %w", path, err)
	} else if err = o.apply(tmp); err != nil {
		err = fmt.Errorf("give %s to its owner: %w", path, err)
	} else if err = listen(fd, path, backlog); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = unix.Close(fd)
		_ = os.Remove(tmp)
		return -1, err
	}
	return fd, nil
}

// tmpSuffix ends the name under which a UNIX socket is bound before it takes its
// own; getsockname(2) goes on telling that one.
const tmpSuffix = ".tmp"

// finalPath turns the bound name of a socket made by ListenUnix into its path.
func finalPath(name string) string {
	if path, ok := strings.CutSuffix(name, tmpSuffix); ok {
		if i := strings.LastIndexByte(path, '.'); i >= 0 && path[i+1:] != "" && strings.Trim(path[i+1:], "0123456789") == "" {
			return path[:i]
		}
	}
	return name
}

// abstractCall binds or connects fd to the abstract socket "@name". HAProxy fills
// such names with NUL to the length of an address, and so must all who want to
// meet it.
func abstractCall(call uintptr, fd int, path string) error {
	sa := unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	for i := 1; i < min(len(path), len(sa.Path)); i++ { // NUL is in the place of "@"
		sa.Path[i] = int8(path[i])
	}
	_, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unix.SizeofSockaddrUnix)
	if errno != 0 {
		return errno
	}
	return nil
}

// ConnectUnix starts a connection to the UNIX stream socket at path, or with the
// abstract name behind "@".
func (l *Loop) ConnectUnix(path string) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if strings.HasPrefix(path, "@") {
		err = abstractCall(unix.SYS_CONNECT, fd, path)
	} else {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
