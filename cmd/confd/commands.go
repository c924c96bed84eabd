package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// defaultEntries is how many entries "show audit" prints.
const defaultEntries = 100

// names is the synopsis of what names a configuration.
const names = "edited|running|saved|factory|<number>"

// commands is confd's control table. Answers are JSON, except that of diff, which
// is text, and that of backup, which is base64.
func (s *service) commands() []ctl.Command {
	k := s.keeper
	table := []ctl.Command{
		{Name: "show state", Help: "what is edited, running and saved", Run: answer(0, func([]string) (any, error) { return k.State() })},
		{Name: "show revisions", Help: "all revisions, newest first", Run: answer(0, func([]string) (any, error) { return k.Revisions(), nil })},
		{Name: "show content", Args: "<" + names + ">", Help: "the files of a configuration",
			Run: answer(1, func(args []string) (any, error) { return k.Content(args[0]) })},
		{Name: "show setup", Help: "whether a password is set and whether changes survive a reboot", Run: answer(0, s.showSetup)},
		{Name: "show users", Help: "names of the users", Run: answer(0, s.showUsers)},
		{Name: "show audit", Args: "[<entries>]", Help: "who changed what, oldest first", Run: s.showAudit},
		{Name: "diff", Args: "<from> <to>", Help: "unified difference between two configurations", Run: s.diff},
		{Name: "backup", Args: "[" + names + "]", Help: "a configuration, by default the running one, as base64 of a tar.gz", Run: s.backup},
		{Name: "check", Args: "<<", Help: "judge a request's files, or the edited ones", Run: withRequest(0,
			func(ctx context.Context, _ []string, req appliance.Request) (any, error) { return k.Check(ctx, req) })},
		change("edit", "keep a request's files as the edited configuration", func(_ context.Context, req appliance.Request) appliance.Result { return k.Edit(req) }),
		change("discard", "forget what was edited", func(_ context.Context, req appliance.Request) appliance.Result { return k.Discard(req) }),
		change("apply", "put a request's files, or the edited ones, in force", k.Apply),
		change("confirm", "keep what a timed apply has put in force", func(_ context.Context, req appliance.Request) appliance.Result { return k.Confirm(req) }),
		change("save", "make the running configuration the one that a reboot returns to", func(_ context.Context, req appliance.Request) appliance.Result { return k.Save(req) }),
		change("factory-reset", "put the factory's configuration in force and save it", k.FactoryReset),
		{Name: "rollback", Args: "<number> [<<]", Help: "put a revision in force again", Run: withRequest(1, s.rollback)},
		{Name: "restore", Args: "<<", Help: "make a backup's files the edited configuration", Run: s.restore},
		{Name: "set password", Args: "<user> <<", Help: "set a user's password, which is the payload", Run: s.setPassword},
		{Name: "check password", Args: "<user> <<", Help: "fail unless the payload is the user's password", Run: s.checkPassword},
	}
	for i := range table {
		table[i].Level = ctl.LevelAdmin
	}
	return table
}

// answer makes a command of a question with a fixed number of arguments.
func answer(args int, f func(args []string) (any, error)) func(context.Context, *ctl.Request, io.Writer) error {
	return func(_ context.Context, req *ctl.Request, w io.Writer) error {
		if len(req.Args) != args {
			return ctl.ErrUsage
		}
		v, err := f(req.Args)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(v)
	}
}

// withRequest makes a command whose payload is a Request; without a payload it is
// one that does not compare revisions.
func withRequest(args int, f func(context.Context, []string, appliance.Request) (any, error)) func(context.Context, *ctl.Request, io.Writer) error {
	return func(ctx context.Context, req *ctl.Request, w io.Writer) error {
		if len(req.Args) != args {
			return ctl.ErrUsage
		}
		r := appliance.Request{Base: -1}
		if req.Payload != nil {
			if err := decode(req.Payload, &r); err != nil {
				return err
			}
		}
		v, err := f(ctx, req.Args, r)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(v)
	}
}

func decode(payload []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("read payload: %w", err)
	}
	return nil
}

// change is the row of a changing command without arguments.
func change(name, help string, f func(context.Context, appliance.Request) appliance.Result) ctl.Command {
	return ctl.Command{Name: name, Args: "[<<]", Help: help, Run: withRequest(0,
		func(ctx context.Context, _ []string, req appliance.Request) (any, error) { return f(ctx, req), nil })}
}

func (s *service) rollback(ctx context.Context, args []string, req appliance.Request) (any, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%w: revision %q: a number is needed", ctl.ErrUsage, args[0])
	}
	return s.keeper.Rollback(ctx, n, req), nil
}

func (s *service) diff(_ context.Context, req *ctl.Request, w io.Writer) error {
	if len(req.Args) != 2 {
		return ctl.ErrUsage
	}
	text, err := s.keeper.Diff(req.Args[0], req.Args[1])
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return err
}

func (s *service) backup(_ context.Context, req *ctl.Request, w io.Writer) error {
	name := "running"
	switch len(req.Args) {
	case 0:
	case 1:
		name = req.Args[0]
	default:
		return ctl.ErrUsage
	}
	archive, err := s.keeper.Backup(name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, base64.StdEncoding.EncodeToString(archive))
	return err
}

func (s *service) restore(_ context.Context, req *ctl.Request, w io.Writer) error {
	if len(req.Args) > 0 || req.Payload == nil {
		return ctl.ErrUsage
	}
	var r appliance.Restoration
	if err := decode(req.Payload, &r); err != nil {
		return err
	}
	archive, err := base64.StdEncoding.DecodeString(r.Archive)
	if err != nil {
		return fmt.Errorf("read payload: archive: %w", err)
	}
	return json.NewEncoder(w).Encode(s.keeper.Restore(archive, r.Request))
}

func (s *service) showSetup([]string) (any, error) {
	list, err := s.users.List()
	if err != nil {
		return nil, err
	}
	setup := appliance.Setup{Persistent: s.data.Persistent}
	for _, u := range list {
		setup.PasswordSet = setup.PasswordSet || u.PasswordSet
	}
	return setup, nil
}

func (s *service) showUsers([]string) (any, error) {
	list, err := s.users.List()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, u := range list {
		out = append(out, u.Name)
	}
	return out, nil
}

func (s *service) showAudit(_ context.Context, req *ctl.Request, w io.Writer) error {
	n := defaultEntries
	switch len(req.Args) {
	case 0:
	case 1:
		var err error
		if n, err = strconv.Atoi(req.Args[0]); err != nil || n < 1 {
			return fmt.Errorf("%w: %q: a number from 1 on is needed", ctl.ErrUsage, req.Args[0])
		}
	default:
		return ctl.ErrUsage
	}
	entries, err := s.audit.Tail(n)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(entries)
}

// password takes user and password out of a request; the protocol ends a payload
// with a line end.
func password(req *ctl.Request) (user, word string, err error) {
	if len(req.Args) != 1 || req.Payload == nil {
		return "", "", ctl.ErrUsage
	}
	return req.Args[0], strings.TrimSuffix(string(req.Payload), "\n"), nil
}

func (s *service) setPassword(_ context.Context, req *ctl.Request, w io.Writer) error {
	user, word, err := password(req)
	if err != nil {
		return err
	}
	result := appliance.Result{Outcome: appliance.Done}
	if err = s.users.SetPassword(user, word); err != nil {
		result.Outcome, result.Message = appliance.Refused, err.Error()
	}
	s.note(appliance.Entry{Time: time.Now().UTC().Truncate(time.Second), User: user, Command: "set password",
		Outcome: result.Outcome, Message: result.Message})
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(result)
}

// errPassword does not say which of both was wrong.
var errPassword = errors.New("name or password is wrong")

func (s *service) checkPassword(_ context.Context, req *ctl.Request, w io.Writer) error {
	user, word, err := password(req)
	if err != nil {
		return err
	}
	right, err := s.users.Check(user, word)
	if err != nil {
		return err
	}
	if !right {
		return errPassword
	}
	return json.NewEncoder(w).Encode(appliance.Result{Outcome: appliance.Done})
}
