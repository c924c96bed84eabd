package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Source is one configuration file: the name is used in diagnostics only.
type Source struct {
	Name string
	Text []byte
}

// Line is one line of a Source with everything that was written on it.
type Line struct {
	Num  int    // from 1
	Text string // the bytes as they are in the file, with the line end
}

// Lines cuts a source into its lines; Print puts them together again.
func Lines(src Source) []Line {
	text := string(src.Text)
	lines := make([]Line, 0, strings.Count(text, "\n")+1)
	for num := 1; text != ""; num++ {
		end := strings.IndexByte(text, '\n') + 1
		if end == 0 {
			end = len(text)
		}
		lines = append(lines, Line{Num: num, Text: text[:end]})
		text = text[end:]
	}
	return lines
}

// Print returns the text of lines: comments, blank lines and order are kept, and
// Print(Lines(src)) is src.Text byte for byte.
func Print(lines []Line) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l.Text)
	}
	return b.Bytes()
}

// ReadFiles reads configuration files in the order given. A directory stands
// for its *.cfg files in lexical order, as for "haproxy -f".
func ReadFiles(paths []string) ([]Source, error) {
	var sources []Source
	for _, path := range paths {
		files, err := expandPath(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("read configuration: %w", err)
			}
			sources = append(sources, Source{Name: file, Text: text})
		}
	}
	return sources, nil
}

// expandPath returns the configuration files that path stands for. Hidden files
// of a directory are left out.
func expandPath(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	var files []string
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasPrefix(name, ".") || filepath.Ext(name) != ".cfg" {
			continue
		}
		files = append(files, path+"/"+name) // as HAProxy names them
	}
	return files, nil
}

// ReadNames lists the names in a directory; it serves as Options.ReadDir.
func ReadNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}
