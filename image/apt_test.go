package image

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHostMirror(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"nothing", nil, defaultMirror},
		{"one-line", map[string]string{"sources.list": "# deb http://no/debian trixie main\ndeb http://a/debian bookworm main contrib\n"}, "http://a/debian"},
		{"one-line with options", map[string]string{"sources.list": "deb [arch=amd64 signed-by=/k.gpg] http://b/debian trixie main\n"}, "http://b/debian"},
		{"security and foreign sources do not count", map[string]string{
			"sources.list":                "deb http://security/ bookworm-security main\ndeb-src http://src/ bookworm main\n",
			"sources.list.d/node.sources": "Types: deb\nURIs: https://node\nSuites: nodistro\nComponents: main\n",
			"sources.list.d/sdk.list":     "deb https://sdk cloud-sdk-bookworm main\n",
		}, defaultMirror},
		{"deb822", map[string]string{
			"sources.list.d/debian.sources": "Types: deb\n# old\nURIs: http://off/\nSuites: bookworm\nComponents: main\nEnabled: no\n\n" +
				"Types: deb\nURIs: http://c/debian http://d/debian\nSuites: bookworm bookworm-updates\nComponents: main\n",
		}, "http://c/debian"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			etc := t.TempDir()
			if err := os.Mkdir(filepath.Join(etc, "sources.list.d"), 0o755); err != nil {
				t.Fatal(err)
			}
			for name, text := range test.files {
				if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := hostMirror(etc); got != test.want {
				t.Errorf("hostMirror = %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseFields(t *testing.T) {
	text := "Package: linux-image-amd64\nDepends: linux-image-6.12.9-amd64 (= 6.12.9-1)\nDescription: x\n more: y\n\nPackage: other\n"
	want := map[string]string{
		"Package": "linux-image-amd64", "Depends": "linux-image-6.12.9-amd64 (= 6.12.9-1)", "Description": "x",
	}
	got := parseFields(text)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parseFields (-want +got):\n%s", diff)
	}
	if match := releasePattern.FindStringSubmatch(got["Depends"]); len(match) != 2 || match[1] != "6.12.9-amd64" {
		t.Errorf("release in %q = %q", got["Depends"], match)
	}
}

func FuzzMirror(f *testing.F) {
	f.Add("deb [a] http://b/debian trixie main")
	f.Add("deb [a=b c")
	f.Add("deb [a]")
	f.Add("URIs:\nSuites: trixie\nComponents: main")
	f.Fuzz(func(t *testing.T, text string) {
		mirrorOfList(text)
		mirrorOfSources(text)
	})
}
