package appliance

import (
	"context"
	"fmt"
	"strconv"
)

// refused is a Result that changed nothing.
func refused(format string, args ...any) Result {
	return Result{Outcome: Refused, Message: fmt.Sprintf(format, args...)}
}

// Edit stores a request's files as the candidate. One that equals what runs
// removes the candidate.
func (k *Keeper) Edit(req Request) Result {
	k.change.Lock()
	defer k.change.Unlock()
	return k.audited(req, "edit", k.edit(req))
}

func (k *Keeper) edit(req Request) Result {
	running := k.current().Revision
	if r, stale := k.stale(req.Base); stale {
		return r
	}
	if err := req.Files.Validate(); err != nil {
		return refused("%v", err)
	}
	now, err := k.store.Files(running)
	if err != nil {
		return refused("%v", err)
	}
	c := &Candidate{Base: running, Time: k.opts.Now().UTC(), User: req.User, Files: req.Files}
	if now.Equal(req.Files) {
		c = nil
	}
	if err := k.store.SetCandidate(c); err != nil {
		return Result{Outcome: CouldNotSave, Message: err.Error()}
	}
	return Result{Outcome: Done}
}

// stale refuses work that began with another revision than the running one.
func (k *Keeper) stale(base int) (Result, bool) {
	running := k.current().Revision
	if base == -1 || base == running {
		return Result{}, false
	}
	r := Result{Outcome: Conflict, Message: fmt.Sprintf("edited from revision %d, but revision %d runs now", base, running)}
	before, err := k.store.Files(base)
	if err != nil {
		r.Message += ": " + err.Error()
		return r, true
	}
	now, err := k.store.Files(running)
	if err != nil {
		r.Message += ": " + err.Error()
		return r, true
	}
	r.Diff = Diff(strconv.Itoa(base), before, strconv.Itoa(running), now)
	return r, true
}

// Discard removes the candidate.
func (k *Keeper) Discard(req Request) Result {
	k.change.Lock()
	defer k.change.Unlock()
	r := Result{Outcome: Done}
	if err := k.store.SetCandidate(nil); err != nil {
		r = Result{Outcome: CouldNotSave, Message: err.Error()}
	}
	return k.audited(req, "discard", r)
}

// target is where a transaction leads.
type target struct {
	files    Files
	revision int  // -1: a new one, described by request
	timed    bool // with the request's countdown
	request  Request
}

// Apply puts a request's files, or the candidate, in force. Files that equal what
// runs are put in force again under the running revision's number; everything
// else becomes a new revision. It does not end half-way: ctx only carries values.
func (k *Keeper) Apply(ctx context.Context, req Request) Result {
	k.change.Lock()
	defer k.change.Unlock()
	return k.audited(req, "apply", k.apply(ctx, req))
}

func (k *Keeper) apply(ctx context.Context, req Request) Result {
	running := k.current()
	if r, no := k.busy(running); no {
		return r
	}
	files, base := req.Files, req.Base
	var candidate *Candidate
	if files == nil {
		c, err := k.store.Candidate()
		if err != nil {
			return refused("%v", err)
		}
		if c == nil {
			return refused("nothing to apply: nothing was edited")
		}
		candidate, files = c, c.Files
		if base != -1 {
			base = c.Base
		}
	}
	if r, stale := k.stale(base); stale {
		return r
	}
	now, err := k.store.Files(running.Revision)
	if err != nil {
		return refused("%v", err)
	}
	t := target{files: files, revision: -1, timed: true, request: req}
	if now.Equal(files) {
		t.revision, t.timed = running.Revision, false
	}
	r := k.moveTo(ctx, t)
	if r.Outcome == Done && candidate != nil {
		k.forget(&r)
	}
	return r
}

// forget removes a candidate that is in force now.
func (k *Keeper) forget(r *Result) {
	if err := k.store.SetCandidate(nil); err != nil {
		r.Message = err.Error()
	}
}

// busy refuses changes while a timed apply waits.
func (k *Keeper) busy(running Running) (Result, bool) {
	if running.Pending == nil {
		return Result{}, false
	}
	return refused("revision %d waits for its confirmation: confirm it, or roll back to revision %d first",
		running.Revision, running.Pending.Back), true
}

// moveTo checks a target and makes it what runs, in one transaction.
func (k *Keeper) moveTo(ctx context.Context, t target) Result {
	ctx = context.WithoutCancel(ctx)
	if t.request.Confirm < 0 || t.request.Confirm > MaxConfirm {
		return refused("confirmation within %d seconds: accepted are 0 (none) to %d", t.request.Confirm, MaxConfirm)
	}
	if err := t.files.Validate(); err != nil {
		return refused("%v", err)
	}
	report, err := k.opts.Machine.Check(ctx, t.files)
	if err != nil {
		return refused("check: %v", err)
	}
	if !report.Valid {
		return Result{Outcome: Refused, Message: "the configuration has faults", Findings: report.Findings}
	}
	running := k.current()
	now, err := k.store.Files(running.Revision)
	if err != nil {
		return refused("%v", err)
	}
	var actions []Action
	if t.revision == -1 {
		actions = append(actions, k.writing(&t, running.Revision))
	}
	actions = append(actions, k.opts.Machine.Actions(now, t.files)...)
	actions = append(actions, k.pointing(&t, running))
	outcome, steps, err := k.transact(ctx, actions)
	r := Result{Outcome: outcome, Steps: steps, Findings: report.Findings}
	if err != nil {
		r.Message = err.Error()
	}
	if outcome == Done {
		k.untroubled()
		k.arm()
		if err := k.store.MarkChecked(t.revision, k.opts.Programs); err != nil {
			k.opts.Log.Warn("the next boot will check again", "err", err)
		}
	}
	return r
}

// writing is the action that makes the new revision; undone, it never was.
func (k *Keeper) writing(t *target, base int) Action {
	return Action{
		Name: "revision",
		Do: func(context.Context) error {
			rev, err := k.store.Add(Revision{User: t.request.User, Origin: t.request.Origin, Note: t.request.Note, Base: base}, t.files, base)
			if err == nil {
				t.revision = rev.Number
			}
			return err
		},
		Undo: func(context.Context) error {
			if t.revision == -1 {
				return nil
			}
			return k.store.Drop(t.revision)
		},
	}
}

// pointing is the action that notes what runs, with the countdown if there is one.
func (k *Keeper) pointing(t *target, before Running) Action {
	return Action{
		Name: "pointer",
		Do: func(context.Context) error {
			next := Running{Revision: t.revision}
			if t.revision == before.Revision {
				next.Problem = before.Problem
			}
			if t.timed && t.request.Confirm > 0 {
				next.Pending = &Countdown{Back: before.Revision, User: t.request.User,
					End: k.opts.Uptime() + seconds(t.request.Confirm)}
			}
			return k.note(next)
		},
		Undo: func(context.Context) error { return k.note(before) },
	}
}

// note writes down what runs.
func (k *Keeper) note(r Running) error {
	if err := WriteRunning(k.opts.RunDir, r); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running = r
	return nil
}

// Rollback makes revision n run again, under its own number: its content is there
// already. The request's Base does not count. While a timed apply waits, only the
// revision that it came from is accepted, and ends the wait.
func (k *Keeper) Rollback(ctx context.Context, n int, req Request) Result {
	k.change.Lock()
	defer k.change.Unlock()
	return k.audited(req, fmt.Sprintf("rollback %d", n), k.rollback(ctx, n, req))
}

func (k *Keeper) rollback(ctx context.Context, n int, req Request) Result {
	running := k.current()
	if r, no := k.busy(running); no && n != running.Pending.Back {
		return r
	}
	f, err := k.store.Files(n)
	if err != nil {
		return refused("%v", err)
	}
	return k.moveTo(ctx, target{files: f, revision: n, timed: running.Pending == nil, request: req})
}

// Save makes what runs what a reboot returns to.
func (k *Keeper) Save(req Request) Result {
	k.change.Lock()
	defer k.change.Unlock()
	return k.audited(req, "save", k.save())
}

func (k *Keeper) save() Result {
	running := k.current()
	if r, no := k.busy(running); no {
		return r
	}
	if !k.opts.Persistent {
		return Result{Outcome: CouldNotSave, Message: k.opts.Problem}
	}
	p, err := k.store.Pointers()
	if err == nil && p.Startup == running.Revision {
		return Result{Outcome: Done, Message: fmt.Sprintf("revision %d was saved already", running.Revision)}
	}
	p.Startup = running.Revision // damaged pointers are replaced
	if err := k.store.SetPointers(p); err != nil {
		return Result{Outcome: CouldNotSave, Message: err.Error()}
	}
	return Result{Outcome: Done}
}

// FactoryReset makes the factory's revision run and saves that, and discards the
// candidate. Revisions, users and certificates stay.
func (k *Keeper) FactoryReset(ctx context.Context, req Request) Result {
	k.change.Lock()
	defer k.change.Unlock()
	return k.audited(req, "factory-reset", k.factoryReset(ctx, req))
}

func (k *Keeper) factoryReset(ctx context.Context, req Request) Result {
	if req.Confirm != 0 {
		return refused("factory-reset cannot wait for a confirmation: roll back to revision 0 with one instead")
	}
	if r, no := k.busy(k.current()); no {
		return r
	}
	r := k.moveTo(ctx, target{files: k.store.factory, revision: 0, request: req})
	if r.Outcome != Done {
		return r
	}
	k.forget(&r)
	if s := k.save(); s.Outcome != Done {
		r.Outcome, r.Message = s.Outcome, s.Message
	}
	return r
}
