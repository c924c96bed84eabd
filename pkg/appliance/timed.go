package appliance

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// arm sets the one timer for what comes next: the end of the countdown, or the
// moment at which what runs has proved good.
func (k *Keeper) arm() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopTimer()
	if k.closed {
		return
	}
	running := k.running
	if running.Pending != nil {
		k.timer = time.AfterFunc(max(0, running.Pending.End-k.opts.Uptime()), k.expire)
		return
	}
	if r, err := k.store.Revision(running.Revision); err == nil && !k.provedGood(r) {
		k.timer = time.AfterFunc(GoodAfter, func() { k.prove(running.Revision) })
	}
}

// provedGood reports whether nothing more has to be noted about r.
func (k *Keeper) provedGood(r Revision) bool {
	p, err := k.store.Pointers()
	checked := r.Number == 0 || k.opts.Programs == "" || k.store.CheckedBy(r.Number, k.opts.Programs)
	return err == nil && r.Good && p.LastGood == r.Number && checked
}

// Confirm keeps what a timed apply made run.
func (k *Keeper) Confirm(req Request) Result {
	k.change.Lock()
	defer k.change.Unlock()
	return k.audited(req, "confirm", k.confirm())
}

func (k *Keeper) confirm() Result {
	running := k.current()
	if running.Pending == nil {
		return refused("nothing waits for a confirmation")
	}
	running.Pending = nil
	if err := k.note(running); err != nil {
		return Result{Outcome: CouldNotSave, Message: err.Error()}
	}
	k.arm()
	return Result{Outcome: Done}
}

// expire goes back when nobody confirmed. It runs in the timer's goroutine. What
// fails is tried again, because the administrator may be cut off.
func (k *Keeper) expire() {
	k.change.Lock()
	defer k.change.Unlock()
	running := k.current()
	if running.Pending == nil || k.isClosed() {
		return // confirmed while this waited for the lock
	}
	if running.Pending.End > k.opts.Uptime() {
		k.arm() // another countdown
		return
	}
	req := Request{User: running.Pending.User, Origin: "rollback", Note: "nobody confirmed in time"}
	r := k.goBack(running, req)
	r = k.audited(req, fmt.Sprintf("go back to %d", running.Pending.Back), r)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.trouble = ""
	if r.Outcome == Done {
		k.opts.Log.Warn("timed apply went back", "from", running.Revision, "to", r.Revision)
		return
	}
	k.opts.Log.Error("timed apply cannot go back", "from", running.Revision, "to", running.Pending.Back,
		"outcome", r.Outcome, "err", r.Message)
	k.trouble = fmt.Sprintf("revision %d was not confirmed and cannot be taken back: %s", running.Revision, r.Message)
	if !k.closed {
		k.stopTimer()
		k.timer = time.AfterFunc(retryBack, k.expire)
	}
}

func (k *Keeper) isClosed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closed
}

// goBack is a rollback whose check cannot refuse: what it returns to ran before.
func (k *Keeper) goBack(running Running, req Request) Result {
	back := target{revision: running.Pending.Back, request: req}
	to, err := k.store.Files(back.revision)
	if err != nil {
		return refused("%v", err)
	}
	from, err := k.store.Files(running.Revision)
	if err != nil {
		return refused("%v", err)
	}
	actions := append(k.opts.Machine.Actions(from, to), k.pointing(&back, running))
	outcome, steps, err := k.transact(context.Background(), actions)
	r := Result{Outcome: outcome, Steps: steps}
	if err != nil {
		r.Message = err.Error()
	}
	if outcome == Done {
		k.arm()
	}
	return r
}

// prove notes that revision n is good if it still runs and does its work. It runs
// in the timer's goroutine.
func (k *Keeper) prove(n int) {
	k.change.Lock()
	defer k.change.Unlock()
	running := k.current()
	if running.Revision != n || running.Pending != nil || k.isClosed() {
		return
	}
	if err := bounded(context.Background(), k.opts.Machine.Alive); err != nil {
		k.opts.Log.Warn("revision does not count as good yet", "revision", n, "err", err)
		k.arm()
		return
	}
	p, err := k.store.Pointers()
	if err == nil {
		err = errors.Join(k.store.MarkGood(n), k.store.MarkChecked(n, k.opts.Programs))
	}
	if err == nil && p.LastGood != n {
		p.LastGood = n
		err = k.store.SetPointers(p)
	}
	if err != nil {
		k.opts.Log.Error("good revision not noted", "revision", n, "err", err)
	}
}
