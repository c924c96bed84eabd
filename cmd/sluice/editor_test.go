package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEditor(t *testing.T) {
	const text = "one\ntwo\nthree\n"
	for _, tt := range []struct{ name, input, want, says string }{
		{"replace", "2 zwei\nw\n", "one\nzwei\nthree\n", ""},
		{"replace keeps indentation", "2    server s1\nw\n", "one\n   server s1\nthree\n", ""},
		{"replace by nothing", "2\nw\n", "one\n\nthree\n", ""},
		{"insert", "i 1 zero\nw\n", "zero\none\ntwo\nthree\n", ""},
		{"insert indented", "i 2   x\nw\n", "one\n  x\ntwo\nthree\n", ""},
		{"insert several", "i 3\na\n b\n.\nw\n", "one\ntwo\na\n b\nthree\n", ""},
		{"add", "a four\nw\n", "one\ntwo\nthree\nfour\n", ""},
		{"add several", "a\nfour\n\nfive\n.\nw\n", "one\ntwo\nthree\nfour\n\nfive\n", ""},
		{"delete", "d 2\nw\n", "one\nthree\n", ""},
		{"delete a span", "d 1-2\nw\n", "three\n", ""},
		{"delete all", "d 1-3\nw\n", "", ""},
		{"paste", "paste\nnew\n\ttext\n.\nw\n", "new\n\ttext\n", ""},
		{"undo", "d 1-3\nu\nw\n", text, ""},
		{"print", "p 2-3\nw\n", text, "   2 two\n   3 three\n"},
		{"help", "help\nw\n", text, "a lone \".\""},
		{"unknown", "x\nw\n", text, "no command \"x\"; accepted are p, N TEXT"},
		{"line 0", "0 x\nw\n", text, "from 1 to 3"},
		{"line too far", "4 x\nw\n", text, "from 1 to 3"},
		{"insert nowhere", "i\nw\n", text, "from 1 to 3"},
		{"insert too far", "i 9 x\nw\n", text, "from 1 to 3"},
		{"delete nothing", "d\nw\n", text, "accepted is a line's number"},
		{"delete backwards", "d 3-1\nw\n", text, "accepted is a line's number"},
		{"print letters", "p a-b\nw\n", text, "accepted is a line's number"},
		{"paste with words", "paste x\nw\n", text, "takes no argument"},
		{"undo nothing", "u\nw\n", text, "nothing to take back"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			s := testShell(t.TempDir(), tt.input, &out)
			got := "not stored"
			if err := s.edit(t.Context(), "file", text, func(text string) error { got = text; return nil }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || !strings.Contains(out.String(), tt.says) {
				t.Errorf("%v (-want +got):\n%s", &out, diff)
			}
		})
	}
}

// A text that is refused stays in the editor.
func TestEditorKeepsWhatIsRefused(t *testing.T) {
	var out bytes.Buffer
	s := testShell(t.TempDir(), "1 bad\nw\n1 good\nw\n", &out)
	var stored []string
	err := s.edit(t.Context(), "file", "x\n", func(text string) error {
		stored = append(stored, text)
		if text == "bad\n" {
			return errors.New("refused")
		}
		return nil
	})
	if diff := cmp.Diff([]string{"bad\n", "good\n"}, stored); err != nil || diff != "" || !strings.Contains(out.String(), "refused") {
		t.Errorf("%v, %v:\n%s", err, &out, diff)
	}
}

func TestEditorEndsWithItsInput(t *testing.T) {
	s := testShell(t.TempDir(), "a\nunfinished\n", io.Discard)
	err := s.edit(t.Context(), "file", "x\n", func(string) error { t.Error("something is stored"); return nil })
	if !errors.Is(err, io.EOF) {
		t.Errorf("edit() = %v, want the end of input", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.readLine(ctx, lineOptions{}); !errors.Is(err, io.EOF) {
		t.Errorf("readLine() = %v after the end", err)
	}
}

func TestEditOnTheConsole(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	c := startTTY(t, dir, 80, 24)
	c.dialog([2]string{prompt, "edit proxy\r"}, [2]string{"   3    bind :3306", ""},
		[2]string{"edit> ", "3    bind :3307\r"}, [2]string{"edit> ", "a\r"}, [2]string{"a lone", "   server s9?\tx\r"}, [2]string{"", "forgotten\x03"},
		[2]string{"as before", ""}, [2]string{"edit> ", "a\r"}, [2]string{"a lone", "   server s3?\tx\r.\r"},
		[2]string{"edit> ", "w\r"}, [2]string{"proxy.cfg is edited", ""},
		[2]string{prompt, "edit network 30-new.vip\r"}, [2]string{"edit> ", "paste\r"}, [2]string{"a lone", "[VIP]\rAddress=198.18.0.20/32\r.\r"},
		[2]string{"edit> ", "q\r"}, [2]string{"Forget them [no]: ", "no\r"}, [2]string{"edit> ", "w\r"},
		[2]string{prompt, "edit network 20-mysql.vip\r"}, [2]string{"edit> ", "d 1-5\r"}, [2]string{"edit> ", "w\r"}, [2]string{"is removed", ""},
		[2]string{prompt, "edit hosts\r"}, [2]string{"edit> ", "1 x\r"}, [2]string{"edit> ", "q\r"}, [2]string{"Forget them [no]: ", "yes\r"}, [2]string{"hosts is as before", ""},
		[2]string{prompt, "apply --confirm 5m --note \"two words\"\r"}, [2]string{"goes back in 5m", ""},
		[2]string{prompt, "reboot\r"}, [2]string{"Go on and reboot [no]: ", "\r"},
		[2]string{prompt, "exit\r"})
	c.exit()
	defer f.hold()()
	got := f.content[1]
	want := strings.Replace(factoryFiles["proxy.cfg"], ":3306", ":3307", 1) + "   server s3?\tx\n"
	if diff := cmp.Diff(want, got["proxy.cfg"]); diff != "" {
		t.Errorf("proxy.cfg (-want +got):\n%s", diff)
	}
	if got["network/30-new.vip"] != "[VIP]\nAddress=198.18.0.20/32\n" || got["network/20-mysql.vip"] != "" || got["hosts"] != factoryFiles["hosts"] {
		t.Errorf("the other files are %q", got)
	}
	if r := f.revisions[1]; r.Note != "two words" || r.User != "admin" || f.pending == nil || f.pending.Seconds != 300 {
		t.Errorf("revision %+v, pending %+v", r, f.pending)
	}
}

func TestEditFromStandardInput(t *testing.T) {
	dir := t.TempDir()
	f := startConfd(t, dir)
	var out bytes.Buffer
	s := testShell(dir, "new text\n", &out)
	if err := s.execute(t.Context(), []string{"edit", "proxy"}); err != nil {
		t.Fatal(err)
	}
	defer f.hold()()
	if f.edited["proxy.cfg"] != "new text\n" || f.edited["hosts"] != factoryFiles["hosts"] {
		t.Errorf("the edited files are %q", f.edited)
	}
}
