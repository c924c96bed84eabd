package netcfg

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Address messages of rtnetlink(7) with IFA_PROTO, which the netlink package
// does not carry.

// ifaProto is IFA_PROTO of linux/if_addr.h, Linux 5.18.
const ifaProto = 11

// forever is a lifetime without end, INFINITY_LIFE_TIME.
const forever = 0xffffffff

func (k *Kernel) request(kind, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = k.sockets
	return req
}

// replaceAddr adds the address, or changes its protocol and lifetime.
func (k *Kernel) replaceAddr(index int, a Address) error {
	req := k.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK)
	addAddr(req, index, a)
	local := a.Prefix.Addr()
	if local.Is4() && !a.Peer.IsValid() && a.Prefix.Bits() < 31 {
		req.AddData(nl.NewRtAttr(unix.IFA_BROADCAST, broadcast(a.Prefix)))
	}
	if a.Label != "" {
		req.AddData(nl.NewRtAttr(unix.IFA_LABEL, nl.ZeroTerminated(a.Label)))
	}
	if local.Is6() && !a.DAD {
		req.AddData(nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(unix.IFA_F_NODAD)))
	}
	life := nl.IfaCacheInfo{IfaCacheinfo: unix.IfaCacheinfo{Valid: forever, Prefered: forever}}
	if !a.Expires.IsZero() {
		left := max(1, time.Until(a.Expires).Round(time.Second)/time.Second)
		life.Valid, life.Prefered = uint32(left), uint32(left)
	}
	if a.Deprecated {
		life.Prefered = 0
	}
	req.AddData(nl.NewRtAttr(unix.IFA_CACHEINFO, life.Serialize()))
	req.AddData(nl.NewRtAttr(ifaProto, []byte{Protocol}))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func (k *Kernel) deleteAddr(index int, a Address) error {
	req := k.request(unix.RTM_DELADDR, unix.NLM_F_ACK)
	addAddr(req, index, a)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// addAddr appends the header, IFA_LOCAL and IFA_ADDRESS.
func addAddr(req *nl.NetlinkRequest, index int, a Address) {
	local, other, bits := a.Prefix.Addr(), a.Prefix.Addr(), a.Prefix.Bits()
	if a.Peer.IsValid() {
		other, bits = a.Peer.Addr(), a.Peer.Bits()
	}
	family := unix.AF_INET
	if local.Is6() {
		family = unix.AF_INET6
	}
	msg := nl.NewIfAddrmsg(family)
	msg.Index = uint32(index)
	msg.Prefixlen = uint8(bits)
	if local.IsLoopback() {
		msg.Scope = unix.RT_SCOPE_HOST
	} else if local.IsLinkLocalUnicast() {
		msg.Scope = unix.RT_SCOPE_LINK
	}
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, local.AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, other.AsSlice()))
}

// broadcast returns the highest address of an IPv4 prefix.
func broadcast(p netip.Prefix) []byte {
	a := p.Addr().As4()
	host := uint32(1)<<(32-p.Bits()) - 1
	return binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(a[:])|host)
}

// addrs lists the addresses of all links and both families.
func (k *Kernel) addrs() ([]LinkAddr, error) {
	req := k.request(unix.RTM_GETADDR, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfAddrmsg(unix.AF_UNSPEC))
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWADDR)
	if err != nil {
		return nil, err
	}
	var out []LinkAddr
	now := time.Now()
	for _, m := range msgs {
		a, err := parseAddr(m, now)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func parseAddr(m []byte, now time.Time) (LinkAddr, error) {
	msg := nl.DeserializeIfAddrmsg(m)
	attrs, err := nl.ParseRouteAttr(m[msg.Len():])
	if err != nil {
		return LinkAddr{}, err
	}
	out := LinkAddr{Index: int(msg.Index)}
	flags := uint32(msg.Flags)
	var local, other netip.Addr
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_ADDRESS:
			other, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_LABEL:
			out.Label = nl.BytesToString(a.Value)
		case unix.IFA_FLAGS:
			flags = binary.NativeEndian.Uint32(a.Value)
		case unix.IFA_CACHEINFO:
			if life := nl.DeserializeIfaCacheInfo(a.Value); life.Valid != forever {
				out.Expires = now.Add(time.Duration(life.Valid) * time.Second)
			}
		case ifaProto:
			out.Protocol = a.Value[0]
		}
	}
	if !local.IsValid() {
		local = other
	}
	out.Prefix = netip.PrefixFrom(local, int(msg.Prefixlen))
	if other != local {
		out.Prefix, out.Peer = netip.PrefixFrom(local, local.BitLen()), netip.PrefixFrom(other, int(msg.Prefixlen))
	}
	out.DAD = local.Is6() && flags&unix.IFA_F_NODAD == 0
	out.Deprecated = flags&unix.IFA_F_DEPRECATED != 0
	out.Tentative = flags&unix.IFA_F_TENTATIVE != 0 && flags&unix.IFA_F_DADFAILED == 0
	out.Duplicate = flags&unix.IFA_F_DADFAILED != 0
	return out, nil
}
