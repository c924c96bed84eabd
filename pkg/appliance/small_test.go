package appliance

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBackupAndRestore(t *testing.T) {
	r := newRig(t)
	r.Apply(t.Context(), request(config("a"), 0))
	archive, err := r.Backup("running")
	if err != nil {
		t.Fatal(err)
	}
	r.Rollback(t.Context(), 0, Request{})
	if got := r.Restore(archive, Request{User: "admin", Origin: "restore"}); got.Outcome != Done {
		t.Fatalf("Restore() = %+v", got)
	}
	c, err := r.Content("edited")
	if err != nil || !c.Files.Equal(config("a")) || c.Revision != 0 {
		t.Errorf("edited = %+v, %v", c, err)
	}
	r.machine.runs(t, config("factory"))
	if _, err := r.Backup("yesterday"); err == nil {
		t.Error("Backup(yesterday) = nil")
	}
}

// entry is one member of a hand-made archive.
type entry struct {
	header tar.Header
	text   string
}

func makeArchive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, e := range entries {
		e.header.Size = int64(len(e.text))
		if err := w.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRestoreRefuses(t *testing.T) {
	proxy := entry{tar.Header{Name: "files/proxy.cfg"}, "# x\n"}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: backupMeta, Size: archiveLimit + 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, archiveLimit+1)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	whole := makeArchive(t, proxy)
	for _, tc := range []struct {
		name    string
		archive []byte
		want    string
	}{
		{"no archive", []byte("hello"), "accepted is a tar.gz"},
		{"empty", nil, "accepted is a tar.gz"},
		{"cut off", whole[:len(whole)-20], "read backup"},
		{"no proxy file", makeArchive(t, entry{tar.Header{Name: "files/hosts"}, "x"}), "proxy.cfg is missing"},
		{"parent", makeArchive(t, proxy, entry{tar.Header{Name: "files/../../etc/passwd"}, "x"}), "accepted are"},
		{"absolute", makeArchive(t, proxy, entry{tar.Header{Name: "/etc/passwd"}, "x"}), "accepted are"},
		{"symbolic link", makeArchive(t, entry{tar.Header{Name: "files/proxy.cfg", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""}), "accepted are"},
		{"device", makeArchive(t, entry{tar.Header{Name: "files/hosts", Typeflag: tar.TypeBlock}, ""}), "accepted are"},
		{"twice", makeArchive(t, proxy, proxy), "twice"},
		{"large file", makeArchive(t, proxy, entry{tar.Header{Name: "files/hosts"}, strings.Repeat("x", MaxFileSize+1)}), "accepted are up to"},
		{"bomb", bomb.Bytes(), "more than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			got := r.Restore(tc.archive, Request{})
			r.expect(t, got, Refused, 0, config("factory"))
			if !strings.Contains(got.Message, tc.want) || r.state(t).Edited.Changed {
				t.Errorf("Restore() = %+v, want %q", got, tc.want)
			}
		})
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(makeArchive(f, entry{tar.Header{Name: "files/proxy.cfg"}, "# x\n"}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		files, err := unpack(archive)
		if err == nil && files.Validate() != nil {
			t.Errorf("unpack accepts %v", files)
		}
	})
}

func TestUsers(t *testing.T) {
	u := NewUsers(filepath.Join(t.TempDir(), "deep", "users"))
	check := func(name, password string, want bool) {
		t.Helper()
		if got, err := u.Check(name, password); err != nil || got != want {
			t.Errorf("Check(%s, %s) = %v, %v, want %v", name, password, got, err, want)
		}
	}
	check(Admin, "", false)
	if list, err := u.List(); err != nil || len(list) != 1 || list[0].PasswordSet {
		t.Errorf("List() = %v, %v", list, err)
	}
	for _, bad := range []struct{ name, password string }{
		{"root", "long enough"}, {Admin, "short"}, {Admin, ""}, {Admin, "two\nlines of it"}, {Admin, strings.Repeat("x", MaxPassword+1)},
	} {
		if err := u.SetPassword(bad.name, bad.password); err == nil || !strings.Contains(err.Error(), "accepted") {
			t.Errorf("SetPassword(%s, %q) = %v", bad.name, bad.password, err)
		}
	}
	if err := u.SetPassword(Admin, "correct horse"); err != nil {
		t.Fatal(err)
	}
	check(Admin, "correct horse", true)
	check(Admin, "correct horsf", false)
	check(Admin, "", false)
	check("root", "correct horse", false)
	info, err := os.Stat(u.file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("users file: %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(u.file)
	if err != nil || bytes.Contains(text, []byte("correct")) {
		t.Errorf("users file shows the password: %s, %v", text, err)
	}
	if err := os.WriteFile(u.file, []byte(`{"admin":{"algorithm":"none"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if ok, err := u.Check(Admin, "x"); ok || err == nil {
		t.Errorf("Check() with a damaged file = %v, %v", ok, err)
	}
}

func TestAudit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(file, []byte(`{"command":"one"}`+"\n"+`{"comm`), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := OpenAudit(file)
	if err != nil {
		t.Fatal(err)
	}
	a.limit = 400
	for _, c := range []string{"two", "three", "four"} {
		if err := a.Append(Entry{Command: c}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := a.Tail(3)
	if err != nil || len(got) != 3 || got[0].Command != "two" || got[2].Command != "four" {
		t.Errorf("Tail(3) = %+v, %v", got, err)
	}
	for range 20 {
		if err := a.Append(Entry{Command: "more"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{file, file + ".1"} {
		if info, err := os.Stat(f); err != nil || info.Size() > a.limit {
			t.Errorf("%s: %v, %v, want at most %d bytes", f, info.Size(), err, a.limit)
		}
	}
}
