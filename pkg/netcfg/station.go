package netcfg

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// linkStation is a link of a network namespace as a DHCP client sees it. Its
// sockets live for one exchange each: a bound client holds none, and none goes
// deaf when the link goes down.
type linkStation struct {
	kernel *Kernel // for its namespace only
	index  int
	name   string
	mac    net.HardwareAddr
}

// Ports of RFC 2131 section 4.1.
const (
	clientPort = 68
	serverPort = 67
)

// toClientPort passes UDP to the client's port, so that a raw socket on a link
// with traffic is not woken by it. Offsets are those of the IPv4 header.
var toClientPort = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 9, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 6},
	bpf.LoadAbsolute{Off: 6, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 4}, // a later fragment
	bpf.LoadMemShift{Off: 0},
	bpf.LoadIndirect{Off: 2, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: clientPort, SkipTrue: 1},
	bpf.RetConstant{Val: 0xffff},
	bpf.RetConstant{Val: 0},
}

func transactionID() (id dhcpv4.TransactionID) {
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	return id
}

func (s *linkStation) exchange(ctx context.Context, m *dhcpv4.DHCPv4, w way, match func(*dhcpv4.DHCPv4) bool) (*dhcpv4.DHCPv4, error) {
	conn, err := s.open(w)
	if err != nil {
		return nil, err
	}
	// The caller's ctx is the time limit; the client's own is longer than any.
	c, err := nclient4.NewWithConn(conn, s.mac, nclient4.WithRetry(1), nclient4.WithTimeout(24*time.Hour))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	defer c.Close()
	return c.SendAndRead(ctx, destination(w), m, match)
}

func (s *linkStation) send(m *dhcpv4.DHCPv4) error {
	conn, err := s.open(way{})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.WriteTo(m.ToBytes(), destination(way{}))
	return err
}

func destination(w way) *net.UDPAddr {
	if !w.to.IsValid() {
		return nclient4.DefaultServers
	}
	return &net.UDPAddr{IP: w.to.AsSlice(), Port: serverPort}
}

// open returns a raw socket for a link without address, or else a UDP socket of
// the link.
func (s *linkStation) open(w way) (conn net.PacketConn, err error) {
	err = s.kernel.inside(func() error {
		if w.from.IsValid() {
			conn, err = s.openUDP(w.from)
			return err
		}
		filter, err := bpf.Assemble(toClientPort)
		if err != nil {
			return err
		}
		raw, err := packet.Listen(&net.Interface{Index: s.index, Name: s.name, HardwareAddr: s.mac}, packet.Datagram, unix.ETH_P_IP, &packet.Config{Filter: filter})
		if err == nil {
			conn = nclient4.NewBroadcastUDPConn(raw, &net.UDPAddr{Port: clientPort})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open dhcp socket on %s: %w", s.name, err)
	}
	return conn, nil
}

// openUDP listens on all addresses, because a NAK is broadcast, and sends from
// the lease's.
func (s *linkStation) openUDP(from netip.Addr) (net.PacketConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var serr error
		err := c.Control(func(fd uintptr) {
			serr = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
				unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, s.name))
		})
		return errors.Join(err, serr)
	}}
	c, err := lc.ListenPacket(context.Background(), "udp4", fmt.Sprintf("0.0.0.0:%d", clientPort))
	if err != nil {
		return nil, err
	}
	info := &unix.Inet4Pktinfo{Ifindex: int32(s.index), Spec_dst: from.As4()}
	return &fromConn{UDPConn: c.(*net.UDPConn), source: unix.PktInfo4(info)}, nil
}

// fromConn sends from a given address of the link.
type fromConn struct {
	*net.UDPConn
	source []byte // control message IP_PKTINFO
}

// WriteTo sends one datagram to a *net.UDPAddr.
func (c *fromConn) WriteTo(b []byte, to net.Addr) (int, error) {
	n, _, err := c.WriteMsgUDP(b, c.source, to.(*net.UDPAddr))
	return n, err
}

// Probing of an address: as often as RFC 5227 asks, at a boot's pace.
const (
	probes     = 3
	probePause = 150 * time.Millisecond
)

func (s *linkStation) inUse(ctx context.Context, addr netip.Addr) (bool, error) {
	var conn *packet.Conn
	err := s.kernel.inside(func() (err error) {
		conn, err = packet.Listen(&net.Interface{Index: s.index, Name: s.name, HardwareAddr: s.mac}, packet.Raw, unix.ETH_P_ARP, nil)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("probe %s: %w", addr, err)
	}
	defer conn.Close()
	probe := gratuitousARP(arpRequest, mac(s.mac), addr)
	copy(probe[28:32], []byte{0, 0, 0, 0}) // the sender has no address yet
	buf := make([]byte, 1500)
	for range probes {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if _, err := conn.WriteTo(probe, &packet.Addr{HardwareAddr: nclient4.BroadcastMac}); err != nil {
			return false, fmt.Errorf("probe %s: %w", addr, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(probePause)); err != nil {
			return false, err
		}
		for {
			n, _, err := conn.ReadFrom(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return false, fmt.Errorf("probe %s: %w", addr, err)
			}
			if claims(buf[:n], s.mac, addr) {
				return true, nil
			}
		}
	}
	return false, nil
}

// claims tells whether an ARP frame shows that another station has the address,
// or probes for it as well.
func claims(f []byte, mine net.HardwareAddr, addr netip.Addr) bool {
	if len(f) < 42 || binary.BigEndian.Uint16(f[12:]) != etherARP || bytes.Equal(f[22:28], mine) {
		return false
	}
	sender, target := [4]byte(f[28:32]), [4]byte(f[38:42])
	probe := binary.BigEndian.Uint16(f[20:]) == arpRequest && sender == [4]byte{} && target == addr.As4()
	return sender == addr.As4() || probe
}
