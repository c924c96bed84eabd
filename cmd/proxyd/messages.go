package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/hashicorp/go-multierror"
	"github.com/sluice-lb/sluice/pkg/config"
)

// messages says what there is to say about the configuration and the start, in
// HAProxy's shape.
type messages struct {
	w     io.Writer
	quiet bool

	mu         sync.Mutex
	introduced bool // the program has told who it is; guarded by mu
}

// say prints a line; the first that is no notice is preceded by notices about the
// program.
func (m *messages) say(sev config.Severity, line string) {
	if m.quiet {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if sev != config.Notice && !m.introduced {
		m.introduced = true
		fmt.Fprintln(m.w, config.Message(config.Notice, os.Getpid(), "proxyd version is "+version+", HAProxy's language is that of version "+config.CompatVersion))
		if path, err := os.Executable(); err == nil {
			fmt.Fprintln(m.w, config.Message(config.Notice, os.Getpid(), "path to executable is "+path))
		}
	}
	fmt.Fprintln(m.w, line)
}

func (m *messages) message(sev config.Severity, format string, a ...any) {
	m.say(sev, config.Message(sev, os.Getpid(), fmt.Sprintf(format, a...)))
}

func (m *messages) finding(d *config.Diagnostic) { m.say(d.Severity, d.HAProxy(os.Getpid())) }

// problems prints an error, each part of an aggregate on a line of its own.
func (m *messages) problems(err error) {
	if err == nil {
		return
	}
	all, parts := (*multierror.Error)(nil), []error{err}
	if errors.As(err, &all) {
		parts = all.Errors
	}
	var files []string // with faults
	for _, e := range parts {
		d := (*config.Diagnostic)(nil)
		if !errors.As(e, &d) {
			m.message(config.Alert, "%v", e)
			continue
		}
		if len(files) == 0 || files[len(files)-1] != d.Pos.File {
			m.fileFaulty(files)
			files = append(files, d.Pos.File)
		}
		m.finding(d)
	}
	m.fileFaulty(files)
	if len(files) > 0 {
		m.message(config.Alert, "config : Fatal errors found in configuration.")
	}
}

// fileFaulty sums up the last of files.
func (m *messages) fileFaulty(files []string) {
	if len(files) > 0 {
		m.message(config.Alert, "config : Error(s) found in configuration file : %s", files[len(files)-1])
	}
}

// cannotRead words the error of a configuration file as HAProxy does.
func cannotRead(err error) error {
	var path *fs.PathError
	if !errors.As(err, &path) {
		return err
	}
	return fmt.Errorf("config : Cannot open configuration file/directory %s : %s", path.Path, reason(path.Err))
}

// reason writes a system error as strerror(3) does, which begins with a capital.
func reason(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
