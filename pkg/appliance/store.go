package appliance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// KeepRevisions is how many revisions a store holds besides those that something
// points at; older ones are removed when a new one is written.
const KeepRevisions = 100

// Names below a store's directory.
const (
	revisionsName = "revisions"
	pointersName  = "pointers"
	editedName    = "edited"
	candidateName = "candidate.json"
	metaName      = "meta.json"
	filesName     = "files"
	goodName      = "good"
	checkedName   = "checked"
)

// Store keeps revisions, pointers and the candidate in a directory. Everything is
// written so that a power cut leaves the old or the new state. Reading needs no
// lock; that one writer is at work at a time is its caller's business.
//
//	revisions/<number>/meta.json, files/...   immutable
//	revisions/<number>/good                   was applied, confirmed, stayed up
//	revisions/<number>/checked                by which programs it was found valid
//	pointers                                  startup and last good, one file
//	edited/candidate.json                     the candidate, if there is one
type Store struct {
	dir     string
	factory Files
	disk    disk
	now     func() time.Time

	mu     sync.Mutex // guards faults
	faults []string
}

// meta is a revision's description on disk; the digest shows damage.
type meta struct {
	Revision
	Digest string `json:"digest"`
}

// Pointers are what survives a reboot. Zero is the factory's revision.
type Pointers struct {
	Startup  int `json:"startup"`   // a boot returns to it
	LastGood int `json:"last_good"` // the fall-back of a startup that cannot be used
}

// Candidate is the stored edit.
type Candidate struct {
	Base  int       `json:"base"`
	Time  time.Time `json:"time"`
	User  string    `json:"user"`
	Files Files     `json:"files"`
}

// ErrNoRevision says that a revision is not there or cannot be used.
var ErrNoRevision = errors.New("no such revision")

// OpenStore opens the store in dir, makes it if needed, and removes what an
// interrupted write left behind. factory is revision 0.
func OpenStore(dir string, factory Files, now func() time.Time) (*Store, error) {
	return openStore(dir, factory, now, osDisk{})
}

// ReadStore is OpenStore for a reader: it changes nothing, and looks for damage
// only in what it is asked for.
func ReadStore(dir string, factory Files) *Store {
	return &Store{dir: dir, factory: factory, disk: osDisk{}, now: time.Now}
}

func openStore(dir string, factory Files, now func() time.Time, d disk) (*Store, error) {
	s := &Store{dir: dir, factory: factory, disk: d, now: now}
	for _, sub := range []string{revisionsName, editedName} {
		if err := d.mkdir(s.path(sub)); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	if err := d.syncDir(dir); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	dirs := []string{s.dir, s.path(revisionsName), s.path(editedName)}
	for _, n := range s.numbers() {
		dirs = append(dirs, s.path(revisionsName, strconv.Itoa(n)))
	}
	for _, dir := range dirs {
		if err := s.sweep(dir); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	for _, n := range s.numbers() {
		if _, err := s.Revision(n); err != nil {
			s.fault(err)
		}
	}
	if _, err := s.Pointers(); err != nil {
		s.fault(err)
	}
	return s, nil
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// sweep removes half-written files and directories.
func (s *Store) sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tmpPrefix) {
			continue
		}
		if err := s.disk.removeAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) fault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, err.Error())
}

// Faults tells what was found damaged since the store was opened, one sentence
// each.
func (s *Store) Faults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// numbers lists the revisions on disk, oldest first, whole or not.
func (s *Store) numbers() []int {
	entries, err := os.ReadDir(s.path(revisionsName))
	if err != nil {
		return nil
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// Revisions lists what can be used, newest first, with the factory's at the end.
func (s *Store) Revisions() []Revision {
	out := []Revision{}
	for _, n := range slices.Backward(s.numbers()) {
		if r, err := s.Revision(n); err == nil {
			out = append(out, r)
		}
	}
	return append(out, factoryRevision())
}

func factoryRevision() Revision {
	return Revision{Number: 0, Origin: "factory", Good: true, Note: "as delivered"}
}

// Revision describes revision n.
func (s *Store) Revision(n int) (Revision, error) {
	if n == 0 {
		return factoryRevision(), nil
	}
	m, err := s.readMeta(n)
	return m.Revision, err
}

func (s *Store) readMeta(n int) (meta, error) {
	var m meta
	dir := s.path(revisionsName, strconv.Itoa(n))
	text, err := os.ReadFile(filepath.Join(dir, metaName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("revision %d: %w", n, ErrNoRevision)
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err == nil && m.Number != n {
		err = fmt.Errorf("%s says number %d", metaName, m.Number)
	}
	if err != nil {
		return meta{}, fmt.Errorf("revision %d is damaged: %w", n, err)
	}
	_, err = os.Stat(filepath.Join(dir, goodName))
	m.Good = err == nil
	return m, nil
}

// Files returns the content of revision n after comparing it with its digest.
func (s *Store) Files(n int) (Files, error) {
	if n == 0 {
		return s.factory, nil
	}
	m, err := s.readMeta(n)
	if err != nil {
		return nil, err
	}
	f, err := readFiles(s.path(revisionsName, strconv.Itoa(n), filesName))
	if err == nil && f.digest() != m.Digest {
		err = errors.New("its files do not match their digest")
	}
	if err != nil {
		return nil, fmt.Errorf("revision %d is damaged: %w", n, err)
	}
	return f, nil
}

// Add writes a new revision and returns it with its number and time. Old
// revisions that nobody points at are removed; keep lists more that are in use.
func (s *Store) Add(r Revision, f Files, keep ...int) (Revision, error) {
	numbers := s.numbers()
	r.Number, r.Time, r.Good = 1, s.now().UTC().Truncate(time.Second), false
	if len(numbers) > 0 {
		r.Number = numbers[len(numbers)-1] + 1
	}
	if err := s.write(r, f); err != nil {
		return Revision{}, fmt.Errorf("write revision %d: %w", r.Number, err)
	}
	if err := s.prune(append(keep, r.Number)...); err != nil {
		s.fault(err) // room is lost, nothing else
	}
	return r, nil
}

// Drop removes revision n. It is renamed first, so a power cut leaves it whole or
// under a name that nobody reads.
func (s *Store) Drop(n int) error {
	name := strconv.Itoa(n)
	old, gone := s.path(revisionsName, name), s.path(revisionsName, tmpPrefix+"gone-"+name)
	err := s.disk.rename(old, gone)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := errors.Join(err, s.disk.removeAll(gone), s.disk.syncDir(s.path(revisionsName))); err != nil {
		return fmt.Errorf("remove revision %d: %w", n, err)
	}
	return nil
}

// write makes the revision under a temporary name, fsyncs it, and renames it.
func (s *Store) write(r Revision, f Files) (err error) {
	name := strconv.Itoa(r.Number)
	tmp, final := s.path(revisionsName, tmpPrefix+name), s.path(revisionsName, name)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.disk.removeAll(tmp))
		}
	}()
	if err := s.disk.mkdir(filepath.Join(tmp, filesName, networkDir)); err != nil {
		return err
	}
	for _, name := range f.names() {
		if err := s.disk.writeFile(filepath.Join(tmp, filesName, filepath.FromSlash(name)), []byte(f[name]), 0o600); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(meta{Revision: r, Digest: f.digest()}, "", "\t")
	if err != nil {
		return err
	}
	if err := s.disk.writeFile(filepath.Join(tmp, metaName), text, 0o600); err != nil {
		return err
	}
	for _, dir := range []string{filepath.Join(tmp, filesName, networkDir), filepath.Join(tmp, filesName), tmp} {
		if err := s.disk.syncDir(dir); err != nil {
			return err
		}
	}
	if err := s.disk.rename(tmp, final); err != nil {
		return err
	}
	return s.disk.syncDir(s.path(revisionsName))
}

// prune removes the oldest revisions beyond KeepRevisions that are not in use.
func (s *Store) prune(keep ...int) error {
	p, err := s.Pointers()
	if err != nil {
		return nil // who is in use is not known: keep all
	}
	keep = append(keep, p.Startup, p.LastGood)
	if c, err := s.Candidate(); err == nil && c != nil {
		keep = append(keep, c.Base)
	}
	numbers := s.numbers()
	for _, n := range numbers[:max(0, len(numbers)-KeepRevisions)] {
		if slices.Contains(keep, n) {
			continue
		}
		if err := s.Drop(n); err != nil {
			return err
		}
	}
	return nil
}

// MarkGood notes that revision n stayed up.
func (s *Store) MarkGood(n int) error {
	if n == 0 {
		return nil
	}
	dir := s.path(revisionsName, strconv.Itoa(n))
	if err := replaceFile(s.disk, filepath.Join(dir, goodName), nil, 0o600); err != nil {
		return fmt.Errorf("mark revision %d as good: %w", n, err)
	}
	return nil
}

// MarkChecked notes that the programs of a ProgramsID found revision n valid, so
// that a boot need not ask them again. An unknown ID is not noted.
func (s *Store) MarkChecked(n int, programs string) error {
	if n == 0 || programs == "" || s.CheckedBy(n, programs) {
		return nil
	}
	file := s.path(revisionsName, strconv.Itoa(n), checkedName)
	if err := replaceFile(s.disk, file, []byte(programs), 0o600); err != nil {
		return fmt.Errorf("mark revision %d as checked: %w", n, err)
	}
	return nil
}

// CheckedBy reports whether the programs of a ProgramsID found revision n valid.
func (s *Store) CheckedBy(n int, programs string) bool {
	text, err := os.ReadFile(s.path(revisionsName, strconv.Itoa(n), checkedName))
	return err == nil && programs != "" && string(text) == programs
}

// Pointers returns startup and last good; without any they are the factory's.
func (s *Store) Pointers() (Pointers, error) {
	var p Pointers
	if _, err := readJSON(s.path(pointersName), &p); err != nil {
		return Pointers{}, fmt.Errorf("read pointers: %w", err)
	}
	return p, nil
}

// SetPointers replaces both pointers in one step.
func (s *Store) SetPointers(p Pointers) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return replaceFile(s.disk, s.path(pointersName), append(text, '\n'), 0o600)
}

// Candidate returns the stored edit, nil if there is none.
func (s *Store) Candidate() (*Candidate, error) {
	c := &Candidate{}
	found, err := readJSON(s.path(editedName, candidateName), c)
	if err != nil {
		return nil, fmt.Errorf("read candidate: %w", err)
	}
	if !found {
		return nil, nil
	}
	return c, nil
}

// SetCandidate stores the edit; nil removes it.
func (s *Store) SetCandidate(c *Candidate) error {
	file := s.path(editedName, candidateName)
	if c == nil {
		if err := s.disk.removeAll(file); err != nil {
			return fmt.Errorf("discard candidate: %w", err)
		}
		return s.disk.syncDir(s.path(editedName))
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return replaceFile(s.disk, file, text, 0o600)
}
