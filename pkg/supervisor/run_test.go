package supervisor

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if IsTrampoline(os.Args) {
		os.Exit(ExecUnit(os.Args))
	}
	if len(os.Args) > 2 && os.Args[1] == "helper" {
		runHelper(os.Args[2:])
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// patience bounds each wait of a test; only a failing test reaches it.
const patience = 30 * time.Second

// rig is a running supervisor with what it told.
type rig struct {
	*Supervisor
	t   *testing.T
	ctx context.Context
	dir string

	mu      sync.Mutex // guards events and changed
	events  []Event
	changed chan struct{}
}

// newRig runs a supervisor for the unit texts; {helper} in them is the test
// binary's helper mode and {dir} a temporary directory.
func newRig(t *testing.T, units map[string]string) *rig {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: t.TempDir(), changed: make(chan struct{})}
	var parsed []*Unit
	for name, text := range units {
		text = strings.NewReplacer("{helper}", self+" helper", "{dir}", r.dir).Replace(text)
		u, err := Parse(name, name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, u)
	}
	set, err := NewSet(parsed)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	r.Supervisor, err = New(set, Options{
		RunDir: r.dir, DevLog: filepath.Join(r.dir, "log"), Program: self,
		OnEvent: r.record, Log: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	var stop context.CancelFunc
	r.ctx, stop = context.WithTimeout(context.Background(), patience)
	t.Cleanup(func() {
		defer stop()
		if err := r.Shutdown(r.ctx); err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
		if t.Failed() {
			for _, name := range set.Names() {
				t.Logf("%s: %v", name, r.Ring(name).Tail(-1))
			}
			t.Log(logged.String())
		}
	})
	return r
}

func (r *rig) record(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	close(r.changed)
	r.changed = make(chan struct{})
}

// await waits until ok holds for the events so far and returns them.
func (r *rig) await(what string, ok func([]Event) bool) []Event {
	r.t.Helper()
	for {
		r.mu.Lock()
		events, changed := slices.Clone(r.events), r.changed
		r.mu.Unlock()
		if ok(events) {
			return events
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			r.t.Fatalf("waited in vain for %s; events: %v", what, words(events))
		}
	}
}

// awaitSub waits until a unit has been in a substate n times.
func (r *rig) awaitSub(unit, sub string, n int) []Event {
	r.t.Helper()
	return r.await(unit+" "+sub, func(events []Event) bool {
		count, last := 0, ""
		for _, e := range events {
			if e.Unit == unit && e.Kind == EventState {
				if e.Status.Sub == sub && last != sub {
					count++
				}
				last = e.Status.Sub
			}
		}
		return count >= n
	})
}

// words renders state changes, without repetitions.
func words(events []Event) []string {
	var out []string
	for _, e := range events {
		if e.Kind == EventState {
			out = append(out, e.Unit+" "+e.Status.Sub)
		}
	}
	return slices.Compact(out)
}

// awaitLog waits for a line with text in a unit's log.
func (r *rig) awaitLog(unit, text string) Line {
	r.t.Helper()
	past, lines, stop := r.Ring(unit).Follow(-1)
	defer stop()
	for _, l := range past {
		if strings.Contains(l.Text, text) {
			return l
		}
	}
	for {
		select {
		case l := <-lines:
			if strings.Contains(l.Text, text) {
				return l
			}
		case <-r.ctx.Done():
			r.t.Fatalf("waited in vain for %q in the log of %s", text, unit)
		}
	}
}

func (r *rig) start(unit string) {
	r.t.Helper()
	if err := r.Start(r.ctx, unit); err != nil {
		r.t.Fatalf("Start(%s) = %v", unit, err)
	}
}

func (r *rig) get(unit string) Status {
	r.t.Helper()
	st, err := r.Status(r.ctx, unit)
	if err != nil {
		r.t.Fatal(err)
	}
	return st
}

// fifo makes a FIFO in the rig's directory.
func (r *rig) fifo(name string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
