package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// job is what a unit is to do next.
type job int

const (
	jobNone job = iota
	jobStart
	jobStop
)

// started ends a start job and tells those who wait for it.
func (v *service) started(err error) {
	if v.job == jobStart {
		v.job = jobNone
	}
	if v.job == jobNone {
		v.finish(err)
	}
}

// ended runs when the unit has become inactive or failed.
func (v *service) ended() {
	switch {
	case v.job == jobStop && v.thenStart && !v.s.stopping:
		v.job, v.thenStart = jobStart, false
	case v.job == jobStop:
		v.job, v.thenStart = jobNone, false
		v.finish(nil)
	case v.result == "success" && v.startOK:
		v.started(nil)
	default:
		v.started(v.failure())
	}
}

func (v *service) finish(err error) {
	for _, w := range v.waiters {
		w <- err
	}
	v.waiters = nil
}

// schedule starts and stops what the order allows, until nothing moves any more.
func (s *Supervisor) schedule() {
	for s.dirty {
		s.dirty = false
		for _, name := range s.set.names {
			v := s.services[name]
			switch {
			case v.job == jobStop && !v.idle() && s.mayStop(v):
				if v.state != Stopping {
					v.beginStop()
					s.dirty = true
				}
			case v.job == jobStop && v.idle():
				v.ended()
				s.dirty = true
			case v.job == jobStart && v.idle():
				s.tryStart(v)
			}
		}
	}
	if s.allIdle() {
		for _, c := range s.idle {
			close(c)
		}
		s.idle = nil
	}
}

// mayStop reports whether every unit ordered after v that is to stop has stopped.
func (s *Supervisor) mayStop(v *service) bool {
	for _, other := range s.services {
		if other.job == jobStop && !other.idle() && slices.Contains(s.set.after[other.unit.Name], v.unit.Name) {
			return false
		}
	}
	return true
}

// settled reports whether a unit has reached the end of what it is doing, so that
// units ordered after it need not wait.
func (v *service) settled() bool {
	return v.job != jobStart && v.job != jobStop &&
		v.state != Starting && v.state != Restarting && v.state != Stopping
}

// tryStart begins v when its dependencies are settled, or fails it when one that
// it requires is not up.
func (s *Supervisor) tryStart(v *service) {
	name := v.unit.Name
	for _, d := range s.set.after[name] {
		if !s.services[d].settled() {
			return
		}
	}
	for _, d := range s.set.requires[name] {
		dep := s.services[d]
		ordered := slices.Contains(s.set.after[name], d)
		switch {
		case dep == nil:
			v.fail("dependency", "required unit "+d+" is not known")
			return
		case dep.state == Failed && dep.job == jobNone,
			ordered && !dep.up():
			v.fail("dependency", "required unit "+d+" is "+string(dep.state))
			return
		}
	}
	if v.unit.Service.Type == TypeIdle && s.starting() && !v.waited {
		if v.timer == nil {
			v.arm(idleLimit, func() { v.waited, s.dirty = true, true })
		}
		return
	}
	v.waited = false
	v.disarm()
	v.begin()
}

// idleLimit is how long Type=idle waits at most (systemd.service(5)).
const idleLimit = 5 * time.Second

// starting reports whether a service, other than those of Type=idle, is on its way.
func (s *Supervisor) starting() bool {
	for _, v := range s.services {
		target := unitSuffix(v.unit.Name) == ".target"
		if !target && v.unit.Service.Type != TypeIdle && (v.job == jobStart || v.state == Starting) {
			return true
		}
	}
	return false
}

// up reports whether the unit satisfies those that require it.
func (v *service) up() bool {
	return v.state == Active || v.state == Reloading || v.state == Inactive && v.startOK
}

func (s *Supervisor) allIdle() bool {
	if len(s.idle) == 0 {
		return false
	}
	for _, v := range s.services {
		if !v.idle() || v.job != jobNone {
			return false
		}
	}
	return true
}

// wait posts f, which gets the unit and a channel for its result, and waits.
func (s *Supervisor) wait(ctx context.Context, name string, f func(v *service, done chan error)) error {
	done := make(chan error, 1)
	err := s.call(ctx, func() {
		v := s.services[name]
		switch {
		case v == nil:
			done <- fmt.Errorf("unit %q is not known%s", name, suggestion(name, s.set.names))
		case s.stopping:
			done <- errors.New("the machine is shutting down")
		default:
			s.dirty = true
			f(v, done)
		}
	})
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Start starts a unit with everything it requires and wants, and waits until it
// is up or its first try failed.
func (s *Supervisor) Start(ctx context.Context, name string) error {
	return s.wait(ctx, name, func(v *service, done chan error) {
		for _, n := range s.set.closure(name) {
			s.services[n].wantStart()
		}
		v.limiter.reset()
		if v.job == jobNone && v.up() && v.state != Inactive {
			done <- nil
			return
		}
		v.waiters = append(v.waiters, done)
	})
}

// wantStart gives the unit a start job unless it is up or on its way.
func (v *service) wantStart() {
	switch {
	case v.job == jobStop:
		v.thenStart = true
	case v.state == Stopping:
		v.job, v.thenStart = jobStop, true
	case v.idle() && v.job == jobNone:
		v.job, v.restarts, v.startOK = jobStart, 0, false
		v.event(EventState)
	}
}

// Stop stops a unit and those that require it, and waits until it has stopped.
func (s *Supervisor) Stop(ctx context.Context, name string) error {
	return s.wait(ctx, name, func(v *service, done chan error) {
		for _, n := range append(s.set.dependents(name), name) {
			s.services[n].wantStop(false)
		}
		v.waiters = append(v.waiters, done)
	})
}

// Restart stops a unit and starts it again, together with the running units
// that require it, and waits until it is up or its first try failed.
func (s *Supervisor) Restart(ctx context.Context, name string) error {
	return s.wait(ctx, name, func(v *service, done chan error) {
		for _, n := range s.set.dependents(name) {
			s.services[n].wantStop(true)
		}
		if v.idle() {
			v.wantStart()
		} else {
			v.wantStop(true)
		}
		v.limiter.reset()
		v.waiters = append(v.waiters, done)
	})
}

// wantStop gives the unit a stop job, with a start after it for a unit that is
// not idle.
func (v *service) wantStop(thenStart bool) {
	waiting := v.job == jobStart && v.idle()
	if thenStart && v.idle() {
		return // nothing to restart, or not started yet
	}
	if waiting {
		v.finish(fmt.Errorf("%s: start cancelled", v.unit.Name))
	}
	v.job, v.thenStart = jobStop, thenStart
}

// Reload runs the unit's ExecReload= and waits for its end; a service that
// announced RELOADING=1 meanwhile ends it with READY=1.
func (s *Supervisor) Reload(ctx context.Context, name string) error {
	return s.wait(ctx, name, func(v *service, done chan error) { v.beginReload(done) })
}

// Shutdown stops all units in reverse order and waits until they have. No unit
// can be started afterwards.
func (s *Supervisor) Shutdown(ctx context.Context) error {
	idle := make(chan struct{})
	err := s.call(ctx, func() {
		s.stopping = true
		s.dirty = true
		s.idle = append(s.idle, idle)
		for _, v := range s.services {
			v.wantStop(false)
		}
	})
	if err != nil {
		return err
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop all units: %w", ctx.Err())
	}
}

// Status returns a snapshot of the unit called name.
func (s *Supervisor) Status(ctx context.Context, name string) (Status, error) {
	var st Status
	found := false
	err := s.call(ctx, func() {
		if v := s.services[name]; v != nil {
			st, found = v.status(), true
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("unit %q is not known%s", name, suggestion(name, s.set.names))
	}
	return st, err
}

// Statuses returns snapshots of all units, by name.
func (s *Supervisor) Statuses(ctx context.Context) ([]Status, error) {
	var all []Status
	err := s.call(ctx, func() {
		for _, name := range s.set.names {
			all = append(all, s.services[name].status())
		}
	})
	return all, err
}

// Ring returns the log of the unit called name, or nil.
func (s *Supervisor) Ring(name string) *Ring { return s.rings[name] }
