package web

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

const testPassword = "correct horse"

// example is the configuration that the tests start from: the product's first
// example with a network.
var example = appliance.Files{
	"proxy.cfg": `frontend mysql
   bind :3306
   default_backend mysql_servers
backend mysql_servers
   balance leastconn
   server s1 198.18.0.11:3306
   server s2 198.18.0.12:3306 backup
`,
	"network/10-lan.network": "[Match]\nType=ether\n\n[Network]\nAddress=198.18.0.2/24\n",
	"network/20-mysql.vip":   "[VIP]\nAddress=198.18.0.10/32\nLink=10-lan.network\n",
	"hosts":                  "127.0.0.1 localhost\n",
	"hostname":               "lb1\n",
}

// fakeMachine stands behind a real appliance.Keeper: it keeps what runs, and
// judges the proxy's file as proxyd does.
type fakeMachine struct {
	mu       sync.Mutex
	running  appliance.Files
	fail     string // name of the step that fails
	power    []string
	password map[string]string
	follow   chan string // lines for "follow logs"
	keeper   *appliance.Keeper
	sessions int64 // of the frontend
}

func (m *fakeMachine) Check(_ context.Context, f appliance.Files) (appliance.Report, error) {
	rep := appliance.Report{Valid: true}
	_, warnings, err := config.Parse([]config.Source{{Name: "proxy.cfg", Text: []byte(f["proxy.cfg"])}}, config.Options{})
	add := func(d *config.Diagnostic, severity string) {
		_, message, _ := strings.Cut(d.Error(), ": ")
		rep.Findings = append(rep.Findings, appliance.Finding{File: d.Pos.File, Line: d.Pos.Line, Column: d.Pos.Col, Severity: severity, Message: message})
	}
	// In the order of the file, as "proxyd -c" prints them: warnings may come first.
	for _, d := range warnings {
		add(d, "warning")
	}
	var all interface{ WrappedErrors() []error }
	if errors.As(err, &all) {
		rep.Valid = false
		for _, e := range all.WrappedErrors() {
			if d := (*config.Diagnostic)(nil); errors.As(e, &d) {
				add(d, "alert")
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, text := range f {
		if !strings.HasSuffix(name, ".vip") {
			continue
		}
		if !strings.Contains(text, "Address=") {
			rep.Valid = false
			rep.Findings = append(rep.Findings, appliance.Finding{File: name, Line: 1, Column: 1, Severity: "alert", Message: "Address= is missing"})
		}
		if m.running[name] != text {
			rep.Plan = append(rep.Plan, "addr replace "+vipOf(text)+" dev eth0")
		}
	}
	return rep, nil
}

func vipOf(text string) string {
	_, after, _ := strings.Cut(text, "Address=")
	addr, _, _ := strings.Cut(after, "\n")
	return addr
}

func (m *fakeMachine) Actions(from, to appliance.Files) []appliance.Action {
	set := func(name string, f appliance.Files) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.fail == name {
			return errors.New("broken for the test")
		}
		m.running = f
		return nil
	}
	var out []appliance.Action
	for _, name := range []string{"addresses up", "proxy reload"} {
		out = append(out, appliance.Action{Name: name,
			Do:   func(context.Context) error { return set(name, to) },
			Undo: func(context.Context) error { return set("undo "+name, from) }})
	}
	return out
}

func (m *fakeMachine) Alive(context.Context) error { return nil }

// socket is a Daemon behind a socket file, as cmd/webd has it.
type socket string

func (s socket) Call(ctx context.Context, command string, payload []byte) (string, error) {
	return ctl.Call(ctx, string(s), command, payload)
}

func (s socket) Stream(ctx context.Context, command string, w io.Writer) error {
	return ctl.Stream(ctx, string(s), command, nil, w)
}

// rig is a Server over real control sockets.
type rig struct {
	*Server
	machine *fakeMachine
	http    *httptest.Server
	log     *logBuffer

	mu  sync.Mutex
	now time.Time
}

// logBuffer collects log lines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	m := &fakeMachine{running: example, password: map[string]string{"admin": testPassword}, follow: make(chan string), sessions: 42}
	begin := time.Now()
	store, err := appliance.OpenStore(t.TempDir(), example, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	m.keeper, err = appliance.NewKeeper(appliance.Options{Store: store, Machine: m, RunDir: t.TempDir(), Persistent: true,
		Now: time.Now, Uptime: func() time.Duration { return time.Since(begin) }, Log: slog.New(slog.DiscardHandler), Audit: func(appliance.Entry) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.keeper.Close)
	r := &rig{machine: m, log: &logBuffer{}, now: begin}
	r.Server, err = New(Daemons{Conf: serveTable(t, m.confd()), Proxy: serveTable(t, m.proxyd()), Net: serveTable(t, m.netd()), Init: serveTable(t, m.init())},
		Options{Log: slog.New(slog.NewTextHandler(r.log, nil)), Now: r.clock, Name: func() string { return "lb1" }})
	if err != nil {
		t.Fatal(err)
	}
	r.http = httptest.NewTLSServer(r.Server)
	t.Cleanup(r.http.Close)
	return r
}

// serveTable serves a command table on a socket of its own.
func serveTable(t *testing.T, table []ctl.Command) Daemon {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ctl.sock")
	l, err := ctl.Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- ctl.NewServer(table, ctl.LevelAdmin).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return socket(path)
}

// command is a row whose answer is v as JSON, or text as it is.
func command(name string, run func(req *ctl.Request, in appliance.Request) (any, error)) ctl.Command {
	return ctl.Command{Name: name, Run: func(_ context.Context, req *ctl.Request, w io.Writer) error {
		var in appliance.Request
		if json.Valid(req.Payload) {
			_ = json.Unmarshal(req.Payload, &in) // other payloads are read by the command
		}
		v, err := run(req, in)
		if err != nil {
			return err
		}
		if text, ok := v.(string); ok {
			_, err = io.WriteString(w, text)
			return err
		}
		return json.NewEncoder(w).Encode(v)
	}}
}

func (m *fakeMachine) confd() []ctl.Command {
	ctx := context.Background()
	k := func() *appliance.Keeper { return m.keeper }
	return []ctl.Command{
		command("show setup", func(*ctl.Request, appliance.Request) (any, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return setup{PasswordSet: len(m.password) > 0, Persistent: true}, nil
		}),
		command("show state", func(*ctl.Request, appliance.Request) (any, error) { return k().State() }),
		command("show revisions", func(*ctl.Request, appliance.Request) (any, error) { return k().Revisions(), nil }),
		command("show content", func(r *ctl.Request, _ appliance.Request) (any, error) { return k().Content(r.Args[0]) }),
		command("diff", func(r *ctl.Request, _ appliance.Request) (any, error) { return k().Diff(r.Args[0], r.Args[1]) }),
		command("edit", func(_ *ctl.Request, in appliance.Request) (any, error) { return k().Edit(in), nil }),
		command("discard", func(_ *ctl.Request, in appliance.Request) (any, error) { return k().Discard(in), nil }),
		command("check", func(_ *ctl.Request, in appliance.Request) (any, error) { return k().Check(ctx, in) }),
		command("apply", func(_ *ctl.Request, in appliance.Request) (any, error) { return k().Apply(ctx, in), nil }),
		command("confirm", func(_ *ctl.Request, in appliance.Request) (any, error) { return k().Confirm(in), nil }),
		command("save", func(_ *ctl.Request, in appliance.Request) (any, error) { return k().Save(in), nil }),
		command("rollback", func(r *ctl.Request, in appliance.Request) (any, error) {
			n, err := strconv.Atoi(r.Args[0])
			if err != nil {
				return nil, err
			}
			return k().Rollback(ctx, n, in), nil
		}),
		command("factory-reset", func(_ *ctl.Request, in appliance.Request) (any, error) { return k().FactoryReset(ctx, in), nil }),
		command("backup", func(*ctl.Request, appliance.Request) (any, error) {
			data, err := k().Backup("running")
			return base64.StdEncoding.EncodeToString(data) + "\n", err
		}),
		command("restore", func(r *ctl.Request, _ appliance.Request) (any, error) {
			var in struct {
				Request appliance.Request
				Archive []byte
			}
			if err := json.Unmarshal(r.Payload, &in); err != nil {
				return nil, err
			}
			return k().Restore(in.Archive, in.Request), nil
		}),
		command("check password", func(r *ctl.Request, _ appliance.Request) (any, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if want := m.password[r.Args[0]]; want == "" || want != strings.TrimSuffix(string(r.Payload), "\n") {
				return nil, errors.New("wrong password")
			}
			return appliance.Result{Outcome: appliance.Done}, nil
		}),
		command("set password", func(r *ctl.Request, _ appliance.Request) (any, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.password[r.Args[0]] = strings.TrimSuffix(string(r.Payload), "\n")
			return appliance.Result{Outcome: appliance.Done}, nil
		}),
	}
}

func (m *fakeMachine) proxyd() []ctl.Command {
	return []ctl.Command{command("show stat", func(*ctl.Request, appliance.Request) (any, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		cfg, _, err := config.Parse([]config.Source{{Name: "proxy.cfg", Text: []byte(m.running["proxy.cfg"])}}, config.Options{})
		if err != nil {
			return nil, err
		}
		var stats []ctl.Stat
		for _, p := range cfg.Proxies {
			if p.Kind.HasFrontend() {
				stats = append(stats, ctl.Stat{Proxy: p.Name, Service: "FRONTEND", Type: ctl.StatFrontend, Status: "OPEN", Mode: "tcp",
					SessionsCur: m.sessions, SessionsTotal: 1234567, BytesIn: 5 << 30, BytesOut: 70 << 20})
			}
			for i, s := range p.Servers {
				status := "UP"
				if i == 1 {
					status = "DOWN"
				}
				stats = append(stats, ctl.Stat{Proxy: p.Name, Service: s.Name, Type: ctl.StatServer, Status: status, Address: s.Host, SessionsCur: 42, Weight: 1})
			}
			if p.Kind.HasBackend() {
				stats = append(stats, ctl.Stat{Proxy: p.Name, Service: "BACKEND", Type: ctl.StatBackend, Status: "UP", Algorithm: p.Balance.Algorithm, Mode: "tcp"})
			}
		}
		var b bytes.Buffer
		err = ctl.WriteStats(&b, stats)
		return b.String(), err
	})}
}

func (m *fakeMachine) netd() []ctl.Command {
	return []ctl.Command{command("show network json", func(*ctl.Request, appliance.Request) (any, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		type address struct {
			Address   string `json:"address"`
			Origin    string `json:"origin"`
			State     string `json:"state"`
			Announced int    `json:"announced"`
		}
		addrs := []address{{"198.18.0.2/24", "static", "ok", 1}}
		for name, text := range m.running {
			if strings.HasSuffix(name, ".vip") {
				addrs = append(addrs, address{vipOf(text), "vip", "ok", 3})
			}
		}
		slices.SortFunc(addrs, func(a, b address) int { return strings.Compare(a.Address, b.Address) })
		return map[string]any{"status": "1 link, addresses usable", "links": []map[string]any{{
			"name": "eth0", "driver": "virtio_net", "mac": "52:54:00:12:34:56", "mtu": 1500, "up": true, "carrier": true, "file": "10-lan.network",
			"addresses": addrs, "routes": []map[string]any{{"route": "198.18.0.0/24", "origin": "kernel"}},
		}}, "dns": []string{"198.18.0.1"}}, nil
	})}
}

func (m *fakeMachine) init() []ctl.Command {
	power := func(name string) ctl.Command {
		return command(name, func(*ctl.Request, appliance.Request) (any, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.power = append(m.power, name)
			return name + ": begun\n", nil
		})
	}
	return []ctl.Command{
		power("reboot"), power("poweroff"),
		command("show units", func(*ctl.Request, appliance.Request) (any, error) {
			return "UNIT             STATE   SUB      PID  RESTARTS  SINCE  DESCRIPTION\n" +
				"multi-user.target  active  active  -  0  2h0m0s  All services\n" +
				"netd.service     active  running  101  0  2h0m0s  Sluice network configurator\n" +
				"proxyd.service   active  running  102  1  1h0m0s  Sluice TCP proxy\n", nil
		}),
		command("show logs", func(r *ctl.Request, _ appliance.Request) (any, error) {
			if r.Args[0] != "proxyd.service" && r.Args[0] != "netd.service" {
				return nil, fmt.Errorf("unit %q is not known", r.Args[0])
			}
			n, err := strconv.Atoi(r.Args[1])
			if err != nil {
				return nil, err
			}
			lines := []string{"2026-05-04T10:00:00.000Z Proxy mysql started.\n", "2026-05-04T10:00:01.000Z <b>198.18.0.99:5000 mysql mysql_servers/s1\n"}
			return strings.Join(lines[max(0, len(lines)-n):], ""), nil
		}),
		{Name: "follow logs", Run: func(ctx context.Context, _ *ctl.Request, w io.Writer) error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case line, open := <-m.follow:
					if !open {
						return nil
					}
					if _, err := fmt.Fprintln(w, line); err != nil {
						return nil
					}
				}
			}
		}},
	}
}
