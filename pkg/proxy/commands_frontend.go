package proxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// The commands that act on frontends and on the limits of the process (management
// guide, section 9.3). Texts are HAProxy's: programs read them.

// opening tells whether a frontend listens.
type opening uint8

const (
	frontendOpen   opening = iota
	frontendPaused         // until "enable frontend"; a reload changes nothing
	frontendShut           // until the next reload
)

// String returns the status in "show stat".
func (o opening) String() string { return [...]string{"OPEN", "PAUSED", "STOP"}[o] }

// noLimit stands for any number of connections.
const noLimit = math.MaxInt64

// limitOf is a limit of connections as the configuration has it, where 0 is none.
func limitOf(n int) int64 {
	if n <= 0 {
		return noLimit
	}
	return int64(n)
}

func (e *Engine) frontendCommands() []ctl.Command {
	rows := []struct {
		name, args, help string
		run              func(args []string) error
	}{
		{"disable frontend", "<frontend>", "stop listening, until it is enabled again", e.onFrontend(e.pauseFrontend)},
		{"enable frontend", "<frontend>", "listen again", e.onFrontend(e.resumeFrontend)},
		{"shutdown frontend", "<frontend>", "stop listening, until the next reload", e.onFrontend(e.shutFrontend)},
		{"set maxconn frontend", "<frontend> <number>", "change the limit of a frontend's connections", e.setMaxconnFrontend},
		{"set maxconn global", "<number>", "change the limit of connections; 0 is that of the configuration", e.setMaxconnGlobal},
		{"set rate-limit", "connections|sessions global <number>", "change the limit of new connections or sessions per second; 0 is none", e.setRateLimit},
	}
	var commands []ctl.Command
	for _, r := range rows {
		commands = append(commands, ctl.Command{Name: r.name, Args: r.args, Help: r.help, Level: ctl.LevelAdmin,
			Run: func(_ context.Context, req *ctl.Request, _ io.Writer) error { return r.run(req.Args) }})
	}
	return commands
}

// findFrontend finds the frontend that the first word names. mu is held.
func (e *Engine) findFrontend(args []string) (*frontend, error) {
	if len(args) == 0 {
		return nil, answer("A frontend name is expected.")
	}
	if f := e.frontends[args[0]]; f != nil {
		return f, nil
	}
	return nil, answer("No such frontend.")
}

// onFrontend finds the frontend that the first word names and holds mu while the
// command runs.
func (e *Engine) onFrontend(run func(f *frontend) error) func([]string) error {
	return func(args []string) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		f, err := e.findFrontend(args)
		if err != nil {
			return err
		}
		return run(f)
	}
}

// pauseFrontend closes the listening sockets. mu is held.
func (e *Engine) pauseFrontend(f *frontend) error {
	switch f.opening {
	case frontendShut:
		return answer("Frontend was previously shut down, cannot disable.")
	case frontendPaused:
		return answer("All sockets are already disabled.")
	}
	e.closeFrontend(f)
	f.opening = frontendPaused
	e.tellFrontend(f, "Paused "+f.title()+".")
	return nil
}

// resumeFrontend binds the listening sockets again. mu is held.
func (e *Engine) resumeFrontend(f *frontend) error {
	switch f.opening {
	case frontendShut:
		return answer("Frontend was previously shut down, cannot enable.")
	case frontendOpen:
		return answer("All sockets are already enabled.")
	}
	if e.closing.Load() {
		return answer("Failed to resume frontend, check logs for precise cause (port conflict?).")
	}
	p := f.conf.Load()
	// The sockets of others count as taken, also those of the same address.
	c := &change{listeners: maps.Clone(e.listeners), bound: map[*config.Bind]*listener{}}
	for i := range p.Binds {
		if err := e.prepareBind(c, p, &p.Binds[i]); err != nil {
			for _, l := range c.fresh {
				l.giveUp()
			}
			e.log.Error("frontend not resumed", "error", err)
			return answer("Failed to resume frontend, check logs for precise cause (port conflict?).")
		}
	}
	e.attach(c, f, p)
	e.listeners = c.listeners
	e.serveFresh(c)
	f.opening = frontendOpen
	e.tellFrontend(f, "Resumed "+f.title()+".")
	return nil
}

// shutFrontend closes the listening sockets for good. mu is held.
func (e *Engine) shutFrontend(f *frontend) error {
	if f.opening == frontendShut {
		return answer("Frontend was already shut down.")
	}
	e.closeFrontend(f)
	f.opening = frontendShut
	var served int64
	if b := e.backends[f.name]; b != nil && f.conf.Load().Kind.HasBackend() {
		served = b.stats.sessions.Load()
	}
	e.tellFrontend(f, fmt.Sprintf("Proxy %s stopped (cumulated conns: FE: %d, BE: %d).", f.name, f.stats.conns.Load(), served))
	return nil
}

// closeFrontend lets go of f's listening sockets. mu is held.
func (e *Engine) closeFrontend(f *frontend) {
	for key, l := range e.listeners {
		if l.frontend.Load() == f {
			delete(e.listeners, key)
			e.drop(l)
		}
	}
}

// title is how lines name the frontend.
func (f *frontend) title() string {
	if f.conf.Load().Kind.HasBackend() {
		return "proxy " + f.name
	}
	return "frontend " + f.name
}

// tellFrontend writes a line about f.
func (e *Engine) tellFrontend(f *frontend, line string) {
	e.log.Log(context.Background(), slog.LevelWarn, line)
	if l := f.logger.Load(); l != nil {
		l.emit(severityWarning, time.Now(), []byte(line))
	}
}

// setMaxconnFrontend sets the limit of a frontend's connections, for the next ones.
func (e *Engine) setMaxconnFrontend(args []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.findFrontend(args)
	switch {
	case err != nil:
		return err
	case len(args) < 2:
		return answer("Integer value expected.")
	case atoi(args[1]) < 0:
		return answer("Value out of range.")
	}
	f.maxconn.Store(int64(atoi(args[1]))) // 0 lets nobody in
	e.resumePaused()
	return nil
}

// setMaxconnGlobal sets the limit of the process, up to what there are files for.
func (e *Engine) setMaxconnGlobal(args []string) error {
	if len(args) == 0 {
		return answer("Expects an integer value.")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	n := int64(atoi(args[0]))
	if n > e.hardMaxconn {
		return answer("Value out of range.")
	}
	if n <= 0 {
		n = e.hardMaxconn
	}
	e.maxconn.Store(n)
	e.resumePaused()
	return nil
}

// setRateLimit sets a limit of the process. Paused listeners have the time of the old
// one to wait, a second at most.
func (e *Engine) setRateLimit(args []string) error {
	var words [3]string
	copy(words[:], args)
	limits := map[string]*limitedRate{"connections": &e.connRate, "sessions": &e.sessRate}
	r := limits[words[0]]
	switch {
	case r == nil || words[1] != "global":
		return answer("'set rate-limit' only supports :\n   - 'connections global' to set the per-process maximum connection rate\n" +
			"   - 'sessions global' to set the per-process maximum session rate")
	case words[2] == "":
		return answer("Expects an integer value.")
	case atoi(words[2]) < 0:
		return answer("Value out of range.")
	}
	r.limit.Store(int64(atoi(words[2])))
	e.resumePaused()
	return nil
}

// atoi reads a number as HAProxy's commands do: what is no number is 0.
func atoi(s string) int {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || end == 0 && (s[0] == '-' || s[0] == '+')) {
		end++
	}
	n, _ := strconv.Atoi(s[:end])
	return max(min(n, math.MaxInt32), math.MinInt32)
}
