package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// setup asks for the answers, makes the configuration's files of them, and applies
// and saves these if the user agrees. Left in any other way, the edited
// configuration is as it was.
func setup(ctx context.Context, s *shell, args []string) error {
	if len(args) > 0 {
		return errArguments
	}
	if s.term == nil && !s.scripted {
		return errNoTerminal
	}
	var before appliance.Content
	var state appliance.State
	if err := errors.Join(s.confd(ctx, "show state", nil, &state), s.confd(ctx, "show content edited", nil, &before)); err != nil {
		return err
	}
	if state.Edited.Changed {
		fmt.Fprintln(s.stdout, "There are edits that are not applied yet; what is set up here comes on top of them.")
	}
	fmt.Fprintln(s.stdout, "Enter keeps what is in brackets, \"?\" explains, ctrl-c leaves and changes nothing.")
	a := readAnswers(before.Files)
	for {
		if err := s.askAll(ctx, &a); err != nil {
			return err
		}
		again, err := s.tryOut(ctx, before, state, a.files(before.Files))
		if err != nil || !again {
			return err
		}
	}
}

// tryOut shows what files would change and applies them if the user agrees. It
// returns true if the questions are to be asked again.
func (s *shell) tryOut(ctx context.Context, before appliance.Content, state appliance.State, files appliance.Files) (again bool, err error) {
	req := s.request()
	req.Base, req.Files = before.Revision, files
	var report appliance.Report
	if err := s.confd(ctx, "check", req, &report); err != nil {
		return false, err
	}
	s.printFindings(report.Findings)
	if !report.Valid {
		return s.agree(ctx, "This cannot be applied. Go through the questions again", "yes")
	}
	if maps.Equal(files, before.Files) && !state.Edited.Changed {
		fmt.Fprintln(s.stdout, "Everything is so already.")
		return false, s.offerSave(ctx)
	}
	// The findings were shown: edit and apply would only repeat them.
	var result appliance.Result
	if err := s.confd(ctx, "edit", req, &result); err != nil {
		return false, err
	}
	if err := s.report(result); err != nil {
		return false, err
	}
	applied := false
	defer func() {
		if !applied {
			err = errors.Join(err, s.putBack(ctx, before, state))
		}
	}()
	if err := diff(ctx, s, nil); err != nil {
		return false, err
	}
	s.printPlan(report.Plan)
	yes, err := s.agree(ctx, "Apply this", "yes")
	if err != nil {
		return false, err
	}
	if !yes {
		again, err := s.agree(ctx, "Go through the questions again", "no")
		if err == nil && !again {
			fmt.Fprintln(s.stdout, "Nothing is changed.")
		}
		return again, err
	}
	apply := s.request()
	apply.Base, apply.Note = before.Revision, "setup"
	if err := s.confd(ctx, "apply", apply, &result); err != nil {
		return false, err
	}
	if err := s.report(result); err != nil {
		return false, err
	}
	applied = true
	fmt.Fprintf(s.stdout, "Revision %d runs.\n", result.Revision)
	return false, s.offerSave(ctx)
}

// putBack makes the edited configuration what it was before the wizard, also when
// ctx has ended.
func (s *shell) putBack(ctx context.Context, before appliance.Content, state appliance.State) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
	defer cancel()
	var result appliance.Result
	var err error
	if state.Edited.Changed {
		req := s.request()
		req.Base, req.Files = before.Revision, before.Files
		err = s.confd(ctx, "edit", req, &result)
	} else {
		err = s.confd(ctx, "discard", s.request(), &result)
	}
	if err == nil && result.Outcome != appliance.Done {
		err = &outcomeError{result.Outcome, result.Message}
	}
	if err != nil {
		return fmt.Errorf("put the edited configuration back: %w", err)
	}
	return nil
}

func (s *shell) offerSave(ctx context.Context) error {
	var state appliance.State
	if err := s.confd(ctx, "show state", nil, &state); err != nil || !state.Unsaved {
		return err
	}
	yes, err := s.agree(ctx, "Save it, so that a reboot keeps it", "yes")
	if err != nil || !yes {
		fmt.Fprintln(s.stdout, "It runs until the next reboot; \"save\" keeps it.")
		return err
	}
	return save(ctx, s, []string{"--note", "setup"})
}

// askAll asks for each answer, with the present one as what Enter means.
func (s *shell) askAll(ctx context.Context, a *answers) error {
	links, list := s.links(ctx)
	for _, ask := range []func(a *answers) *question{
		askHost, askLink(links, list), askAddress, askGateway, askDNS, askVIP, askPort, askServers,
	} {
		q := ask(a)
		if q == nil {
			continue
		}
		if err := s.ask(ctx, *q); err != nil {
			return err
		}
	}
	return nil
}

// links returns the names of the links and netd's lines about them.
func (s *shell) links(ctx context.Context) (names []string, list string) {
	ctx, cancel := context.WithTimeout(ctx, bannerLimit)
	defer cancel()
	text, err := ctl.Call(ctx, s.socket("netd"), "show network", nil)
	if err != nil {
		return nil, ""
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "link "); ok && !strings.HasPrefix(rest, "lo:") {
			b.WriteString(rest)
		}
	}
	return parseNetwork(text).links, b.String()
}
