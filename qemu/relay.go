package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds one connection attempt from the host into the lab.
const dialTimeout = 10 * time.Second

// DialFunc opens a connection, as Netns.DialContext does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Forward accepts connections from l and relays each to target, opened with dial,
// until the returned stop is called; stop waits for the connections to end. The
// end of one direction is passed on, the other goes on.
func Forward(l net.Listener, dial DialFunc, target string) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { relay(ctx, conn, dial, target) })
		}
	})
	return func() error {
		cancel()
		err := l.Close()
		wg.Wait()
		return err
	}
}

// relay moves bytes between client and a new connection to target until both
// directions have ended, one has failed, or ctx ends.
func relay(ctx context.Context, client net.Conn, dial DialFunc, target string) {
	defer client.Close()
	dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
	server, err := dial(dialCtx, "tcp", target)
	cancel()
	if err != nil {
		return // the client sees its connection end, as from a dead server
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { pipe(server, client) })
	wg.Go(func() { pipe(client, server) })
	wg.Wait()
}

// pipe copies from src to dst, then ends dst's direction only; after a failure it
// closes both.
func pipe(dst, src net.Conn) {
	_, err := io.Copy(dst, src)
	if err == nil {
		if half, ok := dst.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			return
		}
	}
	_ = dst.Close()
	_ = src.Close()
}

// ListenLoopback listens on 127.0.0.1 at the wanted port, or at a free one when
// that is taken.
func ListenLoopback(ctx context.Context, port int) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		return l, nil
	}
	l, second := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if second != nil {
		return nil, errors.Join(err, second)
	}
	return l, nil
}
