package appliance

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Action is one part of an apply.
type Action struct {
	Name string
	Do   func(ctx context.Context) error
	// Undo puts back whatever Do may have changed, also when Do failed half-way;
	// doing so twice must do no harm.
	Undo func(ctx context.Context) error
}

// Machine is the machine that configurations are applied to.
type Machine interface {
	// Check judges a configuration without touching anything. An error means that
	// there is no judgement.
	Check(ctx context.Context, f Files) (Report, error)
	// Actions returns what puts to in force where from is, in order.
	Actions(from, to Files) []Action
	// Alive fails when the running configuration does not do its work.
	Alive(ctx context.Context) error
}

// actionLimit bounds each Do and each Undo.
const actionLimit = 30 * time.Second

// transact runs the actions. When one fails, it and those before it are undone
// in reverse; an Undo that fails does not keep the others from being tried.
func transact(ctx context.Context, actions []Action) (Outcome, []Step, error) {
	steps := make([]Step, 0, len(actions))
	for i, a := range actions {
		err := bounded(ctx, a.Do)
		if err == nil {
			steps = append(steps, Step{a.Name, "done"})
			continue
		}
		steps = append(steps, Step{a.Name, "failed: " + err.Error()})
		err = fmt.Errorf("%s: %w", a.Name, err)
		if undoErr := undo(ctx, actions[:i+1], steps); undoErr != nil {
			return CouldNotRestore, steps, errors.Join(err, undoErr)
		}
		return FailedRestored, steps, err
	}
	return Done, steps, nil
}

// undo takes the actions back, last first, and notes it in steps.
func undo(ctx context.Context, actions []Action, steps []Step) error {
	var errs []error
	for i := len(actions) - 1; i >= 0; i-- {
		a := actions[i]
		err := bounded(ctx, a.Undo)
		failed := i == len(actions)-1
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("undo %s: %w", a.Name, err))
			steps[i].Result += "; undo failed: " + err.Error()
		case failed:
			steps[i].Result += "; undone"
		default:
			steps[i].Result = "undone"
		}
	}
	return errors.Join(errs...)
}

func bounded(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, actionLimit)
	defer cancel()
	return f(ctx)
}
