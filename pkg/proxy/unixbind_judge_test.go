package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The files of UNIX listeners have the place, mode and owner that "unix-bind" and
// their own lines say, as those of HAProxy.
func TestUnixBindLikeHAProxy(t *testing.T) {
	owner := 1
	if os.Getuid() != 0 {
		owner = os.Getuid() // nobody else may give files away
	}
	files := func(run func(text string)) []string {
		dir := t.TempDir()
		run(fmt.Sprintf(`global
	unix-bind prefix %s/ mode 711 uid %d
	stats socket %s/stats
defaults
	mode tcp
	timeout client 1s
frontend plain
	bind unix@plain
frontend own
	bind unix@own mode 600 uid %d
frontend both
	bind unix@both1,unix@both2 gid %d
`, dir, owner, dir, os.Getuid(), os.Getgid()))
		var got []string
		for _, name := range []string{"plain", "own", "both1", "both2"} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			s := info.Sys().(*syscall.Stat_t)
			got = append(got, fmt.Sprintf("%s: %v %d:%d", name, info.Mode(), s.Uid, s.Gid))
		}
		return got
	}
	theirs := files(func(text string) { startJudge(t, text) })
	ours := files(func(text string) { startRig(t, parseConf(t, text), Options{}) })
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("(-haproxy +ours)\n%s", diff)
	}
}
