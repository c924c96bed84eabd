package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

// service is the running confd.
type service struct {
	keeper *appliance.Keeper
	users  *appliance.Users
	audit  *appliance.Audit
	data   appliance.DataStatus
	log    *slog.Logger
}

func newService(ctx context.Context, f *flags, status appliance.DataStatus, factory appliance.Files, log *slog.Logger) (*service, error) {
	if err := os.MkdirAll(status.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the store's directory: %w", err)
	}
	store, err := appliance.OpenStore(status.Dir, factory, time.Now)
	if err != nil {
		return nil, err
	}
	for _, fault := range store.Faults() {
		log.Error("store is damaged", "fault", fault)
	}
	audit, err := appliance.OpenAudit(filepath.Join(status.Dir, "audit.log"))
	if err != nil {
		return nil, err
	}
	s := &service{users: appliance.NewUsers(filepath.Join(status.Dir, "users")), audit: audit, data: status, log: log}
	m := newMachine(f)
	if err := s.start(ctx, f, store, m); err != nil {
		return nil, err
	}
	s.keeper, err = appliance.NewKeeper(appliance.Options{
		Store: store, Machine: m, RunDir: f.run, Programs: appliance.ProgramsID(f.root), Persistent: status.Persistent, Problem: status.Problem,
		Now: time.Now, Uptime: uptime, Log: log, Audit: s.note,
	})
	return s, err
}

// start puts the saved configuration in force where no init has done so, that is
// under another service manager.
func (s *service) start(ctx context.Context, f *flags, store *appliance.Store, m *machine) error {
	_, err := os.Stat(filepath.Join(f.run, appliance.RunningFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	running, files := store.Choose(func(_ int, files appliance.Files) error {
		report, err := m.Check(ctx, files)
		if err == nil && !report.Valid {
			err = errors.New("it has faults")
		}
		return err
	})
	live, err := appliance.ReadLive(f.root)
	if err != nil {
		return err
	}
	if !live.Equal(files) {
		for _, a := range m.Actions(live, files) {
			if err := a.Do(ctx); err != nil {
				// The daemons read the files when they start.
				s.log.Warn("start", "step", a.Name, "err", err)
			}
		}
	}
	return appliance.WriteRunning(f.run, running)
}

// note writes an entry to the audit log and to the unit's.
func (s *service) note(e appliance.Entry) {
	s.log.Info("audit", "user", e.User, "origin", e.Origin, "command", e.Command, "outcome", e.Outcome,
		"revision", e.Revision, "message", e.Message)
	if err := s.audit.Append(e); err != nil {
		s.log.Error("audit log not written", "err", err)
	}
}

func (s *service) status() string {
	st, err := s.keeper.State()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("running revision %d, saved %d", st.Running.Number, st.Saved.Number)
}
