package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/ci/judge"
)

// routes are "use_backend" lines and the clients that they are for.
const routes = `global
	nbthread 1
	maxconn 1000
defaults
	mode tcp
	timeout client 60s
	timeout server 60s
	timeout connect 5s
frontend fe
	bind %[1]s
	acl lan src 127.3.0.0/25 127.4.0.0/255.255.0.255
	acl lan src -n 127.5.5.5
	acl here dst 127.0.0.1
	acl odd src_port,odd
	use_backend one if lan !here or FALSE
	use_backend two if lan { dst_port %[2]d } { nbsrv(two) ge 1 }
	use_backend none if { nbsrv(none) gt 0 } or { srv_is_up(none/s1) }
	use_backend three unless { src,ipmask(16) 127.9.0.0 } or odd { always_false }
	default_backend four
backend one
	server s1 %[3]s
backend two
	server s1 %[4]s
backend three
	server s1 %[5]s
backend four
	server s1 %[6]s
backend none
	server s1 127.0.0.1:1 disabled
`

// TestUseBackendIsHAProxys compares the backends that rules choose with HAProxy's.
func TestUseBackendIsHAProxys(t *testing.T) {
	judge.HAProxy(t)
	var servers [4]*backendServer
	for i := range servers {
		servers[i] = serve(t, named(fmt.Sprintf("b%d", i+1)))
	}
	text := func(bind netip.AddrPort) string {
		return fmt.Sprintf(routes, bind, bind.Port(), servers[0].Addr(), servers[1].Addr(), servers[2].Addr(), servers[3].Addr())
	}
	clients := []string{"127.3.0.1", "127.3.0.200", "127.4.77.0", "127.4.77.1", "127.5.5.5", "127.9.0.3", "127.9.3.3", "127.0.0.1"}
	play := func(addr netip.AddrPort) (got []string) {
		for _, client := range clients {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
			c, err := d.Dial("tcp", addr.String())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			got = append(got, client+" "+greeting(t, c))
			_ = c.Close()
		}
		return got
	}
	theirs, ours := freeAddr(t), freeAddr(t)
	startJudge(t, text(theirs))
	want := play(theirs)
	startRig(t, parseConf(t, text(ours)), Options{})
	if diff := cmp.Diff(want, play(ours)); diff != "" {
		t.Errorf("backends of the clients (-haproxy +ours):\n%s", diff)
	}
}
