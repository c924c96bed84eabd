package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// debianImage is a container image made of Debian's packages. No image registry
// is asked.
type debianImage struct {
	name     string // of the image and of its tar file
	recipe   string // raised with every change to packages or to buildDebian
	packages string // parted by commas
}

// tag is the image's name in the container engine: a changed recipe makes a new
// image.
func (i debianImage) tag() string { return "sluice-lab/" + i.name + ":" + i.recipe }

// debianSuite is the Debian release that the servers come from.
const debianSuite = "bookworm"

// ensure makes sure that the engine has the image: built once, kept as a tar file
// in cacheDir, imported once per engine. progress is told about steps that take
// long.
func (e *Engine) ensure(ctx context.Context, image debianImage, cacheDir string, progress func(string)) error {
	if _, err := e.run(ctx, "image", "inspect", image.tag()); err == nil {
		return nil
	}
	tar := filepath.Join(cacheDir, image.name+"-"+image.recipe+".tar")
	if _, err := os.Stat(tar); errors.Is(err, fs.ErrNotExist) {
		progress("building the image " + image.name + " from Debian packages (about a minute, once)")
		if err := buildDebian(ctx, tar, debianSuite, "minbase", image.packages); err != nil {
			return fmt.Errorf("build image %s: %w", image.name, err)
		}
	}
	progress("importing the image " + image.name)
	if _, err := e.run(ctx, "import", tar, image.tag()); err != nil {
		return err
	}
	return nil
}

// buildDebian writes a root file system with packages to path: a tar file if the
// name ends so, else a directory. Variants are mmdebstrap's.
func buildDebian(ctx context.Context, path, suite, variant, packages string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp := strings.TrimSuffix(path, ".tar") + "." + strconv.Itoa(os.Getpid()) + filepath.Ext(path)
	defer os.RemoveAll(tmp) // nothing is there after the rename
	args := []string{"--variant=" + variant, "--include=" + packages,
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--aptopt=Acquire::Retries 3",
		suite, tmp}
	if mirror := hostMirror(ctx); mirror != "" {
		args = append(args, mirror)
	}
	out, err := exec.CommandContext(ctx, "mmdebstrap", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mmdebstrap: %w: %s", err, out[max(0, len(out)-2000):])
	}
	return os.Rename(tmp, path)
}

// hostMirror returns the Debian mirror that this machine's apt uses for the main
// archive, or "" to let mmdebstrap choose.
func hostMirror(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets",
		"--format", "$(ORIGIN)|$(LABEL)|$(SITE)|$(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) == 4 && f[0] == "Debian" && f[1] == "Debian" && strings.HasPrefix(f[3], "http") {
			return strings.TrimSuffix(f[3], "/")
		}
	}
	return ""
}
