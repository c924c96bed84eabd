package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"golang.org/x/sys/unix"
)

// installer copies the running system to another disk.
type installer struct {
	*shell
	disks   appliance.Disks
	boot    appliance.Volume
	target  appliance.Disk
	yes     string // the disk's name that was given with --yes
	factory bool   // the configuration stays here
}

func install(ctx context.Context, s *shell, args []string) error {
	i := &installer{shell: s, disks: appliance.SystemDisks()}
	return i.run(ctx, args)
}

// installWords completes the arguments of install.
func installWords(ctx context.Context, s *shell, args []string) []string {
	if n := len(args); n > 0 && args[n-1] != "--yes" {
		return flags("--yes", "--factory")(ctx, s, args)
	}
	i := &installer{shell: s, disks: appliance.SystemDisks()}
	boot, err := i.disks.Boot(i.bootGUID())
	if err != nil {
		return nil
	}
	others, err := i.disks.Others(boot.Name)
	if err != nil {
		return nil
	}
	var words []string
	for _, d := range others {
		if len(args) == 0 {
			words = append(words, "/dev/"+d.Name)
		} else {
			words = append(words, d.Name)
		}
	}
	return words
}

func (i *installer) run(ctx context.Context, args []string) error {
	path, err := i.words(args)
	if err != nil {
		return err
	}
	boot, err := i.disks.Boot(i.bootGUID())
	if err != nil {
		return refused(err)
	}
	f, err := os.Open(filepath.Join(i.disks.Dev, boot.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	i.boot = appliance.Volume{File: f, Size: boot.Size}
	need, err := appliance.NeededSize(i.boot)
	if err != nil {
		return fmt.Errorf("%s: %w", boot.Name, err)
	}
	if path == "" {
		return i.explain(fmt.Errorf("%w is named", appliance.ErrNoDisk), boot.Name)
	}
	if i.target, err = i.disks.Target(path, boot.Name, need); err != nil {
		return i.explain(err, boot.Name)
	}
	if i.yes != "" && i.yes != i.target.Name {
		return fmt.Errorf("%w: --yes %s: the disk to install on is %s", errUsage, i.yes, i.target.Name)
	}
	target, err := i.disks.Open(i.target)
	if err != nil {
		return refused(err)
	}
	defer target.File.Close()
	sure, err := i.sure(ctx, target)
	if err != nil || !sure {
		return err
	}
	return i.write(ctx, target)
}

// words reads the arguments and returns the disk's path.
func (i *installer) words(args []string) (string, error) {
	path := ""
	for n := 0; n < len(args); n++ {
		switch {
		case args[n] == "--yes" && n+1 < len(args):
			n++
			i.yes = strings.TrimPrefix(args[n], i.disks.Dev+"/")
		case args[n] == "--factory":
			i.factory = true
		case path == "" && !strings.HasPrefix(args[n], "-"):
			path = args[n]
		default:
			return "", errArguments
		}
	}
	if path == "" && len(args) > 0 {
		return "", errArguments
	}
	return path, nil
}

// bootGUID is what the loader says about the disk that it booted from.
func (i *installer) bootGUID() string {
	text, err := os.ReadFile(i.cmdline)
	if err != nil {
		return ""
	}
	for _, word := range strings.Fields(string(text)) {
		if guid, found := strings.CutPrefix(word, "sluice.disk="); found {
			return guid
		}
	}
	return ""
}

func refused(err error) error { return &outcomeError{appliance.Refused, err.Error()} }

// explain adds the disks that there are to a name that is none.
func (i *installer) explain(err error, boot string) error {
	if !errors.Is(err, appliance.ErrNoDisk) {
		return refused(err)
	}
	others, listErr := i.disks.Others(boot)
	if listErr != nil {
		return listErr
	}
	if len(others) == 0 {
		return refused(fmt.Errorf("%w; the machine has no disk but %s, which it runs from", err, boot))
	}
	names := make([]string, len(others))
	for n, d := range others {
		names[n] = "/dev/" + d.String()
	}
	return fmt.Errorf("%w: install: %w; accepted are %s", errUsage, err, strings.Join(names, ", "))
}

// sure shows what will be lost and asks for the disk's name.
func (i *installer) sure(ctx context.Context, target appliance.Volume) (bool, error) {
	fmt.Fprintf(i.stdout, "/dev/%s holds\n", i.target)
	for _, line := range appliance.Contents(target.File, target.Size) {
		fmt.Fprintf(i.stdout, "  %s\n", line)
	}
	if i.yes != "" {
		return true, nil
	}
	if i.term == nil {
		return false, fmt.Errorf("%w: without a terminal, install needs --yes %s", errUsage, i.target.Name)
	}
	fmt.Fprintln(i.stdout, "All of it will be lost.")
	answer, err := i.readLine(ctx, lineOptions{prompt: fmt.Sprintf("Type %s to install there: ", i.target.Name)})
	if err != nil {
		return false, err
	}
	if strings.TrimSpace(answer) != i.target.Name {
		fmt.Fprintln(i.stdout, "Nothing was touched.")
		return false, nil
	}
	return true, nil
}

// write installs and says what to do next.
func (i *installer) write(ctx context.Context, target appliance.Volume) error {
	tenth := int64(0)
	sum, err := appliance.Install(ctx, i.boot, target, func(done, total int64) {
		if now := 10 * done / total; now > tenth {
			tenth = now
			fmt.Fprintf(i.stdout, "%d%% ", 10*now)
		}
	})
	if tenth > 0 {
		fmt.Fprintln(i.stdout)
	}
	if err != nil {
		return fmt.Errorf("install on %s: %w; the disk cannot be booted from until an installation succeeds", i.target.Name, err)
	}
	fmt.Fprintf(i.stdout, "The system is on %s and was read back (SHA-256 of the boot partition %x).\n", i.target.Name, sum)
	carried, err := i.carry(ctx, target)
	if err != nil {
		return fmt.Errorf("%s boots, but with the factory's configuration: copy the configuration: %w", i.target.Name, err)
	}
	if carried {
		fmt.Fprintln(i.stdout, "The saved configuration, its history, passwords and certificate are there, too.")
	} else {
		fmt.Fprintln(i.stdout, "It starts with the factory's configuration. \"backup FILE\" here and \"restore FILE\" there take this one along.")
	}
	fmt.Fprintf(i.stdout, "Next: poweroff, then boot from %s (remove this disk, or choose in the firmware).\n"+
		"Do not run both on one network: they have the same addresses.\n", i.target.Name)
	return nil
}

// verdictLimit is how long init may take to say where the data is: it has long
// done so.
const verdictLimit = time.Second

// carry makes the data partition and copies this machine's data there, unless there
// is none or it shall not go.
func (i *installer) carry(ctx context.Context, target appliance.Volume) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, verdictLimit)
	defer cancel()
	status, err := appliance.AwaitData(limited, i.runDir)
	if i.factory || err != nil || !status.Persistent {
		return false, ctx.Err() // the first boot makes the partition
	}
	if _, err := appliance.MakeData(target.File, target.Size); err != nil {
		return false, err
	}
	node, err := i.disks.DataNode(target)
	if err != nil {
		return false, err
	}
	// What has the whole disk keeps its partitions from being mounted.
	if err := target.File.Close(); err != nil {
		return false, err
	}
	at, err := os.MkdirTemp("", "sluice-install-")
	if err != nil {
		return false, err
	}
	defer os.Remove(at)
	if err := unix.Mount(node, at, "ext4", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return false, fmt.Errorf("mount %s: %w", node, err)
	}
	name := filepath.Base(appliance.DataDir)
	err = errors.Join(appliance.CopyData(status.Dir, filepath.Join(at, name)), unix.Unmount(at, 0))
	return err == nil, err
}
