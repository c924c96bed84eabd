package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"sync"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// sockets are the control sockets: the command line's and those of "stats socket".
type sockets struct {
	commands []ctl.Command
	wg       sync.WaitGroup
	active   map[config.StatsSocket]context.CancelFunc // guarded by program.mu after the start
}

func newSockets(commands []ctl.Command) *sockets {
	return &sockets{commands: commands, active: map[config.StatsSocket]context.CancelFunc{}}
}

// open makes the set of open sockets that of conf and the path of -S.
func (s *sockets) open(master string, conf *config.Config) error {
	want := map[config.StatsSocket]bool{}
	if master != "" {
		want[config.StatsSocket{Path: master, Mode: 0o600, Level: "admin"}] = true
	}
	for _, c := range conf.Global.Sockets {
		c.Pos = config.Pos{} // an edit elsewhere in the file is no other socket
		want[c] = true
	}
	for c, cancel := range s.active {
		if !want[c] {
			cancel()
			delete(s.active, c)
		}
	}
	for c := range want {
		if s.active[c] != nil {
			continue
		}
		cancel, err := s.serve(c)
		if err != nil {
			return err
		}
		s.active[c] = cancel
	}
	return nil
}

// serve answers on one socket until the returned function is called.
func (s *sockets) serve(c config.StatsSocket) (context.CancelFunc, error) {
	level, err := ctl.ParseLevel(c.Level)
	if err != nil {
		return nil, err
	}
	mode := fs.FileMode(c.Mode)
	if mode == 0 {
		mode = 0o600
	}
	l, err := ctl.Listen(c.Path, mode)
	if err != nil {
		return nil, err
	}
	if err := chown(c); err != nil {
		_ = l.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.wg.Go(func() { _ = ctl.NewServer(s.commands, level).Serve(ctx, l) })
	return cancel, nil
}

// chown gives the socket to the user and group of its line.
func chown(c config.StatsSocket) error {
	uid, gid := -1, -1
	if c.User != "" {
		u, err := user.Lookup(c.User)
		if err != nil {
			return fmt.Errorf("stats socket %s: %w", c.Path, err)
		}
		uid, _ = strconv.Atoi(u.Uid)
	}
	if c.Group != "" {
		g, err := user.LookupGroup(c.Group)
		if err != nil {
			return fmt.Errorf("stats socket %s: %w", c.Path, err)
		}
		gid, _ = strconv.Atoi(g.Gid)
	}
	if uid < 0 && gid < 0 {
		return nil
	}
	return os.Chown(c.Path, uid, gid)
}

func (s *sockets) close() {
	for _, cancel := range s.active {
		cancel()
	}
	s.wg.Wait()
}
