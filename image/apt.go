package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// defaultMirror is used where the machine has no Debian source of its own.
const defaultMirror = "http://deb.debian.org/debian"

// apt runs Debian's apt on a state directory of its own. What the administrator
// configured for all of apt, proxies for instance, still holds; sources, lists,
// installed packages and pins of the machine are neither read nor written.
type apt struct {
	get, cache string // paths of apt-get and apt-cache
	dir        string
	mirror     string
}

// aptConfig is read after the machine's own configuration. %[1]s is the state
// directory. Hooks that others hung on "update" are not for us to run.
const aptConfig = `Dir::State "%[1]s/state";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`

// newApt prepares the state directory below dir.
func newApt(dir, suite, mirror string) (*apt, error) {
	dir, err := filepath.Abs(filepath.Join(dir, "apt"))
	if err != nil {
		return nil, err
	}
	a := &apt{dir: dir, mirror: mirror}
	if a.mirror == "" {
		a.mirror = hostMirror("/etc/apt")
	}
	var errGet, errCache error
	a.get, errGet = tool{"apt-get", "apt", "fetches the kernel"}.find()
	a.cache, errCache = tool{"apt-cache", "apt", "finds the kernel"}.find()
	if err := errors.Join(errGet, errCache); err != nil {
		return nil, err
	}
	if _, err := os.Stat(debianKeyring); err != nil {
		return nil, fmt.Errorf("keys of Debian's archive: %w: install the Debian package debian-archive-keyring", err)
	}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	source := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", debianKeyring, a.mirror, suite)
	return a, errors.Join(
		writeFile(filepath.Join(dir, "sources.list"), []byte(source)),
		writeFile(filepath.Join(dir, "status"), nil),
		writeFile(filepath.Join(dir, "apt.conf"), fmt.Appendf(nil, aptConfig, dir)))
}

// run runs apt-get or apt-cache with the state directory's configuration.
func (a *apt) run(ctx context.Context, program, dir string, args ...string) (string, error) {
	args = append([]string{"-q", "-c", filepath.Join(a.dir, "apt.conf")}, args...)
	return command{path: program, args: args, dir: dir}.output(ctx)
}

// update fetches the package lists. A list that cannot be fetched is an error,
// not the warning that apt makes of it.
func (a *apt) update(ctx context.Context) error {
	_, err := a.run(ctx, a.get, a.dir, "-o", "APT::Update::Error-Mode=any", "update")
	return err
}

// show returns the fields of the newest version of a package.
func (a *apt) show(ctx context.Context, pkg string) (map[string]string, error) {
	text, err := a.run(ctx, a.cache, a.dir, "--no-all-versions", "show", pkg)
	if err != nil {
		return nil, err
	}
	return parseFields(text), nil
}

// download fetches a package and returns the path of the .deb file.
func (a *apt) download(ctx context.Context, pkg string) (string, error) {
	dir := filepath.Join(a.dir, "download")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return "", err
	}
	if _, err := a.run(ctx, a.get, dir, "download", pkg); err != nil {
		return "", err
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return "", err
	}
	if len(names) != 1 {
		return "", fmt.Errorf("download %s: %d files came", pkg, len(names))
	}
	return names[0], nil
}

// parseFields reads the first paragraph of Debian's control format; of a field
// with several lines only the first is kept.
func parseFields(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" {
			break
		}
		if key, value, ok := strings.Cut(line, ":"); ok && line[0] != ' ' && line[0] != '#' {
			fields[key] = strings.TrimSpace(value)
		}
	}
	return fields
}

// hostMirror returns the address of the Debian archive that the machine itself
// uses, so that the build works where deb.debian.org is replaced by a mirror.
func hostMirror(etc string) string {
	lists, _ := filepath.Glob(filepath.Join(etc, "sources.list.d", "*"))
	for _, name := range append([]string{filepath.Join(etc, "sources.list")}, lists...) {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		uri := ""
		switch filepath.Ext(name) {
		case ".list":
			uri = mirrorOfList(string(text))
		case ".sources":
			uri = mirrorOfSources(string(text))
		}
		if uri != "" {
			return uri
		}
	}
	return defaultMirror
}

// debianSuites are the names under which a mirror of Debian's main archive is
// listed; "-security" and "-updates" live at other places or prove nothing.
var debianSuites = []string{
	"oldstable", "stable", "testing", "unstable", "sid",
	"bullseye", "bookworm", "trixie", "forky",
}

// mirrorOfList finds the archive in the one-line format of sources.list(5).
func mirrorOfList(text string) string {
	scan := bufio.NewScanner(strings.NewReader(text))
	for scan.Scan() {
		words := strings.Fields(scan.Text())
		if len(words) == 0 || words[0] != "deb" {
			continue
		}
		words = words[1:]
		if len(words) > 0 && strings.HasPrefix(words[0], "[") {
			end := slices.IndexFunc(words, func(w string) bool { return strings.HasSuffix(w, "]") })
			words = words[end+1:]
		}
		if len(words) >= 3 && slices.Contains(debianSuites, words[1]) && slices.Contains(words[2:], "main") {
			return words[0]
		}
	}
	return ""
}

// mirrorOfSources finds the archive in the deb822 format of sources.list(5).
func mirrorOfSources(text string) string {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		fields := parseFields(paragraph)
		suites, uris := strings.Fields(fields["Suites"]), strings.Fields(fields["URIs"])
		known := slices.ContainsFunc(suites, func(s string) bool { return slices.Contains(debianSuites, s) })
		if known && len(uris) > 0 && fields["Enabled"] != "no" &&
			slices.Contains(strings.Fields(fields["Components"]), "main") {
			return uris[0]
		}
	}
	return ""
}
