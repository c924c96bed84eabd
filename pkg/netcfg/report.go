package netcfg

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// missing says what a required link still lacks.
func missing(d *Desired, s *State) []string {
	out := slices.Clone(d.Missing)
	for _, dl := range d.Links {
		if l := s.link(dl.Index); dl.Required && l != nil && !l.Carrier {
			out = append(out, fmt.Sprintf("%s has no carrier", dl.Name))
		}
		for _, a := range dl.Addrs {
			if what := s.lacks(dl.Index, a.Address); a.Required && what != "" {
				out = append(out, fmt.Sprintf("%s on %s is %s", a.Prefix, dl.Name, what))
			}
		}
		for _, r := range dl.Routes {
			if dl.Required && !slices.Contains(s.Routes, LinkRoute{Index: dl.Index, Route: r, Protocol: Protocol}) {
				out = append(out, fmt.Sprintf("route %s on %s is not set", r, dl.Name))
			}
		}
	}
	return out
}

// lacks returns why the address is not usable, or "".
func (s *State) lacks(index int, want Address) string {
	for _, a := range s.Addrs {
		if a.Index != index || !sameAddr(a.Address, want) {
			continue
		}
		switch {
		case a.Duplicate:
			return "a duplicate: another station has it"
		case a.Tentative:
			return "being checked for duplicates"
		}
		return ""
	}
	return "not set"
}

// summary counts what is configured.
func (m *Manager) summary() string {
	links, addrs, vips := 0, 0, 0
	for _, d := range m.desired.Links {
		if len(d.Addrs) > 0 {
			links++
		}
		for _, a := range d.Addrs {
			if a.VIP {
				vips++
			} else {
				addrs++
			}
		}
	}
	return fmt.Sprintf("%d links, %d addresses, %d VIPs", links, addrs, vips)
}

// ShowNetwork writes links, addresses, VIPs, routes and counters.
func (m *Manager) ShowNetwork(ctx context.Context, w io.Writer) error {
	var b bytes.Buffer
	if err := m.do(ctx, func() { m.report(&b) }); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (m *Manager) report(w io.Writer) {
	fmt.Fprintf(w, "status: %s\n", m.status)
	for _, l := range m.state.Links {
		i := slices.IndexFunc(m.desired.Links, func(d DesiredLink) bool { return d.Index == l.Index })
		d, file := DesiredLink{}, "unmanaged"
		if i >= 0 {
			d = m.desired.Links[i]
			file = d.File
			if file == "" {
				file = "builtin"
			}
		}
		fmt.Fprintf(w, "link %s: %s, %s, mtu %d, %s, %s\n", l.Name, word(l.Up, "up", "down"), word(l.Carrier, "carrier", "no carrier"), l.MTU, orDash(l.MAC), file)
		m.reportAddrs(w, l, d)
		for _, r := range m.state.Routes {
			if r.Index == l.Index {
				fmt.Fprintf(w, "  route %s, %s\n", r.Route, word(r.Protocol == Protocol, "static", "foreign"))
			}
		}
	}
	for f := range m.failed {
		fmt.Fprintf(w, "failed: %s\n", f)
	}
	fmt.Fprintf(w, "repairs: %d\nlast repair: %s\nlost events: %d\nreloads: %d\nrefused reloads: %d\n",
		m.counts.repairs, orDash(m.counts.lastRepair), m.counts.lost, m.counts.reloads, m.counts.refused)
}

func (m *Manager) reportAddrs(w io.Writer, l Link, d DesiredLink) {
	for _, want := range d.Addrs {
		what := m.state.lacks(l.Index, want.Address)
		if what == "" {
			what = "ok"
		}
		fmt.Fprintf(w, "  %s %s, %s, announced %d\n", word(want.VIP, "vip", "address"), want.Prefix, what, m.counts.announced[want.Prefix.Addr()])
	}
	for _, a := range m.state.Addrs {
		if a.Index == l.Index && a.Protocol != Protocol {
			fmt.Fprintf(w, "  address %s, foreign\n", a.Prefix)
		}
	}
}

func word(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func orDash(s string) string { return word(s == "", "-", s) }

// writeResolvConf replaces the file atomically when there are name servers and
// its content differs.
func writeResolvConf(path string, dns []netip.Addr, domains []string) error {
	if len(dns) == 0 || path == "" {
		return nil
	}
	var b bytes.Buffer
	b.WriteString("# written by netd from DNS= and Domains=\n")
	if len(domains) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(domains, " "))
	}
	for _, a := range dns {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b.Bytes()) {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".resolv.conf-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // is gone after the rename
	_, err = tmp.Write(b.Bytes())
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
