package appliance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestApplyAndSave(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.expect(t, r.Apply(ctx, request(nil, -1)), Refused, 0, config("factory"))
	if got := r.Edit(request(config("a"), 0)); got.Outcome != Done {
		t.Fatalf("Edit() = %+v", got)
	}
	if s := r.state(t); !s.Edited.Changed || s.Edited.Stale || s.Edited.Base != 0 || s.Unsaved {
		t.Errorf("after the edit: %+v", s)
	}
	got := r.Apply(ctx, request(nil, 0))
	r.expect(t, got, Done, 1, config("a"))
	want := []Step{{"revision", "done"}, {"proxy", "done"}, {"network", "done"}, {"pointer", "done"}}
	if d := cmp.Diff(want, got.Steps); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
	if s := r.state(t); s.Edited.Changed || !s.Unsaved || s.Saved.Number != 0 {
		t.Errorf("after the apply: %+v", s)
	}
	r.expect(t, r.Save(Request{User: "admin"}), Done, 1, config("a"))
	r.expect(t, r.Save(Request{User: "admin"}), Done, 1, config("a"))
	if s := r.state(t); s.Unsaved || s.Saved.Number != 1 {
		t.Errorf("after the save: %+v", s)
	}
	// The same again: no new number.
	r.expect(t, r.Apply(ctx, request(config("a"), 1)), Done, 1, config("a"))
	r.expect(t, r.Rollback(ctx, 0, Request{User: "admin", Origin: "rollback"}), Done, 0, config("factory"))
	r.expect(t, r.Rollback(ctx, 1, Request{User: "admin", Origin: "rollback"}), Done, 1, config("a"))
	r.expect(t, r.Rollback(ctx, 9, Request{User: "admin", Origin: "rollback"}), Refused, 1, config("a"))
	r.expect(t, r.FactoryReset(ctx, Request{User: "admin"}), Done, 0, config("factory"))
	if s := r.state(t); s.Unsaved || s.Saved.Number != 0 || s.Edited.Changed {
		t.Errorf("after the factory reset: %+v", s)
	}
	var commands []string
	for _, e := range r.audit {
		commands = append(commands, e.Command+": "+string(e.Outcome))
	}
	wantAudit := []string{"apply: refused", "edit: done", "apply: done", "save: done", "save: done", "apply: done",
		"rollback 0: done", "rollback 1: done", "rollback 9: refused", "factory-reset: done"}
	if !slices.Equal(commands, wantAudit) {
		t.Errorf("audit = %q, want %q", commands, wantAudit)
	}
}

func TestApplyRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		req  Request
		want Outcome
		text string
	}{
		{"faults", request(config("invalid"), 0), Refused, "faults"},
		{"no judgement", request(config("nojudge"), 0), Refused, "check: broken"},
		{"bad path", request(Files{ProxyFile: "", "../x": ""}, 0), Refused, "accepted are"},
		{"no such base", request(config("a"), 5), Conflict, "no such revision"},
		{"negative confirm", Request{Files: config("a"), Confirm: -1}, Refused, "accepted are"},
		{"long confirm", Request{Files: config("a"), Confirm: MaxConfirm + 1}, Refused, "accepted are"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			got := r.Apply(t.Context(), tc.req)
			r.expect(t, got, tc.want, 0, config("factory"))
			if !strings.Contains(got.Message, tc.text) {
				t.Errorf("message = %q, want %q", got.Message, tc.text)
			}
			if len(r.machine.log) > 0 || len(r.Revisions()) != 1 {
				t.Errorf("touched: %v, %v", r.machine.log, r.Revisions())
			}
		})
	}
}

// TestApplyFails breaks each part of an apply, without and with an undo that fails.
func TestApplyFails(t *testing.T) {
	for _, tc := range []struct {
		fail    []string
		outcome Outcome
		steps   []Step
	}{
		{[]string{"proxy"}, FailedRestored,
			[]Step{{"revision", "undone"}, {"proxy", "failed: broken; undone"}}},
		{[]string{"network"}, FailedRestored,
			[]Step{{"revision", "undone"}, {"proxy", "undone"}, {"network", "failed: broken; undone"}}},
		{[]string{"network", "undo network"}, CouldNotRestore,
			[]Step{{"revision", "undone"}, {"proxy", "undone"}, {"network", "failed: broken; undo failed: broken"}}},
		{[]string{"network", "undo proxy"}, CouldNotRestore,
			[]Step{{"revision", "undone"}, {"proxy", "done; undo failed: broken"}, {"network", "failed: broken; undone"}}},
		{[]string{"proxy", "undo proxy"}, CouldNotRestore,
			[]Step{{"revision", "undone"}, {"proxy", "failed: broken; undo failed: broken"}}},
	} {
		t.Run(fmt.Sprint(tc.fail), func(t *testing.T) {
			r := newRig(t)
			for _, name := range tc.fail {
				r.machine.fail[name] = true
			}
			got := r.Apply(t.Context(), request(config("a"), 0))
			if got.Outcome != tc.outcome || got.Revision != 0 || !strings.Contains(got.Message, tc.fail[0]+": broken") {
				t.Errorf("Apply() = %+v, want %s", got, tc.outcome)
			}
			if d := cmp.Diff(tc.steps, got.Steps); d != "" {
				t.Errorf("steps (-want +got):\n%s", d)
			}
			if tc.outcome == FailedRestored {
				r.machine.runs(t, config("factory"))
			}
			if n := len(r.Revisions()); n != 1 {
				t.Errorf("%d revisions are left, want the factory's", n)
			}
			// Once nothing is broken, the next try succeeds.
			clear(r.machine.fail)
			r.expect(t, r.Apply(t.Context(), request(config("a"), 0)), Done, 1, config("a"))
		})
	}
}

// TestApplyWithoutDisk breaks what the Keeper itself writes: the revision, which
// is the first step, and the pointer, which is the last.
func TestApplyWithoutDisk(t *testing.T) {
	r := newRig(t)
	r.store.disk = &cutDisk{}
	got := r.Apply(t.Context(), request(config("a"), 0))
	if len(got.Steps) != 1 || !strings.Contains(got.Steps[0].Result, "power cut") || len(r.machine.log) > 0 {
		t.Errorf("steps = %v, machine %v, want the first to fail and no other", got.Steps, r.machine.log)
	}
	r = newRig(t)
	r.Keeper.opts.RunDir = "/dev/null"
	got = r.Apply(t.Context(), request(config("a"), 0))
	if got.Outcome != CouldNotRestore || len(got.Steps) != 4 {
		t.Errorf("Apply() without a pointer = %+v", got)
	}
	r.machine.runs(t, config("factory"))
}

func TestStaleEdit(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	if got := r.Edit(request(config("mine"), 0)); got.Outcome != Done {
		t.Fatal(got)
	}
	if got := r.Apply(ctx, request(config("theirs"), 0)); got.Outcome != Done {
		t.Fatal(got)
	}
	if s := r.state(t); !s.Edited.Stale || !s.Edited.Changed {
		t.Errorf("edited = %+v, want stale", s.Edited)
	}
	got := r.Apply(ctx, request(nil, 0))
	r.expect(t, got, Conflict, 1, config("theirs"))
	if !strings.Contains(got.Diff, "-# factory\n+# theirs\n") {
		t.Errorf("diff = %s", got.Diff)
	}
	if got := r.Apply(ctx, request(nil, 1)); got.Outcome != Conflict {
		t.Errorf("a base that the candidate does not have: %+v", got)
	}
	if got := r.Edit(request(config("mine"), 0)); got.Outcome != Conflict || got.Diff == "" {
		t.Errorf("stale edit: %+v", got)
	}
	r.expect(t, r.Apply(ctx, request(nil, -1)), Done, 2, config("mine"))
	if got := r.Edit(request(config("mine"), 2)); got.Outcome != Done || r.state(t).Edited.Changed {
		t.Errorf("an edit that changes nothing: %+v, %+v", got, r.state(t).Edited)
	}
}

func TestTimedApply(t *testing.T) {
	timed := func(word string, base int) Request {
		req := request(config(word), base)
		req.Confirm = 60
		return req
	}
	t.Run("goes back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.expect(t, r.Apply(t.Context(), timed("a", 0)), Done, 1, config("a"))
			if p := r.state(t).Pending; p == nil || p.Back != 0 || p.Revision != 1 || p.Seconds != 60 || p.User != "admin" {
				t.Fatalf("pending = %+v", p)
			}
			for name, got := range map[string]Result{
				"apply": r.Apply(t.Context(), timed("b", 1)), "save": r.Save(Request{}),
				"factory-reset": r.FactoryReset(t.Context(), Request{}), "rollback": r.Rollback(t.Context(), 1, Request{}),
			} {
				if got.Outcome != Refused {
					t.Errorf("%s while another waits: %+v", name, got)
				}
			}
			time.Sleep(59 * time.Second)
			synctest.Wait()
			r.machine.runs(t, config("a"))
			time.Sleep(time.Second)
			synctest.Wait()
			r.machine.runs(t, config("factory"))
			if s := r.state(t); s.Pending != nil || s.Running.Number != 0 || s.Unsaved {
				t.Errorf("state = %+v", s)
			}
			if got := r.Confirm(Request{}); got.Outcome != Refused {
				t.Errorf("late confirmation: %+v", got)
			}
		})
	})
	t.Run("is confirmed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Apply(t.Context(), timed("a", 0))
			if got := r.Confirm(Request{User: "admin"}); got.Outcome != Done {
				t.Fatal(got)
			}
			time.Sleep(GoodAfter)
			synctest.Wait()
			if s := r.state(t); s.Pending != nil || !s.Running.Good || s.Running.Number != 1 {
				t.Errorf("state = %+v", s)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			r.machine.runs(t, config("a"))
		})
	})
	t.Run("is taken back by hand", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Apply(t.Context(), timed("a", 0))
			r.expect(t, r.Rollback(t.Context(), 0, Request{}), Done, 0, config("factory"))
			if r.state(t).Pending != nil {
				t.Error("still waits")
			}
		})
	})
	t.Run("survives a restart", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Apply(t.Context(), timed("a", 0))
			time.Sleep(40 * time.Second)
			r.restart(t)
			if p := r.state(t).Pending; p == nil || p.Seconds != 20 {
				t.Fatalf("pending = %+v", p)
			}
			time.Sleep(20 * time.Second)
			synctest.Wait()
			r.machine.runs(t, config("factory"))
		})
	})
	t.Run("ran out while confd was away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Apply(t.Context(), timed("a", 0))
			r.Close()
			time.Sleep(time.Hour)
			r.machine.runs(t, config("a"))
			r.restart(t)
			synctest.Wait()
			r.machine.runs(t, config("factory"))
		})
	})
	t.Run("tries again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Apply(t.Context(), timed("a", 0))
			r.machine.mu.Lock()
			r.machine.fail["network"] = true
			r.machine.mu.Unlock()
			time.Sleep(61 * time.Second)
			synctest.Wait()
			if s := r.state(t); s.Pending == nil || !strings.Contains(s.Problem, "cannot be taken back") {
				t.Errorf("state = %+v", s)
			}
			r.machine.mu.Lock()
			clear(r.machine.fail)
			r.machine.mu.Unlock()
			time.Sleep(retryBack)
			synctest.Wait()
			r.machine.runs(t, config("factory"))
			if s := r.state(t); s.Pending != nil || s.Problem != "" {
				t.Errorf("state = %+v", s)
			}
		})
	})
}

func TestGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.machine.dead = true
		r.Apply(t.Context(), request(config("a"), 0))
		time.Sleep(GoodAfter)
		synctest.Wait()
		if r.state(t).Running.Good {
			t.Error("good although the machine does not work")
		}
		r.machine.mu.Lock()
		r.machine.dead = false
		r.machine.mu.Unlock()
		time.Sleep(GoodAfter)
		synctest.Wait()
		p, err := r.store.Pointers()
		if err != nil || p.LastGood != 1 || p.Startup != 0 || !r.state(t).Running.Good {
			t.Errorf("pointers = %+v, %v; running %+v", p, err, r.state(t).Running)
		}
		r.Apply(t.Context(), request(config("b"), 1))
		time.Sleep(GoodAfter - time.Second)
		r.Apply(t.Context(), request(config("c"), 2))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if rev, err := r.store.Revision(2); err != nil || rev.Good {
			t.Errorf("revision 2, which did not stay: %+v, %v", rev, err)
		}
	})
}

func TestSaveWithoutDisk(t *testing.T) {
	r := newRig(t)
	r.opts.Persistent, r.opts.Problem = false, "booted without a disk"
	r.restart(t)
	r.Apply(t.Context(), request(config("a"), 0))
	if got := r.Save(Request{}); got.Outcome != CouldNotSave || got.Message != "booted without a disk" {
		t.Errorf("Save() = %+v", got)
	}
	if s := r.state(t); !s.Unsaved || s.Persistent || s.Problem == "" {
		t.Errorf("state = %+v", s)
	}
	r = newRig(t)
	r.Apply(t.Context(), request(config("a"), 0))
	r.store.disk = &cutDisk{}
	if got := r.Save(Request{}); got.Outcome != CouldNotSave || r.state(t).Saved.Number != 0 {
		t.Errorf("Save() to a dead disk = %+v", got)
	}
	if got := r.Edit(request(config("b"), 1)); got.Outcome != CouldNotSave {
		t.Errorf("Edit() to a dead disk = %+v", got)
	}
}
