package main

import (
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
)

func TestRunRefuses(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"argument", []string{"disk.raw"}, `unexpected argument "disk.raw"`},
		{"site that is not there", []string{"-site", "/nonexistent"}, "site files"},
		{"site that is a file", []string{"-site", "main.go"}, "not a directory"},
		{"source outside a module", []string{"-source", "/", "-out", "/nonexistent/out"}, "not inside a Go module"},
		{"flag", []string{"-no-such-flag"}, "no-such-flag"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := run(t.Context(), test.args, nil, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("run(%q) = %v, want an error with %q", test.args, err, test.want)
			}
		})
	}
}

func TestRunHelp(t *testing.T) {
	var help strings.Builder
	err := run(t.Context(), []string{"-h"}, nil, io.Discard, &help)
	if !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "-site directory") {
		t.Errorf("run(-h) = %v with %q", err, help.String())
	}
}
