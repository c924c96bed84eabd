package qemu

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The lab's plan of addresses; the factory configuration of the appliance fits it.
var (
	ApplianceAddr  = netip.MustParseAddr("198.18.0.2")
	ApplianceAddr6 = netip.MustParseAddr("fd00:198:18::2")
	VIP            = netip.MustParseAddr("198.18.0.10")
	ClientAddr     = netip.MustParseAddr("198.18.0.100")
	ClientAddr6    = netip.MustParseAddr("fd00:198:18::100")
)

// hostLink is the name of a host's only link in its own namespace.
const hostLink = "eth0"

// Lab is one Ethernet segment: a bridge in a namespace of its own that hosts,
// containers and virtual machines are plugged into. It owns everything that was
// made through it. Its methods are for one goroutine.
type Lab struct {
	Switch  *Netns
	Dir     string // scratch directory, gone after Close
	bridge  netlink.Link
	cleanup []func() error // run in reverse by Close
}

// NewLab builds an empty segment. It needs root.
func NewLab() (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("make lab: network namespaces, taps and containers need root")
	}
	l := &Lab{}
	if err := l.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("make lab: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) build() error {
	if err := sweep(os.TempDir()); err != nil {
		return err
	}
	dir, release, err := claimDir(os.TempDir())
	if err != nil {
		return err
	}
	l.Dir = dir
	l.Defer(release)
	if l.Switch, err = NewNetns("switch"); err != nil {
		return err
	}
	l.Defer(l.Switch.Close)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "lab"
	if err := l.Switch.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return fmt.Errorf("add bridge: %w", err)
	}
	if l.bridge, err = l.Switch.nl.LinkByName("lab"); err != nil {
		return fmt.Errorf("find bridge: %w", err)
	}
	if err := l.Switch.nl.LinkSetUp(l.bridge); err != nil {
		return fmt.Errorf("set bridge up: %w", err)
	}
	return nil
}

// Defer registers work for Close.
func (l *Lab) Defer(fn func() error) { l.cleanup = append(l.cleanup, fn) }

// Close takes everything down in reverse order of its making.
func (l *Lab) Close() error {
	var errs []error
	for len(l.cleanup) > 0 {
		last := len(l.cleanup) - 1
		fn := l.cleanup[last]
		l.cleanup = l.cleanup[:last]
		errs = append(errs, fn())
	}
	return errors.Join(errs...)
}

// AddHost makes a namespace that is a host on the segment, with the addresses on
// its link eth0.
func (l *Lab) AddHost(name string, addrs ...netip.Prefix) (*Netns, error) {
	ns, err := NewNetns(name)
	if err != nil {
		return nil, err
	}
	l.Defer(ns.Close)
	return ns, l.plug(ns, addrs)
}

// plug connects ns to the bridge with a veth pair: eth0 inside, the host's name
// on the bridge.
func (l *Lab) plug(ns *Netns, addrs []netip.Prefix) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = ns.Name
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: hostLink, PeerNamespace: netlink.NsFd(int(ns.handle))}
	if err := l.Switch.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("add veth pair for %s: %w", ns.Name, err)
	}
	if err := l.attach(ns.Name); err != nil {
		return err
	}
	inner, err := ns.nl.LinkByName(hostLink)
	if err != nil {
		return fmt.Errorf("find %s of %s: %w", hostLink, ns.Name, err)
	}
	// Docker switches IPv6 off in the namespaces of containers without a network.
	sysctl := "/proc/sys/net/ipv6/conf/" + hostLink + "/disable_ipv6"
	if err := ns.Do(func() error { return os.WriteFile(sysctl, []byte("0"), 0) }); err != nil {
		return fmt.Errorf("switch IPv6 on for %s: %w", ns.Name, err)
	}
	for _, prefix := range addrs {
		ipnet := &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
		// No duplicate address detection: an IPv6 address is usable at once.
		addr := &netlink.Addr{IPNet: ipnet, Flags: unix.IFA_F_NODAD}
		if err := ns.nl.AddrAdd(inner, addr); err != nil {
			return fmt.Errorf("add address %s to %s: %w", prefix, ns.Name, err)
		}
	}
	if err := ns.nl.LinkSetUp(inner); err != nil {
		return fmt.Errorf("set %s of %s up: %w", hostLink, ns.Name, err)
	}
	return nil
}

// AddTap makes a tap link for a virtual machine and returns its name.
func (l *Lab) AddTap(name string) (string, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	tap := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_VNET_HDR | netlink.TUNTAP_NO_PI}
	// A tap is made through /dev/net/tun, in the namespace of the thread.
	err := l.Switch.Do(func() error { return netlink.LinkAdd(tap) })
	if err != nil {
		return "", fmt.Errorf("add tap %s: %w", name, err)
	}
	return name, l.attach(name)
}

// RemoveLink deletes a bridge port, for a machine that will not come back.
func (l *Lab) RemoveLink(name string) error {
	link, err := l.Switch.nl.LinkByName(name)
	if err == nil {
		err = l.Switch.nl.LinkDel(link)
	}
	if err != nil {
		return fmt.Errorf("remove link %s: %w", name, err)
	}
	return nil
}

// SetLink pulls (up = false) or plugs the cable of a host or tap.
func (l *Lab) SetLink(name string, up bool) error {
	link, err := l.Switch.nl.LinkByName(name)
	if err == nil && up {
		err = l.Switch.nl.LinkSetUp(link)
	} else if err == nil {
		err = l.Switch.nl.LinkSetDown(link)
	}
	if err != nil {
		return fmt.Errorf("set link %s up=%t: %w", name, up, err)
	}
	return nil
}

// attach makes a link of the switch's namespace a port of the bridge.
func (l *Lab) attach(name string) error {
	link, err := l.Switch.nl.LinkByName(name)
	if err == nil {
		err = l.Switch.nl.LinkSetMaster(link, l.bridge)
	}
	if err == nil {
		err = l.Switch.nl.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("attach %s to bridge: %w", name, err)
	}
	return nil
}

// AddClient makes the usual client host, at ClientAddr and ClientAddr6.
func (l *Lab) AddClient() (*Netns, error) {
	return l.AddHost("client", netip.PrefixFrom(ClientAddr, 24), netip.PrefixFrom(ClientAddr6, 64))
}

// Boot starts a virtual machine on the segment, its first NIC on a new tap named
// like the machine. The lab closes it; closing it before is fine.
func (l *Lab) Boot(cfg Config) (*VM, error) {
	tap, err := l.AddTap(cfg.Name)
	if err != nil {
		return nil, err
	}
	cfg.Netns, cfg.Tap, cfg.Dir = l.Switch, tap, l.Dir
	vm, err := Start(cfg)
	if err != nil {
		return nil, errors.Join(err, l.RemoveLink(tap))
	}
	l.Defer(vm.Close)
	return vm, nil
}
