package evloop

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Dial makes a TCP connection with the options that Loop.Connect takes, but waits for
// its end on the calling goroutine, or for that of ctx. It is for what happens beside
// the loops, such as health checks.
func Dial(ctx context.Context, addr netip.AddrPort, o *ConnectOptions) (net.Conn, error) {
	var l Loop // for its scratch memory
	fd, err := l.Connect(addr, o)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	f := os.NewFile(uintptr(fd), "tcp "+addr.String())
	defer f.Close() // the connection has a descriptor of its own
	if err := awaitConnection(ctx, f); err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	return conn, nil
}

// awaitConnection waits until the socket f is connected or has failed.
func awaitConnection(ctx context.Context, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		if failed = SocketError(int(fd)); failed != nil {
			return true
		}
		_, err := unix.Getpeername(int(fd))
		return err == nil
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	}
	return failed
}
