package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// kernelMeta is the Debian package that always depends on the current kernel.
const kernelMeta = "linux-image-amd64"

// debianKeyring holds the archive's signing keys.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Kernel says which kernel is in an image.
type Kernel struct {
	Package string // Debian package, linux-image-<release>
	Version string // version of the package
	SHA256  string // hex digest of the .deb file
	Release string // what uname -r prints; the directory below /lib/modules
}

// kernelStore is the cache of kernels: one directory per package version and a
// file that names the one in use.
type kernelStore struct {
	dir      string
	suite    string
	mirror   string // empty: the machine's own mirror
	progress *progress
}

// unpacked returns the directory with the files of k's package.
func (s kernelStore) unpacked(k Kernel) string {
	return filepath.Join(s.dir, k.Package+"_"+strings.ReplaceAll(k.Version, ":", "%3a"))
}

// image returns the path of k's bzImage.
func (s kernelStore) image(k Kernel) string {
	return filepath.Join(s.unpacked(k), "boot", "vmlinuz-"+k.Release)
}

// modules returns the directory of k's modules.
func (s kernelStore) modules(k Kernel) (string, error) {
	for _, lib := range []string{"usr/lib", "lib"} {
		dir := filepath.Join(s.unpacked(k), lib, "modules", k.Release)
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("package %s has no modules for %s", k.Package, k.Release)
}

// get returns the kernel in use, fetching the current one when there is none or
// when refresh asks for it.
func (s kernelStore) get(ctx context.Context, refresh bool) (Kernel, error) {
	k, err := s.current()
	switch {
	case err == nil && !refresh:
		return k, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return Kernel{}, err
	}
	return s.fetch(ctx)
}

// current reads which kernel is in use and checks that it is complete.
func (s kernelStore) current() (Kernel, error) {
	var k Kernel
	name := filepath.Join(s.dir, "current.json")
	text, err := os.ReadFile(name)
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return k, fmt.Errorf("read %s: %w", name, err)
	}
	_, err = os.Stat(s.image(k))
	return k, err
}

// releasePattern finds the versioned kernel in the meta package's dependencies.
var releasePattern = regexp.MustCompile(`\blinux-image-(\d[^ ,(|]*)`)

// fetch resolves the meta package, downloads the kernel it names, unpacks it and
// makes it the current one.
func (s kernelStore) fetch(ctx context.Context) (Kernel, error) {
	apt, err := newApt(s.dir, s.suite, s.mirror)
	if err != nil {
		return Kernel{}, err
	}
	s.progress.note("asking %s for %s of %s", apt.mirror, kernelMeta, s.suite)
	if err := apt.update(ctx); err != nil {
		return Kernel{}, err
	}
	meta, err := apt.show(ctx, kernelMeta)
	if err != nil {
		return Kernel{}, err
	}
	match := releasePattern.FindStringSubmatch(meta["Depends"])
	if match == nil {
		return Kernel{}, fmt.Errorf("package %s depends on %q: no linux-image among it", kernelMeta, meta["Depends"])
	}
	k := Kernel{Package: match[0], Release: match[1]}
	fields, err := apt.show(ctx, k.Package)
	if err != nil {
		return Kernel{}, err
	}
	k.Version, k.SHA256 = fields["Version"], fields["SHA256"]
	s.progress.note("fetching %s %s, %s bytes", k.Package, k.Version, fields["Size"])
	deb, err := apt.download(ctx, k.Package)
	if err != nil {
		return Kernel{}, err
	}
	if err := s.unpack(ctx, k, deb); err != nil {
		return Kernel{}, err
	}
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return Kernel{}, err
	}
	return k, writeFile(filepath.Join(s.dir, "current.json"), append(text, '\n'))
}

// unpack checks the digest of the .deb file, spreads its files and removes it.
func (s kernelStore) unpack(ctx context.Context, k Kernel, deb string) error {
	sum, err := fileSHA256(deb)
	if err != nil {
		return err
	}
	if sum != k.SHA256 {
		return fmt.Errorf("check %s: sha256 is %s, the archive says %s", deb, sum, k.SHA256)
	}
	dpkg, err := tool{"dpkg-deb", "dpkg", "unpacks the kernel"}.find()
	if err != nil {
		return err
	}
	dir := s.unpacked(k)
	if err := errors.Join(os.RemoveAll(dir), os.RemoveAll(dir+".new")); err != nil {
		return err
	}
	if _, err := (command{path: dpkg, args: []string{"-x", deb, dir + ".new"}}).output(ctx); err != nil {
		return err
	}
	if err := os.Rename(dir+".new", dir); err != nil {
		return err
	}
	return os.Remove(deb)
}

// fileSHA256 returns the hex digest of a file.
func fileSHA256(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// writeFile replaces a file in one step, so that a reader, or a virtual machine
// that runs from the old file, never meets half of the new one.
func writeFile(name string, data []byte) error {
	tmp := name + ".new"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}
