package main

import (
	"bufio"
	"bytes"
	goflag "flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

var update = goflag.Bool("update", false, "write the files that tests compare with")

const referencePath = "../../docs/configuration.md"

// reference renders docs/configuration.md.
func reference(t *testing.T) []byte {
	t.Helper()
	intro, err := os.ReadFile("testdata/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.Write(intro)
	writeCounts(&b, t)
	for _, area := range referenceAreas(t) {
		fmt.Fprintf(&b, "\n## %s\n\n", area.Title)
		mixed := slices.ContainsFunc(area.Rows, func(r config.Row) bool { return r.Where != "" })
		head := "| keyword | "
		if mixed {
			head += "where | "
		}
		head += "arguments | default | prefix | state | |"
		fmt.Fprintf(&b, "%s\n%s|\n", head, strings.Repeat("|---", strings.Count(head, "|")-1))
		for _, r := range area.Rows {
			where := ""
			if mixed {
				where = r.Where + " | "
			}
			fmt.Fprintf(&b, "| %s | %s%s | %s | %s | %s | %s |\n", code(r.Name), where, code(r.Args), escape(r.Default), prefix(r), r.State, meaning(r))
		}
	}
	return b.Bytes()
}

// writeCounts sums up what becomes of the keywords of importance 1 and 2.
func writeCounts(w io.Writer, t *testing.T) {
	t.Helper()
	rows := map[string]config.State{}
	for _, area := range referenceAreas(t) {
		for _, r := range area.Rows {
			rows[area.Name+" "+r.Name] = r.State
		}
	}
	states, all := map[config.State]int{}, 0
	for _, name := range importantKeywords(t) {
		all++
		states[rows[name]]++
	}
	fmt.Fprintf(w, "\nOf the %d keywords, options, fetches, converters, actions, variables and commands that a TCP proxy commonly meets, %d are done, %d have no\neffect, %d are not supported yet and %d are refused.\n",
		all, states[config.Done], states[config.NoEffect], states[config.Pending], states[config.Refused])
}

// importantKeywords are the names, with their areas, of importance 1 and 2.
func importantKeywords(t *testing.T) []string {
	t.Helper()
	list, err := os.ReadFile("../../pkg/config/testdata/keywords.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(list)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case strings.HasPrefix(line, "#") || len(f) != 3 || f[2] == "3":
		case f[0] == "global" && f[1] == "stats": // "stats socket" and its like have a row each
			names = append(names, "global stats socket")
		default:
			names = append(names, f[0]+" "+f[1])
		}
	}
	return names
}

// referenceAreas are those of the language and the runtime API.
func referenceAreas(t *testing.T) []config.Area {
	t.Helper()
	commands := config.Area{Name: "command", Title: "Commands of the runtime API"}
	for _, c := range apiCommands() {
		kw := config.Row{Name: c.Name, Args: c.Args, Help: c.Help}
		if reason, refused := strings.CutPrefix(c.Missing, "not supported: "); refused {
			kw.State, kw.Why = config.Refused, reason
		} else if c.Missing != "" {
			kw.State = config.Pending
		}
		commands.Rows = append(commands.Rows, kw)
	}
	slices.SortFunc(commands.Rows, func(a, b config.Row) int { return strings.Compare(a.Name, b.Name) })
	return append(config.Reference(), commands)
}

// apiCommands are all commands that a client can send, those that every
// connection understands included.
func apiCommands() []ctl.Command {
	p := &program{}
	return append(p.commands(), ctl.Builtins()...)
}

func prefix(kw config.Row) string {
	switch {
	case kw.Reset:
		return "no, default"
	case kw.No:
		return "no"
	}
	return ""
}

// meaning tells what a keyword is for, and why it is not done.
func meaning(kw config.Row) string {
	text := escape(kw.Help)
	if kw.Since != "" {
		kw.Why = "HAProxy " + kw.Since + " brought it"
	}
	if kw.Why != "" {
		if text != "" {
			text += "; "
		}
		text += "*" + escape(kw.Why) + "*"
	}
	return text
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
}

func escape(s string) string { return strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`).Replace(s) }

// TestReference holds docs/configuration.md to the tables.
func TestReference(t *testing.T) {
	want := reference(t)
	if *update {
		if err := os.WriteFile(referencePath, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("docs/configuration.md is not what the tables say (go test ./cmd/proxyd -run Reference -update):\n%s", diff)
	}
}

// TestReferenceIsComplete compares the page with the list of HAProxy's keywords: each one of importance
// 1 or 2 has a row on it.
func TestReferenceIsComplete(t *testing.T) {
	page, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	rows := pageRows(t, page)
	for _, name := range importantKeywords(t) {
		if rows[name] == "" {
			t.Errorf("%s has no row in docs/configuration.md", name)
		}
	}
}

// pageRows reads the states out of the page: "area name" -> state.
func pageRows(t *testing.T, page []byte) map[string]string {
	t.Helper()
	titles := map[string]string{}
	for _, area := range referenceAreas(t) {
		titles[area.Title] = area.Name
	}
	known := []string{config.Done.String(), config.NoEffect.String(), config.Pending.String(), config.Refused.String()}
	rows := map[string]string{}
	area := ""
	for sc := bufio.NewScanner(bytes.NewReader(page)); sc.Scan(); {
		if title, ok := strings.CutPrefix(sc.Text(), "## "); ok {
			area = titles[title]
			continue
		}
		cells := strings.Split(strings.ReplaceAll(sc.Text(), `\|`, "/"), " | ")
		name := strings.Trim(cells[0], "| `")
		if area == "" || !strings.HasPrefix(sc.Text(), "| `") {
			continue
		}
		for _, cell := range cells[1:] {
			if cell = strings.TrimSpace(cell); slices.Contains(known, cell) {
				rows[area+" "+name] = cell
			}
		}
	}
	return rows
}
