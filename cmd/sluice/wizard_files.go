package main

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

// asIs stands for a link that is chosen by keys the wizard does not know.
const asIs = "as it is"

// firstFile returns the configuration's first file below network/ with the
// ending, or fallback.
func firstFile(files appliance.Files, ending, fallback string) string {
	for _, name := range sortedNames(files) {
		if strings.HasPrefix(name, networkPrefix) && strings.HasSuffix(name, ending) {
			return name
		}
	}
	return fallback
}

func networkFile(files appliance.Files) string {
	return firstFile(files, ".network", networkPrefix+"10-lan.network")
}

func vipFile(files appliance.Files) string {
	return firstFile(files, ".vip", networkPrefix+"20-service.vip")
}

// readAnswers takes what the files say already; what is not understood is left
// out.
func readAnswers(files appliance.Files) answers {
	network := files[networkFile(files)]
	a := answers{
		host: strings.TrimSpace(files["hostname"]), link: readLink(network),
		dhcp:      slices.Contains([]string{"yes", "ipv4"}, strings.Join(values(network, "Network", "DHCP"), "")),
		addresses: parsed(values(network, "Network", "Address"), netip.ParsePrefix),
		gateways:  parsed(values(network, "Network", "Gateway"), netip.ParseAddr),
		dns:       parsed(values(network, "Network", "DNS"), netip.ParseAddr),
	}
	if vips := parsed(values(files[vipFile(files)], "VIP", "Address"), netip.ParsePrefix); len(vips) > 0 {
		a.vip = vips[0]
	}
	if s := findService(files[proxyName]); s != nil {
		a.port, a.servers = s.port, s.words()
	}
	return a
}

func readLink(network string) string {
	names := strings.Join(values(network, "Match", "Name"), " ")
	switch {
	case network == "", strings.Join(values(network, "Match", "X-First"), "") == "yes":
		return firstLink
	case linkPattern.MatchString(names):
		return names
	}
	return asIs
}

func parsed[T any](words []string, parse func(string) (T, error)) []T {
	var list []T
	for _, w := range words {
		if v, err := parse(w); err == nil {
			list = append(list, v)
		}
	}
	return list
}

// files returns before with the answers put in. Keys, sections and files that the
// wizard does not ask for stay.
func (a *answers) files(before appliance.Files) appliance.Files {
	files := maps.Clone(before)
	if files == nil {
		files = appliance.Files{}
	}
	old := readAnswers(before)
	if a.host != old.host {
		files["hostname"] = a.host + "\n"
	}
	name := networkFile(before)
	files[name] = a.network(files[name])
	a.putVIP(files, old, strings.TrimPrefix(name, networkPrefix))
	if a.port != 0 {
		files[proxyName] = putService(files[proxyName], a)
	}
	return files
}

func (a *answers) network(text string) string {
	if link := readLink(text); text == "" || a.link != link {
		match := []entry{{"Name", []string{a.link}}, {"Type", nil}, {"X-First", nil}, {"MACAddress", nil}, {"Driver", nil}}
		if a.link == firstLink {
			match = []entry{{"Name", nil}, {"Type", []string{"ether"}}, {"X-First", []string{"yes"}}, {"MACAddress", nil}, {"Driver", nil}}
		}
		text = setValues(text, "Match", match...)
	}
	dhcp, addresses := []string(nil), texts(a.addresses)
	if a.dhcp {
		dhcp, addresses = []string{"ipv4"}, nil
		if slices.Contains(values(text, "Network", "DHCP"), "yes") {
			dhcp = []string{"yes"}
		}
	}
	return setValues(text, "Network", entry{"DHCP", dhcp}, entry{"Address", addresses},
		entry{"Gateway", texts(a.gateways)}, entry{"DNS", texts(a.dns)})
}

// putVIP replaces the first virtual address; others stay.
func (a *answers) putVIP(files appliance.Files, old answers, link string) {
	if a.vip == old.vip {
		return
	}
	name := vipFile(files)
	all := values(files[name], "VIP", "Address")
	if old.vip.IsValid() {
		all = slices.DeleteFunc(all, func(w string) bool { return w == old.vip.String() })
	}
	if a.vip.IsValid() {
		all = slices.Insert(all, 0, a.vip.String())
	}
	if len(all) == 0 {
		delete(files, name)
		return
	}
	if _, ok := files[name]; !ok {
		files[name] = fmt.Sprintf("# The address that clients connect to.\n[VIP]\nLink=%s\n", link)
	}
	files[name] = setValues(files[name], "VIP", entry{"Address", all})
}

func texts[T fmt.Stringer](list []T) []string {
	var words []string
	for _, v := range list {
		words = append(words, v.String())
	}
	return words
}

// entry is a key with its values, one line each.
type entry struct {
	key    string
	values []string
}

// values returns the words that a key has in a section; an empty value resets
// them, as in systemd's files.
func values(text, section, key string) []string {
	var list []string
	current := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			current = strings.Trim(line, "[]")
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if !ok || current != section || strings.TrimSpace(k) != key {
			continue
		}
		if v = strings.TrimSpace(v); v == "" {
			list = nil
		}
		list = append(list, strings.Fields(v)...)
	}
	return list
}

// setValues gives keys of the section their values, where the first line of the
// key was, or at the section's end. What has its values already stays as it is.
func setValues(text, section string, entries ...entry) string {
	for _, e := range entries {
		if slices.Equal(values(text, section, e.key), e.values) {
			continue
		}
		text = setValue(text, section, e)
	}
	return text
}

func setValue(text, section string, e entry) string {
	var out []string
	at, current, end := -1, "", -1
	for _, line := range splitText(text) {
		trimmed := strings.TrimSpace(line)
		k, _, assigns := strings.Cut(trimmed, "=")
		switch {
		case strings.HasPrefix(trimmed, "["):
			current = strings.Trim(trimmed, "[]")
		case current == section && assigns && strings.TrimSpace(k) == e.key:
			if at < 0 {
				at = len(out)
			}
			continue
		}
		out = append(out, line)
		if current == section && trimmed != "" {
			end = len(out)
		}
	}
	var lines []string
	for _, v := range e.values {
		lines = append(lines, e.key+"="+v)
	}
	switch {
	case at >= 0:
		out = slices.Insert(out, at, lines...)
	case end >= 0:
		out = slices.Insert(out, end, lines...)
	case len(lines) > 0:
		if len(out) > 0 {
			out = append(out, "")
		}
		out = append(append(out, "["+section+"]"), lines...)
	}
	return joinText(out)
}
