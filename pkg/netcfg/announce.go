package netcfg

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Announce tells the neighbours on the link that addr is at the link's hardware
// address now: one gratuitous ARP request and reply, or one neighbour
// advertisement. Links that are not Ethernet have nothing to announce.
func (k *Kernel) Announce(l Link, addr netip.Addr) error {
	hw, err := net.ParseMAC(l.MAC)
	if err != nil || len(hw) != 6 || l.Type != "ether" {
		return nil
	}
	if err := k.openPacket(); err != nil {
		return fmt.Errorf("announce %s: %w", addr, err)
	}
	frames := [][]byte{gratuitous(mac(hw), addr, arpRequest)}
	if addr.Is4() {
		frames = append(frames, gratuitous(mac(hw), addr, arpReply))
	}
	for _, f := range frames {
		if err := unix.Sendto(k.packet, f, 0, &unix.SockaddrLinklayer{Ifindex: l.Index}); err != nil {
			return fmt.Errorf("announce %s on %s: %w", addr, l.Name, err)
		}
	}
	return nil
}

// openPacket opens the socket for announcements unless it is open.
func (k *Kernel) openPacket() error {
	if k.packet >= 0 {
		return nil
	}
	err := k.inside(func() (err error) {
		k.packet, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		k.packet = -1
		return fmt.Errorf("open packet socket: %w", err)
	}
	return nil
}

func gratuitous(src mac, addr netip.Addr, op uint16) []byte {
	if addr.Is6() {
		return unsolicitedNA(src, addr)
	}
	return gratuitousARP(op, src, addr)
}

// announcement is one address that is still to be announced.
type announcement struct {
	link     int // index
	addr     netip.Addr
	left     int
	next     time.Time
	interval time.Duration
}

// announcements is the schedule; a new entry for an address replaces the old.
type announcements map[announceKey]*announcement

type announceKey struct {
	link int
	addr netip.Addr
}

func (s announcements) add(now time.Time, link int, addr netip.Addr, how Announce) {
	if how.Count > 0 {
		s[announceKey{link, addr}] = &announcement{link: link, addr: addr, left: how.Count, next: now, interval: how.Interval}
	}
}

// due returns what is to be sent now and moves it on.
func (s announcements) due(now time.Time) []announceKey {
	var out []announceKey
	for key, a := range s {
		if a.next.After(now) {
			continue
		}
		out = append(out, key)
		a.left--
		a.next = now.Add(a.interval)
		if a.left == 0 {
			delete(s, key)
		}
	}
	return out
}

// next returns when something is due; false when the schedule is empty.
func (s announcements) next() (time.Time, bool) {
	var first time.Time
	for _, a := range s {
		if first.IsZero() || a.next.Before(first) {
			first = a.next
		}
	}
	return first, len(s) > 0
}
