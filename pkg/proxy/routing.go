package proxy

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/sluice-lb/sluice/pkg/balance"
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/rules"
)

// switching tells which connections a frontend takes and which backend their
// sessions get. It does not change.
type switching struct {
	entry    []entryRule
	rules    []backendRule
	fallback *backend // "default_backend"; nil: none
	local    bool     // rules need the address that the client connected to
	formats  *formats // nil: none
}

// backendRule is one "use_backend" line.
type backendRule struct {
	cond    *rules.Cond
	backend *backend
}

// policy is how a backend of one configuration treats sessions. It does not change.
type policy struct {
	method  balance.Method
	expr    *rules.Expr // of "balance hash"
	servers []serverRule
	local   bool
}

// serverRule is one "use-server" line.
type serverRule struct {
	cond   *rules.Cond
	server string
}

// host is what samples tell of this machine and this process.
func (e *Engine) host() rules.Host {
	name, _ := os.Hostname()
	return rules.Host{Name: name, PID: os.Getpid(), Getenv: os.LookupEnv, Now: time.Now, Random: rand.Uint32, Local: isLocal,
		Started: e.started, Conns: e.conns.Load, Stopping: e.closing.Load}
}

// isLocal reports whether an address is one of this machine, by binding to it as
// HAProxy does.
func isLocal(addr netip.Addr) bool {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// names finds what expressions of a change name.
type names struct {
	frontends map[string]*frontend
	backends  map[string]*backend
	host      rules.Host
}

func (n names) Frontend(name string) rules.Object {
	if f := n.frontends[name]; f != nil {
		return f
	}
	return nil
}

func (n names) Backend(name string) rules.Object {
	if b := n.backends[name]; b != nil {
		return b
	}
	return nil
}

func (n names) Server(backend, name string) rules.Object {
	if b := n.backends[backend]; b != nil {
		return serverRef{b, name}
	}
	return nil
}

// compileSwitching compiles the "tcp-request connection" and "use_backend" lines of p,
// and its formats.
func (n names) compileSwitching(p *config.Proxy, fallback *backend) (*switching, error) {
	c := rules.Compiler{Section: p.Name, Names: n, Host: n.host}
	entry, err := compileEntry(&c, p)
	if err != nil {
		return nil, err
	}
	sw := &switching{entry: entry, fallback: fallback}
	for i := range p.BackendRules {
		cond, err := c.Cond(p.BackendRules[i].Cond)
		if err != nil {
			return nil, err
		}
		sw.rules = append(sw.rules, backendRule{cond, n.backends[p.BackendRules[i].Backend]})
	}
	sw.local = c.NeedsLocal()
	sw.formats, err = n.compileFormats(p)
	return sw, err
}

// compilePolicy compiles what p says of its servers.
func (n names) compilePolicy(p *config.Proxy) (*policy, error) {
	c := rules.Compiler{Section: p.Name, Names: n, Host: n.host}
	out := &policy{method: methodOf(p)}
	if e := p.Balance.Expr; e != nil && out.method.Name == "hash" {
		expr, err := c.Expr(e)
		if err != nil {
			return nil, err
		}
		out.expr = expr
	}
	for i := range p.ServerRules {
		cond, err := c.Cond(p.ServerRules[i].Cond)
		if err != nil {
			return nil, err
		}
		out.servers = append(out.servers, serverRule{cond, p.ServerRules[i].Server})
	}
	out.local = c.NeedsLocal()
	return out, nil
}

// stream fills the loop's stream in for the session.
func (s *session) stream(local bool) *rules.Stream {
	st := &s.w.stream
	st.Client, st.Frontend, st.Backend, st.Bind = s.client, s.feConf, s.beConf, s.listener.bind.Load()
	st.Socket, st.Session = s.listener, s
	if local {
		st.Local = s.destination()
	}
	return st
}

// chooseBackend returns the backend of the first rule that holds.
func (s *session) chooseBackend() *backend {
	sw := s.fe.switching.Load()
	if len(sw.rules) == 0 {
		return sw.fallback
	}
	st := s.stream(sw.local)
	for i := range sw.rules {
		if sw.rules[i].cond.Holds(st) {
			return sw.rules[i].backend
		}
	}
	return sw.fallback
}

// balanceKey is what the session's backend hashes, or no key.
func (s *session) balanceKey() balance.Key {
	p := s.bePolicy
	switch {
	case p.method.Name == "source":
		return p.method.Hash.AddrKey(s.client.Addr())
	case p.expr != nil:
		if b, ok := p.expr.Bytes(s.stream(p.local)); ok {
			return p.method.Hash.Key(b)
		}
	}
	return balance.Key{}
}

// useServer gives the session to the server of the first "use-server" rule that
// holds and whose server is up; ok is false if there is none. No lock is held while
// conditions are evaluated: they may ask this very backend.
func (b *backend) useServer(s *session) (srv *server, v verdict, ok bool) {
	p := s.bePolicy
	if len(p.servers) == 0 {
		return nil, assignNone, false
	}
	for i := range p.servers {
		if !p.servers[i].cond.Holds(s.stream(p.local)) {
			continue
		}
		if srv, v, ok := b.assignTo(s, p.servers[i].server); ok {
			return srv, v, true
		}
	}
	return nil, assignNone, false
}

// assignTo gives the session a place at a server, or has it wait for one.
func (b *backend) assignTo(s *session, name string) (srv *server, v verdict, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	srv = b.server(name)
	if srv == nil || !srv.reachable() && !b.conf.Flags.Persist {
		return nil, assignNone, false
	}
	s.choice, s.want = b.weighted > 1, srv
	srv, v = b.claim(s, srv)
	return srv, v, true
}

// server finds a server by name. mu is held.
func (b *backend) server(name string) *server { return b.byName[name] }
