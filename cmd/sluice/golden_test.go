package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestHelp(t *testing.T) {
	for name, line := range map[string]string{"help": "help", "help-all": "help all", "help-show": "help show"} {
		out, fault, _ := execute(t, t.TempDir(), "", line)
		if fault != "" {
			t.Errorf("%s: %s", line, fault)
		}
		checkWidth(t, out, 80)
		golden(t, name, out)
	}
}

// The overview fits on the smallest screen there is.
func TestOverviewFitsTheScreen(t *testing.T) {
	text := overview(80)
	if n := strings.Count(text, "\n"); n > 23 {
		t.Errorf("help has %d lines", n)
	}
	checkWidth(t, text, 80)
	checkWidth(t, overview(60), 60)
}

func checkWidth(t *testing.T, text string, columns int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n >= columns {
			t.Errorf("%d columns on a screen of %d: %q", n, columns, line)
		}
	}
}

func TestBanner(t *testing.T) {
	setup := &appliance.Setup{PasswordSet: true, Persistent: true}
	saved := &appliance.State{Running: appliance.Revision{Number: 5}, Saved: appliance.Revision{Number: 5}, Persistent: true}
	unsaved := &appliance.State{Running: appliance.Revision{Number: 6}, Saved: appliance.Revision{Number: 5}, Unsaved: true, Persistent: true,
		Pending: &appliance.Pending{Revision: 6, Back: 5, Seconds: 252}, Edited: appliance.Edited{Base: 6, Changed: true}}
	volatile := &appliance.State{Problem: "the disk has no room for a data partition", Edited: appliance.Edited{Changed: true, Stale: true, Base: 3}}
	var out bytes.Buffer
	for _, f := range []facts{
		{network: parseNetwork(showNetwork), proxy: "runs, 1 frontend, 2 of 2 servers usable", hasWeb: true, setup: setup, state: saved},
		{network: parseNetwork(showNetwork), proxy: "runs, 1 frontend, 0 of 2 servers usable", hasWeb: true, setup: &appliance.Setup{}, state: unsaved},
		{network: &networkFacts{}, proxy: "does not answer; proxyd.service is activating (start)", hasWeb: true, setup: setup, state: volatile},
		{proxy: "does not answer", hasWeb: true, confdSilent: true},
		{proxy: "does not answer"},
	} {
		f.version, f.host = "1.0", "sluice"
		for _, columns := range []int{80, 44} {
			text := renderBanner(f, columns)
			checkWidth(t, text, columns)
			out.WriteString(text)
		}
	}
	golden(t, "banner", out.String())
}

// A daemon that hangs does not hold up the banner.
func TestBannerWaitsForNobody(t *testing.T) {
	dir := t.TempDir()
	for daemon, command := range map[string]string{"netd": "show network", "proxyd": "show stat", "init": "show units", "confd": "show state"} {
		daemonAt(t, dir, daemon, hanging(command, ""))
	}
	c := startTTY(t, dir, 80, 24)
	c.dialog([2]string{"netd does not answer", ""}, [2]string{"(confd) does not answer", ""}, [2]string{prompt, "exit\r"})
	c.exit()
}

func TestProxyFacts(t *testing.T) {
	dir := t.TempDir()
	s := testShell(dir, "", nil)
	if got, want := s.proxyFacts(t.Context()), "does not answer"; got != want {
		t.Errorf("proxyFacts() = %q, want %q", got, want)
	}
	daemonAt(t, dir, "init", answer("show units", "UNIT STATE SUB\nproxyd.service  failed  exited  -"))
	if got, want := s.proxyFacts(t.Context()), "does not answer; proxyd.service is failed (exited)"; got != want {
		t.Errorf("proxyFacts() = %q, want %q", got, want)
	}
	daemonAt(t, dir, "proxyd", ctl.Command{Name: "show stat", Run: func(_ context.Context, _ *ctl.Request, w io.Writer) error {
		return ctl.WriteStats(w, []ctl.Stat{{Type: ctl.StatFrontend}, {Type: ctl.StatBackend, Status: "UP"}, {Type: ctl.StatServer, Status: "UP"},
			{Type: ctl.StatServer, Status: "no check"}, {Type: ctl.StatServer, Status: "DOWN"}, {Type: ctl.StatServer, Status: "MAINT (resolution)"}})
	}})
	if got, want := s.proxyFacts(t.Context()), "runs, 1 frontend, 2 of 4 servers usable"; got != want {
		t.Errorf("proxyFacts() = %q, want %q", got, want)
	}
}
