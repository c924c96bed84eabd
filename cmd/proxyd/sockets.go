package main

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/go-multierror"
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

// socketChange is a new set of sockets that is bound and not yet in force.
type socketChange struct {
	want  map[config.StatsSocket]bool
	fresh map[config.StatsSocket]net.Listener // under their path with newSuffix
}

// masterSocket reads the value of -S: a path, and options of "stats socket" after
// commas. "" is none.
func masterSocket(value string) (*config.StatsSocket, error) {
	if value == "" {
		return nil, nil
	}
	words := strings.Split(value, ",")
	line := "global\n stats socket " + config.Quote(words[0]) + " level admin mode 600"
	for _, word := range words[1:] {
		line += " " + config.Quote(word)
	}
	conf, _, err := config.Parse([]config.Source{{Name: "-S", Text: []byte(line + "\n")}}, config.Options{})
	if err != nil {
		return nil, err
	}
	s := conf.Global.Sockets[0]
	s.Pos = config.Pos{}
	return &s, nil
}

// newSuffix ends the path of a socket until its change is in force.
const newSuffix = ".new"

// open makes the set of open sockets that of conf and the path of -S.
func (s *sockets) open(master *config.StatsSocket, conf *config.Config) error {
	change, err := s.prepare(master, conf)
	if err != nil {
		return err
	}
	return s.commit(change)
}

// prepare does what can fail: it binds the sockets that are not open yet.
func (s *sockets) prepare(master *config.StatsSocket, conf *config.Config) (*socketChange, error) {
	change := &socketChange{want: map[config.StatsSocket]bool{}, fresh: map[config.StatsSocket]net.Listener{}}
	if master != nil {
		change.want[*master] = true
	}
	for _, c := range conf.Global.Sockets {
		c.Pos = config.Pos{} // an edit elsewhere in the file is no other socket
		change.want[c] = true
	}
	for c := range change.want {
		if s.active[c] != nil {
			continue
		}
		l, err := bindSocket(c)
		if err != nil {
			change.abort()
			return nil, err
		}
		change.fresh[c] = l
	}
	return change, nil
}

// abort undoes prepare.
func (change *socketChange) abort() {
	for c, l := range change.fresh {
		_ = l.Close()
		_ = os.Remove(c.Path + newSuffix)
	}
}

// commit puts a prepared change in force. An error leaves the other sockets of
// the change usable.
func (s *sockets) commit(change *socketChange) error {
	var errs *multierror.Error
	paths := map[string]bool{}
	for c := range change.want {
		paths[c.Path] = true
	}
	// New ones first: a client whose connection ends with an old one may come back
	// at once.
	for c, l := range change.fresh {
		if err := os.Rename(c.Path+newSuffix, c.Path); err != nil {
			errs = multierror.Append(errs, err)
			_ = l.Close()
			continue
		}
		s.active[c] = s.serve(c, l)
	}
	for c, cancel := range s.active {
		if change.want[c] {
			continue
		}
		cancel()
		delete(s.active, c)
		if !paths[c.Path] {
			_ = os.Remove(c.Path)
		}
	}
	return errs.ErrorOrNil()
}

// bindSocket listens under the new name of c's path.
func bindSocket(c config.StatsSocket) (net.Listener, error) {
	if _, err := ctl.ParseLevel(c.Level); err != nil {
		return nil, err
	}
	if info, err := os.Stat(c.Path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("stats socket %s: is a directory", c.Path)
	}
	mode := fs.FileMode(c.Mode)
	if mode == 0 {
		mode = 0o600
	}
	l, err := ctl.Listen(c.Path+newSuffix, mode)
	if err != nil {
		return nil, err
	}
	if err := chown(c); err != nil {
		_ = l.Close()
		_ = os.Remove(c.Path + newSuffix)
		return nil, err
	}
	return l, nil
}

// serve answers on one socket until the returned function is called.
func (s *sockets) serve(c config.StatsSocket, l net.Listener) context.CancelFunc {
	level, _ := ctl.ParseLevel(c.Level) // bindSocket has tried it
	ctx, cancel := context.WithCancel(context.Background())
	s.wg.Go(func() { _ = ctl.NewServer(s.commands, level).Serve(ctx, l) })
	return cancel
}

// chown gives the new socket to the user and group of its line.
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
	return os.Chown(c.Path+newSuffix, uid, gid)
}

func (s *sockets) close() {
	for _, cancel := range s.active {
		cancel()
	}
	s.wg.Wait()
}
