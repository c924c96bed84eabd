package proxy

import (
	"github.com/sluice-lb/sluice/pkg/balance"
	"github.com/sluice-lb/sluice/pkg/config"
)

// leaves reports whether the session goes to another server after its connection
// attempt at s.srv failed; retries counts that failure already. One without a key
// leaves if there is any other. One whose key or rule names the server stays,
// unless "option redispatch" lets this retry go or the server is out of service.
func (s *session) leaves() bool {
	if s.key == (balance.Key{}) && s.want == nil && s.be.hasOther(s.srv) {
		return true
	}
	n := redispatchAt(s.beConf)
	if n == 0 {
		return false
	}
	return int(s.retries)%n == 0 || !s.be.serves(s.srv)
}

// redispatchAt is the N of "each Nth retry goes to another server", 0 for none: a
// negative interval of "option redispatch" counts from the last retry back.
func redispatchAt(p *config.Proxy) int {
	n := p.Redispatch
	if n < 0 {
		n = max(p.Retries+1+n, 1)
	}
	return n
}

// serves reports whether srv may take connections and is not known to fail.
func (b *backend) serves(srv *server) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return srv.index >= 0 && srv.inService()
}

// hasOther reports whether a server other than srv gets new connections.
func (b *backend) hasOther(srv *server) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.weighted > 1 || b.weighted == 1 && !srv.eligible
}
