package qemu

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Netns is a network namespace that we hold by a file descriptor only. It is
// gone, with every link in it, when the last descriptor and process is.
type Netns struct {
	Name   string // for messages
	handle netns.NsHandle
	nl     *netlink.Handle
}

// NewNetns makes a namespace with its loopback link up. It needs CAP_SYS_ADMIN.
func NewNetns(name string) (*Netns, error) {
	var ns *Netns
	err := onFreshThread(func() error {
		handle, err := netns.New()
		if err != nil {
			return fmt.Errorf("make network namespace %s: %w", name, err)
		}
		ns, err = wrapNetns(name, handle)
		return err
	})
	if err != nil {
		return nil, err
	}
	lo, err := ns.nl.LinkByName("lo")
	if err == nil {
		err = ns.nl.LinkSetUp(lo)
	}
	if err != nil {
		_ = ns.Close()
		return nil, fmt.Errorf("set up loopback in namespace %s: %w", name, err)
	}
	return ns, nil
}

// netnsOfProcess returns the namespace that the process pid is in.
func netnsOfProcess(name string, pid int) (*Netns, error) {
	handle, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, fmt.Errorf("open network namespace of process %d: %w", pid, err)
	}
	return wrapNetns(name, handle)
}

func wrapNetns(name string, handle netns.NsHandle) (*Netns, error) {
	nl, err := netlink.NewHandleAt(handle)
	if err != nil {
		_ = handle.Close()
		return nil, fmt.Errorf("open netlink in namespace %s: %w", name, err)
	}
	return &Netns{Name: name, handle: handle, nl: nl}, nil
}

// Close lets go of the namespace.
func (n *Netns) Close() error {
	n.nl.Close()
	return n.handle.Close()
}

// Do runs fn on a thread inside the namespace; sockets that fn opens stay there.
// fn must not start goroutines that rely on it.
func (n *Netns) Do(fn func() error) error {
	done := make(chan error, 1)
	go func() { done <- inThread(n, fn) }()
	return <-done
}

// enter runs fn inside the namespace on the locked thread of the caller. When the
// way back fails the thread stays locked, and Go ends it with its goroutine.
func (n *Netns) enter(fn func() error) error {
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open own network namespace: %w", err)
	}
	defer home.Close()
	if err := netns.Set(n.handle); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace %s: %w", n.Name, err)
	}
	err = fn()
	if back := netns.Set(home); back != nil {
		return fmt.Errorf("leave network namespace %s: %w", n.Name, back)
	}
	runtime.UnlockOSThread()
	return err
}

// onFreshThread runs fn on a thread that ends afterwards, for work that changes
// the thread for good.
func onFreshThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- fn()
	}()
	return <-done
}

// DialContext connects from inside the namespace. Only numeric addresses are
// meant: a name would be resolved with the host's resolver.
func (n *Netns) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	var conn net.Conn
	err := n.Do(func() (err error) {
		// With a numeric address the dialer opens its socket on this thread.
		d := net.Dialer{FallbackDelay: -1}
		conn, err = d.DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// Listen opens a stream listener inside the namespace.
func (n *Netns) Listen(ctx context.Context, network, addr string) (net.Listener, error) {
	var l net.Listener
	err := n.Do(func() (err error) {
		var lc net.ListenConfig
		l, err = lc.Listen(ctx, network, addr)
		return err
	})
	return l, err
}

// CombinedOutput runs a program inside the namespace and returns what it printed.
func (n *Netns) CombinedOutput(ctx context.Context, name string, args ...string) ([]byte, error) {
	var out []byte
	err := n.Do(func() (err error) {
		out, err = exec.CommandContext(ctx, name, args...).CombinedOutput()
		return err
	})
	if err != nil {
		return out, fmt.Errorf("run %s in namespace %s: %w: %s", name, n.Name, err, out)
	}
	return out, nil
}
