package netcfg

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Kernel reads and changes the network of one network namespace. It is used by
// one goroutine at a time.
type Kernel struct {
	ns      netns.NsHandle
	handle  *netlink.Handle
	sockets map[int]*nl.SocketHandle // for requests that netlink.Handle does not know
	dgram   int                      // socket for ethtool requests
	packet  int                      // AF_PACKET socket for announcements, -1 until needed
}

// NewKernel opens the namespace of ns, or the caller's for netns.None(). The
// caller keeps ns open and closes the Kernel.
func NewKernel(ns netns.NsHandle) (*Kernel, error) {
	k := &Kernel{ns: ns, dgram: -1, packet: -1}
	err := k.inside(func() (err error) {
		if k.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return err
		}
		s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		k.sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}
		if err := s.SetExtAck(true); err != nil {
			return err
		}
		k.dgram, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		k.Close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return k, nil
}

// Close releases the sockets; what was configured stays.
func (k *Kernel) Close() {
	if k.handle != nil {
		k.handle.Close()
	}
	for _, s := range k.sockets {
		s.Close()
	}
	for _, fd := range []int{k.dgram, k.packet} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// inside runs f in the namespace: sockets and /proc/sys/net belong to the
// namespace of the thread that opens them.
func (k *Kernel) inside(f func() error) error {
	if !k.ns.IsOpen() {
		return f()
	}
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := netns.Set(k.ns); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	ferr := f()
	// A thread that cannot go home stays locked, so that it ends with its goroutine.
	if err := netns.Set(home); err != nil {
		return errors.Join(ferr, err)
	}
	runtime.UnlockOSThread()
	return ferr
}

// Observe reads links, addresses and the routes of all tables but the kernel's
// local one.
func (k *Kernel) Observe() (*State, error) {
	s := &State{}
	links, err := retryDump(k.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		s.Links = append(s.Links, k.link(l))
	}
	slices.SortFunc(s.Links, func(a, b Link) int { return a.Index - b.Index })
	if s.Addrs, err = retryDump(k.addrs); err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	for i := range s.Addrs {
		a := &s.Addrs[i]
		if l := s.link(a.Index); l != nil && a.Label == l.Name {
			a.Label = ""
		}
	}
	all := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	routes, err := retryDump(func() ([]netlink.Route, error) {
		return k.handle.RouteListFiltered(unix.AF_UNSPEC, all, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		if got, ok := routeFrom(&r); ok {
			s.Routes = append(s.Routes, got)
		}
	}
	return s, nil
}

// retryDump repeats a dump that the kernel marks as changed while it was read.
func retryDump[T any](dump func() (T, error)) (T, error) {
	for {
		out, err := dump()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
	}
}

// hasCarrier tells from a link's flags whether it can send. IFF_LOWER_UP alone
// comes too early: until IFF_RUNNING the queueing discipline drops all frames.
func hasCarrier(flags uint32) bool {
	const both = unix.IFF_LOWER_UP | unix.IFF_RUNNING
	return flags&both == both
}

func (k *Kernel) link(l netlink.Link) Link {
	a := l.Attrs()
	out := Link{Index: a.Index, Name: a.Name, Type: a.EncapType, MAC: a.HardwareAddr.String(), MTU: a.MTU,
		Up: a.RawFlags&unix.IFF_UP != 0, Carrier: hasCarrier(a.RawFlags)}
	if info, err := unix.IoctlGetEthtoolDrvinfo(k.dgram, a.Name); err == nil {
		out.Driver = unix.ByteSliceToString(info.Driver[:])
	}
	return out
}

// Sysctls reads the given keys; those that do not exist are left out.
func (k *Kernel) Sysctls(keys []string) (map[string]string, error) {
	out := map[string]string{}
	if len(keys) == 0 {
		return out, nil
	}
	return out, k.inside(func() error {
		for _, key := range keys {
			value, err := os.ReadFile(filepath.Join("/proc/sys", key))
			if err == nil {
				out[key] = strings.TrimSpace(string(value))
			} else if !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// Apply carries out one operation.
func (k *Kernel) Apply(op Op) error {
	var err error
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: op.Index, Name: op.Link}}
	switch op.Kind {
	case OpSysctl:
		err = k.inside(func() error {
			return os.WriteFile(filepath.Join("/proc/sys", op.Sysctl.Key), []byte(op.Sysctl.Value), 0)
		})
	case OpLinkMAC:
		err = k.setMAC(link, op.MAC)
	case OpLinkMTU:
		err = k.handle.LinkSetMTU(link, op.MTU)
	case OpLinkUp:
		err = k.handle.LinkSetUp(link)
	case OpAddrReplace:
		err = k.replaceAddr(op.Index, op.Addr)
	case OpAddrDel:
		if err = k.deleteAddr(op.Index, op.Addr); errors.Is(err, unix.EADDRNOTAVAIL) {
			err = nil // it went with its primary
		}
	case OpRouteReplace:
		err = k.handle.RouteReplace(routeTo(op.Index, op.Route))
	case OpRouteDel:
		if err = k.handle.RouteDel(routeTo(op.Index, op.Route)); errors.Is(err, unix.ESRCH) {
			err = nil // it went with its link or source address
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// setMAC takes the link down only where the driver insists.
func (k *Kernel) setMAC(link netlink.Link, mac string) error {
	hw, err := net.ParseMAC(mac)
	if err != nil {
		return err
	}
	err = k.handle.LinkSetHardwareAddr(link, hw)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	if err := k.handle.LinkSetDown(link); err != nil {
		return err
	}
	return errors.Join(k.handle.LinkSetHardwareAddr(link, hw), k.handle.LinkSetUp(link))
}

// scopes are the route scopes' names.
var scopes = map[netlink.Scope]string{
	unix.RT_SCOPE_UNIVERSE: "global",
	unix.RT_SCOPE_LINK:     "link",
	unix.RT_SCOPE_HOST:     "host",
}

func routeTo(index int, r Route) *netlink.Route {
	out := &netlink.Route{LinkIndex: index, Dst: ipNet(r.Dst), Priority: r.Metric, Table: r.Table,
		Protocol: Protocol, MTU: r.MTU, Gw: r.Gateway.AsSlice(), Src: r.Source.AsSlice()}
	for scope, name := range scopes {
		if name == r.Scope {
			out.Scope = scope
		}
	}
	if r.OnLink {
		out.Flags = unix.RTNH_F_ONLINK
	}
	return out
}

// routeFrom returns false for routes that no file could describe: of the local
// table, over several links, or of another type than unicast.
func routeFrom(r *netlink.Route) (LinkRoute, bool) {
	if r.Dst == nil || len(r.MultiPath) > 0 || r.Table == unix.RT_TABLE_LOCAL || r.Type != unix.RTN_UNICAST {
		return LinkRoute{}, false
	}
	out := LinkRoute{Index: r.LinkIndex, Protocol: int(r.Protocol), Route: Route{Dst: prefixOf(r.Dst), Metric: r.Priority,
		Table: r.Table, MTU: r.MTU, Scope: scopes[r.Scope], OnLink: r.Flags&unix.RTNH_F_ONLINK != 0}}
	gw, _ := netip.AddrFromSlice(r.Gw)
	src, _ := netip.AddrFromSlice(r.Src)
	out.Gateway, out.Source = gw.Unmap(), src.Unmap()
	return out, true
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefixOf(n *net.IPNet) netip.Prefix {
	a, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits) // the netlink package gives the default route 16 bytes
}
