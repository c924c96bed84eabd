package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// compress packs an archive for the kernel, which unpacks zstd fastest of those
// that are small enough. One worker, because the bytes must not depend on the
// number of processors.
func compress(archive []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(zstdWindow),
		zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.EncodeAll(archive, nil), nil
}

// zstdWindow is how far back, in bytes, a match may lie; the kernel needs as much
// memory to unpack.
const zstdWindow = 8 << 20

// writeInitramfs archives the tree and compresses it, unless the initramfs that
// is there was made from the same archive.
func (b *builder) writeInitramfs(context.Context) (string, error) {
	archive, err := b.tree.archive(b.opts.Epoch)
	if err != nil {
		return "", err
	}
	name := b.out("initramfs.cpio.zst")
	b.result.Initramfs, b.result.RootSize = name, int64(len(archive))
	how := "unchanged"
	stamp := b.out("cache/initramfs.stamp")
	key := fmt.Sprintf("%x", sha256.Sum256(archive))
	if !stampHolds(stamp, key, name) {
		how = "compressed"
		packed, err := compress(archive)
		if err != nil {
			return "", err
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(packed))
		if err := errors.Join(writeFile(name, packed), writeFile(stamp, []byte(key+" "+sum+"\n"))); err != nil {
			return "", err
		}
	}
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	b.result.InitramfsSize = info.Size()
	return fmt.Sprintf("%s: %s, unpacked %s", how, megabytes(info.Size()), megabytes(int64(len(archive)))), b.writeSite()
}

// stampHolds reports whether the file at stamp says that the file name, as it is
// now, was made from what has key.
func stampHolds(stamp, key, name string) bool {
	text, err := os.ReadFile(stamp)
	if err != nil {
		return false
	}
	from, sum, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	now, err := fileSHA256(name)
	return err == nil && from == key && sum == now
}

// writeSite writes the site archive for boots without the disk; without site
// files, one from an earlier build is removed.
func (b *builder) writeSite() error {
	name := b.out("site.cpio")
	if b.opts.Site == nil {
		return removeIfThere(name)
	}
	b.result.Site = name
	site, err := SiteArchive(b.opts.Site, b.opts.Epoch)
	if err != nil {
		return err
	}
	return writeFile(name, site)
}

// writeManifest lists what is in the initramfs and the digests of all outputs.
func (b *builder) writeManifest(context.Context) (string, error) {
	b.result.Manifest, b.result.Sums = b.out("manifest.txt"), b.out("SHA256SUMS")
	var text bytes.Buffer
	text.WriteString(b.release() + "\n")
	for _, name := range sortedKeys(b.tree) {
		r := b.tree[name]
		data, err := content(r)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", name, err)
		}
		fmt.Fprintf(&text, "%06o %10d %x /%s\n", r.Mode, r.FileSize, sha256.Sum256(data), name)
	}
	if err := writeFile(b.result.Manifest, text.Bytes()); err != nil {
		return "", err
	}
	var sums strings.Builder
	for _, name := range []string{"initramfs.cpio.zst", "manifest.txt", "site.cpio", "sluice.qcow2", "sluice.raw", "vmlinuz"} {
		sum, err := fileSHA256(b.out(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, name)
	}
	return b.result.Sums, writeFile(b.result.Sums, []byte(sums.String()))
}
