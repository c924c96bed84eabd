package proxy

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/sluice-lb/sluice/pkg/balance"
	"github.com/sluice-lb/sluice/pkg/config"
)

// chooser is how a backend chooses servers. Like HAProxy it lets the turns of
// backup servers go on apart from those of the active ones; the map-based
// algorithms have one map, in which one of the two kinds is at a time.
type chooser struct {
	method         balance.Method
	members        []member
	active, backup balance.Algorithm // the same one if the method shares its map
}

// member is what a chooser takes from a server. While members and method stay what
// they are, a reload keeps the chooser.
type member struct {
	balance.Server
	name   string
	backup bool
}

// newChooser builds everything that the first picks need, with the shares given:
// it may take a while and must not be called with a lock held.
func newChooser(method balance.Method, members []member, shares []int) *chooser {
	c := &chooser{method: method, members: members}
	servers := make([]balance.Server, len(members))
	for i := range members {
		servers[i] = members[i].Server
	}
	c.active = balance.New(method, servers)
	c.backup = c.active
	if !method.SharesMap() {
		c.backup = balance.New(method, servers)
	}
	c.weigh(shares)
	balance.Build(c.active)
	balance.Build(c.backup)
	return c
}

// same reports whether other would choose in the same way.
func (c *chooser) same(method balance.Method, members []member) bool {
	return c.method.Name == method.Name && c.method.Hash == method.Hash && c.method.Factor == method.Factor &&
		c.method.Draws == method.Draws && slices.Equal(c.members, members)
}

// of returns the algorithm that server i takes part in.
func (c *chooser) of(i int) balance.Algorithm {
	if c.members[i].backup {
		return c.backup
	}
	return c.active
}

// weigh tells the algorithms the shares and returns the one that has servers now,
// which is that of the active servers as long as there are any, and how many there
// are. A shared map has servers of one kind only.
func (c *chooser) weigh(shares []int) (balance.Algorithm, int) {
	active, backups := 0, 0
	for i, w := range shares {
		switch {
		case w > 0 && c.members[i].backup:
			backups++
		case w > 0:
			active++
		}
	}
	for i, w := range shares {
		if c.active == c.backup && c.members[i].backup == (active > 0) {
			w = 0
		}
		c.of(i).SetShares(i, w)
	}
	if active > 0 {
		return c.active, active
	}
	return c.backup, backups
}

// methodOf is the algorithm of a backend with all that refines it.
func methodOf(p *config.Proxy) balance.Method {
	m := balance.Method{
		Name: cmp.Or(p.Balance.Algorithm, "roundrobin"), Hash: balance.DefaultHash(p.Hash.Consistent),
		Factor: p.Hash.BalanceFactor, Draws: p.Balance.Draws, Rand: rand.Uint32,
	}
	if f, ok := balance.FunctionNamed(p.Hash.Function); ok {
		m.Hash.Function, m.Hash.Avalanche = f, p.Hash.Avalanche
	}
	return m
}

var hashKeys = map[string]balance.HashKey{"addr": balance.HashKeyAddr, "addr-port": balance.HashKeyAddrPort}

// memberOf is what a chooser takes from a server line and where the server is.
// Addresses count only where the server's places derive from them.
func memberOf(conf *config.Server, t *target) member {
	m := member{name: conf.Name, backup: conf.Backup}
	m.ID = uint32(conf.ID)
	if conf.Options != nil {
		m.HashKey = hashKeys[conf.Options.HashKey]
	}
	if m.HashKey != balance.HashKeyID && t != nil {
		m.Addr = netip.AddrPortFrom(t.addr, uint16(t.port))
	}
	return m
}
