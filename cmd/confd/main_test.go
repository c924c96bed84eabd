package main

import (
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"golang.org/x/sys/unix"
)

func TestLife(t *testing.T) {
	b := newBench(t)
	b.start("-dir", b.data)
	var st appliance.State
	b.ask("show state", nil, &st)
	if st.Running.Number != 0 || st.Unsaved || !st.Persistent || st.Problem != "" {
		t.Errorf("state = %+v", st)
	}
	next := with("proxy.cfg", changed)
	b.change("edit", request(next, 0), appliance.Done)
	var report appliance.Report
	b.ask("check", nil, &report)
	if !report.Valid || !slices.Equal(report.Plan, []string{"addr replace 198.18.0.3/24 dev eth9"}) {
		t.Errorf("check = %+v", report)
	}
	diff, err := b.call("diff running edited", nil)
	if err != nil || !strings.Contains(diff, "-   bind 127.0.0.1:13306\n+   bind 127.0.0.1:13307\n") {
		t.Errorf("diff = %s, %v", diff, err)
	}
	r := b.change("apply", request(nil, 0), appliance.Done)
	var steps []string
	for _, s := range r.Steps {
		steps = append(steps, s.Name+" "+s.Result)
	}
	if want := []string{"revision done", "names done", "proxy done", "network done", "pointer done"}; !slices.Equal(steps, want) {
		t.Errorf("steps = %q, want %q", steps, want)
	}
	b.live(next)
	b.set(func() {
		if want := []string{"proxyd", "netd"}; !slices.Equal(b.calls, want) {
			t.Errorf("reloads = %q, want %q", b.calls, want)
		}
	})
	b.change("save", nil, appliance.Done)

	// A machine that starts again: what runs is forgotten, live files are the
	// image's.
	b.stop(unix.SIGTERM)
	if err := os.Remove(filepath.Join(b.run, appliance.RunningFile)); err != nil {
		t.Fatal(err)
	}
	if err := factory.WriteLive(b.root, nil); err != nil {
		t.Fatal(err)
	}
	b.start("-dir", b.data)
	b.live(next)
	b.ask("show state", nil, &st)
	if st.Running.Number != 1 || st.Saved.Number != 1 || st.Unsaved {
		t.Errorf("after the restart: %+v", st)
	}
	b.change("factory-reset", appliance.Request{Base: -1}, appliance.Done)
	b.live(factory)
	var revisions []appliance.Revision
	b.ask("show revisions", nil, &revisions)
	if len(revisions) != 2 || revisions[0].Number != 1 || revisions[1].Number != 0 {
		t.Errorf("revisions = %+v", revisions)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	b.start("-dir", b.data)
	for _, tc := range []struct {
		name, file, text string
		want             appliance.Finding
	}{
		{"proxy", "proxy.cfg", "frontend a\n bnd :1\n", appliance.Finding{File: "proxy.cfg", Line: 2, Column: 2, Severity: "alert", Message: `did you mean "bind"`}},
		{"network", "network/10-lan.network", "[Match]\nNme=x\n", appliance.Finding{File: "network/10-lan.network", Line: 2, Column: 1, Severity: "alert", Message: "Nme="}},
		{"hosts", "hosts", "127.0.0.1 a\nx s1\n", appliance.Finding{File: "hosts", Line: 2, Column: 1, Severity: "alert", Message: "no address"}},
		{"host name", "hostname", "two words\n", appliance.Finding{File: "hostname", Line: 1, Column: 1, Severity: "alert", Message: "no host name"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := b.change("apply", request(with(tc.file, tc.text), 0), appliance.Refused)
			found := slices.ContainsFunc(r.Findings, func(f appliance.Finding) bool {
				return f.File == tc.want.File && f.Line == tc.want.Line && f.Column == tc.want.Column &&
					f.Severity == tc.want.Severity && strings.Contains(f.Message, tc.want.Message)
			})
			if !found {
				t.Errorf("findings = %+v, want %+v", r.Findings, tc.want)
			}
		})
	}
	b.live(factory)
	for _, tc := range []struct {
		command string
		payload any
		want    string
	}{
		{"show content yesterday", nil, "accepted are edited"},
		{"show content", nil, "usage"},
		{"show content 7", nil, "no such revision"},
		{"show state now", nil, "usage"},
		{"diff running", nil, "usage"},
		{"rollback x", nil, "a number is needed"},
		{"rollback -1", nil, "a number is needed"},
		{"apply", "{", "read payload"},
		{"apply", `{"fils":{}}`, "unknown field"},
		{"restore", nil, "usage"},
		{"restore", `{"archive":"%%"}`, "archive"},
		{"backup running twice", nil, "usage"},
		{"show audit 0", nil, "a number from 1"},
		{"set password admin", "short", "accepted are 8 or more"},
		{"set password root", "long enough", "accepted is admin"},
		{"set password admin", nil, "usage"},
		{"check password admin", "anything", "name or password is wrong"},
	} {
		_, err := b.call(tc.command, tc.payload)
		if failed := (*ctl.CommandError)(nil); !errors.As(err, &failed) || !strings.Contains(failed.Message, tc.want) {
			t.Errorf("%s %v = %v, want %q", tc.command, tc.payload, err, tc.want)
		}
	}
}

func TestFailures(t *testing.T) {
	b := newBench(t)
	b.start("-dir", b.data)
	next := with("proxy.cfg", changed)
	next["network/20.vip"] = "[VIP]\nAddress=198.18.0.10/32\n"

	b.set(func() { b.refuse["proxyd"] = errors.New("address in use") })
	if r := b.change("apply", request(next, 0), appliance.FailedRestored); !strings.Contains(r.Message, "proxy: address in use") {
		t.Errorf("message = %q", r.Message)
	}
	b.live(factory)
	b.set(func() { b.refuse = map[string]error{"netd": errors.New("no link")} })
	b.change("apply", request(next, 0), appliance.FailedRestored)
	b.live(factory)
	b.set(func() { b.stubborn = true })
	if r := b.change("apply", request(next, 0), appliance.CouldNotRestore); !strings.Contains(r.Message, "undo network: no link") {
		t.Errorf("message = %q", r.Message)
	}
	b.set(func() { b.refuse = nil; b.networkComplaint = "failed: addr replace: no device\n" })
	r := b.change("apply", request(next, 0), appliance.CouldNotRestore) // netd goes on complaining
	if !strings.Contains(r.Message, "network: addr replace: no device") {
		t.Errorf("message = %q", r.Message)
	}
	b.live(factory)
	b.set(func() { b.networkComplaint = "" })
	b.change("apply", request(next, 0), appliance.Done)
	b.live(next)
}

func TestDataPartition(t *testing.T) {
	b := newBench(t)
	if err := appliance.WriteRunning(b.run, appliance.Running{}); err != nil { // as init does
		t.Fatal(err)
	}
	b.launch()
	status := appliance.DataStatus{Dir: b.data, Problem: "booted without a disk"}
	if err := appliance.PublishData(b.run, status); err != nil {
		t.Fatal(err)
	}
	b.awaitReady()
	var setup appliance.Setup
	b.ask("show setup", nil, &setup)
	if setup.Persistent || setup.PasswordSet {
		t.Errorf("setup = %+v", setup)
	}
	b.change("apply", request(with("proxy.cfg", changed), 0), appliance.Done)
	if r := b.change("save", nil, appliance.CouldNotSave); r.Message != status.Problem {
		t.Errorf("save = %+v", r)
	}
}

// TestNoWordFromInit gives up waiting: everything works, nothing can be saved.
func TestNoWordFromInit(t *testing.T) {
	b := newBench(t)
	if err := appliance.WriteRunning(b.run, appliance.Running{}); err != nil {
		t.Fatal(err)
	}
	b.start("-wait", "10ms")
	var st appliance.State
	b.ask("show state", nil, &st)
	if st.Persistent || !strings.Contains(st.Problem, "nothing can be saved") {
		t.Errorf("state = %+v", st)
	}
	b.change("apply", request(with("proxy.cfg", changed), 0), appliance.Done)
}

func TestPasswordAndAudit(t *testing.T) {
	b := newBench(t)
	b.start("-dir", b.data)
	b.change("set password admin", "correct horse", appliance.Done)
	b.change("check password admin", "correct horse", appliance.Done)
	if _, err := b.call("check password admin", "wrong horse"); err == nil {
		t.Error("a wrong password is right")
	}
	var users []string
	b.ask("show users", nil, &users)
	var setup appliance.Setup
	b.ask("show setup", nil, &setup)
	if !slices.Equal(users, []string{"admin"}) || !setup.PasswordSet || !setup.Persistent {
		t.Errorf("users = %q, setup = %+v", users, setup)
	}
	var entries []appliance.Entry
	b.ask("show audit", nil, &entries)
	if len(entries) != 1 || entries[0].Command != "set password" || entries[0].Outcome != appliance.Done {
		t.Errorf("audit = %+v", entries)
	}
}

func TestBackup(t *testing.T) {
	b := newBench(t)
	b.start("-dir", b.data)
	next := with("proxy.cfg", changed)
	b.change("apply", request(next, 0), appliance.Done)
	text, err := b.call("backup", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err != nil {
		t.Fatal(err)
	}
	b.change("rollback 0", request(nil, -1), appliance.Done)
	b.change("restore", appliance.Restoration{Request: request(nil, -1), Archive: strings.TrimSpace(text)}, appliance.Done)
	var c appliance.Content
	b.ask("show content edited", nil, &c)
	if !c.Files.Equal(next) {
		t.Errorf("edited = %+v", c)
	}
}

// TestCountdownSurvivesKill kills confd while a timed apply waits: its successor
// goes back in time.
func TestCountdownSurvivesKill(t *testing.T) {
	b := newBench(t)
	b.start("-dir", b.data)
	req := request(with("proxy.cfg", changed), 0)
	req.Confirm = 1
	b.change("apply", req, appliance.Done)
	b.live(with("proxy.cfg", changed))
	b.stop(unix.SIGKILL)
	b.set(func() { b.calls = nil })
	b.start("-dir", b.data)
	end := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for pending := true; pending; {
		var st appliance.State
		b.ask("show state", nil, &st)
		pending = st.Pending != nil
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("still pending: %+v", st.Pending)
		}
	}
	b.live(factory)
	b.set(func() {
		if !slices.Equal(b.calls, []string{"proxyd", "netd"}) {
			t.Errorf("reloads = %q", b.calls)
		}
	})
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"x"}, {"-nonsense"}, {"-wait", "soon"}} {
		if err := run(t.Context(), args, nil, io.Discard, io.Discard); err == nil {
			t.Errorf("run(%q) = nil", args)
		}
	}
}
