package check

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"time"
)

// Result is the outcome of one check, in the terms of HAProxy's log lines and of
// "show stat" (management guide, section 9.1, check_status).
type Result struct {
	Good     bool
	Status   string // "L4OK", "L4TOUT", "L4CON", ...
	Reason   string // "Layer4 check passed", ...
	Info     string // the system's words, or what the server sent; may be empty
	Duration time.Duration
}

// Dialer makes the connections of checks; net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// TCP connects to an address and closes the connection again at once, so that the
// server's queue of new connections does not see it linger: with a reset, as
// HAProxy does. network is "tcp" or "unix". ctx limits the attempt.
func TCP(ctx context.Context, d Dialer, network, address string) Result {
	begin := time.Now()
	conn, err := d.DialContext(ctx, network, address)
	r := Result{Duration: time.Since(begin)}
	if err != nil {
		return r.failed(err)
	}
	if tcp, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
	r.Good, r.Status, r.Reason = true, "L4OK", "Layer4 check passed"
	return r
}

// failed fills in what a connection error means.
func (r Result) failed(err error) Result {
	var timeout interface{ Timeout() bool }
	var errno syscall.Errno
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		r.Status, r.Reason = "L4TOUT", "Layer4 timeout"
	case errors.As(err, &errno):
		r.Status, r.Reason, r.Info = "L4CON", "Layer4 connection problem", strerror(errno)
	default:
		r.Status, r.Reason, r.Info = "L4CON", "Layer4 connection problem", err.Error()
	}
	return r
}

// strerror is the C library's form of a system error: it begins with a capital.
func strerror(errno syscall.Errno) string {
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
