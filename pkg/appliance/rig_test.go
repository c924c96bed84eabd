package appliance

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeMachine has two parts that each hold a configuration; failures are chosen by
// the name of a part, "undo " before it for its Undo.
type fakeMachine struct {
	mu    sync.Mutex
	parts map[string]Files
	fail  map[string]bool
	begun func(label string) // nil: nothing; called before a part is changed
	dead  bool
	log   []string
}

var errPart = errors.New("broken")

func (m *fakeMachine) Check(_ context.Context, f Files) (Report, error) {
	switch {
	case strings.Contains(f[ProxyFile], "nojudge"):
		return Report{}, errPart
	case strings.Contains(f[ProxyFile], "invalid"):
		return Report{Findings: []Finding{{File: ProxyFile, Line: 1, Column: 3, Severity: "alert", Message: "invalid"}}}, nil
	}
	return Report{Valid: true}, nil
}

func (m *fakeMachine) Actions(from, to Files) []Action {
	part := func(name string) Action {
		set := func(label string, f Files) error {
			if m.begun != nil {
				m.begun(label)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.log = append(m.log, label)
			if m.fail[label] {
				return errPart
			}
			m.parts[name] = f
			return nil
		}
		return Action{
			Name: name,
			Do:   func(context.Context) error { return set(name, to) },
			Undo: func(context.Context) error { return set("undo "+name, from) },
		}
	}
	return []Action{part("proxy"), part("network")}
}

func (m *fakeMachine) Alive(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errPart
	}
	return nil
}

func (m *fakeMachine) runs(t *testing.T, want Files) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, f := range m.parts {
		if !f.Equal(want) {
			t.Errorf("%s runs %v, want %v", name, f, want)
		}
	}
}

// rig is a Keeper with its fakes.
type rig struct {
	*Keeper
	machine *fakeMachine
	opts    Options
	audit   []Entry
}

func newRig(t *testing.T) *rig {
	t.Helper()
	begin := time.Now()
	factory := config("factory")
	store, err := OpenStore(t.TempDir(), factory, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{machine: &fakeMachine{parts: map[string]Files{"proxy": factory, "network": factory}, fail: map[string]bool{}}}
	r.opts = Options{
		Store: store, Machine: r.machine, RunDir: t.TempDir(), Persistent: true, Now: time.Now,
		Uptime: func() time.Duration { return time.Since(begin) }, Log: slog.New(slog.DiscardHandler),
		Audit: func(e Entry) { r.audit = append(r.audit, e) },
	}
	r.restart(t)
	return r
}

// restart is a restart of confd.
func (r *rig) restart(t *testing.T) {
	t.Helper()
	if r.Keeper != nil {
		r.Close()
	}
	k, err := NewKeeper(r.opts)
	if err != nil {
		t.Fatal(err)
	}
	r.Keeper = k
	t.Cleanup(k.Close)
}

func request(f Files, base int) Request {
	return Request{User: "admin", Origin: "console", Base: base, Files: f}
}

func (r *rig) state(t *testing.T) State {
	t.Helper()
	s, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// expect fails unless a result has the outcome, and the machine and the state
// agree on what runs.
func (r *rig) expect(t *testing.T, got Result, outcome Outcome, running int, content Files) {
	t.Helper()
	if got.Outcome != outcome || got.Revision != running {
		t.Errorf("result = %+v, want %s, revision %d", got, outcome, running)
	}
	if s := r.state(t); s.Running.Number != running {
		t.Errorf("running revision = %d, want %d", s.Running.Number, running)
	}
	r.machine.runs(t, content)
}
