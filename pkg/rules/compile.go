package rules

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
)

// Quantity is a number that the running proxy knows of a frontend, a backend, a server
// or a listening socket.
type Quantity uint8

// The quantities, by the fetches that return them (manual, section 7.3.2).
const (
	FrontendConns Quantity = iota // fe_conn
	FrontendRate                  // fe_sess_rate: sessions in the last second
	BackendConns                  // be_conn
	BackendRate                   // be_sess_rate
	BackendFree                   // be_conn_free; -1: no limit
	BackendSlots                  // connslots; -1: no limit
	BackendUsable                 // nbsrv
	BackendQueue                  // queue: of the backend and all its servers
	AverageQueue                  // avg_queue
	ServerConns                   // srv_conn
	ServerRate                    // srv_sess_rate
	ServerFree                    // srv_conn_free; -1: no limit
	ServerUp                      // srv_is_up: 0 or 1
	ServerQueue                   // srv_queue
	ServerWeight                  // srv_weight
	UserWeight                    // srv_uweight
	InitialWeight                 // srv_iweight
	SocketConns                   // dst_conn
)

// Object is a frontend, backend, server or listening socket of the running proxy. It is asked on the
// goroutines that evaluate.
type Object interface {
	Quantity(q Quantity) int64
}

// Names finds the objects that expressions name; nil stands for one that is not
// there. It is asked while compiling.
type Names interface {
	Frontend(name string) Object
	Backend(name string) Object
	Server(backend, name string) Object
}

// Host is the machine, as far as samples tell of it.
type Host struct {
	Name   string
	PID    int
	Getenv func(name string) (string, bool)
	Now    func() time.Time
	Random func() uint32
	Local  func(netip.Addr) bool // whether an address is one of this machine
	// The process: since when it runs, its connections, and whether it stops.
	Started  time.Time
	Conns    func() int64
	Stopping func() bool
}

// Compiler compiles what stands in one section.
type Compiler struct {
	Section string // its name: what an empty reference means
	Names   Names
	Host    Host

	local   bool   // something asked for the address that the client connected to
	details uint64 // bits of the details that a session is asked for
}

// NeedsLocal reports whether something compiled so far needs Stream.Local.
func (c *Compiler) NeedsLocal() bool { return c.local }

// step changes the stream's value; ok is false if there is no sample.
type step func(s *Stream) (ok bool)

// Expr is a compiled sample expression.
type Expr struct{ steps []step }

// Expr compiles an expression. An error names the first fetch or converter that
// is not supported.
func (c *Compiler) Expr(e *config.Expr) (*Expr, error) {
	make, known := fetches[e.Fetch]
	if !known {
		return nil, fmt.Errorf("%s: fetch method '%s' is not supported yet", e.Pos, e.Fetch)
	}
	first, err := make(c, e.Args)
	if err != nil {
		return nil, fmt.Errorf("%s: fetch method '%s': %w", e.Pos, e.Fetch, err)
	}
	out := &Expr{steps: []step{first}}
	for _, conv := range e.Converters {
		make, known := converters[conv.Name]
		if !known {
			return nil, fmt.Errorf("%s: converter '%s' is not supported yet", e.Pos, conv.Name)
		}
		next, err := make(conv.Args)
		if err != nil {
			return nil, fmt.Errorf("%s: converter '%s': %w", e.Pos, conv.Name, err)
		}
		in := conv.In
		out.steps = append(out.steps, func(s *Stream) bool { return s.cast(in) && next(s) })
	}
	return out, nil
}

// eval leaves the sample in the stream.
func (e *Expr) eval(s *Stream) bool {
	s.scratch = s.scratch[:0]
	for _, f := range e.steps {
		if !f(s) {
			return false
		}
	}
	return true
}

// Bytes returns the sample in binary form, which is valid until the stream is used
// again; ok is false if there is none.
func (e *Expr) Bytes(s *Stream) (b []byte, ok bool) {
	if !e.eval(s) || !s.cast(config.TypeBinary) {
		return nil, false
	}
	return s.value.bytes, true
}
