package image

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/u-root/mkuimage/cpio"
)

// tree is the root file system to be: path without leading slash -> record.
// Putting a path twice replaces the first; parent directories come by themselves.
type tree map[string]cpio.Record

// put adds one record.
func (t tree) put(r cpio.Record) {
	r.Name = cpio.Normalize(r.Name)
	t[r.Name] = r
	for dir := path.Dir(r.Name); dir != "."; dir = path.Dir(dir) {
		if _, ok := t[dir]; !ok {
			t[dir] = cpio.Directory(dir, 0o755)
		}
	}
}

// file adds a regular file.
func (t tree) file(name string, data []byte, mode uint64) {
	t.put(cpio.StaticRecord(data, cpio.Info{Name: name, Mode: cpio.S_IFREG | mode}))
}

// normalMode is the mode of a regular file in the image: 0644, or 0755 when its
// owner may execute it, so that the builder's umask is not in the bytes.
func normalMode(mode fs.FileMode) uint64 {
	if mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

// overlay adds every file, directory and symbolic link of src at its path.
func (t tree) overlay(src fs.FS) error {
	return fs.WalkDir(src, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case name == ".":
			return nil
		case d.IsDir():
			t.put(cpio.Directory(name, 0o755))
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			target, err := fs.ReadLink(src, name)
			if err != nil {
				return err
			}
			t.put(cpio.Symlink(name, target))
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("add %s: a %s cannot be part of the image", name, d.Type())
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := fs.ReadFile(src, name)
		if err != nil {
			return err
		}
		t.file(name, data, normalMode(info.Mode()))
		return nil
	})
}

// archive returns the tree as a cpio archive (newc) whose bytes depend on nothing
// but the tree and epoch: sorted by path, inodes numbered in that order, owner
// root. The kernel takes it as an initramfs.
func (t tree) archive(epoch time.Time) ([]byte, error) {
	newc, err := cpio.Format("newc")
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := newc.Writer(&buf)
	for i, name := range slices.SortedFunc(maps.Keys(t), comparePaths) {
		r := cpio.MakeReproducible(t[name])
		r.Ino = uint64(i) + 1
		r.NLink = 1
		r.MTime = uint64(epoch.Unix())
		if err := w.WriteRecord(r); err != nil {
			return nil, fmt.Errorf("archive %s: %w", name, err)
		}
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, err
	}
	buf.Write(make([]byte, -buf.Len()&(archiveBlock-1)))
	return buf.Bytes(), nil
}

// archiveBlock is the size, in bytes, that archives are padded to, as cpio(1) does.
const archiveBlock = 512

// comparePaths orders a directory before what it contains.
func comparePaths(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

// content returns the bytes of a record: a file's data or a link's target.
func content(r cpio.Record) ([]byte, error) {
	if r.ReaderAt == nil {
		return nil, nil
	}
	return io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
}

// SiteArchive returns the files of site as an uncompressed cpio archive that the
// kernel lays over the root file system when it follows the initramfs: a file of
// the same path replaces the image's. It is how a configuration other than the
// factory's is booted without building an image.
func SiteArchive(site fs.FS, epoch time.Time) ([]byte, error) {
	t := tree{}
	if err := t.overlay(site); err != nil {
		return nil, fmt.Errorf("archive site files: %w", err)
	}
	return t.archive(epoch)
}

// JoinArchives writes several initramfs archives as one, which is what a boot
// loader with a single initrd, QEMU's -initrd among them, needs. Each starts at
// a multiple of four bytes; the kernel unpacks them in order.
func JoinArchives(w io.Writer, archives ...[]byte) error {
	for _, a := range archives {
		if _, err := w.Write(a); err != nil {
			return err
		}
		if _, err := w.Write(make([]byte, -len(a)&3)); err != nil {
			return err
		}
	}
	return nil
}
