package appliance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// disk are the operations whose order decides what a power cut leaves behind. A
// test stops between any two of them.
type disk interface {
	writeFile(name string, data []byte, mode fs.FileMode) error // new file, written and fsynced
	mkdir(name string) error
	rename(from, to string) error
	syncDir(name string) error
	removeAll(name string) error
}

// osDisk is the real disk.
type osDisk struct{}

func (osDisk) writeFile(name string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (osDisk) mkdir(name string) error { return os.MkdirAll(name, 0o700) }

func (osDisk) rename(from, to string) error { return os.Rename(from, to) }

func (osDisk) syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osDisk) removeAll(name string) error { return os.RemoveAll(name) }

// tmpPrefix starts the names of what is being written. Nobody reads such names;
// opening a store removes them.
const tmpPrefix = ".tmp-"

// readJSON reads what is stored in a file as JSON. Without the file it is what it was.
func readJSON(name string, into any) (found bool, err error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	return err == nil, err
}

// replaceFile gives file new content: after a power cut it has the old or the new
// one. There is one writer at a time for each file.
func replaceFile(d disk, file string, data []byte, mode fs.FileMode) error {
	dir, base := filepath.Split(file)
	tmp := filepath.Join(dir, tmpPrefix+base)
	err := d.writeFile(tmp, data, mode)
	if err == nil {
		err = d.rename(tmp, file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", file, err), d.removeAll(tmp))
	}
	if err := d.syncDir(filepath.Clean(dir)); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
