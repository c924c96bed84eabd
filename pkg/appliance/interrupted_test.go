package appliance

import (
	"runtime"
	"strings"
	"testing"
)

// TestInterruptedApply kills confd between the parts of an apply: the next one
// puts in force what it says is running.
func TestInterruptedApply(t *testing.T) {
	for _, at := range []string{"proxy", "network"} {
		t.Run(at, func(t *testing.T) {
			r := newRig(t)
			r.machine.begun = func(label string) {
				if label == at {
					runtime.Goexit() // takes confd's goroutine away, and nothing is undone
				}
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				r.Apply(t.Context(), request(config("a"), 0))
			}()
			<-done
			r.machine.begun = nil
			r.machine.fail["network"] = true
			r.restart(t)
			if s := r.state(t); !strings.Contains(s.Problem, "could not be put in force again: network: broken") {
				t.Errorf("problem = %q", s.Problem)
			}
			clear(r.machine.fail)
			r.restart(t)
			r.machine.runs(t, config("factory"))
			if s := r.state(t); s.Running.Number != 0 || s.Problem != "" {
				t.Errorf("state = %+v", s)
			}
			r.machine.log = nil
			r.restart(t)
			if len(r.machine.log) > 0 {
				t.Errorf("repaired twice: %q", r.machine.log)
			}
		})
	}
}

// TestCloseWaits ends confd while an apply is at work.
func TestCloseWaits(t *testing.T) {
	r := newRig(t)
	at, goOn := make(chan string), make(chan struct{})
	r.machine.begun = func(label string) { at <- label; <-goOn }
	go r.Apply(t.Context(), request(config("a"), 0))
	<-at
	closed := make(chan struct{})
	go func() { defer close(closed); r.Close() }()
	goOn <- struct{}{}
	select {
	case <-at: // the second part
	case <-closed:
		t.Fatal("Close() returns between two parts of an apply")
	}
	goOn <- struct{}{}
	<-closed
	r.machine.runs(t, config("a"))
}
