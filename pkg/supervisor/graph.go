package supervisor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// Set is a group of units with the relations between them. It is immutable.
type Set struct {
	units map[string]*Unit
	names []string // sorted

	after      map[string][]string // loaded units that name must wait for
	requires   map[string][]string // Requires=, loaded or not
	wants      map[string][]string // Wants= and WantedBy=, loaded only
	requiredBy map[string][]string // inverse of requires, loaded only
}

// NewSet relates units to each other. Ordering cycles are returned as errors
// that name their units; the set is then ordered without the cycles' last edges
// and can still be run.
func NewSet(units []*Unit) (*Set, error) {
	s := &Set{
		units:      map[string]*Unit{},
		after:      map[string][]string{},
		requires:   map[string][]string{},
		wants:      map[string][]string{},
		requiredBy: map[string][]string{},
	}
	for _, u := range units {
		s.units[u.Name] = u
	}
	s.names = slices.Sorted(maps.Keys(s.units))
	for _, name := range s.names {
		s.relate(s.units[name])
	}
	for _, m := range []map[string][]string{s.after, s.requires, s.wants, s.requiredBy} {
		for k, v := range m {
			slices.Sort(v)
			m[k] = slices.Compact(v)
		}
	}
	return s, s.breakCycles()
}

func (s *Set) relate(u *Unit) {
	for _, d := range u.After {
		s.add(s.after, u.Name, d)
	}
	for _, d := range u.Before {
		s.add(s.after, d, u.Name)
	}
	for _, d := range u.Requires {
		s.requires[u.Name] = append(s.requires[u.Name], d)
		s.add(s.requiredBy, d, u.Name)
	}
	for _, d := range u.Wants {
		s.add(s.wants, u.Name, d)
	}
	for _, t := range u.WantedBy {
		s.pull(s.wants, t, u)
	}
	for _, t := range u.RequiredBy {
		s.pull(s.requires, t, u)
		s.add(s.requiredBy, u.Name, t)
	}
}

// pull lets target t want or require u. Like in systemd, a target is ordered
// after what it pulls in.
func (s *Set) pull(m map[string][]string, t string, u *Unit) {
	s.add(m, t, u.Name)
	if unitSuffix(t) == ".target" && !slices.Contains(u.After, t) {
		s.add(s.after, t, u.Name)
	}
}

// add appends to to m[from] when both are loaded.
func (s *Set) add(m map[string][]string, from, to string) {
	if s.units[from] != nil && s.units[to] != nil {
		m[from] = append(m[from], to)
	}
}

// Names returns the units' names in order.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Unit returns the unit called name, or nil.
func (s *Set) Unit(name string) *Unit { return s.units[name] }

// closure returns the units that starting name pulls in, itself included.
func (s *Set) closure(name string) []string {
	seen := map[string]bool{}
	var walk func(string)
	walk = func(n string) {
		if seen[n] || s.units[n] == nil {
			return
		}
		seen[n] = true
		for _, d := range s.requires[n] {
			walk(d)
		}
		for _, d := range s.wants[n] {
			walk(d)
		}
	}
	walk(name)
	return slices.Sorted(maps.Keys(seen))
}

// dependents returns the units that cannot stay without name: those that
// require it, and so on, without itself.
func (s *Set) dependents(name string) []string {
	seen := map[string]bool{name: true}
	var walk func(string)
	walk = func(n string) {
		for _, d := range s.requiredBy[n] {
			if !seen[d] {
				seen[d] = true
				walk(d)
			}
		}
	}
	walk(name)
	delete(seen, name)
	return slices.Sorted(maps.Keys(seen))
}

// breakCycles finds each ordering cycle, reports it, and removes the edge that
// closes it.
func (s *Set) breakCycles() error {
	var errs *multierror.Error
	state := map[string]int{} // 1: on the path, 2: done
	var path []string
	var visit func(n string)
	visit = func(n string) {
		state[n] = 1
		path = append(path, n)
		var kept []string
		for _, d := range s.after[n] {
			if state[d] == 1 {
				cycle := append(slices.Clone(path[slices.Index(path, d):]), d)
				errs = multierror.Append(errs, fmt.Errorf("ordering cycle: %s", strings.Join(cycle, " after ")))
				continue
			}
			kept = append(kept, d)
			if state[d] == 0 {
				visit(d)
			}
		}
		s.after[n] = kept
		path = path[:len(path)-1]
		state[n] = 2
	}
	for _, n := range s.names {
		if state[n] == 0 {
			visit(n)
		}
	}
	return errs.ErrorOrNil()
}
