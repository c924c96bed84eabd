package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const secret = "correct horse"

func TestFirstLoginSetsThePassword(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	c := startTTY(t, dir, 0, 0, "login")
	c.expect("no password yet")
	c.dialog(
		[2]string{"New password for admin: ", "short\r"},
		[2]string{"5 characters are too few: at least 8 are needed", ""},
		[2]string{"New password for admin: ", secret + "\r"},
		[2]string{"The same again: ", "something else\r"},
		[2]string{"not the same", ""},
		[2]string{"New password for admin: ", "\x03"},
		[2]string{"A password is needed", ""},
		[2]string{"New password for admin: ", secret + "\r"},
		[2]string{"The same again: ", secret + "\r"},
		[2]string{"step by step [yes]: ", "no\r"},
		[2]string{prompt, "show revisions\r"},
		[2]string{"running,saved", ""},
		[2]string{prompt, "exit\r"})
	if status := c.exit(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	defer f.hold()()
	if got := f.passwords["admin"]; got != secret {
		t.Errorf("password is %q, want %q", got, secret)
	}
	for _, word := range []string{secret, "short", "something else"} {
		if strings.Contains(c.text(), word+"\n") {
			t.Errorf("the console echoes %q", word)
		}
	}
}

func TestLoginAsks(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	release := f.hold()
	f.passwords["admin"] = secret
	release()
	c := startTTY(t, dir, 80, 24, "login")
	start := time.Now()
	// Neither ctrl-c nor ctrl-d nor the help key is a way in.
	c.dialog([2]string{"login: ", "\x03"}, [2]string{"login: ", "\x04"}, [2]string{"login: ", "\x1c"},
		[2]string{"login: ", "admin\r"}, [2]string{"password: ", "wrong\r"}, [2]string{"Name or password is wrong.", ""},
		[2]string{"login: ", "nobody\r"}, [2]string{"password: ", secret + "\r"}, [2]string{"Name or password is wrong.", ""},
		[2]string{"login: ", "\r"}, [2]string{"Proxy", ""}, // the banner again
		[2]string{"login: ", "admin\r"}, [2]string{"password: ", secret + "\r"},
		[2]string{prompt, "\x04"})
	if status := c.exit(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	if strings.Contains(c.text(), secret) {
		t.Error("the console echoes the password")
	}
	if took := time.Since(start); took < firstDelay+2*firstDelay {
		t.Errorf("two failures cost %s only", took)
	}
}

// A console that still asks for the first password is no way around the one that
// was set at another.
func TestSecondConsoleCannotReplaceThePassword(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	late := startTTY(t, dir, 80, 24, "login")
	late.expect("New password for admin: ")
	release := f.hold()
	f.passwords["admin"] = secret
	release()
	late.send("my own password\r")
	late.dialog([2]string{"again: ", "my own password\r"}, [2]string{"set elsewhere meanwhile", ""},
		[2]string{"login: ", "admin\r"}, [2]string{"password: ", secret + "\r"}, [2]string{prompt, "exit\r"})
	late.exit()
	defer f.hold()()
	if f.passwords["admin"] != secret {
		t.Errorf("the password is %q now", f.passwords["admin"])
	}
}

func TestLoginNeedsConfd(t *testing.T) {
	dir := t.TempDir()
	c := startTTY(t, dir, 80, 24, "login")
	c.dialog([2]string{"no configuration service", ""}, [2]string{prompt, "exit\r"})
	c.exit()

	if err := os.WriteFile(filepath.Join(dir, "confd.service"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c = startTTY(t, dir, 80, 24, "login")
	const again = "Enter asks it again: "
	c.dialog([2]string{"not there yet", ""}, [2]string{again, "\x03"}, [2]string{again, "\x04"}, [2]string{again, "shell\r"},
		[2]string{"Nobody can log in", ""}, [2]string{openConsole, ""}, [2]string{again, ""})
	startConfd(t, dir) // is noticed at once
	c.expect("New password for admin: ")

	if err := os.WriteFile(filepath.Join(dir, "cmdline"), []byte("quiet "+openConsole+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c = startTTY(t, dir, 80, 24, "login")
	c.dialog([2]string{"No login is asked for", ""}, [2]string{prompt, "exit\r"})
	c.exit()
}

func TestBrokenDiskLocksNobodyOut(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	release := f.hold()
	f.volatile, f.cannotSet = true, true
	release()
	c := startTTY(t, dir, 80, 24, "login")
	c.dialog([2]string{"lost with a reboot", ""}, [2]string{"New password for admin: ", secret + "\r"}, [2]string{"again: ", secret + "\r"},
		[2]string{"not set: write users: disk is full", ""}, [2]string{"Go on without a password [no]: ", "yes\r"},
		[2]string{"step by step [yes]: ", "\x03"}, [2]string{"Nothing is changed", ""}, [2]string{prompt, "exit\r"})
	c.exit()
}

// What is typed ahead of the rescue shell is the shell's.
func TestRescueShellGetsWhatIsTypedAhead(t *testing.T) {
	c := startTTY(t, t.TempDir(), 0, 0)
	c.expect(prompt)
	c.send("shell\necho here''-1\n")
	c.expect("here-1")
	c.send("exit\n")
	c.dialog([2]string{prompt, "version\r"}, [2]string{"Sluice dev", ""}, [2]string{prompt, "exit\r"})
	c.exit()
}

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	startConfd(t, dir)
	daemonAt(t, dir, "init", answer("show units", "UNIT STATE\nproxyd.service active\nnetd.service active"))
	for _, tt := range []struct{ name, keys, want string }{
		{"insert in the middle", "vesion\x1b[D\x1b[D\x1b[D\x1b[Dr\r", "Sluice dev\n"},
		{"delete", "versXion\x1b[D\x1b[D\x1b[D\x7f\r", "Sluice dev\n"},
		{"word and line", "nonsense words\x17\x15version\r", "Sluice dev\n"},
		{"home, delete, end", "xversion\x01\x04\x05\r", "Sluice dev\n"},
		{"history", "\x1b[A\x1b[A\x1b[B\r", "Sluice dev\n"},
		{"completion", "ver\t\r", "Sluice dev\n"},
		{"completion of a second word", "show rev\t\r", "NUMBER"},
		{"choices", "show re\x15show \t", "revisions"},
		{"completion of an argument", "\x15show log pro\t\r", "unknown command \"show logs proxyd\""},
		{"revision numbers", "rollback 9\x7f\t", "rollback 9\b \b0 "},
		{"keys after completion", "rollback \t\x1b[D\x15version\r", "Sluice dev\n"},
		{"help at the end", "show ?\x15version\r", "show revisions"},
		{"help in a word", "rol?\x15version\r", "rollback NUMBER"},
		{"help for an argument", "apply ?\x15version\r", "--confirm"},
		{"? in quotes", "help \"a?b\"\r", `no command "a?b"`},
		{"longer than the screen", strings.Repeat("x", 60) + "\x01\x05\x15version\r", "Sluice dev\n"},
		{"an unknown sequence", "\x1b[15~ver\x1b[Zsion\r", "Sluice dev\n"},
		{"ctrl-c forgets the line", "nonsense\x03version\r", "Sluice dev\n"},
		{"open quote", "help \"a\r", `the quote " is not closed`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := startTTY(t, dir, 40, 24)
			// Before the prompt, keys are the kernel's to edit.
			c.dialog([2]string{prompt, "help exit\r"}, [2]string{prompt, "version\r"}, [2]string{"Sluice dev", ""}, [2]string{prompt, tt.keys})
			c.expect(tt.want)
			if strings.Contains(c.text(), "\x1b") {
				t.Error("the console sends escape sequences")
			}
			if strings.Contains(c.text(), "^[") {
				t.Error("the kernel echoes keys")
			}
		})
	}
}

// A line is edited within its row of the screen, whatever the keys; what the
// terminal shows is modelled as the simplest terminal there is.
func TestLineStaysInItsRow(t *testing.T) {
	const columns = 24
	master, slave := openPTY(t)
	defer master.Close()
	defer slave.Close()
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: 24}); err != nil {
		t.Fatal(err)
	}
	keys := []rune{'a', 'b', ' ', 'ä', 'c', 'd', 0x7f, 'A' & 0x1f, 'E' & 0x1f, 'W' & 0x1f, 'K' & 0x1f, keyLeft, keyLeft, keyRight, keyDelete, keyUp, keyDown, 'L' & 0x1f}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var out bytes.Buffer
		term := &terminal{in: slave, out: &out, history: []string{"short", strings.Repeat("a long line ", 6)}}
		e := &lineEditor{lineOptions: lineOptions{prompt: "> ", history: true}, t: term, recall: 2}
		out.WriteString("> ")
		for range 80 {
			key := keys[random.IntN(len(keys))]
			if _, err := e.press(key); err != nil {
				t.Fatal(err)
			}
			e.draw()
			row, cursor := screenRow(t, out.String(), columns)
			if end := min(e.first+columns-3, len(e.line)); strings.TrimRight(row, " ") != strings.TrimRight("> "+string(e.line[e.first:end]), " ") {
				t.Fatalf("after %q the screen shows %q for the line %q from %d on", key, row, string(e.line), e.first)
			}
			if cursor != 2+e.pos-e.first {
				t.Fatalf("after %q the cursor is in column %d of %q for position %d", key, cursor, row, e.pos)
			}
		}
	}
}

// At 9600 baud a byte takes a millisecond: a key costs what it shows.
func TestKeysAreCheap(t *testing.T) {
	master, slave := openPTY(t)
	defer master.Close()
	defer slave.Close()
	var out bytes.Buffer
	e := &lineEditor{t: &terminal{in: slave, out: &out}}
	for _, key := range "a line of text" {
		out.Reset()
		if _, err := e.press(key); err != nil {
			t.Fatal(err)
		}
		if e.draw(); out.String() != string(key) {
			t.Errorf("key %q sends %q", key, &out)
		}
	}
	out.Reset()
	_, _ = e.press(0x7f)
	if e.draw(); out.String() != "\b \b" {
		t.Errorf("backspace sends %q", &out)
	}
}

// screenRow is the last row of a screen that got output, and the cursor's column.
func screenRow(t *testing.T, output string, columns int) (string, int) {
	t.Helper()
	var row []rune
	column := 0
	for _, r := range output {
		switch {
		case r == '\b':
			column = max(column-1, 0)
		case r == '\n':
			row, column = nil, 0
		case r == '\a':
		case column == columns-1 && r != ' ':
			t.Fatalf("%q in the last column: %q", r, output[max(0, len(output)-200):])
		default:
			if column == len(row) {
				row = append(row, ' ')
			}
			row[column] = r
			column++
		}
	}
	return string(row), column
}

// Ctrl-c ends a command that waits, not the console.
func TestInterruptEndsTheCommand(t *testing.T) {
	dir := t.TempDir()
	daemonAt(t, dir, "init", hanging("follow logs", "one line"))
	c := startTTY(t, dir, 80, 24)
	c.dialog([2]string{prompt, "logs proxyd -f\r"}, [2]string{"one line", "\x03"}, [2]string{prompt, "version\r"},
		[2]string{"Sluice dev", ""}, [2]string{prompt, "exit\r"})
	if status := c.exit(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}

// The service manager's signal ends the console and leaves an ordinary terminal.
func TestSignalEndsTheConsole(t *testing.T) {
	c := startTTY(t, t.TempDir(), 80, 24)
	c.expect(prompt)
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil { // changes nothing
		t.Fatal(err)
	}
	c.dialog([2]string{"", "version\r"}, [2]string{"Sluice dev", ""}, [2]string{prompt, ""})
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := c.exit(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}
