package appliance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// applyingFile is below RunDir while a transaction is at work, and stays when it
// could not be undone: the machine may hold a mix then.
const applyingFile = "applying"

// transact runs the actions under the mark, so that a restart of confd in their
// middle is noticed.
func (k *Keeper) transact(ctx context.Context, actions []Action) (Outcome, []Step, error) {
	mark := filepath.Join(k.opts.RunDir, applyingFile)
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		k.opts.Log.Warn("an interruption would not be noticed", "err", err)
	}
	outcome, steps, err := transact(ctx, actions)
	if outcome != CouldNotRestore {
		k.unmark()
	}
	return outcome, steps, err
}

func (k *Keeper) unmark() {
	if err := os.Remove(filepath.Join(k.opts.RunDir, applyingFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.opts.Log.Warn("the next start repeats what runs", "err", err)
	}
}

// repair puts what is noted as running in force again after a transaction that
// had no end, because confd was killed in it.
func (k *Keeper) repair(f Files) {
	if _, err := os.Stat(filepath.Join(k.opts.RunDir, applyingFile)); err != nil {
		return
	}
	n := k.running.Revision
	k.opts.Log.Warn("an apply was interrupted; what ran before is put in force again", "revision", n)
	var errs []error
	for _, a := range k.opts.Machine.Actions(f, f) {
		if err := bounded(context.Background(), a.Do); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		k.opts.Log.Error("interrupted apply not repaired", "revision", n, "err", err)
		k.trouble = fmt.Sprintf("an apply was interrupted, and revision %d could not be put in force again: %v", n, err)
		return
	}
	k.unmark()
}

// untroubled forgets what a whole apply has put right.
func (k *Keeper) untroubled() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.trouble = ""
}
