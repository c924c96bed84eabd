package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/u-root/gobusybox/src/pkg/golang"
	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage"
	"github.com/u-root/uio/llog"
)

// rescueCommands are u-root's commands for an administrator who looks inside a
// running appliance. They share one binary, /bbin/bb; the daemons do not, because
// in such a binary the global state of one command is everybody's.
const rescueCommands = `
	gosh
	cat chmod cp dd df dmesg du echo find free grep head hexdump ls ln lsmod
	mkdir mount more mv ps pwd readlink rm sleep sort stty sync tail tar tee
	tty umount uname uptime wc which xargs
	insmod rmmod pci lsdrivers
	id kill pidof hostname date hwclock
	ip ping netcat netstat wget
	blkid gpt losetup shasum strace strings gzip
	poweroff`

// rescueTags are the build tags of the rescue commands: the shell with a small
// line editor instead of a terminal user interface.
const rescueTags = "goshliner"

// rescuePackages returns the import paths of the rescue commands.
func rescuePackages() []string {
	var list []string
	for _, name := range strings.Fields(rescueCommands) {
		list = append(list, "github.com/u-root/u-root/cmds/core/"+name)
	}
	return list
}

// compilerWrapper is a shell script that runs go, its second operand, with the
// settings of its first, and without -a: gobusybox insists on rebuilding the
// standard library each time, which triples the time and changes no byte.
const compilerWrapper = `#!/bin/sh
export %s
for arg; do
	shift
	[ "$arg" = -a ] || set -- "$@" "$arg"
done
exec '%s' "$@"
`

// busybox builds the rescue commands and returns them as records: the binary and
// a link per command. They are kept in the archive name, which carries the key of
// all that goes into them, so that a second build reads it back.
func (b *builder) busybox(ctx context.Context, name string) ([]cpio.Record, string, error) {
	how := "reused"
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		how = "built"
		if err := b.compileBusybox(ctx, filepath.Dir(name), name); err != nil {
			return nil, "", err
		}
	} else if err != nil {
		return nil, "", err
	}
	records, err := readArchive(name)
	return records, how, err
}

// readArchive returns the records of a cpio archive, held in memory, with the
// modes that files have in the image.
func readArchive(name string) ([]cpio.Record, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	newc, err := cpio.Format("newc")
	if err != nil {
		return nil, err
	}
	records, err := cpio.ReadAllRecords(newc.Reader(f))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	for i, r := range records {
		data, err := content(r)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if r.Mode&cpio.S_IFMT == cpio.S_IFREG {
			r.Mode = cpio.S_IFREG | normalMode(fs.FileMode(r.Mode))
		}
		if r.ReaderAt != nil {
			records[i] = cpio.StaticRecord(data, r.Info)
		}
	}
	return records, nil
}

// dropOldBusyboxes removes what other keys and interrupted builds left in dir.
func dropOldBusyboxes(dir, keep string) error {
	names, err := filepath.Glob(filepath.Join(dir, "busybox-*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == keep {
			continue
		}
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// busyboxKey names everything that the bytes of the busybox follow from.
func (b *builder) busyboxKey() (string, error) {
	h := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(b.opts.Source, name))
		if err != nil {
			return "", err
		}
		h.Write(text)
	}
	fmt.Fprintln(h, b.goVersion, b.goEnv(), rescueTags, rescuePackages())
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// compileBusybox builds the rescue commands into the archive out.
func (b *builder) compileBusybox(ctx context.Context, dir, out string) error {
	tmp, err := os.MkdirTemp(dir, "busybox-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	wrapper := filepath.Join(tmp, "go")
	script := fmt.Appendf(nil, compilerWrapper, strings.Join(b.goEnv(), " "), b.goTool)
	if err := os.WriteFile(wrapper, script, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(wrapper, 0o755); err != nil {
		return err
	}
	var lines []string
	logger := llog.New(slog.LevelWarn, func(format string, v ...any) {
		lines = append(lines, fmt.Sprintf(format, v...))
	})
	err = uimage.Create(logger,
		uimage.WithEnv(golang.DisableCGO(), golang.WithGOOS("linux"), golang.WithGOARCH("amd64"),
			golang.WithBuildTag(rescueTags), golang.WithWorkingDir(b.opts.Source),
			golang.WithGOROOT(b.goRoot), golang.WithCompiler(wrapper)),
		uimage.WithBusyboxCommands(rescuePackages()...),
		uimage.WithBaseArchive(cpio.InMemArchive()),
		uimage.WithSkipLDD(),
		uimage.WithTempDir(tmp),
		uimage.WithShell(path.Base(rescuePackages()[0])),
		uimage.WithCPIOOutput(out+".new"))
	if err != nil {
		return fmt.Errorf("%w\n%s", err, strings.Join(lines, "\n"))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.Rename(out+".new", out)
}
