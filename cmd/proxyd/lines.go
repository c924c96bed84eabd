package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/hash"
)

// lineDump is option -dC.
type lineDump struct {
	key    uint32 // 0: as it is; otherwise names and addresses are hashed with it
	number bool   // print line numbers
}

// setLines reads "[[key],line]".
func setLines(a *arguments, tail, _ string) error {
	key, numbers, _ := strings.Cut(tail, ",")
	n, err := uint64(0), error(nil)
	if key != "" {
		n, err = strconv.ParseUint(key, 10, 32)
	}
	if err != nil || numbers != "" && numbers != "line" {
		return errors.New("-dC option: accepted are -dC, -dC<key>, -dC,line and -dC<key>,line with a number as key")
	}
	a.lines = &lineDump{key: uint32(n), number: numbers == "line"}
	return nil
}

// print writes the lines that hold words, without comments; sections begin at the
// margin.
func (d *lineDump) print(w io.Writer, lines []config.RecordLine) {
	for _, l := range lines {
		if d.number {
			fmt.Fprintf(w, "%d\t", l.Pos.Line)
		}
		if !l.Header {
			fmt.Fprint(w, "\t")
		}
		words := l.Words
		if d.key != 0 {
			words = d.hide(l)
		}
		quoted := make([]string, len(words))
		for i, word := range words {
			quoted[i] = word
			if word != hidden {
				quoted[i] = config.Quote(word)
			}
		}
		fmt.Fprintln(w, strings.Join(quoted, " "))
	}
}

// hidden stands for the rest of a line.
const hidden = "[...]"

// hide replaces what could betray somebody: names and addresses by hashes, which
// are HAProxy's for the same key, and what is not known to be harmless by "[...]".
func (d *lineDump) hide(l config.RecordLine) []string {
	words := append([]string(nil), l.Words...)
	shown := 1
	switch first := words[0]; {
	case l.Header:
		for i := 1; i < len(words); i++ {
			if words[i] != "from" {
				words[i] = d.name(words[i])
			}
		}
		shown = len(words)
	case first == "server" || first == "server-template":
		for i := 1; i < min(3, len(words)); i++ {
			words[i] = d.name(words[i])
			if i == 2 {
				words[i] = d.address(l.Words[i])
			}
		}
		shown = 3
	case first == "bind":
		if len(words) > 1 {
			words[1] = d.address(words[1])
		}
		shown = 2
	case first == "default_backend" || first == "use_backend" || first == "acl" || first == "use-server":
		if len(words) > 1 {
			words[1] = d.name(words[1])
		}
		shown = 2
	case first == "timeout" || first == "mode" || first == "balance" || first == "option" || first == "no" || first == "maxconn" ||
		first == "nbthread" || first == "retries" || strings.HasPrefix(first, "."):
		shown = 3
		if strings.HasPrefix(first, ".") {
			shown = 1
		}
	}
	if shown < len(words) {
		return append(words[:shown], hidden)
	}
	return words
}

func (d *lineDump) name(word string) string {
	return fmt.Sprintf("ID(%06x)", hash.XXH32([]byte(word), d.key)&0xffffff)
}

// address hides an address; a port stays visible.
func (d *lineDump) address(word string) string {
	host, port := word, ""
	if i := strings.LastIndexByte(word, ':'); i >= 0 && !strings.HasPrefix(word, "/") {
		host, port = word[:i], word[i:]
	}
	if host == "" || host == "*" {
		return word
	}
	kind := "PATH"
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		kind = "IPV6"
		if ip.Is4() {
			kind = "IPV4"
		}
	} else if !strings.HasPrefix(word, "/") {
		kind = "HOST"
	}
	return fmt.Sprintf("%s(%06x)%s", kind, hash.XXH32([]byte(host), d.key)&0xffffff, port)
}
