package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

// execute runs a command line without a terminal and returns what it printed, its
// error's text and its exit status.
func execute(t *testing.T, dir, input, line string) (out, fault string, status int) {
	t.Helper()
	var b bytes.Buffer
	s := testShell(dir, input, &b)
	words, err := splitLine(line)
	if err == nil {
		err = s.execute(t.Context(), words)
	}
	if err != nil {
		fault = err.Error()
	}
	return b.String(), fault, exitStatus(err)
}

func TestLifeOfAConfiguration(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	faulty, explosive := "frontend x\n   faulty\n", "explosive\n"
	backupFile := filepath.Join(dir, "backup")
	for _, tt := range []struct {
		line, input, says string
		status            int
	}{
		{"show config", "", "--- hostname\nsluice\n", 0},
		{"show config factory hostname", "", "sluice\n", 0},
		{"diff", "", "running and edited are the same.\n", 0},
		{"check", "", "The network stays as it is.\nThe edited configuration is valid.\n", 0},
		{"edit hostname", "lb1\n", "hostname is edited", 0},
		{"edit hostname", "lb1\n", "hostname is unchanged", 0},
		{"diff", "", "+++ hostname\n+lb1\n", 0},
		{"apply --note first", "", "Revision 1 runs. \"save\" keeps it over a reboot.\n", 0},
		{"show revisions", "", "1       -     admin    console  running,good  first\n", 0},
		{"save", "", "Revision 1 is saved", 0},
		{"edit proxy", faulty, "proxy.cfg is edited", 0},
		{"check", "", "proxy.cfg:3:4: alert: unknown keyword 'faulty'\n", 3},
		{"apply", "", "proxy.cfg:3:4: alert: unknown keyword 'faulty'\n", 3},
		{"edit proxy", explosive, "proxy.cfg is edited", 0},
		{"apply", "", "  proxy reload             failed: bind\n", 5},
		{"discard", "", "the running one again", 0},
		{"rollback 0", "", "Revision 2 runs, with what revision 0 had.", 0},
		{"backup " + backupFile, "", "7 bytes are in", 0},
		{"restore " + backupFile, "", "The backup is the edited configuration now", 0},
		{"show config edited", "", "restored\n", 0},
		{"apply --confirm 90", "", "It goes back in 1m30s unless you \"confirm\".\n", 0},
		{"confirm", "", "Revision 3 stays.", 0},
		{"factory-reset --yes", "", "Revision 4 runs, a reboot returns to 1", 0},
		{"password", secret + "\n", "The password of admin is set.\n", 0},
		{"show users", "", "admin\n", 0},
	} {
		if out, fault, status := execute(t, dir, tt.input, tt.line); status != tt.status || !strings.Contains(out, tt.says) {
			t.Errorf("%s: exit status %d, want %d; %s\n%s\nlacks %q", tt.line, status, tt.status, fault, out, tt.says)
		}
	}
	defer f.hold()()
	if f.passwords["admin"] != secret {
		t.Errorf("password %q", f.passwords["admin"])
	}
}

func TestConflict(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	execute(t, dir, "lb1\n", "edit hostname")
	release := f.hold()
	theirs := f.edited
	f.activate(appliance.Files{"hostname": "theirs\n"}, appliance.Request{User: "else"})
	f.edited, f.base = theirs, 0
	release()
	if out, _, status := execute(t, dir, "", "apply"); status != 4 || !strings.Contains(out, "+theirs\n") || !strings.Contains(out, "apply --force") {
		t.Errorf("exit status %d, want 4:\n%s", status, out)
	}
	out, fault, status := execute(t, dir, "", "apply --force")
	defer f.hold()()
	if status != 0 || f.content[f.running]["hostname"] != "lb1\n" {
		t.Errorf("apply --force: exit status %d, %s\n%s", status, fault, out)
	}
}

func TestSaveWithoutADataPartition(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	release := f.hold()
	f.volatile = true
	release()
	if _, fault, status := execute(t, dir, "", "save"); status != 7 || !strings.Contains(fault, "no data partition") {
		t.Errorf("exit status %d, %s, want 7", status, fault)
	}
}

// For each command one wrong use at least: a message that says what is accepted,
// the documented exit status, and nothing is changed.
func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	daemonAt(t, dir, "init", answer("show units", ""))
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := f.snapshot()
	tested := map[string]bool{}
	for _, tt := range []struct {
		line, fault string
		status      int
	}{
		{"nonsense", `no command "nonsense"`, 2},
		{"statsu", `did you mean "status"?`, 2},
		{"show", "show what? accepted are status, config", 2},
		{"show things", "accepted after show are status, config", 2},
		{"edit", "edit what? accepted are proxy, network", 2},
		{`help "open`, "not closed", 2},
		{`help \`, "nothing follows the backslash", 2},
		{"help nonsense", `no command "nonsense"`, 2},
		{"status x", "usage: sluice status", 2},
		{"show status x", "usage: sluice show status", 2},
		{"show config sved", "accepted are edited, running, saved, factory and a revision's number", 2},
		{"show config -1", "accepted are edited", 2},
		{"show config running nofile", "there are hostname, hosts", 2},
		{"show config a b c", "usage: sluice show config", 2},
		{"show config 77", "no revision 77", 1},
		{"show network x", "usage: sluice show network", 2},
		{"show revisions x", "usage: sluice show revisions", 2},
		{"show log a b", "b: a number of lines is needed", 2},
		{"show log a 1 2", "usage: sluice show log", 2},
		{"show log", "no unit is known", 1},
		{"show units x", "usage: sluice show units", 2},
		{"show boot x", "usage: sluice show boot", 2},
		{"show users x", "usage: sluice show users", 2},
		{"diff a", "accepted are edited", 2},
		{"diff 0 0 0", "usage: sluice diff", 2},
		{"diff 0 99", "no revision 99", 1},
		{"check a b", "usage: sluice check", 2},
		{"setup x", "usage: sluice setup", 2},
		{"setup", "a terminal is needed", 1},
		{"edit proxy x", "usage: sluice edit proxy", 2},
		{"edit network", "which file? there are 10-lan.network, 20-mysql.vip", 2},
		{"edit network a b", "usage: sluice edit network", 2},
		{"edit network ../passwd", "accepted are 10-lan.network", 2},
		{"edit network x.conf", "ends in .network or .vip", 2},
		{"edit hosts x", "usage: sluice edit hosts", 2},
		{"edit hostname x", "usage: sluice edit hostname", 2},
		{"apply x", "usage: sluice apply", 2},
		{"apply --confirm", "--confirm needs a value", 2},
		{"apply --confirm soon", "accepted are 10s to 24h", 2},
		{"apply --confirm 1s", "accepted are 10s to 24h", 2},
		{"apply --confirm 25h", "accepted are 10s to 24h", 2},
		{"apply --confirm 1500ms", "accepted are 10s to 24h", 2},
		{"apply --note", "--note needs a value", 2},
		{"apply", "nothing to apply", 1},
		{"confirm x", "usage: sluice confirm", 2},
		{"confirm", "refused: nothing waits", 3},
		{"save x", "usage: sluice save", 2},
		{"save --note", "usage: sluice save", 2},
		{"discard x", "usage: sluice discard", 2},
		{"rollback", "usage: sluice rollback", 2},
		{"rollback yesterday", `"show revisions" lists them`, 2},
		{"rollback 99", "refused: no revision 99", 3},
		{"backup", "usage: sluice backup", 2},
		{"backup " + file, "exists: a new name is needed", 1},
		{"backup " + dir + "/no/dir", "no such file", 1},
		{"restore", "usage: sluice restore", 2},
		{"restore " + dir + "/nofile", "no such file", 1},
		{"restore " + file, "refused: this is no backup", 3},
		{"factory-reset", "needs --yes", 2},
		{"factory-reset now", "usage: sluice factory-reset", 2},
		{"password a b", "usage: sluice password", 2},
		{"password nobody", "accepted is admin", 1},
		{"ping", "usage: sluice ping", 2},
		{"ping a b", "usage: sluice ping", 2},
		{"ping -c 0 a", "accepted are 1 to 1000", 2},
		{"ping -x", "usage: sluice ping", 2},
		{"resolve", "usage: sluice resolve", 2},
		{"resolve a b", "usage: sluice resolve", 2},
		{"reload all", "usage: sluice reload", 2},
		{"logs", "usage: sluice logs", 2},
		{"logs a -n x", "a number of lines is needed", 2},
		{"start", "usage: sluice start", 2},
		{"stop a b", "usage: sluice stop", 2},
		{"restart", "usage: sluice restart", 2},
		{"boot x", "usage: sluice boot", 2},
		{"ctl init", "usage: sluice ctl", 2},
		{"shell x", "usage: sluice shell", 2},
		{"install a b", "usage: sluice install", 2},
		{"install a --yes", "usage: sluice install", 2},
		{"reboot now", "usage: sluice reboot", 2},
		{"poweroff now", "usage: sluice poweroff", 2},
		{"version x", "usage: sluice version", 2},
		{"login x", "usage: sluice login", 2},
		{"login", "a terminal is needed", 1},
		{"exit x", "usage: sluice exit", 2},
		{"quit x", "usage: sluice quit", 2},
	} {
		words, _ := splitLine(tt.line)
		if c, _ := findCommand(words); c != nil {
			tested[c.name] = true
		}
		if _, fault, status := execute(t, dir, "long enough\n", tt.line); status != tt.status || !strings.Contains(fault, tt.fault) {
			t.Errorf("%s: exit status %d, %q; want %d, %q", tt.line, status, fault, tt.status, tt.fault)
		}
	}
	if diff := cmp.Diff(before, f.snapshot()); diff != "" {
		t.Errorf("confd's state changed (-before +after):\n%s", diff)
	}
	for _, g := range commands() {
		for _, c := range g.rows {
			if !tested[c.name] {
				t.Errorf("%s has no wrong use here", c.name)
			}
		}
	}
}

func TestPasswordsThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	for word, want := range map[string]string{"short": "at least 8", strings.Repeat("x", 300): "at most 256", "with\ttabulator": "control characters", "": "at least 8"} {
		if _, fault, status := execute(t, dir, word+"\n", "password"); status != 1 || !strings.Contains(fault, want) {
			t.Errorf("password %q: %d, %q, want %q", word, status, fault, want)
		}
	}
	defer f.hold()()
	if len(f.passwords) > 0 {
		t.Errorf("a password is set: %q", f.passwords)
	}
}

// Without confd every command of the configuration says so.
func TestConfdIsSilent(t *testing.T) {
	dir := t.TempDir()
	for _, line := range []string{"show config", "show revisions", "show users", "diff", "edit proxy", "edit network", "apply", "confirm", "save", "discard",
		"rollback 1", "backup -", "factory-reset --yes", "password"} {
		if _, fault, status := execute(t, dir, "long enough\n", line); status != 1 || !strings.Contains(fault, "(confd) does not answer") {
			t.Errorf("%s: exit status %d, %q", line, status, fault)
		}
	}
}
