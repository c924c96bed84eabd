package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// Load reads all services and targets of a directory, plus the given instances
// of templates ("console-getty@ttyS0.service"). Files of faulty units are left
// out of the set and their faults are returned together, so that a caller may
// run the rest.
func Load(dir string, instances ...string) (*Set, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read unit directory: %w", err)
	}
	var errs *multierror.Error
	var units []*Unit
	load := func(name, file string) {
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		if err != nil {
			errs = multierror.Append(errs, fmt.Errorf("read unit: %w", err))
			return
		}
		u, err := Parse(name, path, text)
		if err != nil {
			errs = multierror.Append(errs, err)
			return
		}
		units = append(units, u)
	}
	for _, e := range entries {
		suffix := unitSuffix(e.Name())
		template := strings.HasSuffix(strings.TrimSuffix(e.Name(), suffix), "@")
		if !e.IsDir() && !template && (suffix == ".service" || suffix == ".target") {
			load(e.Name(), e.Name())
		}
	}
	for _, name := range instances {
		if file, ok := instanceFile(dir, name, units); ok {
			load(name, file)
		}
	}
	set, err := NewSet(units)
	if err != nil {
		errs = multierror.Append(errs, err)
	}
	return set, errs.ErrorOrNil()
}

// instanceFile finds the template's file for an instance that has no file of
// its own.
func instanceFile(dir, name string, loaded []*Unit) (string, bool) {
	if slices.ContainsFunc(loaded, func(u *Unit) bool { return u.Name == name }) {
		return "", false
	}
	file := templateOf(name)
	if file == "" {
		file = name
	}
	_, err := os.Stat(filepath.Join(dir, file))
	return file, !errors.Is(err, fs.ErrNotExist)
}
