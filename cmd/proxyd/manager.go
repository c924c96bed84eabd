package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/proxy"
	"golang.org/x/sys/unix"
)

// manager is the service manager that started us, if any: our init or systemd.
// The protocol is sd_notify(3) and sd_listen_fds(3).
type manager struct {
	socket string // $NOTIFY_SOCKET; "": nobody listens
}

func newManager() *manager { return &manager{socket: os.Getenv("NOTIFY_SOCKET")} }

// dropTime leaves the time to the manager, which stamps each line itself.
func (m *manager) dropTime(groups []string, a slog.Attr) slog.Attr {
	if m.socket != "" && len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// send passes a state on; without a manager it does nothing. A manager that does
// not listen any more is no reason to stop serving.
func (m *manager) send(state string) { _, _ = daemon.SdNotify(false, state) }

func (m *manager) ready(status string) { m.send(daemon.SdNotifyReady + "\nSTATUS=" + status) }

func (m *manager) stopping() { m.send(daemon.SdNotifyStopping) }

// reloading announces a reload; ready ends it. Type=notify-reload wants the time.
func (m *manager) reloading() {
	m.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// inherited returns the sockets that the manager kept for us.
func (m *manager) inherited() []ctl.Socket {
	var sockets []ctl.Socket
	for _, f := range activation.Files(true) {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err == nil {
			sockets = append(sockets, ctl.Socket{FD: fd})
		}
		_ = f.Close()
	}
	return sockets
}

// store is the manager's file descriptor store.
func (m *manager) store() proxy.SocketStore {
	if m.socket == "" {
		return nil
	}
	return fdStore{m.socket}
}

// fdStore keeps sockets with FDSTORE=1 messages.
type fdStore struct{ socket string }

// Keep sends a copy of fd to the manager, which hands it to our successor.
func (s fdStore) Keep(name string, fd int) error {
	// Not net.DialUnix: WriteMsgUnix refuses connected datagram sockets.
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(sock)
	return unix.Sendmsg(sock, []byte("FDSTORE=1\nFDNAME="+name), unix.UnixRights(fd), &unix.SockaddrUnix{Name: s.socket}, 0)
}

// Forget makes the manager close its copy.
func (s fdStore) Forget(name string) error {
	_, err := daemon.SdNotify(false, "FDSTOREREMOVE=1\nFDNAME="+name)
	return err
}

// watchdog tells the manager, twice in the interval that it asks for, that alive
// succeeds; when it does not, the manager gets no message and restarts us. The
// returned function ends it.
func (m *manager) watchdog(alive func(context.Context) error) (stop func()) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(interval / 2)
		defer tick.Stop()
		for {
			check, end := context.WithTimeout(ctx, interval/2)
			if alive(check) == nil {
				m.send(daemon.SdNotifyWatchdog)
			}
			end()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
