package qemu

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// arpPacket is the length of an ARP packet for Ethernet and IPv4 (RFC 826).
const arpPacket = 28

// ARP operations (RFC 826).
const (
	arpRequest = 1
	arpReply   = 2
)

// AskARP broadcasts "who has addr" from link in the namespace, every interval
// until somebody answers or ctx ends, and returns the hardware address of the
// first answer. It asks the wire: the kernel's neighbour table is not used.
func (n *Netns) AskARP(ctx context.Context, link string, addr netip.Addr, interval time.Duration) (net.HardwareAddr, error) {
	nic, err := n.nl.LinkByName(link)
	if err != nil {
		return nil, fmt.Errorf("find link %s in namespace %s: %w", link, n.Name, err)
	}
	addrs, err := n.nl.AddrList(nic, unix.AF_INET)
	if err != nil || len(addrs) == 0 {
		return nil, fmt.Errorf("link %s in namespace %s has no IPv4 address to ask from (%v)", link, n.Name, err)
	}
	var fd int
	err = n.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ARP)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open packet socket in namespace %s: %w", n.Name, err)
	}
	defer unix.Close(fd)
	index := nic.Attrs().Index
	local := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ARP), Ifindex: index}
	if err := unix.Bind(fd, local); err != nil {
		return nil, fmt.Errorf("bind packet socket to %s: %w", link, err)
	}
	tv := unix.NsecToTimeval(interval.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return nil, fmt.Errorf("set receive timeout: %w", err)
	}
	to := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ARP), Ifindex: index, Halen: 6,
		Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	from, _ := netip.AddrFromSlice(addrs[0].IP.To4())
	question := encodeARPRequest(nic.Attrs().HardwareAddr, from, addr)
	for ctx.Err() == nil {
		if err := unix.Sendto(fd, question, 0, to); err != nil {
			return nil, fmt.Errorf("ask who has %s on %s: %w", addr, link, err)
		}
		mac, err := awaitARPReply(fd, addr, time.Now().Add(interval))
		if mac != nil || err != nil {
			return mac, err
		}
	}
	return nil, fmt.Errorf("ask who has %s on %s: nobody answered: %w", addr, link, context.Cause(ctx))
}

// awaitARPReply reads packets until one says who has addr; nil when none did by
// deadline.
func awaitARPReply(fd int, addr netip.Addr, deadline time.Time) (net.HardwareAddr, error) {
	buf := make([]byte, 1500)
	for time.Now().Before(deadline) {
		size, _, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, fmt.Errorf("read ARP reply: %w", err)
		}
		if mac, sender, ok := decodeARPReply(buf[:size]); ok && sender == addr {
			return mac, nil
		}
	}
	return nil, nil
}

func encodeARPRequest(mac net.HardwareAddr, from, who netip.Addr) []byte {
	p := make([]byte, arpPacket)
	binary.BigEndian.PutUint16(p[0:], 1) // Ethernet
	binary.BigEndian.PutUint16(p[2:], unix.ETH_P_IP)
	p[4], p[5] = 6, 4
	binary.BigEndian.PutUint16(p[6:], arpRequest)
	copy(p[8:14], mac)
	copy(p[14:18], from.AsSlice())
	copy(p[24:28], who.AsSlice())
	return p
}

// decodeARPReply returns the sender of a reply.
func decodeARPReply(p []byte) (mac net.HardwareAddr, sender netip.Addr, ok bool) {
	if len(p) < arpPacket || binary.BigEndian.Uint16(p[6:]) != arpReply || p[4] != 6 || p[5] != 4 {
		return nil, netip.Addr{}, false
	}
	sender, ok = netip.AddrFromSlice(p[14:18])
	return net.HardwareAddr(append([]byte(nil), p[8:14]...)), sender, ok
}

func htons(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
