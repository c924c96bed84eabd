package config

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// check looks at the configuration as a whole, gives out ids and fills in the
// Config. Disabled proxies are numbered but not judged, as in HAProxy.
func (p *parser) check() {
	p.numberProxies()
	p.checkDefaultsUse()
	p.checkHealth()
	bound := map[netip.AddrPort]Pos{}
	for _, s := range p.sections {
		numberParts(s)
		p.cfg.Proxies = append(p.cfg.Proxies, s.px)
		p.checkFCGI(s)
		if !s.px.Disabled && !s.faulty {
			p.checkMode(s)
			p.checkDefaultBackend(s)
			p.checkBalance(s)
			p.checkHTTP(s)
			p.checkBinds(s, bound)
			p.checkTimeouts(s)
			p.checkLogs(s)
		}
		s.px.keepRoles()
		if s.px.Kind.HasBackend() && s.px.Balance.Algorithm == "" {
			s.px.Balance.Algorithm = "roundrobin"
		}
	}
}

// checkZeroWarning refuses warnings under "zero-warning". It counts what HAProxy
// warns of too, once nothing else is at fault.
func (p *parser) checkZeroWarning() {
	if !p.opt.ZeroWarning && !p.cfg.Global.ZeroWarning {
		return
	}
	var first *Diagnostic
	for _, d := range p.diags {
		if d.Severity == Alert && !d.Unsupported {
			return
		}
		if first == nil && d.Severity == Warning && !d.Own {
			first = d
		}
	}
	if first != nil {
		p.report(Alert, first.Pos, "Some warnings were found and 'zero-warning' is set. Aborting.").Accepted = "a configuration without warnings"
	}
}

// checkDefaultsUse warns of a defaults section that some proxies name and others
// merely come after.
func (p *parser) checkDefaultsUse() {
	for _, s := range p.sections {
		if base := s.base; base != nil && !s.explicit && base.explicit {
			p.report(Warning, s.name, "defaults section '%s' (declared at %s) is explicitly referenced by another proxy and implicitly used here",
				base.px.Name, base.name).Accepted = "'from " + base.px.Name + "', or a last defaults section for implicit use"
		}
	}
}

// numberProxies gives an id to each proxy that has none: the lowest free one
// that is not below its place, counted from 2.
func (p *parser) numberProxies() {
	used := map[int]bool{}
	for _, s := range p.sections {
		used[s.px.ID] = true
	}
	next := 2
	for _, s := range p.sections {
		if s.px.ID == 0 {
			s.px.ID, next = freeID(used, next)
		}
		next++
	}
}

// numberParts numbers servers and listeners in the same way, from 1.
func numberParts(s *section) {
	used := map[int]bool{}
	for i := range s.px.Servers {
		used[s.px.Servers[i].ID] = true
	}
	next := 1
	for i := range s.px.Servers {
		if s.px.Servers[i].ID == 0 {
			s.px.Servers[i].ID, next = freeID(used, next)
		}
		next++
	}
	clear(used)
	for i := range s.px.Binds {
		used[s.px.Binds[i].ID] = true
	}
	next = 1
	for i := range s.px.Binds {
		if s.px.Binds[i].ID == 0 {
			s.px.Binds[i].ID, next = freeID(used, next)
		}
		next++
	}
}

// freeID takes the first free id from next on.
func freeID(used map[int]bool, next int) (id, at int) {
	for used[next] && next < math.MaxInt32 {
		next++
	}
	used[next] = true
	return next, next
}

func (p *parser) checkDefaultBackend(s *section) {
	name := s.px.DefaultBackend
	if name == "" {
		return
	}
	target := p.backend[name]
	if target == s {
		p.report(Alert, s.defaultBackend, "loop detected for default_backend: '%s'", name).Accepted = "another backend"
		return
	}
	if target != nil {
		p.checkModes(s, target)
		return
	}
	d := p.report(Alert, s.defaultBackend, "%s '%s': unable to find required default_backend: '%s'", s.px.Kind, s.px.Name, name)
	d.Accepted, d.Suggest = "the name of a backend or listen section", nearest(name, p.backendNames())
}

// backendNames lists what a frontend can be sent to.
func (p *parser) backendNames() []string {
	if p.backends == nil {
		p.backends = slices.Sorted(maps.Keys(p.backend))
	}
	return p.backends
}

func (p *parser) checkBinds(s *section, bound map[netip.AddrPort]Pos) {
	if !s.px.Kind.HasFrontend() {
		return
	}
	if !s.sawBind {
		p.report(Warning, s.name, "%s '%s' has no 'bind' directive. Please declare it as a backend if this was intended", s.px.Kind, s.px.Name)
	}
	for i := range s.px.Binds {
		b := &s.px.Binds[i]
		if !b.Addr.IsValid() || b.Interface != "" {
			continue
		}
		if old, used := bound[b.Addr]; used {
			p.report(Warning, b.Pos, "address %s is already bound at %s: the kernel shares connections between the two", b.Addr, old)
			continue
		}
		bound[b.Addr] = b.Pos
	}
}

// checkTimeouts warns in HAProxy's words of a proxy whose sessions may hang for
// ever.
func (p *parser) checkTimeouts(s *section) {
	t, missing := s.px.Timeouts, []string(nil)
	if s.px.Kind.HasFrontend() && t.Client == 0 {
		missing = append(missing, "'client'")
	}
	if s.px.Kind.HasBackend() && len(s.px.Servers) > 0 {
		if t.Connect == 0 {
			missing = append(missing, "'connect'")
		}
		if t.Server == 0 && t.Tunnel == 0 {
			missing = append(missing, "'server'")
		}
	}
	missing = slices.DeleteFunc(missing, func(name string) bool {
		return slices.Contains(s.lostTimeouts, "timeout "+strings.Trim(name, "'"))
	})
	if len(missing) == 0 {
		return
	}
	what := s.px.Kind.String()
	if s.px.Kind == Listen {
		what = "proxy"
	}
	d := p.report(Warning, s.name, "missing timeouts for %s '%s'", what, s.px.Name)
	d.Accepted = fmt.Sprintf("a non-zero 'timeout' for %s", strings.Join(missing, ", "))
}

func (p *parser) checkLogs(s *section) {
	if s.px.TCPLog && len(s.px.Logs) == 0 {
		p.report(Warning, s.tcplog, "log format ignored for %s '%s' since it has no log address", s.px.Kind, s.px.Name).Accepted = "a 'log' line"
	}
}
