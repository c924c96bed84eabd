package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// moduleIndex is what depmod(8) knows about the modules of a kernel.
type moduleIndex struct {
	root    string
	paths   map[string]string   // module -> file below root
	deps    map[string][]string // module -> all it needs, to be loaded in this order
	pre     map[string][]string // module -> soft dependencies to load before
	aliases map[string][]alias  // bus, the part before ":", or "" -> patterns
}

// alias maps a pattern for modalias strings to a module.
type alias struct {
	literal string // what stands before the first wildcard, for a quick no
	pattern string
	module  string
}

// readModuleIndex reads modules.dep, modules.alias and, if there, modules.softdep
// below root.
func readModuleIndex(root string) (*moduleIndex, error) {
	x := &moduleIndex{
		root: root, paths: map[string]string{}, deps: map[string][]string{},
		pre: map[string][]string{}, aliases: map[string][]alias{},
	}
	for _, f := range []struct {
		name     string
		line     func([]string) error
		optional bool
	}{
		{"modules.dep", x.addDep, false},
		{"modules.alias", x.addAlias, false},
		{"modules.softdep", x.addSoftdep, true},
	} {
		text, err := os.ReadFile(filepath.Join(root, f.name))
		if f.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read module index: %w", err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			words := strings.Fields(line)
			if len(words) == 0 || strings.HasPrefix(words[0], "#") {
				continue
			}
			if err := f.line(words); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", filepath.Join(root, f.name), n, err)
			}
		}
	}
	return x, nil
}

// moduleName returns the kernel's name of a module file.
func moduleName(file string) string {
	base, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(base, "-", "_")
}

func (x *moduleIndex) addDep(words []string) error {
	file, ok := strings.CutSuffix(words[0], ":")
	if !ok {
		return fmt.Errorf("%q does not end with \":\"", words[0])
	}
	name := moduleName(file)
	x.paths[name] = file
	// The nearest dependency comes first, so the last one is loaded first.
	for _, dep := range slices.Backward(words[1:]) {
		x.deps[name] = append(x.deps[name], moduleName(dep))
	}
	return nil
}

func (x *moduleIndex) addAlias(words []string) error {
	if len(words) != 3 || words[0] != "alias" {
		return fmt.Errorf("%q is no \"alias pattern module\"", strings.Join(words, " "))
	}
	a := alias{pattern: words[1], module: strings.ReplaceAll(words[2], "-", "_")}
	a.literal = a.pattern
	if i := strings.IndexAny(a.pattern, `*?[\`); i >= 0 {
		a.literal = a.pattern[:i]
	}
	// A pattern such as "acpi*:LNXPWRBN:*" has a wildcard in its bus: those are
	// kept under "" and tried for every device.
	bus, _, found := strings.Cut(a.literal, ":")
	if !found {
		bus = ""
	}
	x.aliases[bus] = append(x.aliases[bus], a)
	return nil
}

// addSoftdep reads "softdep name pre: a b post: c"; only pre counts, since what
// comes after a module need not be waited for by anyone here.
func (x *moduleIndex) addSoftdep(words []string) error {
	if len(words) < 2 || words[0] != "softdep" {
		return fmt.Errorf("%q is no \"softdep module ...\"", strings.Join(words, " "))
	}
	name, inPre := strings.ReplaceAll(words[1], "-", "_"), false
	for _, w := range words[2:] {
		switch {
		case strings.HasSuffix(w, ":"):
			inPre = w == "pre:"
		case inPre:
			x.pre[name] = append(x.pre[name], strings.ReplaceAll(w, "-", "_"))
		}
	}
	return nil
}

// match returns the modules that claim a device's modalias, each once.
func (x *moduleIndex) match(modalias string) []string {
	bus, _, _ := strings.Cut(modalias, ":")
	var out []string
	for _, group := range [][]alias{x.aliases[bus], x.aliases[""]} {
		for _, a := range group {
			if strings.HasPrefix(modalias, a.literal) && glob(a.pattern, modalias) && !slices.Contains(out, a.module) {
				out = append(out, a.module)
			}
		}
	}
	return out
}

// isNetwork reports whether a module is a driver of network devices.
func (x *moduleIndex) isNetwork(module string) bool {
	return strings.Contains(x.paths[module], "drivers/net/")
}

// storageDirs are where the kernel has the drivers of disks and of the buses that
// disks hang on.
var storageDirs = []string{
	"drivers/block/", "drivers/ata/", "drivers/scsi/", "drivers/nvme/", "drivers/message/",
	"drivers/usb/host/", "drivers/usb/storage/",
}

// isStorage reports whether a module is a driver on the way to a disk.
func (x *moduleIndex) isStorage(module string) bool {
	return slices.ContainsFunc(storageDirs, func(dir string) bool { return strings.Contains(x.paths[module], dir) })
}

// glob is fnmatch(3) without flags, as modprobe matches aliases: "*" also matches
// "/". It backtracks to the last star only.
func glob(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			star, mark = p, i
			p++
			continue
		}
		if n, ok := globOne(pattern[p:], s[i]); ok {
			p += n
			i++
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		p, i = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// globOne matches one byte against the start of pattern and returns the length
// of what it used.
func globOne(pattern string, c byte) (int, bool) {
	if pattern == "" {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		return globSet(pattern, c)
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == c
		}
	}
	return 1, pattern[0] == c
}

func globSet(pattern string, c byte) (int, bool) {
	i, negate, hit := 1, false, false
	if i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^') {
		negate = true
		i++
	}
	for first := true; i < len(pattern) && (first || pattern[i] != ']'); first = false {
		low, high := pattern[i], pattern[i]
		if i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']' {
			high = pattern[i+2]
			i += 2
		}
		hit = hit || low <= c && c <= high
		i++
	}
	if i >= len(pattern) {
		return 1, c == '[' // not closed: an ordinary bracket
	}
	return i + 1, hit != negate
}
