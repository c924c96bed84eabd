package appliance

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// backupMeta is the archive's description of itself; it is not needed to restore.
const backupMeta = "sluice-backup.json"

// Restoration is the payload of confd's command "restore".
type Restoration struct {
	Request Request `json:"request"`
	Archive string  `json:"archive"` // base64 of what Backup returned
}

// Backup returns a configuration, named as for Content, as a tar.gz of its files
// below files/, with a description.
func (k *Keeper) Backup(name string) ([]byte, error) {
	c, err := k.Content(name)
	if err != nil {
		return nil, err
	}
	rev, err := k.store.Revision(c.Revision)
	if err != nil {
		return nil, err
	}
	return pack(c.Files, rev, k.opts.Now())
}

func pack(f Files, rev Revision, now time.Time) ([]byte, error) {
	about, err := json.MarshalIndent(rev, "", "\t")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	add := func(name, text string) error {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), ModTime: now.Truncate(time.Second)})
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		return err
	}
	err = add(backupMeta, string(about))
	for _, name := range f.names() {
		err = errors.Join(err, add(path.Join(filesName, name), f[name]))
	}
	if err = errors.Join(err, w.Close(), zipped.Close()); err != nil {
		return nil, fmt.Errorf("make backup: %w", err)
	}
	return out.Bytes(), nil
}

// archiveLimit bounds what unpacking reads, in bytes: headers and padding of
// MaxFiles files besides the content.
const archiveLimit = MaxSize + MaxFiles*4096

// unpack reads an archive into memory; nothing of it reaches the disk under a
// name of the archive's choice. Whatever is not a file of a configuration is a
// fault.
func unpack(archive []byte) (Files, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("read backup: %w: accepted is a tar.gz that \"backup\" made", err)
	}
	limited := &io.LimitedReader{R: zipped, N: archiveLimit}
	r := tar.NewReader(limited)
	f := Files{}
	for {
		h, err := r.Next()
		if limited.N <= 0 {
			return nil, fmt.Errorf("read backup: more than %d bytes", archiveLimit)
		}
		if errors.Is(err, io.EOF) {
			return f, f.Validate()
		}
		if err != nil {
			return nil, fmt.Errorf("read backup: %w", err)
		}
		name, ok := strings.CutPrefix(h.Name, filesName+"/")
		switch {
		case h.Name == backupMeta || h.Typeflag == tar.TypeDir:
			continue
		case h.Typeflag != tar.TypeReg || !ok || !validName(name):
			return nil, fmt.Errorf("read backup: entry %q: accepted are regular files of a configuration below %s/", h.Name, filesName)
		case h.Size > MaxFileSize || len(f) >= MaxFiles:
			return nil, fmt.Errorf("read backup: %s: accepted are up to %d files of up to %d bytes", h.Name, MaxFiles, MaxFileSize)
		}
		if _, twice := f[name]; twice {
			return nil, fmt.Errorf("read backup: %s is there twice", h.Name)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("read backup: %s: %w", h.Name, err)
		}
		f[name] = string(text)
	}
}

// Restore makes an archive's files the candidate, edited from what runs; it
// replaces whatever was edited before.
func (k *Keeper) Restore(archive []byte, req Request) Result {
	k.change.Lock()
	defer k.change.Unlock()
	f, err := unpack(archive)
	if err != nil {
		return k.audited(req, "restore", refused("%v", err))
	}
	req.Files, req.Base = f, -1
	return k.audited(req, "restore", k.edit(req))
}
