package web

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// Daemon is the control socket of a daemon. A command that the daemon refuses is
// a *ctl.CommandError; every other error means that it does not answer.
type Daemon interface {
	// Call returns the whole answer of a command.
	Call(ctx context.Context, command string, payload []byte) (string, error)
	// Stream copies an answer to w as it grows, until the command or ctx ends.
	Stream(ctx context.Context, command string, w io.Writer) error
}

// Daemons are the sockets that the pages need.
type Daemons struct {
	Conf, Proxy, Net, Init Daemon
}

// setup is confd's answer to "show setup".
type setup struct {
	PasswordSet bool `json:"password_set"`
	Persistent  bool `json:"persistent"`
}

// The forms of words that become part of a command.
var (
	userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	unitName = regexp.MustCompile(`^[A-Za-z0-9@._:-]{1,128}$`)
	which    = regexp.MustCompile(`^(edited|running|saved|factory|[0-9]{1,9})$`)
)

// unavailable tells the reader which daemon did not answer.
func unavailable(daemon string, err error) error {
	var refused *ctl.CommandError
	if errors.As(err, &refused) {
		return &problem{Status: http.StatusUnprocessableEntity, Title: "Refused", Detail: refused.Message}
	}
	return &problem{Status: http.StatusServiceUnavailable, Title: "Service does not answer",
		Detail: fmt.Sprintf("%s does not answer; try again in a moment", daemon), cause: err}
}

// ask sends confd a command and decodes its JSON answer into out.
func (s *Server) ask(ctx context.Context, command string, payload []byte, out any) error {
	text, err := s.daemons.Conf.Call(ctx, command, payload)
	if err != nil {
		return unavailable("confd", err)
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		return unavailable("confd", fmt.Errorf("answer of %q: %w", command, err))
	}
	return nil
}

// change sends confd a command with a Request and returns how it ended.
func (s *Server) change(ctx context.Context, command string, req appliance.Request) (appliance.Result, error) {
	var res appliance.Result
	payload, err := json.Marshal(req)
	if err != nil {
		return res, err
	}
	err = s.ask(ctx, command, payload, &res)
	return res, err
}

func (s *Server) state(ctx context.Context) (st appliance.State, err error) {
	err = s.ask(ctx, "show state", nil, &st)
	return st, err
}

func (s *Server) revisions(ctx context.Context) (revs []appliance.Revision, err error) {
	err = s.ask(ctx, "show revisions", nil, &revs)
	return revs, err
}

func (s *Server) content(ctx context.Context, name string) (c appliance.Content, err error) {
	if !which.MatchString(name) {
		return c, badRequest("configuration %q: accepted are edited, running, saved, factory and a revision's number", name)
	}
	err = s.ask(ctx, "show content "+name, nil, &c)
	return c, err
}

// diff returns the unified difference between two configurations.
func (s *Server) diff(ctx context.Context, from, to string) (string, error) {
	for _, name := range []string{from, to} {
		if !which.MatchString(name) {
			return "", badRequest("configuration %q: accepted are edited, running, saved, factory and a revision's number", name)
		}
	}
	text, err := s.daemons.Conf.Call(ctx, "diff "+from+" "+to, nil)
	if err != nil {
		return "", unavailable("confd", err)
	}
	return text, nil
}

func (s *Server) check(ctx context.Context, files appliance.Files) (rep appliance.Report, err error) {
	payload, err := json.Marshal(appliance.Request{Base: -1, Files: files})
	if err != nil {
		return rep, err
	}
	err = s.ask(ctx, "check", payload, &rep)
	return rep, err
}

func (s *Server) backup(ctx context.Context) ([]byte, error) {
	text, err := s.daemons.Conf.Call(ctx, "backup", nil)
	if err != nil {
		return nil, unavailable("confd", err)
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, unavailable("confd", fmt.Errorf("answer of \"backup\": %w", err))
	}
	return data, nil
}

func (s *Server) restore(ctx context.Context, archive []byte, req appliance.Request) (res appliance.Result, err error) {
	payload, err := json.Marshal(struct {
		Request appliance.Request `json:"request"`
		Archive []byte            `json:"archive"` // encoding/json writes base64
	}{req, archive})
	if err != nil {
		return res, err
	}
	err = s.ask(ctx, "restore", payload, &res)
	return res, err
}

// stats asks the proxy for its counters.
func (s *Server) stats(ctx context.Context) ([]ctl.Stat, error) {
	text, err := s.daemons.Proxy.Call(ctx, "show stat", nil)
	if err != nil {
		return nil, unavailable("proxyd", err)
	}
	stats, err := ctl.ParseStats(strings.NewReader(text))
	if err != nil {
		return nil, unavailable("proxyd", err)
	}
	return stats, nil
}

// logs returns the last lines of a unit's log, oldest first.
func (s *Server) logs(ctx context.Context, unit string, lines int) ([]string, error) {
	if !unitName.MatchString(unit) {
		return nil, badRequest("unit %q: not the name of a unit", unit)
	}
	text, err := s.daemons.Init.Call(ctx, fmt.Sprintf("show logs %s %d", unit, lines), nil)
	if err != nil {
		return nil, unavailable("init", err)
	}
	var out []string
	for line := range strings.Lines(text) {
		out = append(out, strings.TrimRight(line, "\n"))
	}
	return out, nil
}

// unit is one row of init's "show units".
type unit struct {
	Name        string `json:"name"`
	State       string `json:"state"`
	Sub         string `json:"sub"`
	Restarts    string `json:"restarts"`
	Since       string `json:"since"`
	Description string `json:"description"`
}

// units lists the services that init supervises.
func (s *Server) units(ctx context.Context) ([]unit, error) {
	text, err := s.daemons.Init.Call(ctx, "show units", nil)
	if err != nil {
		return nil, unavailable("init", err)
	}
	var out []unit
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 6 || !strings.HasSuffix(f[0], ".service") {
			continue
		}
		out = append(out, unit{Name: f[0], State: f[1], Sub: f[2], Restarts: f[4], Since: f[5],
			Description: strings.Join(f[6:], " ")})
	}
	return out, nil
}

// lineWriter hands each complete line to a function.
type lineWriter struct {
	buf  bytes.Buffer
	emit func(line string) error
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.buf.Write(p)
	for {
		i := bytes.IndexByte(l.buf.Bytes(), '\n')
		if i < 0 {
			return len(p), nil
		}
		line := string(l.buf.Next(i + 1))
		if err := l.emit(strings.TrimRight(line, "\n")); err != nil {
			return 0, err
		}
	}
}
