package image

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// tool is a program of the build machine and the Debian package that has it.
type tool struct {
	name string
	pkg  string
	why  string
}

// find returns the tool's path or says which package is missing.
func (t tool) find() (string, error) {
	p, err := exec.LookPath(t.name)
	if err == nil {
		return p, nil
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if _, err := os.Stat(dir + t.name); err == nil {
			return dir + t.name, nil
		}
	}
	return "", fmt.Errorf("%s, which %s: not found: install the Debian package %s", t.name, t.why, t.pkg)
}

// command is one run of a program of the build machine.
type command struct {
	path string
	args []string
	dir  string
	env  []string // added to the environment
}

// output runs the command and returns what it printed; an error carries the
// program's own words.
func (c command) output(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir = c.dir
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), c.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		words := strings.TrimSpace(stderr.String() + stdout.String())
		return "", fmt.Errorf("run %s %s: %w: %s", c.path, strings.Join(c.args, " "), err, words)
	}
	return stdout.String(), nil
}
