package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/sluice-lb/sluice/pkg/check"
	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

// dialer makes the connections of checks and probes: they come from where sessions
// come from, but never from another machine's address, as in HAProxy.
func (r *route) dialer() check.Dialer {
	o := evloop.ConnectOptions{Source: r.own, Interface: r.options.Interface, Namespace: r.options.Namespace}
	if o == (evloop.ConnectOptions{}) {
		return &net.Dialer{}
	}
	return &checkDialer{o, r.ports}
}

// checkDialer has a source, an interface or a network namespace.
type checkDialer struct {
	options evloop.ConnectOptions
	ports   *portPool // source ports; nil: that of options
}

// DialContext connects; UNIX sockets have none of all that.
func (d *checkDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	to, err := resolveTCP(ctx, address)
	if err != nil {
		return nil, err
	}
	if d.ports == nil {
		return evloop.Dial(ctx, to, &d.options)
	}
	return d.fromPool(ctx, to)
}

// resolveTCP reads an address that a check goes to; without a host it is this
// machine's, and with a host name the one that sessions would use too.
func resolveTCP(ctx context.Context, address string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(address); err == nil {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil || host == "" {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)), err
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(preferred(addrs), uint16(n)), nil
}

// fromPool takes a port of the pool until the connection is closed.
func (d *checkDialer) fromPool(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	err := error(evloop.SourceError{Err: unix.EADDRNOTAVAIL})
	for range portAttempts {
		port := d.ports.take()
		if port == 0 {
			break
		}
		o := d.options
		o.Source = netip.AddrPortFrom(o.Source.Addr(), port)
		var conn net.Conn
		if conn, err = evloop.Dial(ctx, to, &o); err == nil {
			return &pooledConn{conn.(*net.TCPConn), func() { d.ports.put(port) }}, nil
		}
		d.ports.put(port)
		if e := (evloop.SourceError{}); !errors.As(err, &e) || e.Err != unix.EADDRINUSE {
			break
		}
	}
	return nil, err
}

// pooledConn gives its port back when it is closed.
type pooledConn struct {
	*net.TCPConn
	giveBack func()
}

// Close must be called once.
func (c *pooledConn) Close() error {
	defer c.giveBack()
	return c.TCPConn.Close()
}
