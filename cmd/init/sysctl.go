package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sysctlDir holds the settings, in sysctl.d(5)'s format.
const sysctlDir = "/usr/lib/sysctl.d"

// setting is one line of a sysctl.d file.
type setting struct {
	path     string // below /proc/sys
	value    string
	optional bool // leading "-": a failure does not matter
	where    string
}

// parseSysctl reads "key = value" lines; both "." and "/" separate the parts of
// a key, the first one used decides.
func parseSysctl(file, text string) ([]setting, error) {
	var out []setting
	var errs error
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		where := fmt.Sprintf("%s:%d", file, i+1)
		key, value, ok := strings.Cut(line, "=")
		key, optional := strings.CutPrefix(strings.TrimSpace(key), "-")
		if !ok || key == "" || strings.ContainsAny(key, " \t") {
			errs = errors.Join(errs, fmt.Errorf("%s: %q is no \"key = value\"", where, line))
			continue
		}
		if dot := strings.IndexAny(key, "./"); dot >= 0 && key[dot] == '.' {
			key = strings.Map(func(r rune) rune {
				switch r {
				case '.':
					return '/'
				case '/':
					return '.'
				}
				return r
			}, key)
		}
		if !filepath.IsLocal(key) {
			errs = errors.Join(errs, fmt.Errorf("%s: key %q leaves /proc/sys", where, key))
			continue
		}
		out = append(out, setting{key, strings.TrimSpace(value), optional, where})
	}
	return out, errs
}

// applySysctls writes the settings of all files, in the order of their names.
func (m *machine) applySysctls(context.Context) error {
	files, err := filepath.Glob(filepath.Join(sysctlDir, "*.conf"))
	if err != nil {
		return err
	}
	var errs error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("read settings: %w", err))
			continue
		}
		settings, err := parseSysctl(file, string(text))
		errs = errors.Join(errs, err)
		for _, s := range settings {
			err := os.WriteFile(filepath.Join("/proc/sys", s.path), []byte(s.value), 0)
			if err != nil && !s.optional && !errors.Is(err, fs.ErrNotExist) {
				errs = errors.Join(errs, fmt.Errorf("%s: %w", s.where, err))
			}
		}
	}
	return errs
}
