package config

import (
	"slices"
	"strings"
)

// ACLKeyword is a name of "acl" lines that stands for a fetch and a way to compare
// its sample.
type ACLKeyword struct {
	Name  string
	Fetch string
	Match Match
	State State // of the fetch
}

// ACLKeywords lists the names that are no plain fetches in ACLs, sorted.
func ACLKeywords() []ACLKeyword {
	states := map[string]State{}
	for _, row := range Fetches() {
		states[row.Name] = row.State
	}
	var all []ACLKeyword
	for name, kw := range aclKeywords {
		all = append(all, ACLKeyword{name, kw.fetch, kw.match, states[kw.fetch]})
		for _, suffix := range aclSuffixes {
			if fetch, match, ok := aclKeyword(name + "_" + string(suffix)); ok {
				all = append(all, ACLKeyword{name + "_" + string(suffix), fetch, match, states[fetch]})
			}
		}
	}
	slices.SortFunc(all, func(a, b ACLKeyword) int { return strings.Compare(a.Name, b.Name) })
	return all
}
