package netcfg

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Router solicitation (RFC 4861 sections 4.1 and 6.3.7). The kernel solicits when
// a link comes up; netd does when IPv6AcceptRA= is turned on later, because the
// next advertisement may be half an hour away.

const icmpSolicit = 133

// solicitation is how often routers are asked; allRouters is its key in the
// schedule of announcements.
var (
	solicitation = Announce{Count: 3, Interval: 4 * time.Second}
	allRouters   = netip.IPv6LinkLocalAllRouters()
)

// routerSolicitation returns the frame, from the unspecified address, so that it
// needs no address of the link and names no hardware address.
func routerSolicitation(src mac) []byte {
	return icmpFrame(src, netip.IPv6Unspecified(), allRouters, []byte{icmpSolicit, 0, 0, 0, 0, 0, 0, 0})
}

// Solicit asks the routers of a link for an advertisement. Links that are not
// Ethernet are not asked.
func (k *Kernel) Solicit(l Link) error {
	hw, err := net.ParseMAC(l.MAC)
	if err != nil || len(hw) != 6 || l.Type != "ether" {
		return nil
	}
	if err := k.openPacket(); err != nil {
		return fmt.Errorf("solicit routers on %s: %w", l.Name, err)
	}
	if err := unix.Sendto(k.packet, routerSolicitation(mac(hw)), 0, &unix.SockaddrLinklayer{Ifindex: l.Index}); err != nil {
		return fmt.Errorf("solicit routers on %s: %w", l.Name, err)
	}
	return nil
}
