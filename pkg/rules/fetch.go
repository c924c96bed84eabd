package rules

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
)

// fetchMaker compiles a fetch with its arguments.
type fetchMaker func(c *Compiler, args []config.Arg) (step, error)

// fetches are those that are supported; their rows are in pkg/config.
var fetches = map[string]fetchMaker{
	"always_false": constant(func(v *value, _ config.Arg) { v.setBool(false) }),
	"always_true":  constant(func(v *value, _ config.Arg) { v.setBool(true) }),
	"bool":         constant(func(v *value, a config.Arg) { v.setBool(a.Text == "true" || a.Text == "1") }),
	"int":          constant(func(v *value, a config.Arg) { v.setInt(a.Int) }),
	"ipv4":         constant(func(v *value, a config.Arg) { v.setAddr(a.Addr) }),
	"ipv6":         constant(func(v *value, a config.Arg) { v.setAddr(a.Addr) }),
	"str":          constant(func(v *value, a config.Arg) { v.setBytes(config.TypeString, []byte(a.Text)) }),
	"bin":          fetchBin,
	"env":          fetchEnv,
	"hostname":     fetchHostname,
	"pid":          fetchPID,
	"date":         fetchDate,
	"rand":         fetchRand,

	"src":          addrFetch(client),
	"src_port":     portFetch(client),
	"src_is_local": localFetch(client),
	"dst":          addrFetch(local),
	"dst_port":     portFetch(local),
	"dst_is_local": localFetch(local),

	"fc_src":          addrFetch(client), // nothing changes the addresses of a connection yet
	"fc_src_port":     portFetch(client),
	"fc_src_is_local": localFetch(client),
	"fc_dst":          addrFetch(local),
	"fc_dst_port":     portFetch(local),
	"fc_dst_is_local": localFetch(local),

	"fe_client_timeout":  timeoutFetch(false, func(t *config.Timeouts) time.Duration { return t.Client }),
	"cur_client_timeout": currentTimeout(clientTimeout, clientTimeout),
	"be_server_timeout":  timeoutFetch(true, func(t *config.Timeouts) time.Duration { return t.Server }),
	"cur_server_timeout": currentTimeout(noTimeout, serverTimeout),
	"be_tunnel_timeout":  timeoutFetch(true, func(t *config.Timeouts) time.Duration { return t.Tunnel }),
	"cur_tunnel_timeout": currentTimeout(noTimeout, noTimeout),

	"fe_id":    sectionFetch(false, func(v *value, p *config.Proxy) { v.setInt(int64(p.ID)) }),
	"fe_name":  nameFetch(func(s *Stream) (string, bool) { return s.Frontend.Name, true }),
	"fe_defbe": nameFetch(func(s *Stream) (string, bool) { return s.Frontend.DefaultBackend, s.Frontend.DefaultBackend != "" }),
	"be_id":    sectionFetch(true, func(v *value, p *config.Proxy) { v.setInt(int64(p.ID)) }),
	"be_name": nameFetch(func(s *Stream) (string, bool) {
		if s.Backend == nil {
			return "", false
		}
		return s.Backend.Name, true
	}),
	"so_id":   func(*Compiler, []config.Arg) (step, error) { return socketID, nil },
	"so_name": nameFetch(func(s *Stream) (string, bool) { return s.Bind.Name, s.Bind.Name != "" }),

	"dst_conn":      func(*Compiler, []config.Arg) (step, error) { return socketConns, nil },
	"fe_conn":       quantity(FrontendConns),
	"fe_sess_rate":  quantity(FrontendRate),
	"be_conn":       quantity(BackendConns),
	"be_sess_rate":  quantity(BackendRate),
	"be_conn_free":  quantity(BackendFree),
	"connslots":     quantity(BackendSlots),
	"nbsrv":         quantity(BackendUsable),
	"queue":         quantity(BackendQueue),
	"avg_queue":     quantity(AverageQueue),
	"srv_conn":      quantity(ServerConns),
	"srv_sess_rate": quantity(ServerRate),
	"srv_conn_free": quantity(ServerFree),
	"srv_is_up":     quantity(ServerUp),
	"srv_queue":     quantity(ServerQueue),
	"srv_weight":    quantity(ServerWeight),
	"srv_uweight":   quantity(UserWeight),
	"srv_iweight":   quantity(InitialWeight),
	"fe_req_rate":   fixed(0), // requests are of HTTP

	"act_conn":    fetchConns,
	"stopping":    fetchStopping,
	"uptime":      fetchUptime,
	"uuid":        fetchUUID,
	"date_us":     fetchDateMicros,
	"nbproc":      fixed(1),
	"proc":        fixed(1),
	"prio_class":  fixed(0), // nothing sets priorities yet
	"prio_offset": fixed(0),

	"accept_date":         fetchAcceptDate,
	"srv_id":              fetchServerID,
	"srv_name":            textFetch(ServerName),
	"bc_dst":              endAddr(ServerEnd),
	"bc_dst_port":         endPort(ServerEnd),
	"bc_src":              endAddr(SourceEnd),
	"bc_src_port":         endPort(SourceEnd),
	"bc_be_queue":         detailFetch(BackendQueued),
	"bc_srv_queue":        detailFetch(ServerQueued),
	"bc.timer.connect":    detailFetch(ConnectTime),
	"bytes_in":            detailFetch(BytesIn),
	"bytes_out":           detailFetch(BytesOut),
	"fc.timer.handshake":  detailFetch(HandshakeTime),
	"fc.timer.total":      detailFetch(TotalTime),
	"res.timer.data":      fixed(-1), // of HTTP responses
	"txn.conn_retries":    detailFetch(Retries),
	"txn.redispatched":    flagFetch(Redispatched),
	"txn.sess_term_state": textFetch(Termination),
	"txn.timer.user":      detailFetch(TotalTime),
	"fc_rcvd_proxy":       flagFetch(Introduced),
	"fc_pp_authority":     textFetch(ProxyAuthority),
	"fc_pp_unique_id":     textFetch(ProxyUniqueID),
}

func client(s *Stream) netip.AddrPort { return s.Client }
func local(s *Stream) netip.AddrPort  { return s.Local }

// constant is a fetch whose sample is known while compiling.
func constant(set func(v *value, a config.Arg)) fetchMaker {
	return func(_ *Compiler, args []config.Arg) (step, error) {
		var v value
		var a config.Arg
		if len(args) > 0 {
			a = args[0]
		}
		set(&v, a)
		return func(s *Stream) bool { s.value = v; return true }, nil
	}
}

// always is a fetch whose sample is v.
func always(v value) step { return func(s *Stream) bool { s.value = v; return true } }

func never(*Stream) bool { return false }

func text(t string) value { return value{kind: config.TypeString, bytes: []byte(t)} }

func fetchBin(_ *Compiler, args []config.Arg) (step, error) {
	b, err := hex.DecodeString(args[0].Text)
	return always(value{kind: config.TypeBinary, bytes: b}), err
}

func fetchEnv(c *Compiler, args []config.Arg) (step, error) {
	if t, ok := c.Host.Getenv(args[0].Text); ok {
		return always(text(t)), nil
	}
	return never, nil
}

func fetchHostname(c *Compiler, _ []config.Arg) (step, error) { return always(text(c.Host.Name)), nil }

func fetchPID(c *Compiler, _ []config.Arg) (step, error) {
	return always(value{kind: config.TypeInt, n: int64(c.Host.PID)}), nil
}

// fetchDate is the time since 1970 plus an offset, in seconds unless told otherwise.
func fetchDate(c *Compiler, args []config.Arg) (step, error) {
	offset, unit := int64(0), ""
	if len(args) > 0 {
		offset = args[0].Int
	}
	if len(args) > 1 {
		unit = args[1].Text
	}
	now, in := c.Host.Now, time.Time.Unix
	switch unit {
	case "ms":
		in = time.Time.UnixMilli
	case "us":
		in = time.Time.UnixMicro
	}
	return func(s *Stream) bool { s.value.setInt(in(now()) + offset); return true }, nil
}

func fetchRand(c *Compiler, args []config.Arg) (step, error) {
	limit := uint64(1) << 32
	if len(args) > 0 {
		limit = uint64(args[0].Int)
	}
	random := c.Host.Random
	return func(s *Stream) bool { s.value.setInt(int64(uint64(random()) * limit >> 32)); return true }, nil
}

// noteLocal remembers that the local address is asked for.
func noteLocal(c *Compiler, of func(*Stream) netip.AddrPort) {
	c.local = c.local || of(&Stream{Local: netip.AddrPortFrom(netip.IPv4Unspecified(), 1)}).IsValid()
}

func addrFetch(of func(*Stream) netip.AddrPort) fetchMaker {
	return func(c *Compiler, _ []config.Arg) (step, error) {
		noteLocal(c, of)
		return func(s *Stream) bool { return s.value.setAddr(of(s).Addr()) }, nil
	}
}

func portFetch(of func(*Stream) netip.AddrPort) fetchMaker {
	return func(c *Compiler, _ []config.Arg) (step, error) {
		noteLocal(c, of)
		return func(s *Stream) bool {
			s.value.setInt(int64(of(s).Port()))
			return of(s).IsValid()
		}, nil
	}
}

func localFetch(of func(*Stream) netip.AddrPort) fetchMaker {
	return func(c *Compiler, _ []config.Arg) (step, error) {
		noteLocal(c, of)
		is := c.Host.Local
		return func(s *Stream) bool {
			a := of(s).Addr()
			if a.IsValid() {
				s.value.setBool(is(a))
			}
			return a.IsValid()
		}, nil
	}
}

func sectionFetch(backend bool, set func(*value, *config.Proxy)) fetchMaker {
	return func(*Compiler, []config.Arg) (step, error) {
		return func(s *Stream) bool {
			p := s.Frontend
			if backend {
				p = s.Backend
			}
			if p != nil {
				set(&s.value, p)
			}
			return p != nil
		}, nil
	}
}

func nameFetch(of func(*Stream) (string, bool)) fetchMaker {
	return func(*Compiler, []config.Arg) (step, error) {
		return func(s *Stream) bool {
			name, ok := of(s)
			s.write(config.TypeString, func(b []byte, _ *value) []byte { return append(b, name...) })
			return ok
		}, nil
	}
}

// timeoutFetch is a timeout of the frontend or the backend, in milliseconds.
func timeoutFetch(backend bool, of func(*config.Timeouts) time.Duration) fetchMaker {
	return sectionFetch(backend, func(v *value, p *config.Proxy) { v.setInt(of(&p.Timeouts).Milliseconds()) })
}

func socketConns(s *Stream) bool {
	s.value.setInt(s.Socket.Quantity(SocketConns))
	return true
}

func socketID(s *Stream) bool {
	s.value.setInt(int64(s.Bind.ID))
	return true
}

// errUnknown is the error for a name that configuration checks let pass.
var errUnknown = errors.New("is not there")

// quantity is a fetch that asks a frontend, backend or server.
func quantity(q Quantity) fetchMaker {
	return func(c *Compiler, args []config.Arg) (step, error) {
		var o Object
		switch a := args[0]; a.Type {
		case config.ArgFrontend:
			o = c.Names.Frontend(c.section(a.Text))
		case config.ArgBackend:
			o = c.Names.Backend(c.section(a.Text))
		case config.ArgServer:
			backend, name, split := strings.Cut(a.Text, "/")
			if !split {
				backend, name = c.Section, a.Text
			}
			o = c.Names.Server(backend, name)
		}
		if o == nil {
			return nil, fmt.Errorf("%s '%s' %w", args[0].Type, args[0].Text, errUnknown)
		}
		boolean := q == ServerUp
		return func(s *Stream) bool {
			n := o.Quantity(q)
			if s.value.setInt(n); boolean {
				s.value.setBool(n != 0)
			}
			return true
		}, nil
	}
}

func (c *Compiler) section(name string) string {
	if name == "" {
		return c.Section
	}
	return name
}
