package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"

	"github.com/google/go-cmp/cmp"
)

// The documented steps with forms alone: no JavaScript is needed.
func TestFormsDocumentedSteps(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	page := c.get("/lb")
	page.want(t, http.StatusOK, "LB Layer7", "balance leastconn")
	text := strings.ReplaceAll(example["proxy.cfg"], "   bind", "   mode tcp\n   bind")
	text = strings.ReplaceAll(text, "   balance", "   mode tcp\n   balance")
	form := func(action string) url.Values {
		return url.Values{"text": {strings.ReplaceAll(text, "\n", "\r\n")}, "base": {field(t, page.text, "base")}, "action": {action}, "minutes": {"5"}}
	}
	c.form("/lb", form("check")).want(t, http.StatusOK, "Valid. The draft is kept", "+   mode tcp", "warning")
	if got := r.machine.runs("proxy.cfg"); got != example["proxy.cfg"] {
		t.Fatal("Check changed what runs")
	}
	c.form("/lb", form("apply")).want(t, http.StatusSeeOther)
	if got := r.machine.runs("proxy.cfg"); got != text {
		t.Fatalf("after Apply runs:\n%q, want\n%q", got, text)
	}
	c.get("/lb").want(t, http.StatusOK, "Revision 1 is running", "Unsaved changes", "/setup#configuration")
	if page := c.get("/lb"); strings.Contains(page.text, "This is a draft") {
		t.Error("the draft is still there after Apply")
	}
	c.form("/setup/save", url.Values{"note": {"first"}}).want(t, http.StatusSeeOther)
	if page := c.get("/setup"); strings.Contains(page.text, "Unsaved changes") || !strings.Contains(page.text, "Saved: a reboot starts with revision 1") {
		t.Errorf("after Save:\n%s", page.text)
	}
}

func TestFormsMistake(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	form := url.Values{"text": {"frontend f\n   bind :80\n   default_backend <nothing>\n"}, "base": {"0"}, "action": {"apply"}}
	page := c.form("/lb", form)
	page.want(t, http.StatusUnprocessableEntity, "Refused, nothing was changed", "proxy.cfg:3:", `data-line="3"`, "default_backend <nothing>")
	if alert, warning := strings.Index(page.text, `class="alert"`), strings.Index(page.text, `class="warning"`); alert < 0 || warning < alert {
		t.Errorf("the alert is not before the warnings: %d, %d", alert, warning)
	}
	if strings.Contains(page.text, "<nothing>") {
		t.Error("what was typed is not escaped")
	}
	if got := r.machine.runs("proxy.cfg"); got != example["proxy.cfg"] {
		t.Errorf("runs now:\n%s", got)
	}
	c.get("/lb").want(t, http.StatusOK, "default_backend <nothing>", "This is a draft by admin")
	c.form("/lb", url.Values{"base": {"0"}, "action": {"discard"}}).want(t, http.StatusSeeOther)
	if page := c.get("/lb"); strings.Contains(page.text, "nothing") {
		t.Error("the draft is still there after Discard")
	}
}

// Who has seen what somebody else applied may still put the draft over it.
func TestNetworkDraftAfterConflict(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	form := url.Values{"text": {"[VIP]\nAddress=198.18.0.20/32\n"}, "base": {"0"}, "action": {"check"}}
	c.form("/network/edit?file=network/30-web.vip", form).want(t, http.StatusOK, "addr replace 198.18.0.20/32")
	other := with("proxy.cfg", example["proxy.cfg"]+"   retries 7\n")
	c.call("POST", "/api/v1/apply", map[string]any{"files": other}, nil, "If-Match", `"0"`).want(t, http.StatusOK)
	c.form("/network", url.Values{"base": {"0"}, "action": {"apply"}}).want(t, http.StatusPreconditionFailed, "retries 7")
	c.form("/network", url.Values{"base": {"1"}, "action": {"apply"}}).want(t, http.StatusSeeOther)
	if got := r.machine.runs("network/30-web.vip"); !strings.Contains(got, "198.18.0.20/32") {
		t.Errorf("the draft does not run: %q", got)
	}
	if page := c.get("/network"); strings.Contains(page.text, "Draft, not applied yet") {
		t.Error("the draft is still there after it was applied")
	}
}

// A network file is added, planned, applied for a trial, and taken back.
func TestFormsNetwork(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	c.get("/network").want(t, http.StatusOK, "eth0", "virtio_net", "198.18.0.10/32", "network/20-mysql.vip", "DNS 198.18.0.1")
	c.get("/network/edit?name=30-web.vip").want(t, http.StatusOK, "(new)")
	const file = "/network/edit?file=network/30-web.vip"
	form := url.Values{"text": {"[VIP]\nAddress=198.18.0.20/32\n"}, "base": {"0"}, "action": {"check"}}
	c.form(file, form).want(t, http.StatusOK, "addr replace 198.18.0.20/32")
	c.get("/network").want(t, http.StatusOK, "Draft, not applied yet", "addr replace 198.18.0.20/32")
	c.form("/network", url.Values{"base": {"0"}, "action": {"apply-confirm"}, "minutes": {"2"}}).want(t, http.StatusSeeOther)
	c.get("/").want(t, http.StatusOK, "Trial run", "revision 0 comes back in", "198.18.0.20:3306")
	c.form("/setup/save", url.Values{}).want(t, http.StatusUnprocessableEntity, "waits for its confirmation")
	c.form("/pending/back", url.Values{}).want(t, http.StatusSeeOther)
	if r.machine.runs("network/30-web.vip") != "" {
		t.Error("Go back left the address")
	}
	c.form("/pending/back", url.Values{}).want(t, http.StatusSeeOther)
	c.get("/setup").want(t, http.StatusOK, "Nothing waits for a confirmation")

	c.form("/network/edit?file=network/20-mysql.vip", url.Values{"base": {"0"}, "action": {"delete"}}).want(t, http.StatusSeeOther)
	c.get("/network").want(t, http.StatusOK, "deleted")
	c.form("/network", url.Values{"base": {"0"}, "action": {"discard"}}).want(t, http.StatusSeeOther)
}

// One wrong use at least of each form.
func TestFormsWrongUse(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	before := r.snapshot(t)
	tests := []struct {
		path   string
		form   url.Values
		status int
		want   string
	}{
		{"/lb", url.Values{"action": {"apply"}}, 400, "the revision that was edited"},
		{"/lb", url.Values{"base": {"0"}, "action": {"explode"}}, 400, "accepted are check, apply"},
		{"/lb", url.Values{"base": {"0"}, "action": {"apply-confirm"}, "minutes": {"99"}}, 400, "accepted are 1 to 60"},
		{"/lb", url.Values{"base": {"7"}, "action": {"apply"}, "text": {"x"}}, 412, "edited from revision 7"},
		{"/network", url.Values{"base": {"0"}, "action": {"apply"}}, 422, "nothing was edited"},
		{"/network", url.Values{"action": {"apply"}}, 400, "a revision's number is needed"},
		{"/network", url.Values{"action": {"explode"}}, 400, "accepted are apply"},
		{"/network/edit?file=proxy.cfg", url.Values{"base": {"0"}, "action": {"delete"}}, 400, "accepted are NAME.network"},
		{"/network/edit?file=../passwd", url.Values{"base": {"0"}, "action": {"apply"}}, 400, "accepted are NAME.network"},
		{"/setup/rollback", url.Values{"revision": {"x"}}, 400, "a revision's number"},
		{"/setup/rollback", url.Values{"revision": {"9"}}, 422, "no such revision"},
		{"/setup/restore", url.Values{}, 400, "choose the file"},
		{"/setup/factory-reset", url.Values{"confirm": {"yes"}}, 422, "factory reset"},
		{"/setup/power", url.Values{"action": {"reboot"}}, 422, "tick the box"},
		{"/setup/power", url.Values{"action": {"explode"}, "sure": {"yes"}}, 400, "reboot and poweroff"},
		{"/setup/save", url.Values{"note": {strings.Repeat("x", 201)}}, 400, "up to 200"},
		{"/pending/keep", url.Values{}, 422, "nothing waits"},
	}
	for _, tt := range tests {
		c.form(tt.path, tt.form).want(t, tt.status, tt.want)
	}
	c.upload("/setup/restore", "archive", []byte("junk")).want(t, http.StatusUnprocessableEntity, "tar.gz")
	for path, want := range map[string]string{
		"/setup/compare?from=0": "accepted are edited", "/logs?lines=x": "accepted are 1 to 5000", "/logs?unit=a%20b": "not the name of a unit",
		"/network/edit?file=proxy.cfg": "accepted are NAME.network",
	} {
		c.get(path).want(t, http.StatusBadRequest, want)
	}
	if after := r.snapshot(t); after != before {
		t.Errorf("wrong use changed something:\n%s\n%s", before, after)
	}
}

func TestFormsSetup(t *testing.T) {
	r := newRig(t)
	c := r.admin(t)
	backup := c.get("/setup/backup")
	backup.want(t, http.StatusOK)
	c.call("POST", "/api/v1/apply", files{"files": changed()}, nil, "If-Match", `"0"`).want(t, http.StatusOK)
	c.get("/setup").want(t, http.StatusOK, "differs from running", "Restore", "as delivered")
	c.get("/setup/compare?from=0&to=1").want(t, http.StatusOK, "+   balance roundrobin")
	c.form("/setup/revert", url.Values{}).want(t, http.StatusSeeOther)
	if r.machine.runs("proxy.cfg") != example["proxy.cfg"] {
		t.Error("Revert did not take effect")
	}
	c.form("/setup/rollback", url.Values{"revision": {"1"}}).want(t, http.StatusSeeOther)
	c.upload("/setup/restore", "archive", []byte(backup.text)).want(t, http.StatusSeeOther)
	c.get("/lb").want(t, http.StatusOK, "This is a draft by admin", "balance leastconn")
	c.form("/setup/power", url.Values{"action": {"poweroff"}, "sure": {"yes"}}).want(t, http.StatusOK, "switches off")
	if len(r.machine.power) != 1 {
		t.Errorf("power: %q", r.machine.power)
	}
	c.get("/logs?unit=proxyd.service").want(t, http.StatusOK, "<b>198.18.0.99:5000")
}

func TestAddresses(t *testing.T) {
	const text = `frontend a
   bind :80
   bind 198.18.0.2:81
   bind :::82
   bind /run/a.sock
   bind :::83 v4v6
frontend b
   bind :90
`
	cfg, _, err := config.Parse([]config.Source{{Name: "proxy.cfg", Text: []byte(text)}}, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := addresses(cfg.Proxies[0].Binds, []string{"198.18.0.10", "fd00:198:18::10"})
	want := []string{"/run/a.sock", "198.18.0.10:80", "198.18.0.10:83", "198.18.0.2:81", "[fd00:198:18::10]:82", "[fd00:198:18::10]:83"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := addresses(cfg.Proxies[1].Binds, nil); len(got) != 1 || got[0] != "*:90" {
		t.Errorf("without VIPs: %q", got)
	}
}

// Counters without a configuration to explain them are shown all the same.
func TestServicesWithoutConfiguration(t *testing.T) {
	stats := []ctl.Stat{
		{Proxy: "f", Type: ctl.StatFrontend, Status: "OPEN"},
		{Proxy: "b", Type: ctl.StatBackend, Status: "DOWN"}, {Proxy: "b", Service: "s", Type: ctl.StatServer, Status: "MAINT (resolution)", Address: "198.18.0.11:+0"},
	}
	got := services(&config.Config{}, stats, nil)
	if len(got) != 2 || got[0].Name != "f" || got[1].Pool.Servers[0].Address != "198.18.0.11" || got[1].Pool.Servers[0].Class() != "off" || got[1].Pool.Class() != "bad" {
		t.Errorf("services: %+v", got)
	}
}

func TestFormat(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 << 30: "5.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1\u2009000", 1234567: "1\u2009234\u2009567"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}
