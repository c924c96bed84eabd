package appliance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// Times of the configuration's life.
const (
	GoodAfter  = 30 * time.Second // without trouble, and a revision counts as good
	MaxConfirm = 24 * 60 * 60     // longest timed apply, seconds
	retryBack  = 10 * time.Second // between tries to go back
)

// Options say what a Keeper works with.
type Options struct {
	Store      *Store
	Machine    Machine
	RunDir     string // where what runs is noted
	Programs   string // ProgramsID of what Machine checks with
	Persistent bool   // the store survives a reboot
	Problem    string // why not, or what else is wrong with the data partition
	Now        func() time.Time
	Uptime     func() time.Duration // since the kernel's start
	Log        *slog.Logger
	Audit      func(Entry)
}

// Keeper is the configuration's life: the one place that changes what is edited,
// running and saved. Its methods may be called concurrently.
type Keeper struct {
	opts  Options
	store *Store

	change sync.Mutex // one changing command at a time

	mu      sync.Mutex  // guards what follows; taken after change
	running Running     //
	trouble string      // of going back or of a repair, while it lasts
	timer   *time.Timer // of the countdown or of the good flag; nil: none
	closed  bool
}

// NewKeeper continues what runs, its countdown included; after an interrupted
// apply it puts that in force again. Close ends its timer.
func NewKeeper(opts Options) (*Keeper, error) {
	running, err := ReadRunning(opts.RunDir)
	if err != nil {
		return nil, err
	}
	k := &Keeper{opts: opts, store: opts.Store, running: running}
	f, err := k.store.Files(running.Revision)
	if err != nil {
		return nil, fmt.Errorf("what is running: %w", err)
	}
	k.repair(f)
	k.arm()
	return k, nil
}

// Close stops the timers; what runs goes on. A change that has begun, be it by a
// timer, is finished first: ended half-way, it would leave a mix.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	k.stopTimer()
	k.mu.Unlock()
	k.change.Lock()
	defer k.change.Unlock()
}

func (k *Keeper) stopTimer() {
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
}

// current returns what runs.
func (k *Keeper) current() Running {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.running
}

// State returns the three states.
func (k *Keeper) State() (State, error) {
	k.mu.Lock()
	running, trouble := k.running, k.trouble
	k.mu.Unlock()
	s := State{Persistent: k.opts.Persistent, Pending: k.pending(running)}
	now, err := k.store.Files(running.Revision)
	if err != nil {
		return State{}, err
	}
	if s.Running, err = k.store.Revision(running.Revision); err != nil {
		return State{}, err
	}
	var problems []error
	for _, text := range append([]string{k.opts.Problem, running.Problem, trouble}, k.store.Faults()...) {
		if text != "" {
			problems = append(problems, errors.New(text))
		}
	}
	p, err := k.store.Pointers()
	if err == nil {
		s.Saved, err = k.store.Revision(p.Startup)
	}
	var saved Files
	if err == nil {
		saved, err = k.store.Files(p.Startup)
	}
	if err != nil {
		problems = append(problems, err)
	}
	s.Unsaved = err != nil || !saved.Equal(now)
	s.Edited = Edited{Base: running.Revision}
	c, err := k.store.Candidate()
	switch {
	case err != nil:
		problems = append(problems, err)
	case c != nil:
		s.Edited = Edited{Base: c.Base, Changed: !c.Files.Equal(now), Stale: c.Base != running.Revision, Time: c.Time, User: c.User}
	}
	if err := errors.Join(problems...); err != nil {
		s.Problem = err.Error()
	}
	return s, nil
}

func (k *Keeper) pending(r Running) *Pending {
	if r.Pending == nil {
		return nil
	}
	left := max(0, r.Pending.End-k.opts.Uptime())
	return &Pending{
		Revision: r.Revision, Back: r.Pending.Back, User: r.Pending.User,
		Deadline: k.opts.Now().Add(left).UTC().Truncate(time.Second),
		Seconds:  int((left + time.Second - 1) / time.Second),
	}
}

// Revisions lists all revisions, newest first.
func (k *Keeper) Revisions() []Revision { return k.store.Revisions() }

// Content returns a configuration by name: edited, running, saved, factory, or a
// revision's number.
func (k *Keeper) Content(name string) (Content, error) {
	number := 0
	switch name {
	case "edited":
		c, err := k.store.Candidate()
		if err != nil {
			return Content{}, err
		}
		if c != nil {
			return Content{Revision: c.Base, Files: c.Files}, nil
		}
		number = k.current().Revision
	case "running":
		number = k.current().Revision
	case "saved":
		p, err := k.store.Pointers()
		if err != nil {
			return Content{}, err
		}
		number = p.Startup
	case "factory":
	default:
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 {
			return Content{}, fmt.Errorf("configuration %q: accepted are edited, running, saved, factory and a revision's number", name)
		}
		number = n
	}
	f, err := k.store.Files(number)
	return Content{Revision: number, Files: f}, err
}

// Diff returns the unified difference between two configurations, named as for
// Content.
func (k *Keeper) Diff(a, b string) (string, error) {
	from, err := k.Content(a)
	if err != nil {
		return "", err
	}
	to, err := k.Content(b)
	if err != nil {
		return "", err
	}
	return Diff(a, from.Files, b, to.Files), nil
}

// Check judges the files of a request, or the candidate.
func (k *Keeper) Check(ctx context.Context, req Request) (Report, error) {
	f := req.Files
	if f == nil {
		c, err := k.Content("edited")
		if err != nil {
			return Report{}, err
		}
		f = c.Files
	}
	if err := f.Validate(); err != nil {
		return Report{Findings: []Finding{{Severity: "alert", Message: err.Error()}}}, nil
	}
	return k.opts.Machine.Check(ctx, f)
}

// audited notes how a changing command ended.
func (k *Keeper) audited(req Request, command string, r Result) Result {
	r.Revision = k.current().Revision
	k.opts.Audit(Entry{
		Time: k.opts.Now().UTC().Truncate(time.Second), User: req.User, Origin: req.Origin,
		Command: command, Outcome: r.Outcome, Revision: r.Revision, Message: r.Message, Note: req.Note,
	})
	return r
}
