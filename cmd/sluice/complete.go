package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// completer names what the argument after args can be.
type completer = func(ctx context.Context, s *shell, args []string) []string

// first names the choices of the first argument.
func first(words ...string) completer {
	return func(_ context.Context, _ *shell, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		return words
	}
}

func onlyFirst(c completer) completer {
	return func(ctx context.Context, s *shell, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		return c(ctx, s, args)
	}
}

// flags names the options that are not given yet, except behind one that takes a
// value.
func flags(names ...string) completer {
	return func(_ context.Context, _ *shell, args []string) []string {
		if n := len(args); n > 0 && (args[n-1] == "--confirm" || args[n-1] == "--note") {
			return nil
		}
		return slices.DeleteFunc(slices.Clone(names), func(f string) bool { return slices.Contains(args, f) })
	}
}

func unitThen(options ...string) completer {
	rest := flags(options...)
	return func(ctx context.Context, s *shell, args []string) []string {
		if len(args) == 0 {
			return unitNames(ctx, s, nil)
		}
		return rest(ctx, s, args)
	}
}

// unitNames asks init for the services.
func unitNames(ctx context.Context, s *shell, _ []string) []string {
	text, err := ctl.Call(ctx, s.socket("init"), "show units", nil)
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(text) {
		if name, _, _ := strings.Cut(line, " "); strings.HasSuffix(name, ".service") {
			names = append(names, strings.TrimSuffix(name, ".service"))
		}
	}
	return names
}

func revisionNumbers(ctx context.Context, s *shell, _ []string) []string {
	var revisions []appliance.Revision
	if s.confd(ctx, "show revisions", nil, &revisions) != nil {
		return nil
	}
	var numbers []string
	for _, r := range revisions {
		numbers = append(numbers, strconv.Itoa(r.Number))
	}
	return numbers
}

// configNames are the names of configurations, twice at most.
func configNames(ctx context.Context, s *shell, args []string) []string {
	if len(args) > 1 {
		return nil
	}
	return append([]string{"edited", "running", "saved", "factory"}, revisionNumbers(ctx, s, nil)...)
}

// configArguments names a configuration, then its files.
func configArguments(ctx context.Context, s *shell, args []string) []string {
	switch len(args) {
	case 0:
		return configNames(ctx, s, nil)
	case 1:
		return s.fileNamesOf(ctx, args[0], "")
	}
	return nil
}

func networkFiles(ctx context.Context, s *shell, _ []string) []string {
	return s.fileNamesOf(ctx, "edited", networkPrefix)
}

// fileNamesOf lists a configuration's files below prefix.
func (s *shell) fileNamesOf(ctx context.Context, which, prefix string) []string {
	var content appliance.Content
	if s.confd(ctx, "show content "+escape(which), nil, &content) != nil {
		return nil
	}
	var names []string
	for name := range content.Files {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}

func userNames(ctx context.Context, s *shell, _ []string) []string {
	var names []string
	if s.confd(ctx, "show users", nil, &names) != nil {
		return nil
	}
	return names
}

// fileNames names what is in the directories that files for the console are in.
func fileNames(_ context.Context, _ *shell, args []string) []string {
	if len(args) > 0 {
		return nil
	}
	var names []string
	for _, pattern := range []string{"/data/*", "/tmp/*", "/root/*", "/etc/sluice/*", "/etc/sluice/*/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil
		}
		for _, name := range found {
			if info, err := os.Stat(name); err == nil && info.IsDir() {
				name += "/"
			}
			names = append(names, name)
		}
	}
	return names
}
