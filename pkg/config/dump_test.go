package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dumpOf parses a text and returns its model, without places, and its Dump. ok is
// false for a text that is not valid.
func dumpOf(t *testing.T, name, text string) (model, dumped string, ok bool) {
	t.Helper()
	r := &Record{}
	env := func(name string) (string, bool) { return "a value", name == "SET" }
	cfg, _, err := Parse([]Source{{Name: name, Text: []byte(text)}}, Options{Hostname: "host", Getenv: env, Record: r})
	if err != nil {
		return err.Error(), "", false
	}
	return dump(t, cfg), string(Dump(r)), true
}

// TestDumpMeansTheSame checks that the dump of each valid file is a configuration
// with the same model, and the dump of the dump is the same text but for comments.
func TestDumpMeansTheSame(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.cfg")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata/*/*.cfg: %d files, %v", len(files), err)
	}
	valid := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		model, dumped, ok := dumpOf(t, file, string(text))
		if !ok {
			continue
		}
		valid++
		again, twice, ok := dumpOf(t, "dump", dumped)
		if !ok {
			t.Errorf("%s: the dump is not valid: %s\n%s", file, again, dumped)
			continue
		}
		if diff := cmp.Diff(model, again); diff != "" {
			t.Errorf("%s: model of the dump (-want +got):\n%s\n%s", file, diff, dumped)
		}
		if diff := cmp.Diff(withoutComments(dumped), withoutComments(twice)); diff != "" {
			t.Errorf("%s: dump of the dump (-want +got):\n%s", file, diff)
		}
	}
	if valid < 10 {
		t.Errorf("%d valid files, want 10 or more", valid)
	}
}

func withoutComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line, _, _ = strings.Cut(line, "  # from ")
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

func TestDump(t *testing.T) {
	const text = `global
 description "$SET" 'a "b" $c'
.if defined(UNSET)
 nbthread 3
.else
 nbthread 2
.endif
defaults base
 mode tcp
 timeout client 1m
 timeout server 1m
 balance leastconn
 default-server weight 7 maxconn 3
defaults more from base
 timeout connect 5s
frontend f from more
 bind 127.0.0.1:80
 bind 127.0.0.1:81,127.0.0.1:82
 default_backend b
 balance roundrobin
backend b from more
 id 9
 default-server backup
 server s1 10.0.0.1:80 weight 1
 server s2
 default-server no-backup
 server s3 10.0.0.3:80 id 12
`
	const want = `# in force, in the language of HAProxy 3.0.0

# a.cfg:1
global
	description 'a value' 'a "b" $c'
	nbthread 2

# a.cfg:16
frontend f
	id 2
	mode tcp  # from defaults base (a.cfg:9)
	timeout client 1m  # from defaults base (a.cfg:10)
	bind 127.0.0.1:80 id 1
	bind 127.0.0.1:81,127.0.0.1:82
	default_backend b

# a.cfg:21
backend b
	mode tcp  # from defaults base (a.cfg:9)
	timeout server 1m  # from defaults base (a.cfg:11)
	balance leastconn  # from defaults base (a.cfg:12)
	timeout connect 5s  # from defaults more (a.cfg:15)
	id 9
	server s1 10.0.0.1:80 maxconn 3 backup weight 1 id 1
	server s2 weight 7 maxconn 3 backup id 2
	server s3 10.0.0.3:80 weight 7 maxconn 3 backup no-backup id 12
`
	_, got, ok := dumpOf(t, "a.cfg", text)
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("Dump (-want +got):\n%s", diff)
	}
}

func TestQuoteIsReadBack(t *testing.T) {
	for _, word := range []string{
		"plain", "a b", "", `a"b`, "a'b", `back\slash`, "#x", "a\nb\tc\rd\x01\x7f", "$HOME ${X}", "it's $x \\ \"q\" #", "é",
	} {
		line := Line{Text: "word " + Quote(word) + " end\n"}
		words, fault := line.Words(nil)
		if fault != nil || len(words) != 3 || words[1].Text != word {
			t.Errorf("Quote(%q) = %s is read as %v, %v", word, Quote(word), words, fault)
		}
	}
}

// Recording is for the command line's sake: Parse must not pay for it otherwise.
func TestRecordChangesNothing(t *testing.T) {
	sources, err := ReadFiles([]string{"../../overlay/etc/sluice/proxy.cfg"})
	if err != nil {
		t.Fatal(err)
	}
	plain, _, err := Parse(sources, Options{})
	if err != nil {
		t.Fatal(err)
	}
	recorded, _, err := Parse(sources, Options{Record: &Record{}})
	if diff := cmp.Diff(dump(t, plain), dump(t, recorded)); err != nil || diff != "" {
		t.Errorf("the model differs: %v\n%s", err, diff)
	}
}
