package main

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// proxyName is the proxy's configuration among the files.
const proxyName = "proxy.cfg"

// service is the first service of a proxy configuration, if it is as simple as
// the wizard makes them: a frontend with one bind address and a default_backend
// that is there.
type service struct {
	lines                       []string // of the whole file
	frontend, bind, uses        int      // indexes into lines
	backend, firstServer, after int      // after: where a server could be added
	name, backendName           string
	host                        string // of the bind address, with what stands before the port
	port                        int
	servers                     []serverLine
}

// serverLine is a server line of the backend.
type serverLine struct {
	at              int
	name, host      string
	port            string // empty: the one the client came to
	hasAddress      bool
	before, options string // up to the name, and behind the address
}

var (
	sectionLine = regexp.MustCompile(`^\s*(global|defaults|frontend|backend|listen|userlist|peers|resolvers|mailers|cache|program|http-errors|ring|log-forward|log-profile|fcgi-app|crt-store|traces)(?:\s+(\S+))?`)
	bindLine    = regexp.MustCompile(`^(\s*bind\s+)([^\s,]*:)(\d+)(\s.*)?$`)
	usesLine    = regexp.MustCompile(`^\s*default_backend\s+(\S+)\s*$`)
	serverWords = regexp.MustCompile(`^(\s*server\s+)(\S+)(?:\s+(\S+))?(.*)$`)
)

// findService returns nil if there is none that the wizard could change.
func findService(text string) *service {
	s := &service{lines: splitText(text), frontend: -1, bind: -1, uses: -1, backend: -1, firstServer: -1}
	kind, name := "", ""
	for i, line := range s.lines {
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			if kind, name = m[1], m[2]; kind == "frontend" && s.frontend < 0 {
				s.frontend, s.name = i, name
			}
			continue
		}
		if kind != "frontend" || name != s.name {
			continue
		}
		if m := bindLine.FindStringSubmatch(line); m != nil {
			if s.bind >= 0 {
				return nil
			}
			s.bind, s.host = i, m[2]
			s.port, _ = strconv.Atoi(m[3])
		}
		if m := usesLine.FindStringSubmatch(line); m != nil {
			s.uses, s.backendName = i, m[1]
		}
	}
	if s.bind < 0 || s.uses < 0 || !s.findServers() {
		return nil
	}
	return s
}

// findServers looks at the backend.
func (s *service) findServers() bool {
	in := false
	for i, line := range s.lines {
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			if in = m[1] == "backend" && m[2] == s.backendName; in {
				s.backend, s.after = i, i+1
			}
			continue
		}
		if !in || strings.TrimSpace(line) == "" {
			continue
		}
		s.after = i + 1
		if m := serverWords.FindStringSubmatch(line); m != nil {
			if s.firstServer < 0 {
				s.firstServer = i
			}
			l := serverLine{at: i, before: m[1], name: m[2], host: m[2], options: m[4]}
			if strings.HasPrefix(m[3], "#") {
				l.options = " " + m[3] + m[4]
			} else if m[3] != "" {
				l.hasAddress = true
				l.host, l.port, _ = splitServer(m[3])
			}
			s.servers = append(s.servers, l)
		}
	}
	return s.backend >= 0
}

// words names the servers as the wizard's answer does.
func (s *service) words() []string {
	var words []string
	for _, l := range s.servers {
		words = append(words, l.word(s.port))
	}
	return words
}

func (l serverLine) word(servicePort int) string {
	if l.port == "" || l.port == strconv.Itoa(servicePort) {
		return l.host
	}
	return net.JoinHostPort(l.host, l.port)
}

// portNames are what the wizard calls services by their port.
var portNames = map[int]string{25: "smtp", 80: "http", 443: "https", 389: "ldap", 2049: "nfs", 3306: "mysql",
	5432: "postgresql", 6379: "redis", 11211: "memcached", 27017: "mongodb"}

func serviceName(port int) string {
	if name := portNames[port]; name != "" {
		return name
	}
	return fmt.Sprintf("tcp_%d", port)
}

// putService changes the first service to what was answered, or adds it.
func putService(text string, a *answers) string {
	s := findService(text)
	if s == nil {
		return addService(text, a)
	}
	host := bindHost(a.vip, s.host)
	if s.port == a.port && s.host == host && slices.Equal(s.words(), a.servers) {
		return text
	}
	servers := s.serverLines(a)
	s.lines[s.bind] = bindLine.ReplaceAllString(s.lines[s.bind], "${1}"+host+strconv.Itoa(a.port)+"${4}")
	if s.name == serviceName(s.port) && s.backendName == s.name+"_servers" && s.port != a.port {
		s.rename(uniqueName(text, serviceName(a.port)))
	}
	var out []string
	for i, line := range s.lines {
		if i == s.firstServer || s.firstServer < 0 && i == s.after {
			out = append(out, servers...)
		}
		if !slices.ContainsFunc(s.servers, func(l serverLine) bool { return l.at == i }) {
			out = append(out, line)
		}
	}
	if s.firstServer < 0 && s.after == len(s.lines) {
		out = append(out, servers...)
	}
	return joinText(out)
}

// rename gives both sections the name of the new port, if nothing else refers to
// them.
func (s *service) rename(name string) {
	for i, line := range s.lines {
		if i != s.frontend && i != s.backend && i != s.uses && slices.Contains(strings.Fields(line), s.backendName) {
			return
		}
	}
	for i, from := range map[int]string{s.frontend: s.name, s.backend: s.backendName, s.uses: s.backendName} {
		to := name
		if from == s.backendName {
			to = name + "_servers"
		}
		s.lines[i] = strings.Replace(s.lines[i], from, to, 1)
	}
}

// bindHost is the part of the bind address before the port. ":" is all of IPv4
// only, so an IPv6 VIP has to be named.
func bindHost(vip netip.Prefix, old string) string {
	if vip.IsValid() && vip.Addr().Is6() {
		return "[" + vip.Addr().String() + "]:"
	}
	if strings.HasPrefix(old, "[") {
		return ":"
	}
	return old
}

// serverLines returns the backend's server lines. Servers that were there keep
// their name and options.
func (s *service) serverLines(a *answers) []string {
	var lines []string
	taken := map[string]bool{}
	for _, l := range s.servers {
		if slices.Contains(a.servers, l.word(s.port)) { // the others' names are free
			taken[l.name] = true
		}
	}
	before := "   server "
	if len(s.servers) > 0 {
		before = s.servers[0].before
	}
	for _, w := range a.servers {
		i := slices.IndexFunc(s.servers, func(l serverLine) bool { return l.word(s.port) == w })
		if i < 0 {
			lines = append(lines, before+newServer(w, a.port, taken))
			continue
		}
		l := s.servers[i]
		line := l.before + l.name
		if l.hasAddress {
			line += " " + net.JoinHostPort(l.host, a.portOf(w))
		}
		lines = append(lines, line+l.options)
	}
	return lines
}

// portOf is the port of a server in the answer, or the service's.
func (a *answers) portOf(w string) string {
	if _, port, ok := splitServer(w); ok {
		return port
	}
	return strconv.Itoa(a.port)
}

// newServer is a server line's words for an answer. A name without a port needs
// no address: the host of that name at the port that the client came to.
func newServer(w string, port int, taken map[string]bool) string {
	host, own, hasPort := splitServer(w)
	if !hasPort {
		own = strconv.Itoa(port)
	}
	name := host
	_, err := netip.ParseAddr(host)
	if err == nil || taken[name] {
		for n := 1; name == host || taken[name]; n++ {
			name = fmt.Sprintf("s%d", n)
		}
	}
	taken[name] = true
	if name == host && !hasPort {
		return name
	}
	return name + " " + net.JoinHostPort(host, own)
}

// addService writes the two sections at the end.
func addService(text string, a *answers) string {
	name := uniqueName(text, serviceName(a.port))
	var b strings.Builder
	b.WriteString(endLine(text))
	fmt.Fprintf(&b, "frontend %s\n   mode tcp\n   bind %s%d\n   default_backend %s_servers\n", name, bindHost(a.vip, ":"), a.port, name)
	fmt.Fprintf(&b, "backend %s_servers\n   mode tcp\n   balance leastconn\n", name)
	taken := map[string]bool{}
	for _, w := range a.servers {
		fmt.Fprintf(&b, "   server %s\n", newServer(w, a.port, taken))
	}
	return b.String()
}

// uniqueName returns name, with a number if a section of text has it already.
func uniqueName(text, name string) string {
	used := map[string]bool{}
	for line := range strings.Lines(text) {
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			used[m[2]] = true
		}
	}
	candidate := name
	for n := 2; used[candidate] || used[candidate+"_servers"]; n++ {
		candidate = fmt.Sprintf("%s_%d", name, n)
	}
	return candidate
}
