package proxy

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/ctl"
)

// The lists of servers: "show servers state" and "show servers conn" (management
// guide, section 9.3).

// stateHeader is version 1 of the format of server states (management guide, "show
// servers state").
const stateHeader = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight " +
	"srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id " +
	"srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n"

func (e *Engine) showServersState(_ context.Context, req *ctl.Request, w io.Writer) error {
	return e.listServers(req, w, stateHeader, (*server).stateLine)
}

func (e *Engine) showServersConn(_ context.Context, req *ctl.Request, w io.Writer) error {
	threads := len(e.workers)
	header := fmt.Sprintf("# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[%d]\n", threads)
	return e.listServers(req, w, header, func(s *server, id int, _ time.Time) string {
		return fmt.Sprintf("%s %d/%d %s %d - 5000 %d %d %d 0 0 -1 0%s\n", s.path(), id, s.conf.ID, s.addrText(), s.target.Load().port,
			s.served, s.stats.peakSessions.Load(), s.served, strings.Repeat(" 0", threads))
	})
}

// listServers writes a line for each server, gathered under the locks and written
// without.
func (e *Engine) listServers(req *ctl.Request, w io.Writer, header string, line func(s *server, id int, now time.Time) string) error {
	only := firstWord(req.Args)
	text, found := strings.Builder{}, only == ""
	text.WriteString(header)
	e.mu.Lock()
	now := time.Now()
	for _, p := range e.conf.Proxies {
		b := e.backends[p.Name]
		if b == nil || !p.Kind.HasBackend() || only != "" && p.Name != only {
			continue
		}
		found = true
		b.mu.Lock()
		for _, s := range b.servers {
			text.WriteString(line(s, p.ID, now))
		}
		b.mu.Unlock()
	}
	e.mu.Unlock()
	if !found {
		return answer("Can't find backend.")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// addrText is the server's address, "-" if there is none. backend.mu is held.
func (s *server) addrText() string {
	if t := s.target.Load(); t.addr.IsValid() {
		return t.addr.String()
	}
	return "-"
}

// Numbers of "show servers state" (management guide, section 9.3).
var checkNumbers = map[string]int{"": 1, "L4OK": 6, "L4TOUT": 7, "L4CON": 8}

const (
	resultFailed, resultPassed                 = 2, 3
	checkConfigured, checkEnabled, checkPaused = 2, 4, 8
)

// stateLine is the server's line of "show servers state". backend.mu is held.
func (s *server) stateLine(id int, now time.Time) string {
	maint := s.admin&anyMaint != 0
	op, adm, fqdn := s.op, s.admin, "-"
	if !s.located {
		op, adm = opStopped, adm|resolveMaint
	}
	if s.needsResolution() {
		fqdn = s.conf.Host
	}
	result, state := 0, 0
	if hasCheck(s.conf) {
		state = checkConfigured
		if s.last.Status != "" {
			result = resultFailed
		}
		if s.last.Good {
			result = resultPassed
		}
		if s.checking {
			state |= checkEnabled
		}
		if maint {
			state |= checkPaused
		}
	}
	if s.admin&configMaint != 0 {
		state |= checkPaused
	}
	checkPort, checkAddr := s.checkPort, s.checkAddr
	if c := s.conf.Check; c != nil {
		if checkPort == 0 {
			checkPort = c.Port
		}
		if checkAddr == "" {
			checkAddr = c.Addr.Host
		}
	}
	if checkAddr == "" {
		checkAddr = "-"
	}
	return fmt.Sprintf("%d %s %d %s %s %d %d %d %d %d %d %d %d %d 0 0 0 %s %d - 0 %d %s - 0\n",
		id, s.backend.name, s.conf.ID, s.name, s.addrText(), op, adm, s.weight, s.conf.Weight, seconds(now.Sub(s.since)),
		checkNumbers[s.last.Status], result, s.health.Score(), state, fqdn, s.target.Load().port, checkPort, checkAddr)
}
