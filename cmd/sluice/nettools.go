package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"
)

// Names are looked up for at most this long.
const lookupLimit = 10 * time.Second

func resolve(ctx context.Context, s *shell, args []string) error {
	if len(args) != 1 {
		return errArguments
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	resolver := net.Resolver{PreferGo: true}
	if addr, err := netip.ParseAddr(args[0]); err == nil {
		names, err := resolver.LookupAddr(ctx, addr.String())
		if err != nil {
			return fmt.Errorf("resolve %s: %w", addr, err)
		}
		for _, name := range names {
			fmt.Fprintln(s.stdout, name)
		}
		return nil
	}
	addrs, err := lookup(ctx, args[0])
	if err != nil {
		return err
	}
	for _, a := range addrs {
		fmt.Fprintln(s.stdout, a)
	}
	return nil
}

// lookup resolves a name as the appliance does: hosts table, then DNS.
func lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	resolver := net.Resolver{PreferGo: true}
	addrs, err := resolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", name, err)
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), nil
}

// Defaults and bounds of ping.
const (
	pingCount    = 4
	maxPingCount = 1000
	pingEvery    = time.Second
	pingLimit    = 2 * time.Second // for one answer
)

func ping(ctx context.Context, s *shell, args []string) error {
	host, n := "", pingCount
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-c" && i+1 < len(args):
			i++
			var err error
			if n, err = strconv.Atoi(args[i]); err != nil || n < 1 || n > maxPingCount {
				return fmt.Errorf("%w: -c %s: accepted are 1 to %d", errUsage, args[i], maxPingCount)
			}
		case host == "":
			host = args[i]
		default:
			return errArguments
		}
	}
	if host == "" || host[0] == '-' {
		return errArguments
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		lookupCtx, cancel := context.WithTimeout(ctx, lookupLimit)
		defer cancel()
		addrs, err := lookup(lookupCtx, host)
		if err != nil {
			return err
		}
		addr = addrs[0]
	}
	p, err := newPinger(addr)
	if err != nil {
		return err
	}
	defer p.conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = p.conn.Close() })
	defer stop()
	return p.run(ctx, s, n)
}

// pinger sends ICMP echo requests (RFC 792, RFC 4443) on a raw socket.
type pinger struct {
	conn *net.IPConn
	addr netip.Addr
	id   uint16
}

func newPinger(addr netip.Addr) (*pinger, error) {
	network, local := "ip4:icmp", "0.0.0.0"
	if addr.Is6() {
		network, local = "ip6:ipv6-icmp", "::"
	}
	conn, err := net.ListenPacket(network, local)
	if err != nil {
		return nil, fmt.Errorf("open socket for ping (root is needed): %w", err)
	}
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &pinger{conn: conn.(*net.IPConn), addr: addr, id: binary.BigEndian.Uint16(id[:])}, nil
}

// run sends n requests, one a second. It fails if none is answered.
func (p *pinger) run(ctx context.Context, s *shell, n int) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	answered, sent := 0, 0
	for i := range n {
		sent++
		took, err := p.once(uint16(i))
		switch {
		case ctx.Err() != nil:
			sent--
		case errors.Is(err, os.ErrDeadlineExceeded):
			fmt.Fprintf(s.stdout, "%s: no answer to %d in %s\n", p.addr, i+1, pingLimit)
		case err != nil:
			fmt.Fprintf(s.stdout, "%s: %v\n", p.addr, err)
		default:
			answered++
			fmt.Fprintf(s.stdout, "%s: answer %d after %.2f ms\n", p.addr, i+1, float64(took.Microseconds())/1000)
		}
		if i == n-1 || ctx.Err() != nil {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	fmt.Fprintf(s.stdout, "%d of %d answered\n", answered, sent)
	if answered == 0 && ctx.Err() == nil {
		return fmt.Errorf("ping %s: no answer", p.addr)
	}
	return nil
}

// once sends a request and waits for its answer.
func (p *pinger) once(sequence uint16) (time.Duration, error) {
	start := time.Now()
	if err := p.conn.SetDeadline(start.Add(pingLimit)); err != nil {
		return 0, err
	}
	target := net.IPAddr{IP: p.addr.AsSlice(), Zone: p.addr.Zone()}
	if _, err := p.conn.WriteToIP(echoRequest(p.addr.Is6(), p.id, sequence), &target); err != nil {
		return 0, err
	}
	reply := byte(0)
	if p.addr.Is6() {
		reply = 129
	}
	buf := make([]byte, 1500)
	for {
		n, from, err := p.conn.ReadFromIP(buf)
		if err != nil {
			return 0, err
		}
		peer, _ := netip.AddrFromSlice(from.IP)
		m := buf[:n]
		if len(m) >= 8 && m[0] == reply && peer.Unmap() == p.addr.WithZone("") &&
			binary.BigEndian.Uint16(m[4:]) == p.id && binary.BigEndian.Uint16(m[6:]) == sequence {
			return time.Since(start), nil
		}
	}
}

// echoRequest makes the message; the kernel fills in ICMPv6's checksum.
func echoRequest(v6 bool, id, sequence uint16) []byte {
	m := make([]byte, 8, 64)
	m[0] = 8
	if v6 {
		m[0] = 128
	}
	binary.BigEndian.PutUint16(m[4:], id)
	binary.BigEndian.PutUint16(m[6:], sequence)
	m = append(m, "sluice ping sluice ping sluice ping sluice ping "...)
	if !v6 {
		binary.BigEndian.PutUint16(m[2:], internetChecksum(m))
	}
	return m
}

// internetChecksum is RFC 1071's, for an even number of bytes.
func internetChecksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
