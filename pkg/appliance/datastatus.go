package appliance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Paths of the data partition in the running system.
const (
	DataMount   = "/data"
	DataDir     = "/data/sluice"     // the appliance's directory on it
	VolatileDir = "/run/sluice/data" // takes its place while there is no partition
	dataFile    = "data.json"
)

// DataStatus is init's verdict about the data partition. It is written once in a
// boot, when the partition is mounted or it is clear that there is none.
type DataStatus struct {
	Dir        string `json:"dir"` // where the store is
	Persistent bool   `json:"persistent"`
	Problem    string `json:"problem,omitempty"`
}

// PublishData writes the verdict to the directory run.
func PublishData(run string, s DataStatus) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replaceFile(osDisk{}, filepath.Join(run, dataFile), append(text, '\n'), 0o600)
}

// AwaitData waits until the verdict is in the directory run, or ctx ends.
func AwaitData(ctx context.Context, run string) (DataStatus, error) {
	// Watching begins before the first look, so that nothing falls in between.
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return DataStatus{}, fmt.Errorf("watch %s: %w", run, err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer events.Close()
	if _, err := unix.InotifyAddWatch(fd, run, unix.IN_MOVED_TO); err != nil {
		return DataStatus{}, fmt.Errorf("watch %s: %w", run, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = events.Close() })
	defer stop()
	buf := make([]byte, 64<<10)
	for {
		text, err := os.ReadFile(filepath.Join(run, dataFile))
		if err == nil {
			var s DataStatus
			err = json.Unmarshal(text, &s)
			return s, err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return DataStatus{}, err
		}
		if _, err := events.Read(buf); err != nil {
			return DataStatus{}, fmt.Errorf("wait for the data partition: %w", errors.Join(ctx.Err(), err))
		}
	}
}
