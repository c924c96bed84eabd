package image

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ulikunitz/xz"
)

// modinfo is what a kernel module says about itself in its .modinfo section.
type modinfo struct {
	depends []string // names of modules whose symbols it uses
	softPre []string // names or aliases it wants loaded first
	aliases []string // patterns of device identifiers, see modules.alias
}

// parseModinfo reads the .modinfo section of a module's ELF file: strings of the
// form key=value, each ended by NUL.
func parseModinfo(ko []byte) (modinfo, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return modinfo{}, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return modinfo{}, errors.New("no .modinfo section")
	}
	text, err := section.Data()
	if err != nil {
		return modinfo{}, fmt.Errorf("read .modinfo: %w", err)
	}
	return parseModinfoText(string(text)), nil
}

// parseModinfoText reads the contents of a .modinfo section.
func parseModinfoText(text string) modinfo {
	var info modinfo
	for entry := range strings.SplitSeq(text, "\x00") {
		key, value, _ := strings.Cut(entry, "=")
		switch key {
		case "depends":
			info.depends = append(info.depends, strings.FieldsFunc(value, func(r rune) bool { return r == ',' })...)
		case "alias":
			info.aliases = append(info.aliases, value)
		case "softdep":
			info.softPre = append(info.softPre, preOf(value)...)
		}
	}
	return info
}

// preOf returns the names after "pre:" in the value of a softdep entry.
func preOf(value string) []string {
	var names []string
	pre := false
	for _, word := range strings.Fields(value) {
		switch {
		case word == "pre:":
			pre = true
		case word == "post:":
			pre = false
		case pre:
			names = append(names, word)
		}
	}
	return names
}

// readModule returns the uncompressed contents of a .ko or .ko.xz file.
func readModule(name string) ([]byte, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(name, ".xz") {
		return raw, nil
	}
	r, err := xz.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", name, err)
	}
	ko, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", name, err)
	}
	return ko, nil
}
