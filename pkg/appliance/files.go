package appliance

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a configuration.
const (
	MaxFiles    = 256     // number of files
	MaxFileSize = 1 << 20 // bytes of one file
	MaxSize     = 4 << 20 // bytes of all files together
	maxPath     = 128     // bytes of a relative path
)

// ProxyFile is the one file that no configuration goes without.
const ProxyFile = "proxy.cfg"

// networkDir holds the files of the network.
const networkDir = "network"

// single are the files besides those of the network, and where the machine has
// them.
var single = map[string]string{
	ProxyFile:  "etc/sluice/proxy.cfg",
	"hosts":    "etc/hosts",
	"hostname": "etc/hostname",
}

// LivePath returns where a file of a configuration is in the machine, below root.
func LivePath(root, name string) string {
	if p, ok := single[name]; ok {
		return filepath.Join(root, p)
	}
	return filepath.Join(root, "etc/sluice", filepath.FromSlash(name))
}

// Validate reports every file that cannot be part of a configuration: paths that
// are not of this format, too large a size, or content that is no text. It does
// not judge what the files say.
func (f Files) Validate() error {
	var errs []error
	total := 0
	for _, name := range f.names() {
		text := f[name]
		total += len(text)
		switch {
		case !validName(name):
			errs = append(errs, fmt.Errorf("file %q: accepted are %s and %s/NAME with letters, digits and ._@+- in NAME",
				name, strings.Join(slices.Sorted(maps.Keys(single)), ", "), networkDir))
		case len(text) > MaxFileSize:
			errs = append(errs, fmt.Errorf("file %s has %d bytes: accepted are up to %d", name, len(text), MaxFileSize))
		case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
			errs = append(errs, fmt.Errorf("file %s is no text: accepted is UTF-8 without NUL", name))
		}
	}
	if _, ok := f[ProxyFile]; !ok {
		errs = append(errs, fmt.Errorf("%s is missing: a configuration is a whole, with all its files", ProxyFile))
	}
	if len(f) > MaxFiles {
		errs = append(errs, fmt.Errorf("%d files: accepted are up to %d", len(f), MaxFiles))
	}
	if total > MaxSize {
		errs = append(errs, fmt.Errorf("%d bytes in all files: accepted are up to %d", total, MaxSize))
	}
	return errors.Join(errs...)
}

// validName accepts the files of api.go and nothing that could lead elsewhere.
func validName(name string) bool {
	if _, ok := single[name]; ok {
		return true
	}
	base, ok := strings.CutPrefix(name, networkDir+"/")
	if !ok || base == "" || base[0] == '.' || len(name) > maxPath {
		return false
	}
	for _, r := range base {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("._@+-", r) {
			return false
		}
	}
	return true
}

func (f Files) names() []string { return slices.Sorted(maps.Keys(f)) }

// Equal reports whether both hold the same files with the same bytes.
func (f Files) Equal(g Files) bool { return maps.Equal(f, g) }

// digest identifies the content: SHA-256 over names and texts with their lengths.
func (f Files) digest() string {
	h := sha256.New()
	for _, name := range f.names() {
		fmt.Fprintf(h, "%d %s %d %s", len(name), name, len(f[name]), f[name])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// WriteTo writes the files below dir under their own names, for a check. It is
// neither atomic nor durable.
func (f Files) WriteTo(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, networkDir), 0o755); err != nil {
		return err
	}
	for _, name := range f.names() {
		if !validName(name) {
			return fmt.Errorf("write file %q: not a name of a configuration's file", name)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(f[name]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// readFiles reads what WriteTo wrote.
func readFiles(dir string) (Files, error) {
	f := Files{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		f[filepath.ToSlash(rel)], err = readText(p)
		return err
	})
	return f, err
}

// ReadLive reads the configuration that the machine's files below root hold.
// What netd and proxyd would not read (hidden files, backups) is left out.
func ReadLive(root string) (Files, error) {
	f := Files{}
	for name := range single {
		text, err := readText(LivePath(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		f[name] = text
	}
	entries, err := os.ReadDir(LivePath(root, networkDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		name := path.Join(networkDir, e.Name())
		if !e.Type().IsRegular() || !validName(name) {
			continue
		}
		if f[name], err = readText(LivePath(root, name)); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func readText(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if info.Size() > MaxFileSize {
		return "", fmt.Errorf("read %s: %d bytes, accepted are up to %d", file, info.Size(), MaxFileSize)
	}
	text, err := os.ReadFile(file)
	return string(text), err
}

// WriteLive puts the files that keep selects in force below root: each is
// replaced in one step where it differs, files of the network that are not in f
// are removed. A nil keep selects all.
func (f Files) WriteLive(root string, keep func(name string) bool) error {
	live, err := ReadLive(root)
	if err != nil {
		return err
	}
	for _, name := range f.names() {
		old, there := live[name]
		if keep != nil && !keep(name) || there && old == f[name] {
			continue
		}
		if !validName(name) {
			return fmt.Errorf("write file %q: not a name of a configuration's file", name)
		}
		file := LivePath(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := replaceFile(osDisk{}, file, []byte(f[name]), 0o644); err != nil {
			return err
		}
	}
	for _, name := range live.names() {
		if _, there := f[name]; there || keep != nil && !keep(name) {
			continue
		}
		if err := os.Remove(LivePath(root, name)); err != nil {
			return err
		}
	}
	return nil
}

// IsNetwork reports whether name is a file of the network.
func IsNetwork(name string) bool { return strings.HasPrefix(name, networkDir+"/") }
