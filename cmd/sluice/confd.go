package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// askLimit is how long a daemon may take to answer a question. Changes take as
// long as they need; ctrl-c leaves them to confd.
const askLimit = 10 * time.Second

// errNoConfd is a configuration service that cannot be reached.
var errNoConfd = errors.New("the configuration service (confd) does not answer")

// confd sends a command and reads its answer into answer, which may be nil or a
// *string for text. payload is nil, bytes, or a value that becomes JSON.
func (s *shell) confd(ctx context.Context, command string, payload, answer any) error {
	if !s.completing {
		s.term.cooked() // from here on ctrl-c is a signal
	}
	if strings.HasPrefix(command, "show ") || strings.HasPrefix(command, "diff ") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askLimit)
		defer cancel()
	}
	body, ok := payload.([]byte)
	if !ok && payload != nil {
		var err error
		if body, err = json.Marshal(payload); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	text, err := ctl.Call(ctx, s.socket("confd"), command, body)
	if failed := (*ctl.CommandError)(nil); errors.As(err, &failed) {
		return err
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%w: %w", errNoConfd, err)
		}
		return fmt.Errorf("ask confd: %w", err)
	}
	switch answer := answer.(type) {
	case nil:
	case *string:
		*answer = text
	default:
		if err := json.Unmarshal([]byte(text), answer); err != nil {
			return fmt.Errorf("read confd's answer to %q: %w", command, err)
		}
	}
	return nil
}

// hasConfd tells whether this image has a configuration service at all.
func (s *shell) hasConfd() bool {
	for _, path := range []string{s.socket("confd"), s.unitDir + "/confd.service"} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

// request starts the payload of a change.
func (s *shell) request() appliance.Request {
	return appliance.Request{User: s.user, Origin: "console", Base: -1}
}

// change sends a changing command and reports how it went; anything but Done is
// an error.
func (s *shell) change(ctx context.Context, command string, payload any) (appliance.Result, error) {
	var result appliance.Result
	if err := s.confd(ctx, command, payload, &result); err != nil {
		return result, err
	}
	s.printFindings(result.Findings)
	return result, s.report(result)
}

// report prints the steps of a change, and the difference that it met.
func (s *shell) report(result appliance.Result) error {
	for _, step := range result.Steps {
		fmt.Fprintf(s.stdout, "  %-24s %s\n", step.Name, step.Result)
	}
	if result.Outcome == appliance.Done {
		return nil
	}
	if result.Diff != "" {
		fmt.Fprint(s.stdout, endLine(result.Diff))
	}
	return &outcomeError{result.Outcome, result.Message}
}

func (s *shell) printFindings(findings []appliance.Finding) {
	for _, f := range findings {
		place := f.File
		if f.Line > 0 {
			place += fmt.Sprintf(":%d", f.Line)
			if f.Column > 0 {
				place += fmt.Sprintf(":%d", f.Column)
			}
		}
		if place != "" {
			place += ": "
		}
		fmt.Fprintf(s.stdout, "%s%s: %s\n", place, f.Severity, f.Message)
	}
}

// endLine makes text end with a line end unless it is empty.
func endLine(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}
