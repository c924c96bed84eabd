package appliance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	digest "hash" // the package has a hash of its own
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// copyStep is how many bytes are copied at once.
const copyStep = 1 << 20

// copier copies from disk to disk and counts.
type copier struct {
	ctx         context.Context
	done, total int64 // bytes
	progress    func(done, total int64)
	hash        digest.Hash // of what was copied within the range of copy's summed
}

// copy copies x to the same place; hash becomes that of summed, which ends where x
// ends. Blank stretches are left to the disk, which may be quicker at them.
func (c *copier) copy(from io.ReaderAt, to *os.File, x, summed extent) error {
	c.hash = sha256.New()
	blank := make([]byte, copyStep)
	return c.walk(from, x, func(at int64, chunk []byte) error {
		if at+int64(len(chunk)) > summed.Start {
			c.hash.Write(chunk[max(0, summed.Start-at):])
		}
		var err error
		if bytes.Equal(chunk, blank[:len(chunk)]) {
			err = zeroOut(to, extent{at, int64(len(chunk))})
		} else {
			_, err = to.WriteAt(chunk, at)
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	})
}

// sum returns the SHA-256 of x.
func (c *copier) sum(from io.ReaderAt, x extent) ([]byte, error) {
	h := sha256.New()
	err := c.walk(from, x, func(_ int64, chunk []byte) error {
		_, err := h.Write(chunk)
		return err
	})
	return h.Sum(nil), err
}

// walk reads x piece by piece.
func (c *copier) walk(from io.ReaderAt, x extent, use func(at int64, chunk []byte) error) error {
	buf := make([]byte, copyStep)
	for at := int64(0); at < x.Size; {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		chunk := buf[:min(copyStep, x.Size-at)]
		if _, err := from.ReadAt(chunk, x.Start+at); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := use(x.Start+at, chunk); err != nil {
			return err
		}
		at += int64(len(chunk))
		c.done += int64(len(chunk))
		c.progress(c.done, c.total)
	}
	return nil
}

// CopyData copies the appliance's directory on a data partition to another one:
// revisions, pointers, users, certificates. Files come before directories, so that
// the revisions that a pointer names are copied after it. What is being written
// has a temporary name and is left out.
func CopyData(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, dirs := range []bool{false, true} {
		for _, e := range entries {
			if e.IsDir() != dirs || strings.HasPrefix(e.Name(), tmpPrefix) {
				continue
			}
			if err := copyEntry(filepath.Join(from, e.Name()), filepath.Join(to, e.Name()), e); err != nil {
				return fmt.Errorf("copy %s: %w", filepath.Join(from, e.Name()), err)
			}
		}
	}
	return osDisk{}.syncDir(to)
}

func copyEntry(from, to string, e fs.DirEntry) error {
	if e.IsDir() {
		return CopyData(from, to)
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no plain file")
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return osDisk{}.writeFile(to, data, info.Mode().Perm())
}
