package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// bannerLimit is how long the daemons may take before the banner goes without
// them.
const bannerLimit = 1500 * time.Millisecond

// webPort is where webd listens.
const webPort = 4444

// facts is what the banner shows. A part whose daemon is silent is nil or empty.
type facts struct {
	version, host string
	network       *networkFacts
	proxy         string // in words
	hasWeb        bool   // the image has webd
	setup         *appliance.Setup
	state         *appliance.State
	confdSilent   bool // confd is in the image and does not answer
}

// networkFacts are the addresses from netd's "show network".
type networkFacts struct {
	links     []string // all but the loopback
	addresses []address
	vips      []address
}

type address struct {
	prefix netip.Prefix
	link   string
	fault  string // why it is not usable, or ""
}

func (a address) String() string {
	if a.fault != "" {
		return fmt.Sprintf("%s (%s, %s)", a.prefix, a.link, a.fault)
	}
	return fmt.Sprintf("%s (%s)", a.prefix, a.link)
}

// banner tells whoever finds the console where they are.
func (s *shell) banner(ctx context.Context) {
	fmt.Fprint(s.stdout, renderBanner(s.facts(ctx), s.columns()), "\n")
}

// facts asks all daemons at the same time.
func (s *shell) facts(ctx context.Context) facts {
	ctx, cancel := context.WithTimeout(ctx, bannerLimit)
	defer cancel()
	f := facts{version: version}
	f.host, _ = os.Hostname()
	_, err := os.Stat(s.unitDir + "/webd.service")
	f.hasWeb = err == nil
	var setup appliance.Setup
	var state appliance.State
	var setupErr, stateErr error
	var all sync.WaitGroup
	all.Go(func() { f.network = s.networkFacts(ctx) })
	all.Go(func() { f.proxy = s.proxyFacts(ctx) })
	if s.hasConfd() {
		s.term.cooked() // before confd would, twice
		all.Go(func() { setupErr = s.confd(ctx, "show setup", nil, &setup) })
		all.Go(func() { stateErr = s.confd(ctx, "show state", nil, &state) })
		all.Wait()
		if setupErr == nil {
			f.setup = &setup
		}
		if stateErr == nil {
			f.state = &state
		}
		f.confdSilent = setupErr != nil || stateErr != nil
	}
	all.Wait()
	return f
}

func (s *shell) networkFacts(ctx context.Context) *networkFacts {
	text, err := ctl.Call(ctx, s.socket("netd"), "show network", nil)
	if err != nil {
		return nil
	}
	return parseNetwork(text)
}

// parseNetwork takes the links and addresses out of netd's report.
func parseNetwork(text string) *networkFacts {
	n, link := &networkFacts{}, ""
	for line := range strings.Lines(text) {
		words := strings.Fields(strings.ReplaceAll(line, ",", " "))
		if len(words) < 2 {
			continue
		}
		if words[0] == "link" {
			if link = strings.TrimSuffix(words[1], ":"); link != "lo" {
				n.links = append(n.links, link)
			}
			continue
		}
		prefix, err := netip.ParsePrefix(words[1])
		if err != nil || prefix.Addr().IsLoopback() || prefix.Addr().IsLinkLocalUnicast() {
			continue
		}
		a := address{prefix: prefix, link: link}
		if _, rest, ok := strings.Cut(line, ", "); ok {
			if what, _, _ := strings.Cut(strings.TrimSpace(rest), ","); strings.HasPrefix(what, "not ") || strings.HasPrefix(what, "being") || strings.HasPrefix(what, "a duplicate") {
				a.fault = what
			}
		}
		switch words[0] {
		case "address":
			n.addresses = append(n.addresses, a)
		case "vip":
			n.vips = append(n.vips, a)
		}
	}
	return n
}

// proxyFacts says how the proxy is, if need be from init's point of view.
func (s *shell) proxyFacts(ctx context.Context) string {
	text, err := ctl.Call(ctx, s.socket("proxyd"), "show stat", nil)
	if err == nil {
		stats, err := ctl.ParseStats(strings.NewReader(text))
		if err == nil {
			return proxyWords(stats)
		}
	}
	units, err := ctl.Call(ctx, s.socket("init"), "show units", nil)
	if err != nil {
		return "does not answer"
	}
	for line := range strings.Lines(units) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "proxyd.service" {
			return fmt.Sprintf("does not answer; proxyd.service is %s (%s)", words[1], words[2])
		}
	}
	return "does not answer"
}

func proxyWords(stats []ctl.Stat) string {
	frontends, usable, servers := 0, 0, 0
	for _, r := range stats {
		switch r.Type {
		case ctl.StatFrontend:
			frontends++
		case ctl.StatServer:
			servers++
			if strings.HasPrefix(r.Status, "UP") || strings.HasPrefix(r.Status, "no check") {
				usable++
			}
		}
	}
	return fmt.Sprintf("runs, %s, %d of %s usable", count(frontends, "frontend"), usable, count(servers, "server"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// renderBanner arranges facts for a screen of the given width.
func renderBanner(f facts, columns int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nSluice %s on %s\n", f.version, f.host)
	addresses, vips := "netd does not answer", none
	if f.network != nil {
		addresses, vips = addressText(f.network.addresses), addressText(f.network.vips)
	}
	writeFact(&b, columns, "Address", addresses)
	writeFact(&b, columns, "VIP", vips)
	if f.hasWeb {
		writeFact(&b, columns, "Web", webText(f))
	}
	writeFact(&b, columns, "Proxy", f.proxy)
	if f.confdSilent {
		writeFact(&b, columns, "Changes", errNoConfd.Error())
	}
	if f.state != nil {
		label := "Changes"
		for _, line := range stateLines(*f.state) {
			writeFact(&b, columns, label, line)
			label = ""
		}
	}
	return b.String()
}

func addressText(list []address) string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
	}
	return orNone(strings.Join(words, ", "))
}

// webText is the web page's address: the first usable one that is no VIP.
func webText(f facts) string {
	switch {
	case f.confdSilent:
		return "closed while the configuration service is silent"
	case f.setup != nil && !f.setup.PasswordSet:
		return "closed until the administrator's password is set"
	}
	if f.network != nil {
		for _, a := range f.network.addresses {
			if a.fault == "" {
				return fmt.Sprintf("https://%s", netip.AddrPortFrom(a.prefix.Addr(), webPort))
			}
		}
	}
	return "no address yet"
}

// factColumn is where the facts begin.
const factColumn = 11

func writeFact(b *strings.Builder, columns int, label, text string) {
	fmt.Fprintf(b, "  %-*s", factColumn-2, label)
	b.WriteString(wrap(text, columns, factColumn))
}

// wrap breaks text between words, for lines that begin in the column left of a
// screen; the first of them is begun already.
func wrap(text string, columns, left int) string {
	var b strings.Builder
	column := left
	for i, w := range strings.Fields(text) {
		n := utf8.RuneCountInString(w)
		switch {
		case i == 0:
		case column+1+n >= columns:
			fmt.Fprintf(&b, "\n%*s", left, "")
			column = left
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(w)
		column += n
	}
	b.WriteByte('\n')
	return b.String()
}

// stateLines says what runs, what is saved and what waits.
func stateLines(state appliance.State) []string {
	var lines []string
	switch {
	case !state.Unsaved && state.Running.Number == state.Saved.Number:
		lines = append(lines, fmt.Sprintf("Revision %d runs and is saved.", state.Running.Number))
	case !state.Unsaved:
		lines = append(lines, fmt.Sprintf("Revision %d runs; what it has is saved.", state.Running.Number))
	default:
		lines = append(lines, fmt.Sprintf("Revision %d runs, a reboot returns to %d: \"save\" keeps it.", state.Running.Number, state.Saved.Number))
	}
	if p := state.Pending; p != nil {
		lines = append(lines, fmt.Sprintf("Revision %d goes back to %d in %s unless you \"confirm\".", p.Revision, p.Back, shortTime(p.Seconds)))
	}
	if e := state.Edited; e.Changed {
		line := "Edits wait for \"apply\"; \"diff\" shows them."
		if e.Stale {
			line = fmt.Sprintf("Edits of revision %d wait, but another was applied meanwhile; \"diff\" shows them.", e.Base)
		}
		lines = append(lines, line)
	}
	if !state.Persistent {
		line := "Nothing survives a reboot"
		if state.Problem != "" {
			line += ": " + state.Problem
		}
		lines = append(lines, line+".")
	}
	return lines
}
