package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

const networkPrefix = "network/"

// networkName is what a network file may be called.
var networkName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]*\.(network|vip)$`)

// editFile returns the command that edits one file of the configuration.
func editFile(name string) func(context.Context, *shell, []string) error {
	return func(ctx context.Context, s *shell, args []string) error {
		if len(args) > 0 {
			return errArguments
		}
		return s.editCandidate(ctx, func(appliance.Files) (string, error) { return name, nil })
	}
}

// editNetwork edits the file it is told, or the only one.
func editNetwork(ctx context.Context, s *shell, args []string) error {
	if len(args) > 1 {
		return errArguments
	}
	return s.editCandidate(ctx, func(files appliance.Files) (string, error) {
		var names []string
		for _, name := range sortedNames(files) {
			if strings.HasPrefix(name, networkPrefix) {
				names = append(names, strings.TrimPrefix(name, networkPrefix))
			}
		}
		switch {
		case len(args) == 1 && (slices.Contains(names, args[0]) || networkName.MatchString(args[0])):
			return networkPrefix + args[0], nil
		case len(args) == 1:
			return "", fmt.Errorf("%w: %q: accepted are %s, or a new name that ends in .network or .vip", errUsage, args[0], strings.Join(names, ", "))
		case len(names) == 1:
			return networkPrefix + names[0], nil
		}
		return "", fmt.Errorf("%w: edit network which file? there are %s; a new name that ends in .network or .vip is accepted, too", errUsage, strings.Join(names, ", "))
	})
}

// editCandidate edits the file that choose names in the edited configuration.
// Without a terminal, standard input is the new text.
func (s *shell) editCandidate(ctx context.Context, choose func(appliance.Files) (string, error)) error {
	var content appliance.Content
	if err := s.confd(ctx, "show content edited", nil, &content); err != nil {
		return err
	}
	name, err := choose(content.Files)
	if err != nil {
		return err
	}
	old := content.Files[name]
	store := func(text string) error { return s.store(ctx, content, name, text) }
	if s.term == nil && !s.scripted {
		text, err := io.ReadAll(s.input)
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		return store(string(text))
	}
	stored := false
	err = s.edit(ctx, name, old, func(text string) error {
		err := store(text)
		stored = err == nil
		return err
	})
	if stored || errors.Is(err, errHangup) {
		return err
	}
	fmt.Fprintf(s.stdout, "%s is as before.\n", name)
	return err
}

// store makes text the content of a file of the edited configuration. A network
// file without text is removed.
func (s *shell) store(ctx context.Context, content appliance.Content, name, text string) error {
	if text == content.Files[name] {
		fmt.Fprintf(s.stdout, "%s is unchanged.\n", name)
		return nil
	}
	req := s.request()
	req.Base = content.Revision
	req.Files = maps.Clone(content.Files)
	if req.Files == nil {
		req.Files = appliance.Files{}
	}
	req.Files[name] = text
	what := "is edited"
	if text == "" && strings.HasPrefix(name, networkPrefix) {
		delete(req.Files, name)
		what = "is removed from the edited configuration"
	}
	if _, err := s.change(ctx, "edit", req); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "%s %s: see \"diff\" and \"check\", then \"apply\".\n", name, what)
	return nil
}
