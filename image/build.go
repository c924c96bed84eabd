package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/u-root/mkuimage/cpio"
	"golang.org/x/sys/unix"
)

// Options say what to build and where. The zero value builds the module of the
// working directory into its directory build.
type Options struct {
	Source        string    // a directory of the module; empty: the working directory
	Out           string    // directory for the outputs; empty: build below the module's root
	Version       string    // empty: from git describe
	Epoch         time.Time // time of every file; zero: SOURCE_DATE_EPOCH, else the last commit's
	Suite         string    // Debian suite of the kernel; empty: trixie
	Mirror        string    // Debian archive; empty: the machine's own
	RefreshKernel bool      // look for a newer kernel even if one is in the cache
	Site          fs.FS     // files laid over the root file system; nil for none
	Cmdline       string    // added to BaseCmdline
	DiskSize      int64     // bytes; 0 means DefaultDiskSize
	Progress      io.Writer // one line per step; nil for none
}

// Result names what was built.
type Result struct {
	Kernel    string // path of the bzImage
	Initramfs string // path of the compressed initramfs
	Site      string // path of the site archive; empty without site files
	Disk      string // path of the raw disk
	QCOW2     string // path of the disk as qcow2; empty where qemu-img is missing
	Manifest  string // path of the list of contents
	Sums      string // path of SHA256SUMS

	Version       string // of the appliance
	KernelPackage Kernel
	Epoch         time.Time
	InitramfsSize int64 // bytes, compressed
	RootSize      int64 // bytes, unpacked: what the root file system takes of RAM
}

// builder is one run of Build.
type builder struct {
	opts      Options
	progress  *progress
	goTool    string // path of the go command
	goRoot    string
	goVersion string

	kernels kernelStore
	kernel  Kernel
	tree    tree
	result  Result

	programs string // SHA-256 of our own binaries together
}

// Build builds everything into Options.Out: vmlinuz, initramfs.cpio.zst,
// site.cpio, sluice.raw, sluice.qcow2, manifest.txt and SHA256SUMS. Downloads and
// compiled parts are kept below cache there, and what did not change is not made
// again. Builds into one directory wait for each other.
func Build(ctx context.Context, opts Options) (Result, error) {
	b := &builder{opts: opts, progress: newProgress(opts.Progress), tree: tree{}}
	if err := b.findGo(ctx); err != nil {
		return Result{}, err
	}
	if err := b.defaults(ctx); err != nil {
		return Result{}, err
	}
	if err := os.MkdirAll(b.cache(), 0o755); err != nil {
		return Result{}, err
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("lock %s: %w", b.opts.Out, err)
	}
	defer unlock()
	steps := []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"kernel", b.getKernel},
		{"modules", b.addModules},
		{"busybox", b.addBusybox},
		{"programs", b.addPrograms},
		{"overlay", b.addOverlay},
		{"initramfs", b.writeInitramfs},
		{"disk", b.writeDisk},
		{"qcow2", b.writeQCOW2},
		{"manifest", b.writeManifest},
	}
	for _, s := range steps {
		if err := b.progress.step(s.name, func() (string, error) { return s.run(ctx) }); err != nil {
			return Result{}, err
		}
	}
	return b.result, nil
}

// cache returns the directory of what later builds reuse.
func (b *builder) cache() string { return filepath.Join(b.opts.Out, "cache") }

// out returns the path of an output.
func (b *builder) out(name string) string { return filepath.Join(b.opts.Out, name) }

// defaults fills what the options leave open.
func (b *builder) defaults(ctx context.Context) error {
	o := &b.opts
	if o.Out == "" {
		o.Out = filepath.Join(o.Source, "build")
	}
	if o.Suite == "" {
		o.Suite = "trixie"
	}
	if o.Version == "" {
		o.Version = b.git(ctx, "unknown", "describe", "--always", "--dirty", "--tags")
	}
	if o.Epoch.IsZero() {
		text := os.Getenv("SOURCE_DATE_EPOCH")
		if text == "" {
			text = b.git(ctx, strconv.FormatInt(fatOrigin.Unix(), 10), "log", "-1", "--format=%ct")
		}
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("time of the build %q: accepted are seconds since 1970", text)
		}
		o.Epoch = time.Unix(seconds, 0)
	}
	var err error
	if o.Out, err = filepath.Abs(o.Out); err != nil {
		return err
	}
	b.result.Version, b.result.Epoch = o.Version, o.Epoch
	b.kernels = kernelStore{dir: filepath.Join(b.cache(), "kernel"), suite: o.Suite, mirror: o.Mirror, progress: b.progress}
	return nil
}

// git asks git about the source; a source outside version control gets otherwise.
func (b *builder) git(ctx context.Context, otherwise string, args ...string) string {
	path, err := tool{"git", "git", "names the version"}.find()
	if err != nil {
		b.progress.note("%v; taking %q", err, otherwise)
		return otherwise
	}
	text, err := command{path: path, args: args, dir: b.opts.Source}.output(ctx)
	if err != nil {
		b.progress.note("%v; taking %q", err, otherwise)
		return otherwise
	}
	return strings.TrimSpace(text)
}

// lock waits until no other process builds here and keeps others out until unlock
// is called. It gives up when ctx ends.
func (b *builder) lock(ctx context.Context) (unlock func(), err error) {
	name := filepath.Join(b.cache(), "lock")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	release := func() { _ = f.Close() }
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return release, err
	}
	b.progress.note("waiting for another build in %s", b.opts.Out)
	locked := make(chan error, 1)
	// flock cannot be interrupted: when ctx ends first, the goroutine stays until
	// the other build is done and then lets go of the lock.
	go func() { locked <- unix.Flock(int(f.Fd()), unix.LOCK_EX) }()
	select {
	case err := <-locked:
		return release, err
	case <-ctx.Done():
		go func() { <-locked; release() }()
		return nil, ctx.Err()
	}
}

func (b *builder) getKernel(ctx context.Context) (string, error) {
	if err := os.MkdirAll(b.kernels.dir, 0o755); err != nil {
		return "", err
	}
	k, err := b.kernels.get(ctx, b.opts.RefreshKernel)
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(b.kernels.image(k))
	if err != nil {
		return "", err
	}
	b.kernel, b.result.KernelPackage, b.result.Kernel = k, k, b.out("vmlinuz")
	return fmt.Sprintf("%s %s, %s", k.Package, k.Version, megabytes(int64(len(data)))), writeFile(b.result.Kernel, data)
}

func (b *builder) addModules(context.Context) (string, error) {
	dir, err := b.kernels.modules(b.kernel)
	if err != nil {
		return "", err
	}
	source, err := openModules(dir)
	if err != nil {
		return "", err
	}
	list, err := source.closure(moduleTable)
	if err != nil {
		return "", err
	}
	root := "lib/modules/" + b.kernel.Release + "/"
	size := 0
	for _, m := range list {
		b.tree.file(root+m.path, m.data, 0o644)
		size += len(m.data)
	}
	for name, text := range moduleIndexes(list, moduleTable) {
		b.tree.file(root+name, []byte(text), 0o644)
	}
	for _, name := range []string{"modules.builtin", "modules.builtin.modinfo"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		b.tree.file(root+name, data, 0o644)
	}
	return fmt.Sprintf("%d modules, %s", len(list), megabytes(int64(size))), nil
}

func (b *builder) addBusybox(ctx context.Context) (string, error) {
	key, err := b.busyboxKey()
	if err != nil {
		return "", err
	}
	name := filepath.Join(b.cache(), "busybox-"+key+".cpio")
	records, how, err := b.busybox(ctx, name)
	if err != nil {
		return "", err
	}
	if err := dropOldBusyboxes(b.cache(), name); err != nil {
		return "", err
	}
	var size int64
	for _, r := range records {
		b.tree.put(r)
		size += int64(r.FileSize)
	}
	return fmt.Sprintf("%s: %d commands, %s", how, len(rescuePackages()), megabytes(size)), nil
}

func (b *builder) addPrograms(ctx context.Context) (string, error) {
	binaries, err := b.compile(ctx, filepath.Join(b.cache(), "bin"))
	if err != nil {
		return "", err
	}
	var sizes []string
	sum := sha256.New()
	for _, name := range sortedKeys(binaries) {
		b.tree.file(name, binaries[name], 0o755)
		fmt.Fprintf(sum, "%s %x\n", name, sha256.Sum256(binaries[name]))
		sizes = append(sizes, fmt.Sprintf("/%s %s", name, megabytes(int64(len(binaries[name])))))
	}
	b.programs = fmt.Sprintf("%x", sum.Sum(nil))
	return strings.Join(sizes, ", "), nil
}

func (b *builder) addOverlay(context.Context) (string, error) {
	before := len(b.tree)
	for _, dir := range []string{"bin", "boot", "data", "dev", "mnt", "proc", "run", "sbin", "sys", "var/log"} {
		b.tree.put(cpio.Directory(dir, 0o755))
	}
	b.tree.put(cpio.Directory("root", 0o700))
	b.tree.put(cpio.Directory("tmp", 0o1777))
	b.tree.put(cpio.Directory("var/tmp", 0o1777))
	// The kernel opens the console before init can mount anything.
	b.tree.put(cpio.CharDev("dev/console", 0o600, 5, 1))
	b.tree.put(cpio.CharDev("dev/null", 0o666, 1, 3))
	if err := b.tree.overlay(os.DirFS(filepath.Join(b.opts.Source, "overlay"))); err != nil {
		return "", err
	}
	b.tree.file("etc/sluice-release", []byte(b.release()), 0o644)
	return fmt.Sprintf("%d files and directories", len(b.tree)-before), nil
}

// release is the text of /etc/sluice-release: what exactly runs here, in the
// syntax of os-release(5).
func (b *builder) release() string {
	return fmt.Sprintf(`NAME=Sluice
VERSION="%s"
BUILD_EPOCH=%d
KERNEL_PACKAGE=%s
KERNEL_VERSION="%s"
KERNEL_SHA256=%s
KERNEL_RELEASE=%s
GO_VERSION="%s"
PROGRAMS_SHA256=%s
`, b.opts.Version, b.opts.Epoch.Unix(), b.kernel.Package, b.kernel.Version, b.kernel.SHA256, b.kernel.Release, b.goVersion, b.programs)
}

func (b *builder) writeDisk(ctx context.Context) (string, error) {
	b.result.Disk = b.out("sluice.raw")
	err := WriteDisk(ctx, b.result.Disk, Disk{
		Kernel: b.result.Kernel, Initramfs: b.result.Initramfs, Site: b.opts.Site,
		Cmdline: b.opts.Cmdline, Size: b.opts.DiskSize, Epoch: b.opts.Epoch,
	})
	return b.result.Disk, err
}

// writeQCOW2 converts the disk for virtual machines, where qemu-img is at hand.
func (b *builder) writeQCOW2(ctx context.Context) (string, error) {
	name := b.out("sluice.qcow2")
	path, err := tool{"qemu-img", "qemu-utils", "writes the qcow2 disk"}.find()
	if err != nil {
		return fmt.Sprintf("not written: %v", err), removeIfThere(name)
	}
	args := []string{"convert", "-f", "raw", "-O", "qcow2", b.result.Disk, name + ".new"}
	if _, err := (command{path: path, args: args}).output(ctx); err != nil {
		return "", err
	}
	b.result.QCOW2 = name
	return name, os.Rename(name+".new", name)
}

// removeIfThere removes a file that may not exist.
func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// megabytes prints a size for people.
func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
