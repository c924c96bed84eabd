package appliance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files of the running system that init and confd share.
const (
	RunDir      = "/run/sluice"
	RunningFile = "running.json" // below RunDir: what runs now
	FactoryDir  = "factory"      // below RunDir: the image's configuration
)

// Running is what runs now. It is kept in memory (/run), so it ends with the
// machine: a boot returns to the saved revision.
type Running struct {
	Revision int `json:"revision"`
	// Pending is a timed apply, or nil.
	Pending *Countdown `json:"pending,omitempty"`
	// Problem says why something else than the saved revision was booted.
	Problem string `json:"problem,omitempty"`
}

// Countdown is a timed apply on disk. Its end is measured since the kernel's
// start, because setting the clock must neither shorten nor lengthen it.
type Countdown struct {
	Back int           `json:"back"` // revision to return to
	End  time.Duration `json:"end"`  // since the kernel's start
	User string        `json:"user"`
}

// ReadRunning reads the file that WriteRunning wrote; without one, the factory's
// revision runs.
func ReadRunning(dir string) (Running, error) {
	var r Running
	if _, err := readJSON(filepath.Join(dir, RunningFile), &r); err != nil {
		return Running{}, fmt.Errorf("read what is running: %w", err)
	}
	return r, nil
}

// WriteRunning notes in dir what runs.
func WriteRunning(dir string, r Running) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return replaceFile(osDisk{}, filepath.Join(dir, RunningFile), append(text, '\n'), 0o600)
}

// Factory returns the configuration that the image ships. The first call after a
// boot, which must come before anything is put in force, copies it from the live
// files below root to dir.
func Factory(root, dir string) (Files, error) {
	kept := filepath.Join(dir, FactoryDir)
	f, err := readFiles(kept)
	if err == nil {
		return f, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read factory configuration: %w", err)
	}
	if f, err = ReadLive(root); err != nil {
		return nil, fmt.Errorf("read factory configuration: %w", err)
	}
	tmp := filepath.Join(dir, tmpPrefix+FactoryDir)
	if err := errors.Join(os.RemoveAll(tmp), f.WriteTo(tmp)); err != nil {
		return nil, fmt.Errorf("keep factory configuration: %w", err)
	}
	if err := os.Rename(tmp, kept); err != nil {
		return nil, fmt.Errorf("keep factory configuration: %w", err)
	}
	return f, nil
}

// ProgramsID identifies the programs of the image below root that judge
// configurations; it is "" where the image does not say.
func ProgramsID(root string) string {
	text, err := os.ReadFile(filepath.Join(root, "etc/sluice-release"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, "PROGRAMS_SHA256="); ok {
			return strings.TrimSpace(id)
		}
	}
	return ""
}

// Choose returns what a boot starts with: the saved revision, else the last good
// one, else the factory's. A revision that is damaged, or that check refuses, is
// passed over, and Running.Problem says so. The factory's is taken unchecked.
func (s *Store) Choose(check func(n int, f Files) error) (Running, Files) {
	var problems []error
	p, err := s.Pointers()
	if err != nil {
		problems = append(problems, err)
	}
	tried := 0
	for _, n := range []int{p.Startup, p.LastGood} {
		if n == 0 || n == tried {
			if n == 0 && tried == 0 && err == nil {
				break // the factory's was saved
			}
			continue
		}
		tried = n
		f, err := s.Files(n)
		if err == nil {
			err = check(n, f)
		}
		if err == nil {
			return Running{Revision: n, Problem: sentence(problems, n)}, f
		}
		problems = append(problems, err)
	}
	return Running{Problem: sentence(problems, 0)}, s.factory
}

func sentence(problems []error, n int) string {
	if len(problems) == 0 {
		return ""
	}
	return fmt.Sprintf("the saved configuration cannot be used, running revision %d instead: %v", n, errors.Join(problems...))
}
