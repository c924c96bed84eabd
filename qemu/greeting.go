package qemu

import (
	"context"
	"fmt"
	"io"
	"time"
)

// mysqlProtocol is the protocol version that each MySQL and MariaDB server names
// in its greeting.
const mysqlProtocol = 10

// Greeting connects to addr and reads the greeting with which a MySQL server
// opens a connection; its success shows that the whole way to a server is open.
func Greeting(ctx context.Context, dial DialFunc, addr string) error {
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var head [5]byte // length of the packet, its number, protocol version
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return fmt.Errorf("read greeting from %s: %w", addr, err)
	}
	if head[4] != mysqlProtocol {
		return fmt.Errorf("read greeting from %s: protocol version %d, want %d", addr, head[4], mysqlProtocol)
	}
	return nil
}

// AwaitGreeting asks for a greeting every 100 ms until it comes or ctx ends.
func AwaitGreeting(ctx context.Context, dial DialFunc, addr string) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, dialTimeout)
		err := Greeting(attempt, dial, addr)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w; last attempt: %w", context.Cause(ctx), err)
		}
	}
}
