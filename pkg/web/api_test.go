package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

type files = map[string]any

// changed is a valid configuration that differs from the example.
func changed() appliance.Files {
	return with("proxy.cfg", strings.Replace(example["proxy.cfg"], "leastconn", "roundrobin", 1))
}

// The life of a configuration over the API: read, check, apply, save, go back.
func TestAPILife(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	var st appliance.State
	a := c.call("GET", "/api/v1/state", nil, &st)
	if tag := a.Header.Get("ETag"); tag != `"0"` || st.Unsaved {
		t.Fatalf("ETag = %s, %+v", tag, st)
	}
	var rep appliance.Report
	c.call("POST", "/api/v1/check", files{"patch": files{"proxy.cfg": changed()["proxy.cfg"]}}, &rep).want(t, http.StatusOK)
	if !rep.Valid {
		t.Fatalf("check: %+v", rep)
	}
	var res appliance.Result
	a = c.call("POST", "/api/v1/apply", files{"files": changed(), "note": "try"}, &res, "If-Match", `"0"`)
	a.want(t, http.StatusOK)
	if res.Revision != 1 || a.Header.Get("ETag") != `"1"` || r.machine.runs("proxy.cfg") != changed()["proxy.cfg"] {
		t.Fatalf("apply: %+v, ETag %s", res, a.Header.Get("ETag"))
	}
	c.call("GET", "/api/v1/diff?from=saved&to=running", nil, nil).want(t, http.StatusOK, "roundrobin")
	c.call("POST", "/api/v1/save", files{"note": "good"}, &res).want(t, http.StatusOK)
	if c.call("GET", "/api/v1/state", nil, &st); st.Saved.Number != 1 || st.Running.User != "admin" || st.Running.Origin != "api" || st.Running.Note != "try" {
		t.Errorf("after save: %+v", st)
	}
	c.call("POST", "/api/v1/rollback", files{"revision": 0}, &res).want(t, http.StatusOK)
	if r.machine.runs("proxy.cfg") != example["proxy.cfg"] {
		t.Error("rollback did not take effect")
	}
	var revs []appliance.Revision
	if c.call("GET", "/api/v1/revisions", nil, &revs); len(revs) != 2 {
		t.Errorf("revisions: %+v", revs)
	}
	c.call("POST", "/api/v1/apply", files{"files": changed(), "confirm": 600}, &res, "If-Match", "*").want(t, http.StatusOK)
	if c.call("GET", "/api/v1/state", nil, &st); st.Pending == nil || st.Pending.Back != 0 {
		t.Fatalf("pending: %+v", st.Pending)
	}
	c.call("POST", "/api/v1/confirm", nil, &res).want(t, http.StatusOK)
	c.call("POST", "/api/v1/factory-reset", files{"confirm": "factory reset"}, &res).want(t, http.StatusOK)
	if r.machine.runs("proxy.cfg") != example["proxy.cfg"] {
		t.Error("factory reset did not take effect")
	}
	c.call("POST", "/api/v1/power", files{"action": "reboot"}, nil).want(t, http.StatusAccepted)
	if len(r.machine.power) != 1 || r.machine.power[0] != "reboot" {
		t.Errorf("power: %q", r.machine.power)
	}
}

// What a backup holds comes back as the draft.
func TestAPIBackup(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	backup := c.get("/api/v1/backup")
	backup.want(t, http.StatusOK)
	if h := backup.Header; h.Get("Content-Type") != "application/gzip" || !strings.Contains(h.Get("Content-Disposition"), ".tar.gz") {
		t.Errorf("headers: %v", h)
	}
	c.call("POST", "/api/v1/apply", files{"files": changed()}, nil, "If-Match", `"0"`).want(t, http.StatusOK)
	c.do("POST", "/api/v1/restore", strings.NewReader(backup.text), "X-CSRF-Token", c.csrf).want(t, http.StatusOK)
	var content appliance.Content
	if c.call("GET", "/api/v1/config/edited", nil, &content); !content.Files.Equal(example) {
		t.Errorf("the draft after restore: %v", content.Files)
	}
	if r.machine.runs("proxy.cfg") != changed()["proxy.cfg"] {
		t.Error("restore changed what runs")
	}
	c.call("DELETE", "/api/v1/config/edited", nil, nil).want(t, http.StatusOK)
	if c.call("GET", "/api/v1/config/edited", nil, &content); !content.Files.Equal(changed()) {
		t.Errorf("the draft after discard: %v", content.Files)
	}
}

// One wrong use at least of each: its status, and what is accepted, and nothing
// changes.
func TestAPIWrongUse(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	c.call("POST", "/api/v1/apply", files{"files": changed()}, nil, "If-Match", `"0"`).want(t, http.StatusOK)
	before := r.snapshot(t)
	invalid := with("proxy.cfg", "backend b\n   balanse x\n")
	tests := []struct {
		method, path string
		body         any
		match        string
		status       int
		want         string
	}{
		{"POST", "/api/v1/apply", files{}, "", 428, "If-Match is missing"},
		{"POST", "/api/v1/apply", files{}, "seven", 400, `such as \"7\"`},
		{"POST", "/api/v1/apply", files{"files": invalid}, `"0"`, 412, "+   balance roundrobin"},
		{"POST", "/api/v1/apply", files{"files": invalid}, `"1"`, 422, `did you mean \"balance\"`},
		{"POST", "/api/v1/apply", files{"files": files{"../etc/passwd": "x", "proxy.cfg": "x"}}, `"1"`, 422, "accepted are"},
		{"POST", "/api/v1/apply", files{"files": invalid, "confirm": 4000}, `"1"`, 400, "0 to 3600 seconds"},
		{"POST", "/api/v1/apply", files{"files": invalid, "note": strings.Repeat("x", 201)}, `"1"`, 400, "up to 200 bytes"},
		{"POST", "/api/v1/apply", files{}, `"1"`, 422, "nothing was edited"},
		{"POST", "/api/v1/apply", "text", `"1"`, 400, "body:"},
		{"POST", "/api/v1/apply", files{"force": true}, `"1"`, 400, `unknown field`},
		{"PUT", "/api/v1/config/edited", files{}, `"1"`, 400, "all files"},
		{"PUT", "/api/v1/config/edited", files{"files": invalid}, `"0"`, 412, "edited from revision 0"},
		{"PUT", "/api/v1/config/edited", files{"files": invalid}, "", 428, "If-Match"},
		{"GET", "/api/v1/config/nothing", nil, "", 400, "accepted are edited, running"},
		{"GET", "/api/v1/config/99", nil, "", 422, "no such revision"},
		{"GET", "/api/v1/diff?from=running", nil, "", 400, "accepted are edited"},
		{"GET", "/api/v1/diff?from=0;poweroff&to=1", nil, "", 400, "accepted are edited"},
		{"POST", "/api/v1/check", "text", "", 400, "body:"},
		{"POST", "/api/v1/confirm", nil, "", 422, "nothing waits"},
		{"POST", "/api/v1/save", files{"note": strings.Repeat("x", 201)}, "", 400, "up to 200"},
		{"POST", "/api/v1/rollback", files{}, "", 400, "number of a revision"},
		{"POST", "/api/v1/rollback", files{"revision": 99}, "", 422, "no such revision"},
		{"POST", "/api/v1/factory-reset", files{"confirm": "yes"}, "", 422, "factory reset"},
		{"POST", "/api/v1/restore", nil, "", 400, "bytes are needed"},
		{"POST", "/api/v1/restore", "junk", "", 422, "tar.gz"},
		{"PUT", "/api/v1/password", files{"current": testPassword, "new": "short"}, "", 422, "8 to 256"},
		{"POST", "/api/v1/power", files{"action": "explode"}, "", 400, "reboot and poweroff"},
		{"POST", "/api/v1/session", files{"user": "admin"}, "", 401, "wrong"},
		{"GET", "/api/v1/logs/none.service", nil, "", 422, "not known"},
		{"GET", "/api/v1/logs/a%20b", nil, "", 400, "not the name of a unit"},
		{"GET", "/api/v1/logs/netd.service?lines=0", nil, "", 400, "1 to 5000"},
		{"GET", "/api/v1/logs/none.service/follow", nil, "", 422, "not known"},
		{"GET", "/api/v1/nothing", nil, "", 404, "nothing at this address"},
	}
	for _, tt := range tests {
		var header []string
		if tt.match != "" {
			header = []string{"If-Match", tt.match}
		}
		a := c.call(tt.method, tt.path, tt.body, nil, header...)
		if a.StatusCode != tt.status || !strings.Contains(a.text, tt.want) {
			t.Errorf("%s %s %v = %s, want %d and %q in\n%s", tt.method, tt.path, tt.body, a.Status, tt.status, tt.want, a.text)
		}
		if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s %s: Content-Type = %q", tt.method, tt.path, got)
		}
	}
	if after := r.snapshot(t); after != before {
		t.Errorf("wrong use changed something:\n%s\n%s", before, after)
	}
}

// Each way in which an apply can end has its status.
func TestAPIOutcomes(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	fail := func(step string) {
		r.machine.mu.Lock()
		defer r.machine.mu.Unlock()
		r.machine.fail = step
	}
	fail("proxy reload")
	a := c.call("POST", "/api/v1/apply", files{"files": changed()}, nil, "If-Match", `"0"`)
	a.want(t, http.StatusInternalServerError, `"outcome":"failed, restored"`, `"steps":[`, "broken for the test")
	if r.machine.runs("proxy.cfg") != example["proxy.cfg"] {
		t.Error("the old configuration does not run again")
	}
	fail("")
}

// A client that is no browser sends its token and needs no other.
func TestAPIBearer(t *testing.T) {
	r := newRig(t)
	c := r.client(t)
	var in struct{ Token string }
	c.call("POST", "/api/v1/session", files{"user": "admin", "password": testPassword}, &in).want(t, http.StatusCreated)
	auth := []string{"Authorization", "Bearer " + in.Token}
	c.call("POST", "/api/v1/apply", files{"files": changed()}, nil, append(auth, "If-Match", `"0"`)...).want(t, http.StatusOK)
	c.call("DELETE", "/api/v1/session", nil, nil, auth...).want(t, http.StatusNoContent)
	c.call("GET", "/api/v1/state", nil, nil, auth...).want(t, http.StatusUnauthorized)
}

func TestAPIFigures(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	var o overview
	c.call("GET", "/api/v1/overview", nil, &o)
	if len(o.Services) != 1 || len(o.Services[0].Addresses) != 1 || o.Services[0].Addresses[0] != "198.18.0.10:3306" ||
		len(o.Services[0].Pool.Servers) != 2 || o.Services[0].Pool.Servers[1].Status != "DOWN" || len(o.Problems) != 0 {
		t.Errorf("overview: %+v", o)
	}
	var stats []ctl.Stat
	if c.call("GET", "/api/v1/stat", nil, &stats); len(stats) != 4 {
		t.Errorf("stat: %+v", stats)
	}
	var words []keyword
	c.call("GET", "/api/v1/keywords", nil, &words)
	found := false
	for _, k := range words {
		found = found || k.Name == "balance" && len(k.Where) > 1 && k.Help != ""
	}
	if !found {
		t.Errorf("keywords without balance: %d", len(words))
	}
	var units []unit
	if c.call("GET", "/api/v1/units", nil, &units); len(units) != 2 || units[1].Restarts != "1" || units[1].Description != "Sluice TCP proxy" {
		t.Errorf("units: %+v", units)
	}
	c.call("GET", "/api/v1/network", nil, nil).want(t, http.StatusOK, `"origin":"vip"`)
	c.call("GET", "/api/v1/logs/proxyd.service?lines=1", nil, nil).want(t, http.StatusOK, "mysql_servers/s1")
}
