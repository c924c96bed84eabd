package appliance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// config returns a whole configuration that differs by word.
func config(word string) Files {
	return Files{
		ProxyFile:                "# " + word + "\n",
		"network/10-lan.network": "# " + word + "\n",
		"hosts":                  "127.0.0.1 localhost\n",
		"hostname":               "box-" + word + "\n",
	}
}

func testNow() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func testStore(t *testing.T) *Store {
	t.Helper()
	s, err := OpenStore(t.TempDir(), config("factory"), testNow)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustAdd(t *testing.T, s *Store, f Files) int {
	t.Helper()
	r, err := s.Add(Revision{User: "admin", Origin: "console"}, f)
	if err != nil {
		t.Fatal(err)
	}
	return r.Number
}

func TestStoreKeepsRevisions(t *testing.T) {
	s := testStore(t)
	want, err := s.Add(Revision{User: "admin", Origin: "web", Note: "first", Base: 0}, config("a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.MarkGood(want.Number); err != nil {
		t.Fatal(err)
	}
	again, err := OpenStore(s.dir, config("factory"), testNow)
	if err != nil {
		t.Fatal(err)
	}
	want.Good = true
	if got, err := again.Revision(1); err != nil || !cmp.Equal(got, want) {
		t.Errorf("Revision(1) = %+v, %v, want %+v", got, err, want)
	}
	if got, err := again.Files(1); err != nil || !got.Equal(config("a")) {
		t.Errorf("Files(1) = %v, %v", got, err)
	}
	if got, err := again.Files(0); err != nil || !got.Equal(config("factory")) {
		t.Errorf("Files(0) = %v, %v", got, err)
	}
	if _, err := again.Files(2); !errors.Is(err, ErrNoRevision) {
		t.Errorf("Files(2) = %v, want ErrNoRevision", err)
	}
}

func TestStoreReportsDamage(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(dir string) error
		want   string
	}{
		{"file changed", func(d string) error { return os.WriteFile(filepath.Join(d, "files/proxy.cfg"), []byte("x"), 0o600) }, "digest"},
		{"file gone", func(d string) error { return os.Remove(filepath.Join(d, "files/hosts")) }, "digest"},
		{"file more", func(d string) error { return os.WriteFile(filepath.Join(d, "files/x"), nil, 0o600) }, "digest"},
		{"meta is no JSON", func(d string) error { return os.WriteFile(filepath.Join(d, "meta.json"), []byte("{"), 0o600) }, "damaged"},
		{"meta of another", func(d string) error {
			return os.WriteFile(filepath.Join(d, "meta.json"), []byte(`{"number":9}`), 0o600)
		}, "number 9"},
		{"meta gone", func(d string) error { return os.Remove(filepath.Join(d, "meta.json")) }, "no such"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testStore(t)
			n := mustAdd(t, s, config("a"))
			if err := tc.damage(s.path(revisionsName, "1")); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Files(n); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Files(%d) = %v, want %q", n, err, tc.want)
			}
			if got := mustAdd(t, s, config("b")); got != 2 {
				t.Errorf("the next number is %d, want 2: a damaged revision keeps its number", got)
			}
		})
	}
}

func TestStoreNamesDamageWhenOpened(t *testing.T) {
	s := testStore(t)
	mustAdd(t, s, config("a"))
	for _, file := range []string{s.path(revisionsName, "1", metaName), s.path(pointersName)} {
		if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := OpenStore(s.dir, config("factory"), testNow)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Faults(); len(got) != 2 || !strings.Contains(got[0], "revision 1") || !strings.Contains(got[1], "pointers") {
		t.Errorf("Faults() = %q", got)
	}
	if got := again.Revisions(); len(got) != 1 || got[0].Number != 0 {
		t.Errorf("Revisions() = %v, want the factory's only", got)
	}
}

func TestStorePrunes(t *testing.T) {
	s := testStore(t)
	if err := s.SetPointers(Pointers{Startup: 2, LastGood: 3}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetCandidate(&Candidate{Base: 4, Files: config("c")}); err != nil {
		t.Fatal(err)
	}
	const more = 10
	for i := range KeepRevisions + more {
		if _, err := s.Add(Revision{}, config(fmt.Sprint(i)), 5); err != nil {
			t.Fatal(err)
		}
	}
	got := s.numbers()
	if want := []int{2, 3, 4, 5, 11}; !slices.Equal(got[:5], want) {
		t.Errorf("oldest revisions = %v, want %v", got[:5], want)
	}
	if want := KeepRevisions + 4; len(got) != want {
		t.Errorf("%d revisions, want %d", len(got), want)
	}
}

func TestChoose(t *testing.T) {
	bad := errors.New("does not check")
	for _, tc := range []struct {
		name     string
		pointers Pointers
		refuse   []int
		want     int
		problem  string
	}{
		{"nothing saved", Pointers{}, nil, 0, ""},
		{"saved", Pointers{Startup: 2, LastGood: 1}, nil, 2, ""},
		{"factory saved, another good", Pointers{Startup: 0, LastGood: 1}, nil, 0, ""},
		{"saved refused", Pointers{Startup: 2, LastGood: 1}, []int{2}, 1, "does not check"},
		{"both refused", Pointers{Startup: 2, LastGood: 1}, []int{1, 2}, 0, "does not check"},
		{"the same refused once", Pointers{Startup: 2, LastGood: 2}, []int{2}, 0, "revision 0"},
		{"saved missing", Pointers{Startup: 7, LastGood: 1}, nil, 1, "no such revision"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testStore(t)
			mustAdd(t, s, config("1"))
			mustAdd(t, s, config("2"))
			if err := s.SetPointers(tc.pointers); err != nil {
				t.Fatal(err)
			}
			checked := []int{}
			got, f := s.Choose(func(n int, _ Files) error {
				checked = append(checked, n)
				if slices.Contains(tc.refuse, n) {
					return bad
				}
				return nil
			})
			want, err := s.Files(tc.want)
			if err != nil {
				t.Fatal(err)
			}
			if got.Revision != tc.want || !f.Equal(want) || (got.Problem == "") != (tc.problem == "") || !strings.Contains(got.Problem, tc.problem) {
				t.Errorf("Choose() = %+v, %v, want revision %d, problem %q", got, f, tc.want, tc.problem)
			}
			if slices.Contains(checked, 0) || len(checked) > 2 {
				t.Errorf("checked %v", checked)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	with := func(name, text string) Files {
		f := config("a")
		f[name] = text
		return f
	}
	for _, tc := range []struct {
		name  string
		files Files
		want  string // "" accepts
	}{
		{"whole", config("a"), ""},
		{"all names", with("hostname", "x"), ""},
		{"unknown name", with("ntp.conf", "x"), "accepted are"},
		{"no proxy file", Files{"hosts": ""}, "proxy.cfg is missing"},
		{"parent", with("network/../../passwd", "x"), "accepted are"},
		{"absolute", with("/etc/passwd", "x"), "accepted are"},
		{"hidden", with("network/.x", "x"), "accepted are"},
		{"folder below", with("network/a/b", "x"), "accepted are"},
		{"empty name", with("network/", "x"), "accepted are"},
		{"other file", with("passwd", "x"), "accepted are"},
		{"blank in name", with("network/a b", "x"), "accepted are"},
		{"too large", with("hosts", strings.Repeat("x", MaxFileSize+1)), "accepted are up to"},
		{"binary", with("hosts", "\xff"), "no text"},
		{"NUL", with("hosts", "a\x00b"), "no text"},
	} {
		err := tc.files.Validate()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: Validate() = %v, want %q", tc.name, err, tc.want)
		}
	}
	many := config("a")
	for i := range MaxFiles {
		many[fmt.Sprintf("network/%d.vip", i)] = ""
	}
	if err := many.Validate(); err == nil {
		t.Error("Validate() accepts too many files")
	}
}

func TestLive(t *testing.T) {
	root, run := t.TempDir(), t.TempDir()
	first := config("a")
	if err := first.WriteLive(root, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(LivePath(root, "network/.hidden"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	factory, err := Factory(root, run)
	if err != nil || !factory.Equal(first) {
		t.Fatalf("Factory() = %v, %v, want %v", factory, err, first)
	}
	second := config("b")
	delete(second, "network/10-lan.network")
	second["network/20.vip"] = "x"
	if err := second.WriteLive(root, IsNetwork); err != nil {
		t.Fatal(err)
	}
	mixed := config("a")
	delete(mixed, "network/10-lan.network")
	mixed["network/20.vip"] = "x"
	if got, err := ReadLive(root); err != nil || !got.Equal(mixed) {
		t.Errorf("after the network's files: %v, %v, want %v", got, err, mixed)
	}
	if err := second.WriteLive(root, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadLive(root); err != nil || !got.Equal(second) {
		t.Errorf("after all files: %v, %v, want %v", got, err, second)
	}
	if got, err := Factory(root, run); err != nil || !got.Equal(first) {
		t.Errorf("Factory() = %v, %v, want what was there first", got, err)
	}
}

func TestDiff(t *testing.T) {
	a, b := config("a"), config("a")
	if got := Diff("a", a, "b", b); got != "" {
		t.Errorf("Diff of equals = %q", got)
	}
	b["hosts"] += "198.18.0.11 s1\n"
	delete(b, "hostname")
	b["network/empty.vip"] = ""
	want := `--- a/hostname
+++ b/hostname
@@ -1,1 +0,0 @@
-box-a
--- a/hosts
+++ b/hosts
@@ -1,1 +1,2 @@
 127.0.0.1 localhost
+198.18.0.11 s1
--- a/network/empty.vip
+++ b/network/empty.vip
`
	if got := Diff("a", a, "b", b); got != want {
		t.Errorf("Diff = %s\nwant %s", got, want)
	}
}

// TestPowerCut stops a store's work before each single operation on the disk,
// and once more after each with the operation done in half, and then opens what
// is left: every revision is whole, and pointers and candidate are the old or the
// new ones.
func TestPowerCut(t *testing.T) {
	work := func(s *Store) error {
		r, err := s.Add(Revision{User: "admin"}, config("new"))
		if err != nil {
			return err
		}
		return errors.Join(s.SetPointers(Pointers{Startup: r.Number, LastGood: 1}), s.MarkGood(r.Number),
			s.SetCandidate(&Candidate{Base: r.Number, Files: config("edit")}), s.Drop(1))
	}
	for _, half := range []bool{false, true} {
		cuts := 0
		for ; ; cuts++ {
			dir := t.TempDir()
			old, err := OpenStore(dir, config("factory"), testNow)
			if err != nil {
				t.Fatal(err)
			}
			mustAdd(t, old, config("old"))
			if err := errors.Join(old.SetPointers(Pointers{Startup: 1}), old.SetCandidate(&Candidate{Base: 1, Files: config("first")})); err != nil {
				t.Fatal(err)
			}
			d := &cutDisk{left: cuts, half: half}
			old.disk = d
			err = work(old)
			if d.left >= 0 && err != nil {
				t.Fatal(err)
			}
			checkAfterCut(t, dir, fmt.Sprintf("cut %d, half %v", cuts, half))
			if d.left >= 0 {
				break
			}
		}
		if cuts < 20 {
			t.Errorf("only %d operations: the disk is not used through its interface", cuts)
		}
	}
}

func checkAfterCut(t *testing.T, dir, when string) {
	t.Helper()
	s, err := OpenStore(dir, config("factory"), testNow)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if f := s.Faults(); len(f) > 0 {
		t.Errorf("%s: faults %q", when, f)
	}
	contents := map[int]Files{1: config("old"), 2: config("new")}
	for _, n := range s.numbers() {
		if f, err := s.Files(n); err != nil || !f.Equal(contents[n]) {
			t.Errorf("%s: Files(%d) = %v, %v", when, n, f, err)
		}
	}
	p, err := s.Pointers()
	if err != nil || p != (Pointers{Startup: 1}) && p != (Pointers{Startup: 2, LastGood: 1}) {
		t.Errorf("%s: Pointers() = %v, %v", when, p, err)
	}
	if _, err := s.Files(p.Startup); err != nil {
		t.Errorf("%s: startup: %v", when, err)
	}
	c, err := s.Candidate()
	if err != nil || c == nil || !c.Files.Equal(config("first")) && !c.Files.Equal(config("edit")) {
		t.Errorf("%s: Candidate() = %v, %v", when, c, err)
	}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), tmpPrefix) {
			t.Errorf("%s: %s is left", when, p)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	mustAdd(t, s, config("after"))
}

var errCut = errors.New("power cut")

// cutDisk does left operations and then nothing any more; with half, the one at
// the cut is done in part.
type cutDisk struct {
	osDisk
	left int
	half bool
}

func (d *cutDisk) cut(part func()) bool {
	d.left--
	if d.left == -1 && d.half {
		part()
	}
	return d.left < 0
}

func (d *cutDisk) writeFile(name string, data []byte, mode fs.FileMode) error {
	if d.cut(func() { _ = os.WriteFile(name, data[:len(data)/2], mode) }) {
		return errCut
	}
	return d.osDisk.writeFile(name, data, mode)
}

func (d *cutDisk) mkdir(name string) error {
	if d.cut(func() { _ = os.Mkdir(filepath.Dir(name), 0o700) }) {
		return errCut
	}
	return d.osDisk.mkdir(name)
}

func (d *cutDisk) rename(from, to string) error {
	if d.cut(func() {}) {
		return errCut
	}
	return d.osDisk.rename(from, to)
}

func (d *cutDisk) syncDir(name string) error {
	if d.cut(func() {}) {
		return errCut
	}
	return d.osDisk.syncDir(name)
}

func (d *cutDisk) removeAll(name string) error {
	if d.cut(func() { _ = os.Remove(filepath.Join(name, metaName)) }) {
		return errCut
	}
	return d.osDisk.removeAll(name)
}
