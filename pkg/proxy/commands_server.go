package proxy

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// The commands that act on servers. Texts are HAProxy's: programs read them.

// serverCommand is the work of a command on one server; args are the words behind
// its name.
type serverCommand func(e *Engine, s *server, args []string, w io.Writer) error

func (e *Engine) serverCommands() []ctl.Command {
	rows := []struct {
		name, args, help string
		level            ctl.Level
		run              serverCommand
	}{
		{"enable server", "<backend>/<server>", "end the maintenance or the drain of a server", ctl.LevelAdmin, enableServer},
		{"disable server", "<backend>/<server>", "put a server into maintenance", ctl.LevelAdmin, disableServer},
		{"enable health", "<backend>/<server>", "check a server again", ctl.LevelAdmin, enableHealth},
		{"disable health", "<backend>/<server>", "check a server no more", ctl.LevelAdmin, disableHealth},
		{"get weight", "<backend>/<server>", "report a server's weight", ctl.LevelUser, getWeight},
		{"set weight", "<backend>/<server> <weight>[%]", "change a server's weight", ctl.LevelAdmin, setWeight},
		{"set server", "<backend>/<server> addr|check-addr|check-port|health|state|weight ...", "change a server's state, weight or address", ctl.LevelAdmin, setServer},
		{"set maxconn server", "<backend>/<server> <number>", "change the limit of a server's sessions; 0 is none", ctl.LevelAdmin, setMaxconnServer},
		{"shutdown sessions server", "<backend>/<server>", "end the sessions of a server", ctl.LevelAdmin, shutdownSessions},
	}
	commands := []ctl.Command{
		{Name: "show servers state", Args: "[<backend>]", Help: "list the servers with their state", Run: e.showServersState},
		{Name: "show servers conn", Args: "[<backend>]", Help: "list the servers with their connections", Run: e.showServersConn},
	}
	for _, r := range rows {
		commands = append(commands, ctl.Command{Name: r.name, Args: r.args, Help: r.help, Level: r.level,
			Run: func(_ context.Context, req *ctl.Request, w io.Writer) error { return e.onServer(r.run, req.Args, w) }})
	}
	return commands
}

// onServer finds the server that the first word names. No change of state comes in
// between while the command runs.
func (e *Engine) onServer(run serverCommand, args []string, w io.Writer) error {
	var words [5]string
	copy(words[:], args)
	pool, name, ok := strings.Cut(words[0], "/")
	if !ok {
		return answer("Require 'backend/server'.")
	}
	e.mu.Lock()
	b := e.backends[pool]
	e.mu.Unlock()
	if b == nil {
		return answer("No such backend.")
	}
	e.watch.order.Lock()
	defer e.watch.order.Unlock()
	b.mu.Lock()
	var found *server
	for _, s := range b.servers {
		if s.name == name {
			found = s
		}
	}
	b.mu.Unlock()
	if found == nil {
		return answer("No such server.")
	}
	return run(e, found, words[1:], w)
}

// answer is a refusal in HAProxy's words, which begin with a capital and end with
// a full stop.
type answer string

func (a answer) Error() string { return string(a) }

// enableServer ends maintenance and drain alike, as in HAProxy.
func enableServer(e *Engine, s *server, _ []string, _ io.Writer) error {
	return setState(e, s, "ready")
}

func disableServer(e *Engine, s *server, _ []string, _ io.Writer) error {
	return setState(e, s, "maint")
}

// enableHealth has a server checked again, from where it was.
func enableHealth(e *Engine, s *server, _ []string, _ io.Writer) error {
	defer e.watch.lead(s)
	return s.underLock(func() error {
		if !hasCheck(s.conf) {
			return answer("Health check was not configured on this server, cannot enable.")
		}
		s.checking = true
		return nil
	})
}

// disableHealth ends the checks of a server, which stays what it is.
func disableHealth(e *Engine, s *server, _ []string, _ io.Writer) error {
	defer e.watch.lead(s)
	return s.underLock(func() error {
		s.checking = false
		return nil
	})
}

// underLock runs f with backend.mu held.
func (s *server) underLock(f func() error) error {
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	return f()
}

func getWeight(_ *Engine, s *server, _ []string, w io.Writer) error {
	s.backend.mu.Lock()
	text := fmt.Sprintf("%d (initial %d)", s.weight, s.conf.Weight)
	s.backend.mu.Unlock()
	fmt.Fprintln(w, text)
	return nil
}

// setWeight gives a server another weight at once, also while it warms up.
func setWeight(e *Engine, s *server, args []string, _ io.Writer) error {
	if args[0] == "" {
		return answer("Require <weight> or <weight%>.")
	}
	b := s.backend
	b.mu.Lock()
	weight, err := parseWeight(args[0], s.conf.Weight, b.conf)
	emptied := false
	if err == nil {
		s.weight = weight
		s.warmFurther(time.Now())
		emptied = b.rearranged()
	}
	b.mu.Unlock()
	e.watch.conclude(s, emptied, consequence{})
	return err
}

// parseWeight reads a weight, or a share in per cent of the initial one; text is not
// empty.
func parseWeight(text string, initial int, p *config.Proxy) (int, error) {
	unsigned := text
	if text[0] == '-' || text[0] == '+' {
		unsigned = text[1:]
	}
	rest := strings.TrimLeft(unsigned, "0123456789")
	n, err := strconv.Atoi(strings.TrimSuffix(text, rest))
	switch {
	case err != nil:
		return 0, answer("Empty weight string empty or preceded by garbage")
	case rest == "%" && n < 0:
		return 0, answer("Relative weight must be positive.")
	case rest == "%":
		n = min(initial*min(n, 25600)/100, 256)
	case n < 0 || n > 256:
		return 0, answer("Absolute weight can only be between 0 and 256 inclusive.")
	case rest != "":
		return 0, answer("Trailing garbage in weight string")
	}
	if n > 0 && n != initial && !dynamicWeights(p) {
		return 0, answer("Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.")
	}
	return n, nil
}

// dynamicWeights reports whether the algorithm takes any weight at any time.
func dynamicWeights(p *config.Proxy) bool {
	switch p.Balance.Algorithm {
	case "static-rr":
		return false
	case "source", "hash", "rdp-cookie":
		return p.Hash.Consistent
	}
	return true
}

// shutdownSessions ends the sessions that a server has.
func shutdownSessions(e *Engine, s *server, _ []string, _ io.Writer) error {
	e.endSessions(map[*server]bool{s: true}, byKill)
	return nil
}

// setServer is "set server" with its many kinds.
func setServer(e *Engine, s *server, args []string, w io.Writer) error {
	switch args[0] {
	case "weight":
		return setWeight(e, s, args[1:], w)
	case "state":
		return setState(e, s, args[1])
	case "health":
		return setHealth(e, s, args[1])
	case "addr":
		return setAddr(s, args[1:], w)
	case "check-port":
		return setCheckPort(s, args[1])
	case "check-addr":
		return setCheckAddr(s, args[1:])
	case "agent", "agent-addr", "agent-port", "agent-send", "fqdn", "ssl":
		return fmt.Errorf("\"set server %s\" is not supported by this version yet", args[0])
	}
	return answer("usage: set server <backend>/<server> addr | agent | agent-addr | agent-port | agent-send | check-addr | check-port | fqdn | health | ssl | state | weight")
}

// setState is what an operator wants of a server: each state ends the other ones.
func setState(e *Engine, s *server, state string) error {
	switch state {
	case "ready":
		e.watch.setAdmin(s, 0, forcedMaint|forcedDrain, "")
	case "drain":
		e.watch.setAdmin(s, forcedDrain, forcedMaint, "")
	case "maint":
		e.watch.setAdmin(s, forcedMaint, forcedDrain, "")
	default:
		return answer("'set server <srv> state' expects 'ready', 'drain' and 'maint'.")
	}
	return nil
}

// setHealth makes a server's checks count as if they had found health; the next ones
// go on from there.
func setHealth(e *Engine, s *server, health string) error {
	ops := map[string]operation{"up": opRunning, "stopping": opStopping, "down": opStopped}
	op, known := ops[health]
	switch {
	case s.tracked != nil:
		return answer("cannot change health on a tracking server.")
	case !known:
		return answer("'set server <srv> health' expects 'up', 'stopping', or 'down'.")
	}
	_ = s.underLock(func() error {
		s.health.Force(op != opStopped)
		return nil
	})
	e.watch.setOperation(s, op, ", changed from CLI")
	return nil
}

// setCheckPort changes the port that checks go to.
func setCheckPort(s *server, text string) error {
	return s.underLock(func() error {
		n, err := strconv.Atoi(text)
		switch {
		case !hasCheck(s.conf):
			return answer("health checks are not enabled on this server")
		case text == "":
			return answer("set server <b>/<s> check-port requires a port.")
		case err != nil:
			return answer("provided port is not an integer")
		case n < 1 || n > 65535:
			return answer("provided port is invalid")
		}
		s.checkPort = n
		return nil
	})
}

// setCheckAddr changes where checks go. A port that is refused leaves the address as
// it was.
func setCheckAddr(s *server, args []string) error {
	err := s.underLock(func() error {
		if !hasCheck(s.conf) {
			return answer("health checks are not enabled on this server")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if args[0] == "" {
		return answer("set server <b>/<s> check-addr requires an address and optionally a port.")
	}
	addr, err := netip.ParseAddr(args[0])
	if err != nil {
		return fmt.Errorf("invalid addr '%s'", args[0])
	}
	if args[1] == "port" {
		if err := setCheckPort(s, args[2]); err != nil {
			return err
		}
	}
	return s.underLock(func() error {
		s.checkAddr = addr.String()
		return nil
	})
}

// setAddr moves a server; it keeps what is known of its health.
func setAddr(s *server, args []string, w io.Writer) error {
	if args[0] == "" {
		return answer("set server <b>/<s> addr requires an address and optionally a port.")
	}
	addr, err := netip.ParseAddr(args[0])
	if err != nil {
		return answer("Invalid addr '" + args[0] + "'")
	}
	var changes []string
	err = s.underLock(func() error {
		old := s.target.Load()
		next := target{addr: addr.Unmap(), port: old.port, portRelative: old.portRelative}
		if args[1] == "port" {
			n, err := strconv.Atoi(args[2])
			if err != nil {
				return answer("problem converting port '" + args[2] + "' to an int")
			}
			next.port, next.portRelative = n, strings.HasPrefix(args[2], "+") || n < 0
			if !next.portRelative && (n < 1 || n > 65535) {
				return answer("provided port is invalid")
			}
		}
		if next.addr != old.addr {
			changes = append(changes, fmt.Sprintf("IP changed from '%s' to '%s'", old.addr, next.addr))
		}
		if from, to := old.portText(), next.portText(); from != to {
			changes = append(changes, fmt.Sprintf("port changed from '%s' to '%s'", from, to))
		}
		if len(changes) > 0 {
			s.target.Store(&next)
			s.located, s.moved = true, true
			s.backend.rearranged()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		fmt.Fprintln(w, "nothing changed")
		return nil
	}
	s.backend.rebuild()
	fmt.Fprintln(w, strings.Join(changes, ", ")+" by 'stats socket command'")
	return nil
}

// portText is the port in the words of "set server addr".
func (t *target) portText() string {
	if t.portRelative {
		return fmt.Sprintf("%+d", t.port)
	}
	return strconv.Itoa(t.port)
}
