package netcfg

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// The DHCPv4 client (RFC 2131 section 4.4) of one link: the states of figure 5,
// without RELEASE: a lease survives netd and the machine, and the server keeps
// the address for us.

// station is what the client needs of its link.
type station interface {
	// exchange sends the message, from nowhere to everybody unless way says
	// otherwise, and returns the first answer that match accepts. It ends with ctx.
	exchange(ctx context.Context, m *dhcpv4.DHCPv4, w way, match func(*dhcpv4.DHCPv4) bool) (*dhcpv4.DHCPv4, error)
	// send is exchange without an answer.
	send(m *dhcpv4.DHCPv4) error
	// inUse tells whether another station answers for the address.
	inUse(ctx context.Context, addr netip.Addr) (bool, error)
}

// way is how a message travels; a zero address is 0.0.0.0 or everybody.
type way struct{ from, to netip.Addr }

// Times of the client. The first four double up from firstWait to lastWait with a
// random second more or less (RFC 2131 section 4.1).
const (
	firstWait   = 4 * time.Second
	lastWait    = 64 * time.Second
	rebootTries = 3                // before a kept lease is used unconfirmed
	askTries    = 4                // of a REQUEST, before a new DISCOVER
	renewPause  = time.Minute      // least time between two renewals
	listenLimit = 30 * time.Second // longest wait for one renewal's answer
	declineWait = 10 * time.Second // after DECLINE (RFC 2131 section 3.1)
)

// dhcpNews is what a client has to tell: its state, and the lease in use.
type dhcpNews struct {
	state string
	lease *Lease // nil: none
}

// dhcpClient is the client of one link. All fields belong to run's goroutine.
type dhcpClient struct {
	link     string
	mac      net.HardwareAddr
	conf     DHCP
	hostname string // to send; may be ""
	net      station
	jitter   func() time.Duration // -1 s to 1 s
	log      *slog.Logger
	tell     func(dhcpNews)

	lease *Lease   // in use, or to ask for again
	use   leaseUse // of lease
	began time.Time
	bad   int // refusals in a row
}

// run keeps the link's lease until ctx ends. A lease from before is confirmed
// first (INIT-REBOOT).
func (c *dhcpClient) run(ctx context.Context) {
	c.began = time.Now()
	if c.lease != nil {
		c.reboot(ctx)
	}
	for ctx.Err() == nil {
		if c.use == leaseHeld {
			c.hold(ctx)
		} else {
			c.acquire(ctx)
		}
	}
}

func (c *dhcpClient) state(s string) {
	n := dhcpNews{state: s}
	if c.use == leaseHeld {
		n.lease = c.lease
	}
	c.tell(n)
}

// reboot asks whether the lease still holds. A server that knows better says NAK;
// without any answer a lease that is not over is used.
func (c *dhcpClient) reboot(ctx context.Context) {
	c.state("rebooting")
	m := c.message(dhcpv4.MessageTypeRequest, dhcpv4.OptRequestedIPAddress(c.lease.Address.Addr().AsSlice()))
	wait := firstWait / 4 // a link that only lost its carrier is confirmed soon
	for range rebootTries {
		sent := time.Now()
		if answer := c.ask(ctx, m, way{}, wait, c.granted); answer != nil {
			c.settle(answer, sent)
			return
		}
		wait *= 2
	}
	if ctx.Err() != nil {
		return
	}
	if c.use == leaseHint || c.lease.expired(time.Now()) {
		c.drop("no server confirmed the old lease")
		return
	}
	c.use = leaseHeld
	c.log.Warn("no dhcp server answers, the old lease is used", "link", c.link, "address", c.lease.Address)
}

// acquire goes from DISCOVER to a lease.
func (c *dhcpClient) acquire(ctx context.Context) {
	c.state("selecting")
	for try := 0; ctx.Err() == nil; try++ {
		var hint []dhcpv4.Option
		if c.lease != nil {
			hint = append(hint, dhcpv4.OptRequestedIPAddress(c.lease.Address.Addr().AsSlice()))
		}
		offer := c.ask(ctx, c.message(dhcpv4.MessageTypeDiscover, hint...), way{}, c.backoff(try), func(m *dhcpv4.DHCPv4) bool {
			return m.MessageType() == dhcpv4.MessageTypeOffer && c.readable(m)
		})
		if offer == nil {
			continue
		}
		if c.request(ctx, offer); c.use == leaseHeld {
			return
		}
		c.bad++
		c.pause(ctx, min(time.Second<<min(c.bad, 6), lastWait))
		c.state("selecting")
	}
}

// request takes an offer, unless another station has the address.
func (c *dhcpClient) request(ctx context.Context, offer *dhcpv4.DHCPv4) {
	c.state("requesting")
	m := c.message(dhcpv4.MessageTypeRequest, dhcpv4.OptRequestedIPAddress(offer.YourIPAddr), dhcpv4.OptServerIdentifier(offer.ServerIdentifier()))
	m.TransactionID = offer.TransactionID
	for try := range askTries {
		sent := time.Now()
		answer := c.ask(ctx, m, way{}, c.backoff(try), func(a *dhcpv4.DHCPv4) bool {
			return c.granted(a) && a.ServerIdentifier().Equal(offer.ServerIdentifier())
		})
		if answer == nil {
			continue
		}
		if answer.MessageType() == dhcpv4.MessageTypeAck && c.conflict(ctx, answer) {
			return
		}
		c.settle(answer, sent)
		return
	}
}

// conflict probes a new address (RFC 5227 section 2.1) and declines it when it is
// taken.
func (c *dhcpClient) conflict(ctx context.Context, ack *dhcpv4.DHCPv4) bool {
	addr := unicast4(ack.YourIPAddr)
	taken, err := c.net.inUse(ctx, addr)
	if err != nil {
		c.log.Warn("address not probed", "link", c.link, "address", addr, "err", err)
	}
	if !taken {
		return false
	}
	c.log.Error("dhcp address is in use by another station, declined", "link", c.link, "address", addr)
	m := c.message(dhcpv4.MessageTypeDecline, dhcpv4.OptRequestedIPAddress(ack.YourIPAddr), dhcpv4.OptServerIdentifier(ack.ServerIdentifier()))
	if err := c.net.send(m); err != nil {
		c.log.Error("address not declined", "link", c.link, "err", err)
	}
	c.lease = nil
	c.pause(ctx, declineWait)
	return true
}

// hold waits for T1, renews, rebinds, and gives the lease up at its end.
func (c *dhcpClient) hold(ctx context.Context) {
	c.state("bound")
	if c.lease.Lifetime == 0 {
		<-ctx.Done()
		return
	}
	l := c.lease
	from := l.Address.Addr()
	c.pause(ctx, time.Until(l.Obtained.Add(seconds(l.T1))))
	if c.extend(ctx, "renewing", way{from: from, to: l.Server}, l.Obtained.Add(seconds(l.T2))) ||
		c.extend(ctx, "rebinding", way{from: from}, l.Expires()) || ctx.Err() != nil {
		return
	}
	c.drop("lease expired")
}

// extend asks for the lease again until it is answered or the time is over; each
// try waits half of what is left (RFC 2131 section 4.4.5).
func (c *dhcpClient) extend(ctx context.Context, state string, w way, end time.Time) bool {
	if left := time.Until(end); left > 0 && ctx.Err() == nil {
		c.state(state)
	}
	for left := time.Until(end); left > 0 && ctx.Err() == nil; left = time.Until(end) {
		next := time.Now().Add(min(max(left/2, renewPause), left))
		m := c.message(dhcpv4.MessageTypeRequest)
		m.ClientIPAddr = c.lease.Address.Addr().AsSlice()
		sent := time.Now()
		if answer := c.ask(ctx, m, w, min(time.Until(next), listenLimit), c.granted); answer != nil {
			c.settle(answer, sent)
			return true
		}
		c.pause(ctx, time.Until(next))
	}
	return false
}

// settle takes an ACK as the lease, and gives the lease up on NAK.
func (c *dhcpClient) settle(answer *dhcpv4.DHCPv4, sent time.Time) {
	if answer.MessageType() == dhcpv4.MessageTypeNak {
		c.bad++
		c.drop("server refused: NAK " + answer.Message())
		c.lease = nil
		return
	}
	l, err := leaseFrom(answer, c.link, c.mac.String(), sent)
	if err != nil {
		c.log.Error("dhcp answer not used", "link", c.link, "err", err) // granted has read it: cannot be
		return
	}
	if c.use != leaseHeld || c.lease.Address != l.Address {
		c.log.Info("dhcp lease", "link", c.link, "address", l.Address, "server", l.Server, "seconds", l.Lifetime)
	}
	c.lease, c.use, c.bad = l, leaseHeld, 0
}

// drop gives the lease up; its address is asked for again in DISCOVER.
func (c *dhcpClient) drop(why string) {
	c.log.Warn("dhcp lease lost", "link", c.link, "address", c.lease.Address, "why", why)
	c.use = leaseHint
	c.state("lost")
}

// ask sends and waits; nil means no answer in time.
func (c *dhcpClient) ask(ctx context.Context, m *dhcpv4.DHCPv4, w way, wait time.Duration, match func(*dhcpv4.DHCPv4) bool) *dhcpv4.DHCPv4 {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	answer, err := c.net.exchange(ctx, m, w, match)
	if err == nil {
		return answer
	}
	if !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		c.log.Warn("dhcp message not sent", "link", c.link, "type", m.MessageType().String(), "err", err)
	}
	<-ctx.Done() // an early failure does not make the client hurry
	return nil
}

// granted accepts NAK and readable ACK.
func (c *dhcpClient) granted(m *dhcpv4.DHCPv4) bool {
	return m.MessageType() == dhcpv4.MessageTypeNak || m.MessageType() == dhcpv4.MessageTypeAck && c.readable(m)
}

func (c *dhcpClient) readable(m *dhcpv4.DHCPv4) bool {
	_, err := leaseFrom(m, c.link, "", time.Time{})
	if err != nil {
		c.log.Warn("dhcp answer ignored", "link", c.link, "err", err)
	}
	return err == nil
}

func (c *dhcpClient) backoff(try int) time.Duration {
	return min(firstWait<<min(try, 8), lastWait) + c.jitter()
}

func (c *dhcpClient) pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// wanted are the options asked for; classless routes come before routers
// (RFC 3442).
var wanted = []dhcpv4.OptionCode{
	dhcpv4.OptionSubnetMask, dhcpv4.OptionClasslessStaticRoute, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer,
	dhcpv4.OptionDomainName, dhcpv4.OptionDNSDomainSearchList, dhcpv4.OptionHostName, dhcpv4.OptionNTPServers, dhcpv4.OptionInterfaceMTU,
	dhcpv4.OptionIPAddressLeaseTime, dhcpv4.OptionRenewTimeValue, dhcpv4.OptionRebindingTimeValue,
}

// message returns a message of the type with what all of them carry.
func (c *dhcpClient) message(kind dhcpv4.MessageType, opts ...dhcpv4.Option) *dhcpv4.DHCPv4 {
	m := &dhcpv4.DHCPv4{OpCode: dhcpv4.OpcodeBootRequest, HWType: iana.HWTypeEthernet, ClientHWAddr: c.mac,
		ClientIPAddr: net.IPv4zero, YourIPAddr: net.IPv4zero, ServerIPAddr: net.IPv4zero, GatewayIPAddr: net.IPv4zero, Options: dhcpv4.Options{}}
	m.TransactionID = transactionID()
	m.NumSeconds = uint16(min(time.Since(c.began)/time.Second, 0xffff))
	m.UpdateOption(dhcpv4.OptMessageType(kind))
	m.UpdateOption(dhcpv4.OptClientIdentifier(clientID(c.conf.ClientID, c.mac)))
	if kind != dhcpv4.MessageTypeDecline {
		m.UpdateOption(dhcpv4.OptMaxMessageSize(1500))
		m.UpdateOption(dhcpv4.OptParameterRequestList(wanted...))
		if c.hostname != "" {
			m.UpdateOption(dhcpv4.OptHostName(c.hostname))
		}
	}
	for _, o := range opts {
		m.UpdateOption(o)
	}
	return m
}

// clientID is option 61: the hardware address with its type (RFC 2132 section
// 9.14), or an identity association and a DUID-LL (RFC 4361, RFC 8415 section
// 11.4), both made of the hardware address so that nothing has to be kept.
func clientID(kind string, mac net.HardwareAddr) []byte {
	if kind == "mac" {
		return append([]byte{1}, mac...)
	}
	iaid := crc32.ChecksumIEEE(mac)
	id := []byte{255, byte(iaid >> 24), byte(iaid >> 16), byte(iaid >> 8), byte(iaid), 0, 3, 0, 1}
	return append(id, mac...)
}

// String returns the lease for a log line.
func (l *Lease) String() string {
	return fmt.Sprintf("%s from %s for %d s", l.Address, l.Server, l.Lifetime)
}
