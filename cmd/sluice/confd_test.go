package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// fakeConfd is a configuration service in memory: the states and outcomes of the
// contract without files, checks or daemons behind it. A proxy.cfg with the word
// "faulty" is judged invalid, one with "explosive" fails to apply.
type fakeConfd struct {
	mu        sync.Mutex // guards all
	revisions []appliance.Revision
	content   map[int]appliance.Files
	running   int
	saved     int
	edited    appliance.Files // nil: as running
	base      int
	pending   *appliance.Pending
	passwords map[string]string
	volatile  bool // no data partition
	cannotSet bool // passwords cannot be stored
	log       []string
}

var factoryFiles = appliance.Files{
	"hostname": "sluice\n", "hosts": "198.18.0.11 s1\n198.18.0.12 s2\n",
	"proxy.cfg": "frontend mysql\n   mode tcp\n   bind :3306\n   default_backend mysql_servers\n" +
		"backend mysql_servers\n   mode tcp\n   balance leastconn\n   server s1\n   server s2\n",
	"network/10-lan.network": "# The first Ethernet link.\n[Match]\nType=ether\nX-First=yes\n\n[Network]\nAddress=198.18.0.2/24\nAddress=fd00:198:18::2/64\n",
	"network/20-mysql.vip":   "# The address that clients connect to.\n[VIP]\nDescription=MySQL\nAddress=198.18.0.10/32\nLink=10-lan.network\n",
}

// startConfd serves a fake confd in dir.
func startConfd(t *testing.T, dir string) *fakeConfd {
	t.Helper()
	f := &fakeConfd{content: map[int]appliance.Files{0: factoryFiles}, passwords: map[string]string{},
		revisions: []appliance.Revision{{User: "factory", Origin: "factory", Good: true}}}
	daemonAt(t, dir, "confd", f.table()...)
	return f
}

func (f *fakeConfd) table() []ctl.Command {
	rows := map[string]func(req *ctl.Request) (any, error){
		"show state":     func(*ctl.Request) (any, error) { return f.state(), nil },
		"show revisions": func(*ctl.Request) (any, error) { return f.revisions, nil },
		"show content":   func(req *ctl.Request) (any, error) { return f.show(req.Args[0]) },
		"show setup": func(*ctl.Request) (any, error) {
			return map[string]bool{"password_set": len(f.passwords) > 0, "persistent": !f.volatile}, nil
		},
		"show users": func(*ctl.Request) (any, error) {
			return []string{"admin"}, nil
		},
		"diff":           f.diff,
		"edit":           decoded(f.edit),
		"check":          decoded(f.check),
		"apply":          decoded(f.apply),
		"save":           decoded(f.save),
		"factory-reset":  decoded(func(r appliance.Request) any { return f.activate(factoryFiles, r) }),
		"discard":        f.discard,
		"confirm":        f.confirm,
		"rollback":       f.rollback,
		"backup":         func(*ctl.Request) (any, error) { return base64.StdEncoding.EncodeToString([]byte("archive")), nil },
		"restore":        f.restore,
		"set password":   f.setPassword,
		"check password": f.checkPassword,
	}
	var table []ctl.Command
	for name, run := range rows {
		table = append(table, ctl.Command{Name: name, Run: func(_ context.Context, req *ctl.Request, w io.Writer) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.log = append(f.log, name)
			answer, err := run(req)
			if text, ok := answer.(string); ok {
				fmt.Fprintln(w, text)
			} else if err == nil {
				err = json.NewEncoder(w).Encode(answer)
			}
			return err
		}})
	}
	return table
}

// decoded reads the payload of a change.
func decoded(run func(appliance.Request) any) func(*ctl.Request) (any, error) {
	return func(req *ctl.Request) (any, error) {
		var r appliance.Request
		if err := json.Unmarshal(req.Payload, &r); err != nil {
			return nil, err
		}
		return run(r), nil
	}
}

func (f *fakeConfd) candidate() appliance.Files {
	if f.edited == nil {
		return f.content[f.running]
	}
	return f.edited
}

func (f *fakeConfd) state() appliance.State {
	s := appliance.State{Running: f.revisions[f.running], Saved: f.revisions[f.saved], Pending: f.pending, Persistent: !f.volatile,
		Unsaved: !maps.Equal(f.content[f.running], f.content[f.saved]),
		Edited:  appliance.Edited{Base: f.running}}
	if f.edited != nil {
		s.Edited = appliance.Edited{Base: f.base, Changed: !maps.Equal(f.edited, f.content[f.running]), Stale: f.base != f.running, User: "admin"}
	}
	if f.volatile {
		s.Problem = "no data partition"
	}
	return s
}

func (f *fakeConfd) show(which string) (appliance.Content, error) {
	switch which {
	case "edited":
		base := f.running
		if f.edited != nil {
			base = f.base
		}
		return appliance.Content{Revision: base, Files: f.candidate()}, nil
	case "running":
		which = strconv.Itoa(f.running)
	case "saved":
		which = strconv.Itoa(f.saved)
	case "factory":
		which = "0"
	}
	n, err := strconv.Atoi(which)
	if err != nil || n >= len(f.revisions) {
		return appliance.Content{}, fmt.Errorf("no revision %s", which)
	}
	return appliance.Content{Revision: n, Files: f.content[n]}, nil
}

func (f *fakeConfd) diff(req *ctl.Request) (any, error) {
	a, errA := f.show(req.Args[0])
	b, errB := f.show(req.Args[1])
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	var out []string
	for _, name := range sortedNames(b.Files) {
		if a.Files[name] != b.Files[name] {
			out = append(out, "+++ "+name)
			for line := range strings.Lines(b.Files[name]) {
				if !strings.Contains(a.Files[name], line) {
					out = append(out, "+"+strings.TrimSuffix(line, "\n"))
				}
			}
		}
	}
	return strings.Join(out, "\n"), nil
}

func (f *fakeConfd) edit(r appliance.Request) any {
	f.edited, f.base = r.Files, r.Base
	return appliance.Result{Outcome: appliance.Done, Revision: f.running}
}

func (f *fakeConfd) filesOf(r appliance.Request) appliance.Files {
	if r.Files != nil {
		return r.Files
	}
	return f.candidate()
}

func (f *fakeConfd) check(r appliance.Request) any {
	files := f.filesOf(r)
	if strings.Contains(files["proxy.cfg"], "faulty") {
		return appliance.Report{Findings: []appliance.Finding{{File: "proxy.cfg", Line: 3, Column: 4, Severity: "alert", Message: "unknown keyword 'faulty'"}}}
	}
	report := appliance.Report{Valid: true}
	for _, name := range sortedNames(files) {
		if strings.HasPrefix(name, "network/") && files[name] != f.content[f.running][name] {
			report.Plan = append(report.Plan, "change "+name)
		}
	}
	return report
}

func (f *fakeConfd) apply(r appliance.Request) any {
	if r.Base >= 0 && r.Base != f.running {
		return appliance.Result{Outcome: appliance.Conflict, Message: "another revision was applied", Diff: "+theirs\n"}
	}
	files := f.filesOf(r)
	if report := f.check(r).(appliance.Report); !report.Valid {
		return appliance.Result{Outcome: appliance.Refused, Message: "the configuration has faults", Findings: report.Findings}
	}
	if strings.Contains(files["proxy.cfg"], "explosive") {
		return appliance.Result{Outcome: appliance.FailedRestored, Message: "reload proxy failed",
			Steps: []appliance.Step{{Name: "addresses up", Result: "undone"}, {Name: "proxy reload", Result: "failed: bind"}}}
	}
	back := f.running
	result := f.activate(files, r)
	if r.Confirm > 0 {
		f.pending = &appliance.Pending{Revision: f.running, Back: back, Seconds: r.Confirm}
	}
	return result
}

func (f *fakeConfd) activate(files appliance.Files, r appliance.Request) appliance.Result {
	n := len(f.revisions)
	f.revisions = append(f.revisions, appliance.Revision{Number: n, User: r.User, Origin: r.Origin, Note: r.Note, Good: true})
	f.content[n], f.running, f.edited = files, n, nil
	return appliance.Result{Outcome: appliance.Done, Revision: n}
}

func (f *fakeConfd) save(appliance.Request) any {
	if f.volatile {
		return appliance.Result{Outcome: appliance.CouldNotSave, Message: "no data partition", Revision: f.running}
	}
	f.saved = f.running
	return appliance.Result{Outcome: appliance.Done, Revision: f.saved}
}

func (f *fakeConfd) discard(*ctl.Request) (any, error) {
	f.edited = nil
	return appliance.Result{Outcome: appliance.Done, Revision: f.running}, nil
}

func (f *fakeConfd) confirm(*ctl.Request) (any, error) {
	if f.pending == nil {
		return appliance.Result{Outcome: appliance.Refused, Message: "nothing waits for a confirmation"}, nil
	}
	f.pending = nil
	return appliance.Result{Outcome: appliance.Done, Revision: f.running}, nil
}

func (f *fakeConfd) rollback(req *ctl.Request) (any, error) {
	content, err := f.show(req.Args[0])
	if err != nil {
		return appliance.Result{Outcome: appliance.Refused, Message: err.Error()}, nil
	}
	return f.activate(content.Files, appliance.Request{User: "admin", Origin: "rollback"}), nil
}

func (f *fakeConfd) restore(req *ctl.Request) (any, error) {
	var r struct {
		Request appliance.Request
		Archive []byte
	}
	if err := json.Unmarshal(req.Payload, &r); err != nil {
		return nil, err
	}
	if string(r.Archive) != "archive" {
		return appliance.Result{Outcome: appliance.Refused, Message: "this is no backup of Sluice"}, nil
	}
	f.edited, f.base = appliance.Files{"hostname": "restored\n"}, f.running
	return appliance.Result{Outcome: appliance.Done}, nil
}

func (f *fakeConfd) setPassword(req *ctl.Request) (any, error) {
	if f.cannotSet {
		return nil, errors.New("write users: disk is full")
	}
	if req.Args[0] != "admin" {
		return nil, fmt.Errorf("user %q: accepted is admin", req.Args[0])
	}
	f.passwords[req.Args[0]] = strings.TrimSuffix(string(req.Payload), "\n")
	return "set", nil
}

func (f *fakeConfd) checkPassword(req *ctl.Request) (any, error) {
	if p, ok := f.passwords[req.Args[0]]; !ok || p != strings.TrimSuffix(string(req.Payload), "\n") {
		return nil, errors.New("wrong")
	}
	return "right", nil
}

// hold keeps the daemon still while the test looks at it or changes it; the
// function it returns lets go.
func (f *fakeConfd) hold() (release func()) {
	f.mu.Lock()
	return f.mu.Unlock
}

// snapshot is all that a command could change.
func (f *fakeConfd) snapshot() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := json.Marshal([]any{f.content, f.running, f.saved, f.edited, f.base, f.pending, f.passwords})
	if err != nil {
		return err.Error()
	}
	return string(text)
}
