package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// moduleInitCompressed is finit_module(2)'s MODULE_INIT_COMPRESSED_FILE: the
// kernel decompresses, several times faster than we could.
const moduleInitCompressed = 4

// loader loads modules with their dependencies, each once.
type loader struct {
	index  *moduleIndex
	insert func(file, params string) error
	params func(module string) string
	slots  chan struct{} // bounds how many are at work at once

	mu   sync.Mutex // guards done
	done map[string]*loading
}

// loading is a module's one attempt.
type loading struct {
	once sync.Once
	err  error
}

func newLoader(index *moduleIndex, insert func(file, params string) error, params func(string) string) *loader {
	return &loader{
		index: index, insert: insert, params: params,
		slots: make(chan struct{}, 2*runtime.NumCPU()),
		done:  map[string]*loading{},
	}
}

// load loads one module and, before it, what it needs. Concurrent calls for the
// same module share one attempt.
func (l *loader) load(name string) error {
	file, ok := l.index.paths[name]
	if !ok {
		return fmt.Errorf("load module %s: not in %s", name, l.index.root)
	}
	l.mu.Lock()
	a := l.done[name]
	if a == nil {
		a = &loading{}
		l.done[name] = a
	}
	l.mu.Unlock()
	a.once.Do(func() {
		for _, pre := range l.index.pre[name] {
			if _, ok := l.index.paths[pre]; ok && pre != name {
				_ = l.load(pre) // soft: the module works without
			}
		}
		for _, dep := range l.index.deps[name] {
			if err := l.load(dep); err != nil {
				a.err = fmt.Errorf("load module %s: %w", name, err)
				return
			}
		}
		l.slots <- struct{}{}
		defer func() { <-l.slots }()
		if err := l.insert(filepath.Join(l.index.root, file), l.params(name)); err != nil {
			a.err = fmt.Errorf("load module %s: %w", name, err)
		}
	})
	return a.err
}

// loadAll loads modules concurrently and returns all failures.
func (l *loader) loadAll(names []string) error {
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { errs[i] = l.load(name) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// insertModule gives a module file to the kernel. A module that is there already
// is no error, nor is one whose device turns out not to be there.
func insertModule(file, params string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := 0
	if filepath.Ext(file) != ".ko" {
		flags = moduleInitCompressed
	}
	err = unix.FinitModule(int(f.Fd()), params, flags)
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// wanted returns the modules that match the modaliases and pass keep, each once,
// in order.
func (x *moduleIndex) wanted(modaliases []string, keep func(module string) bool) []string {
	seen := map[string]bool{}
	var out []string
	for _, m := range modaliases {
		for _, name := range x.match(m) {
			if _, there := x.paths[name]; there && !seen[name] && keep(name) {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}

// loadNetDrivers loads the drivers of the network devices that are there now;
// late ones come by hotplug.
func (m *machine) loadNetDrivers(context.Context) error {
	return m.loadPresent(func(module string) bool { return m.loader.index.isNetwork(module) })
}

// loadPresent loads the drivers that keep selects for the devices that buses have
// now.
func (m *machine) loadPresent(keep func(module string) bool) error {
	if m.loader == nil {
		return nil
	}
	files, err := filepath.Glob("/sys/bus/*/devices/*/modalias")
	if err != nil {
		return err
	}
	return m.loader.loadAll(m.loader.index.wanted(readModaliases(files), keep))
}

// loadAllDrivers loads a driver for every device of the machine.
func (m *machine) loadAllDrivers(context.Context) error {
	if m.loader == nil {
		return nil
	}
	var files []string
	err := filepath.WalkDir("/sys/devices", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // the device went away meanwhile
		}
		if d.Name() == "modalias" {
			files = append(files, p)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("walk devices: %w", err)
	}
	return m.loader.loadAll(m.loader.index.wanted(readModaliases(files), func(string) bool { return true }))
}

// readModaliases reads the files, without repetitions and empty ones.
func readModaliases(files []string) []string {
	seen := map[string]bool{"": true}
	var out []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the device went away
		}
		if m := strings.TrimSpace(string(text)); !seen[m] {
			seen[m] = true
			out = append(out, m)
		}
	}
	return out
}

// openLoader prepares the loader for the running kernel's modules.
func (m *machine) openLoader() error {
	if m.cmd.noModules {
		return nil
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("ask for kernel release: %w", err)
	}
	index, err := readModuleIndex(filepath.Join("/lib/modules", unix.ByteSliceToString(u.Release[:])))
	if err != nil {
		return err
	}
	m.loader = newLoader(index, insertModule, m.cmd.params)
	return nil
}
