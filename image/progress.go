package image

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress prints one line per step of a build, with the time it took.
type progress struct {
	out io.Writer // never nil
	now func() time.Time

	mu sync.Mutex // guards out
}

// newProgress returns a progress that prints to out; nil prints nothing.
func newProgress(out io.Writer) *progress {
	if out == nil {
		out = io.Discard
	}
	return &progress{out: out, now: time.Now}
}

// note prints something worth knowing inside a step.
func (p *progress) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "         %s\n", fmt.Sprintf(format, args...))
}

// step runs f, which returns what came out of it in a few words, and prints both.
func (p *progress) step(name string, f func() (string, error)) error {
	start := p.now()
	result, err := f()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%7.1fs %-12s %s\n", p.now().Sub(start).Seconds(), name, result)
	return nil
}
