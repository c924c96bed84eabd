package main

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/proxy"
)

// sockets are the control sockets: the command line's and those of "stats socket".
type sockets struct {
	commands []ctl.Command
	// getSockets answers "_getsocks" on a socket, which may or may not expose the
	// listeners.
	getSockets func(conn *net.UnixConn, exposed bool)
	wg         sync.WaitGroup
	active     map[config.StatsSocket]activeSocket // guarded by program.mu after the start
}

// activeSocket is one that is served until stop is called.
type activeSocket struct {
	server *ctl.Server
	stop   context.CancelFunc
}

func newSockets(commands []ctl.Command, getSockets func(*net.UnixConn, bool)) *sockets {
	return &sockets{commands: commands, getSockets: getSockets, active: map[config.StatsSocket]activeSocket{}}
}

// socketChange is a new set of sockets that is bound and not yet in force.
type socketChange struct {
	want  map[config.StatsSocket]bool
	fresh map[config.StatsSocket]net.Listener // under their path with newSuffix
	idle  time.Duration                       // "stats timeout"
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
	change := &socketChange{want: map[config.StatsSocket]bool{}, fresh: map[config.StatsSocket]net.Listener{}, idle: conf.Global.StatsTimeout}
	if master != nil {
		change.want[*master] = true
	}
	for _, c := range conf.Global.Sockets {
		c.Pos = config.Pos{} // an edit elsewhere in the file is no other socket
		change.want[c] = true
	}
	for c := range change.want {
		if _, open := s.active[c]; open {
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
		s.active[c] = s.serve(c, l, change.idle)
	}
	for c, socket := range s.active {
		socket.server.SetIdle(change.idle)
		if change.want[c] {
			continue
		}
		socket.stop()
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

// serve answers on one socket.
func (s *sockets) serve(c config.StatsSocket, l net.Listener, idle time.Duration) activeSocket {
	level, _ := ctl.ParseLevel(c.Level) // bindSocket has tried it
	ctx, cancel := context.WithCancel(context.Background())
	commands := slices.Clone(s.commands)
	for i := range commands {
		if commands[i].Name == ctl.GetSockets {
			commands[i].Take = func(conn *net.UnixConn) { s.getSockets(conn, c.ExposeListeners) }
		}
	}
	socket := activeSocket{server: ctl.NewServer(commands, level), stop: cancel}
	socket.server.SetIdle(idle)
	s.wg.Go(func() { _ = socket.server.Serve(ctx, l) })
	return socket
}

// chown gives the new socket to the user and group of its line.
func chown(c config.StatsSocket) error {
	uid, gid, err := proxy.OwnerIDs(c.User, c.Group)
	if err != nil {
		return fmt.Errorf("stats socket %s: %w", c.Path, err)
	}
	if uid < 0 && gid < 0 {
		return nil
	}
	return os.Chown(c.Path+newSuffix, uid, gid)
}

func (s *sockets) close() {
	for _, socket := range s.active {
		socket.stop()
	}
	s.wg.Wait()
}
