// Package loopback has addresses and servers on the loopback network, for tests and
// for what measures. It must not know what the servers are for.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
)

// Free returns an IPv4 address at which nobody listens and, as good as certainly,
// nobody will: its host, one of 15 million, is picked for this call, so that the
// kernel does not give its port to an outgoing connection or to another test before
// it is bound. 127.0.0.0/12 is left to others.
func Free() (netip.AddrPort, error) {
	host := netip.AddrFrom4([4]byte{127, byte(16 + rand.IntN(240)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
	l, err := net.Listen("tcp", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("find a free address: %w", err)
	}
	defer l.Close()
	return netip.ParseAddrPort(l.Addr().String())
}

// Serve has handle serve each connection of l, on a goroutine of its own, and closes
// it then. It returns when l is closed.
func Serve(l net.Listener, handle func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			handle(c)
		}()
	}
}
