package qemu

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Console is the far end of a virtual machine's serial line. It keeps everything
// the machine has printed, and a read position that Expect moves forward.
type Console struct {
	in     io.Writer // what is typed
	mirror io.Writer // gets a copy of the output; may be nil

	mu     sync.Mutex // guards what follows
	out    []byte     // all output since power on
	pos    int        // Expect looks from here on
	ended  bool       // the machine is gone, nothing will come
	change chan struct{}
}

func newConsole(in, mirror io.Writer) *Console {
	return &Console{in: in, mirror: mirror, change: make(chan struct{})}
}

// Write takes output of the machine; it makes Console the stdout of QEMU.
func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.out = append(c.out, p...)
	c.wake()
	c.mu.Unlock()
	if c.mirror != nil {
		return c.mirror.Write(p)
	}
	return len(p), nil
}

// end marks that no more output will come.
func (c *Console) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.wake()
}

// wake tells waiting Expects to look again; mu is held.
func (c *Console) wake() {
	close(c.change)
	c.change = make(chan struct{})
}

// Send types s, which should end in "\n" where a line is meant.
func (c *Console) Send(s string) error {
	if _, err := io.WriteString(c.in, s); err != nil {
		return fmt.Errorf("type on console: %w", err)
	}
	return nil
}

// Expect waits until output after the last match matches re and returns the
// match and its groups. The next Expect looks behind the match. Carriage returns
// are in the output as the machine sent them. An error holds the console's tail.
func (c *Console) Expect(ctx context.Context, re *regexp.Regexp, timeout time.Duration) ([]string, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		match, ended, change := c.look(re)
		if match != nil {
			return match, nil
		}
		if ended {
			return nil, fmt.Errorf("machine ended before the console showed %q\n%s", re, c.Tail(40))
		}
		select {
		case <-change:
		case <-timer.C:
			return nil, fmt.Errorf("console did not show %q within %s\n%s", re, timeout, c.Tail(40))
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %q on console: %w\n%s", re, context.Cause(ctx), c.Tail(40))
		}
	}
}

func (c *Console) look(re *regexp.Regexp) (match []string, ended bool, change <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	loc := re.FindSubmatchIndex(c.out[c.pos:])
	if loc == nil {
		return nil, c.ended, c.change
	}
	rest := c.out[c.pos:]
	for i := 0; i < len(loc); i += 2 {
		group := ""
		if loc[i] >= 0 {
			group = string(rest[loc[i]:loc[i+1]])
		}
		match = append(match, group)
	}
	c.pos += loc[1]
	return match, c.ended, c.change
}

// Output returns everything that the machine has printed so far.
func (c *Console) Output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.out)
}

// Tail returns the last lines of the output, each behind a bar so that they stand
// out in a test log; it is what a failed test shows.
func (c *Console) Tail(lines int) string {
	text := strings.ReplaceAll(strings.TrimRight(c.Output(), "\r\n"), "\r", "")
	all := strings.Split(text, "\n")
	all = all[max(0, len(all)-lines):]
	return "--- end of the console's output:\n| " + strings.Join(all, "\n| ")
}
