package web

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// overview is the way of the traffic: addresses, frontends, pools, servers.
type overview struct {
	Services []service `json:"services"`
	// Problems say what could not be asked.
	Problems []string `json:"problems"`
}

// service is one frontend with what stands behind it.
type service struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"` // VIP:port, or the address that is bound
	Mode      string   `json:"mode"`
	counters
	Pool *pool `json:"pool,omitempty"`
}

// pool is one backend.
type pool struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
	Queue     int64  `json:"queue"`
	counters
	Servers []server `json:"servers"`
}

// server is one server of a pool.
type server struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Weight  int64  `json:"weight"`
	Backup  bool   `json:"backup"`
	Errors  int64  `json:"errors"`
	counters
}

// counters are what all of them count since the proxy's start.
type counters struct {
	Status   string `json:"status"`
	Sessions int64  `json:"sessions"`
	Max      int64  `json:"max"`
	Total    int64  `json:"total"`
	In       int64  `json:"in"`
	Out      int64  `json:"out"`
}

// Class is how the state is coloured: good, warn, bad or off.
func (c counters) Class() string {
	first, _, _ := strings.Cut(c.Status, " ")
	switch first {
	case "UP", "OPEN", "no":
		return "good"
	case "DOWN", "FULL":
		return "bad"
	case "MAINT", "STOP", "":
		return "off"
	}
	return "warn"
}

func countersOf(st ctl.Stat) counters {
	return counters{st.Status, st.SessionsCur, st.SessionsMax, st.SessionsTotal, st.BytesIn, st.BytesOut}
}

// overview asks the daemons; what one of them does not tell is missing, and said.
func (s *Server) overview(r *request) overview {
	var o overview
	ctx := r.Context()
	miss := func(err error) {
		if err != nil {
			o.Problems = append(o.Problems, asProblem(err).Detail)
		}
	}
	stats, err := s.stats(ctx)
	miss(err)
	n, err := s.network(ctx)
	miss(err)
	content, err := s.content(ctx, "running")
	miss(err)
	cfg, _, err := config.Parse([]config.Source{{Name: "proxy.cfg", Text: []byte(content.Files["proxy.cfg"])}}, config.Options{})
	if err != nil {
		// It runs, so the proxy can read it; its parts are not known here, as with
		// a variable of the proxy's environment.
		cfg = &config.Config{}
	}
	o.Services = services(cfg, stats, n.vips())
	return o
}

// services joins the configuration's frontends with the counters. Frontends that
// the configuration does not name are listed from the counters alone.
func services(cfg *config.Config, stats []ctl.Stat, vips []string) []service {
	var out []service
	used := map[string]bool{}
	for _, st := range stats {
		if st.Type != ctl.StatFrontend {
			continue
		}
		svc := service{Name: st.Proxy, Mode: st.Mode, counters: countersOf(st)}
		backend := st.Proxy // of a listen section
		if p := cfg.Proxy(st.Proxy, true, false); p != nil {
			svc.Addresses = addresses(p.Binds, vips)
			if p.DefaultBackend != "" {
				backend = p.DefaultBackend
			}
		}
		svc.Pool = poolOf(backend, stats)
		used[backend] = true
		out = append(out, svc)
	}
	for _, st := range stats {
		if st.Type == ctl.StatBackend && !used[st.Proxy] {
			out = append(out, service{Mode: st.Mode, Pool: poolOf(st.Proxy, stats)})
		}
	}
	return out
}

// addresses tells where clients reach a bind line: the virtual addresses stand
// for a wildcard of their family.
func addresses(binds []config.Bind, vips []string) []string {
	var out []string
	for _, b := range binds {
		if b.Path != "" {
			out = append(out, b.Path)
			continue
		}
		port := strconv.Itoa(int(b.Addr.Port()))
		if !b.Addr.Addr().IsUnspecified() {
			out = append(out, b.Addr.String())
			continue
		}
		before := len(out)
		for _, vip := range vips {
			is4 := !strings.Contains(vip, ":")
			if is4 == b.Addr.Addr().Is4() || is4 && b.V4V6 {
				out = append(out, net.JoinHostPort(vip, port))
			}
		}
		if len(out) == before {
			out = append(out, "*:"+port)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func poolOf(name string, stats []ctl.Stat) *pool {
	var p *pool
	for _, st := range stats {
		if st.Proxy == name && st.Type == ctl.StatBackend {
			p = &pool{Name: name, Algorithm: st.Algorithm, Queue: st.QueueCur, counters: countersOf(st)}
		}
	}
	if p == nil {
		return nil
	}
	for _, st := range stats {
		if st.Proxy == name && st.Type == ctl.StatServer {
			// ":+0" is the port that the client connected to, which stands left of it.
			p.Servers = append(p.Servers, server{Name: st.Service, Address: strings.TrimSuffix(st.Address, ":+0"), Weight: st.Weight,
				Backup: st.Backup > 0, Errors: st.ConnectErrors, counters: countersOf(st)})
		}
	}
	return p
}

func (s *Server) overviewPage(w http.ResponseWriter, r *request) error {
	return s.render(w, r, http.StatusOK, "overview", "overview", "Overview", s.overview(r))
}

func (s *Server) apiOverview(w http.ResponseWriter, r *request) error {
	return writeJSON(w, http.StatusOK, s.overview(r))
}

func (s *Server) apiStat(w http.ResponseWriter, r *request) error {
	stats, err := s.stats(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, stats)
}

func (s *Server) apiNetwork(w http.ResponseWriter, r *request) error {
	text, err := s.networkJSON(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, text)
}
