package qemu

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExpectMovesForward(t *testing.T) {
	c := newConsole(nil, nil)
	_, _ = io.WriteString(c, "login: a1\r\nlogin: b2\r\n")
	re := regexp.MustCompile(`login: (\w)(\d)(x)?`)
	for _, want := range [][]string{{"login: a1", "a", "1", ""}, {"login: b2", "b", "2", ""}} {
		got, err := c.Expect(t.Context(), re, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Expect() (-want +got):\n%s", diff)
		}
	}
}

func TestExpectWaitsForOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole(nil, nil)
		go func() {
			for _, part := range []string{"VIP ", "ans", "wers\n"} {
				time.Sleep(time.Second)
				_, _ = io.WriteString(c, part)
			}
		}()
		start := time.Now()
		if _, err := c.Expect(t.Context(), regexp.MustCompile("answers"), time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("Expect() took %s, want 3s", got)
		}
	})
}

func TestExpectFails(t *testing.T) {
	cause := errors.New("interrupted")
	tests := []struct {
		name string
		act  func(c *Console, cancel context.CancelCauseFunc)
		want string
	}{
		{"timeout", func(*Console, context.CancelCauseFunc) {}, "within 1m0s"},
		{"machine ended", func(c *Console, _ context.CancelCauseFunc) { c.end() }, "machine ended"},
		{"context ended", func(_ *Console, cancel context.CancelCauseFunc) { cancel(cause) }, "interrupted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				c := newConsole(nil, nil)
				_, _ = io.WriteString(c, "kernel panic\r\n")
				time.AfterFunc(time.Second, func() { tt.act(c, cancel) })
				_, err := c.Expect(ctx, regexp.MustCompile("never"), time.Minute)
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "| kernel panic") {
					t.Errorf("Expect() = %v, want %q and the console's tail", err, tt.want)
				}
			})
		})
	}
}

func TestConsoleCopiesToLogAndInput(t *testing.T) {
	var typed, log bytes.Buffer
	c := newConsole(&typed, &log)
	_, _ = io.WriteString(c, "one\r\ntwo\r\nthree\r\n")
	if err := c.Send("status\n"); err != nil {
		t.Fatal(err)
	}
	if got, want := typed.String(), "status\n"; got != want {
		t.Errorf("typed %q, want %q", got, want)
	}
	if got, want := log.String(), c.Output(); got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	if got, want := c.Tail(2), "--- end of the console's output:\n| two\n| three"; got != want {
		t.Errorf("Tail(2) = %q, want %q", got, want)
	}
}
