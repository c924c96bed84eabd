package appliance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// auditLimit is the size, in bytes, at which an audit log becomes the old one;
// the one before that is dropped.
const auditLimit = 1 << 20

// Entry is one line of the audit log.
type Entry struct {
	Time     time.Time `json:"time"`
	User     string    `json:"user"`
	Origin   string    `json:"origin"`
	Command  string    `json:"command"`
	Outcome  Outcome   `json:"outcome"`
	Revision int       `json:"revision"` // running afterwards
	Message  string    `json:"message,omitempty"`
	Note     string    `json:"note,omitempty"`
}

// Audit is the log of who changed what: JSON lines, appended and fsynced.
type Audit struct {
	file  string
	limit int64
	mu    sync.Mutex // one writer at a time
}

// OpenAudit returns the log in file; a power cut's half last line is cut off.
func OpenAudit(file string) (*Audit, error) {
	a := &Audit{file: file, limit: auditLimit}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil && len(text) > 0 && text[len(text)-1] != '\n' {
		err = os.Truncate(file, int64(bytes.LastIndexByte(text, '\n')+1))
	}
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	return a, nil
}

// Append adds an entry.
func (a *Audit) Append(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if info, err := os.Stat(a.file); err == nil && info.Size()+int64(len(line)) >= a.limit {
		if err := os.Rename(a.file, a.file+".1"); err != nil {
			return fmt.Errorf("rotate audit log: %w", err)
		}
	}
	f, err := os.OpenFile(a.file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("append to audit log: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("append to audit log: %w", err)
	}
	return nil
}

// Tail returns the last n entries, oldest first.
func (a *Audit) Tail(n int) ([]Entry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := []Entry{}
	for _, file := range []string{a.file + ".1", a.file} {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read audit log: %w", err)
		}
		for line := range bytes.Lines(text) {
			var e Entry
			if json.Unmarshal(line, &e) == nil {
				out = append(out, e)
			}
		}
	}
	return out[max(0, len(out)-n):], nil
}
