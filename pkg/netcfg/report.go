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
	"time"
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
		if what := a.fault(); what != "ok" {
			return what
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
	if err := m.do(ctx, func(context.Context) { m.report(&b) }); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (m *Manager) report(w io.Writer) {
	s := m.look()
	fmt.Fprintf(w, "status: %s\n", s.Status)
	for _, l := range s.Links {
		fmt.Fprintf(w, "link %s: %s, %s, mtu %d, %s, %s\n", l.Name, word(l.Up, "up", "down"), word(l.Carrier, "carrier", "no carrier"), l.MTU, orDash(l.MAC), l.File)
		if l.DHCP != nil {
			fmt.Fprintf(w, "  dhcp %s\n", l.DHCP)
		}
		for _, a := range l.Addresses {
			reportAddr(w, a)
		}
		for _, r := range l.Routes {
			fmt.Fprintf(w, "  route %s, %s\n", r.Route, r.Origin)
		}
	}
	for _, f := range s.Failed {
		fmt.Fprintf(w, "failed: %s\n", f)
	}
	fmt.Fprintf(w, "dns: %s\ndomains: %s\ntime: %s\n", orDash(join(s.DNS)), orDash(strings.Join(s.Domains, " ")), s.Time)
	fmt.Fprintf(w, "repairs: %d\nlast repair: %s\nlost events: %d\nreloads: %d\nrefused reloads: %d\n",
		s.Counters.Repairs, orDash(s.Counters.LastRepair), s.Counters.LostEvents, s.Counters.Reloads, s.Counters.RefusedReloads)
}

func reportAddr(w io.Writer, a AddressStatus) {
	switch a.Origin {
	case "static", "vip", "dhcp":
		fmt.Fprintf(w, "  %s %s, %s, announced %d", word(a.Origin == "vip", "vip", "address"), a.Address, a.State, a.Announced)
		if a.Origin == "dhcp" {
			fmt.Fprint(w, ", dhcp")
		}
	default:
		fmt.Fprintf(w, "  address %s, %s", a.Address, a.Origin)
		if a.State != "ok" {
			fmt.Fprintf(w, ", %s", a.State)
		}
	}
	if !a.Expires.IsZero() {
		fmt.Fprintf(w, ", %d s left", left(a.Expires))
	}
	fmt.Fprintln(w)
}

// String returns the state of the client and of its lease on one line.
func (d *DHCPStatus) String() string {
	if d.Lease == nil {
		return d.State
	}
	s := fmt.Sprintf("%s, %s from %s", d.State, d.Lease.Address, d.Lease.Server)
	if !d.Expires.IsZero() {
		s += fmt.Sprintf(", renews in %d s, ends in %d s", left(d.Renews), left(d.Expires))
	}
	return s
}

func left(t time.Time) int { return max(0, int(time.Until(t)/time.Second)) }

func join(addrs []netip.Addr) string {
	var words []string
	for _, a := range addrs {
		words = append(words, a.String())
	}
	return strings.Join(words, " ")
}

func word(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func orDash(s string) string { return word(s == "", "-", s) }

// writeResolvConf replaces the file atomically when its content differs. Without
// name servers only a file that netd wrote is changed.
func writeResolvConf(path string, dns []netip.Addr, domains []string) error {
	const header = "# written by netd from DNS=, Domains=, DHCP and routers\n"
	if path == "" {
		return nil
	}
	old, err := os.ReadFile(path)
	if len(dns) == 0 && (err != nil || !bytes.HasPrefix(old, []byte("# written by netd "))) {
		return nil // what somebody else wrote stays
	}
	var b bytes.Buffer
	b.WriteString(header)
	if len(domains) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(domains, " "))
	}
	for _, a := range dns {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	if err == nil && bytes.Equal(old, b.Bytes()) {
		return nil
	}
	return replaceFile(path, b.Bytes())
}

// replaceFile writes a file atomically; its reader sees the old or the new text.
func replaceFile(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // is gone after the rename
	_, err = tmp.Write(text)
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
