package supervisor

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func setWords(dst *[]string, v string) error {
	if v == "" {
		*dst = nil
		return nil
	}
	words, err := splitWords(v)
	*dst = append(*dst, words...)
	return err
}

func setUnits(dst *[]string, v string) error {
	n := len(*dst)
	if err := setWords(dst, v); err != nil {
		return err
	}
	for _, name := range (*dst)[min(n, len(*dst)):] {
		if err := checkName(name); err != nil {
			return err
		}
	}
	return nil
}

// checkName accepts names of units of the kinds that systemd has: others than
// services and targets may be named in dependencies, for other hosts' sake.
func checkName(name string) error {
	suffix := unitSuffix(name)
	known := []string{".service", ".target", ".socket", ".mount", ".device", ".path", ".timer", ".slice"}
	if !slices.Contains(known, suffix) || name == suffix || strings.Contains(name, "/") {
		return fmt.Errorf("%q is no unit name; it ends with one of %s", name, strings.Join(known, " "))
	}
	return nil
}

func setBool(dst *bool, v string) error {
	switch strings.ToLower(v) {
	case "1", "yes", "y", "true", "t", "on":
		*dst = true
	case "0", "no", "n", "false", "f", "off":
		*dst = false
	default:
		return fmt.Errorf("%q: accepted are yes and no", v)
	}
	return nil
}

func setInt(dst *int, v string, low, high int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		return fmt.Errorf("%q: a whole number from %d to %d is needed", v, low, high)
	}
	*dst = n
	return nil
}

func setEnum(dst *string, v string, accepted ...string) error {
	if !slices.Contains(accepted, v) {
		return fmt.Errorf("%q: accepted are %s%s", v, strings.Join(accepted, ", "), suggestion(v, accepted))
	}
	*dst = v
	return nil
}

func setOutput(dst *string, v string) error {
	switch v {
	case "journal+console", "kmsg+console":
		v = "journal"
	case "syslog":
		v = "journal"
	}
	return setEnum(dst, v, "inherit", "journal", "null", "tty", "kmsg")
}

func setSignal(dst *syscall.Signal, v string) error {
	if n, err := strconv.Atoi(v); err == nil && n > 0 && n < 65 {
		*dst = syscall.Signal(n)
		return nil
	}
	name := v
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	sig := unix.SignalNum(name)
	if sig == 0 {
		return fmt.Errorf("%q is no signal", v)
	}
	*dst = sig
	return nil
}

func absolute(v string) error {
	if !filepath.IsAbs(v) {
		return fmt.Errorf("%q: an absolute path is needed", v)
	}
	return nil
}

func addPath(dst *[]string, v string) error {
	if v == "" {
		*dst = nil
		return nil
	}
	*dst = append(*dst, v)
	return absolute(strings.TrimPrefix(v, "-"))
}

// setBits reads octal permission bits.
func setBits(dst *int, v string) error {
	n, err := strconv.ParseUint(v, 8, 12)
	if err != nil {
		return fmt.Errorf("%q: octal permission bits are needed", v)
	}
	*dst = int(n)
	return nil
}

func setLimitNOFILE(u *Unit, v string) error {
	soft, hard, two := strings.Cut(v, ":")
	if !two {
		hard = soft
	}
	l := &Limit{}
	for _, p := range []struct {
		dst  *uint64
		text string
	}{{&l.Soft, soft}, {&l.Hard, hard}} {
		if p.text == "infinity" {
			*p.dst = math.MaxUint64
			continue
		}
		n, err := strconv.ParseUint(p.text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q: a number, \"infinity\" or soft:hard is needed", v)
		}
		*p.dst = n
	}
	if l.Soft > l.Hard {
		return fmt.Errorf("%q: the soft limit exceeds the hard one", v)
	}
	u.Service.LimitNOFILE = l
	return nil
}

// spanUnits are systemd.time(7)'s units.
var spanUnits = map[string]time.Duration{
	"us": time.Microsecond, "usec": time.Microsecond, "µs": time.Microsecond,
	"ms": time.Millisecond, "msec": time.Millisecond,
	"": time.Second, "s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
}

// setSpan reads a time span such as "5", "1min 30s", "500ms" or "infinity" (0
// here: no limit).
func setSpan(dst *time.Duration, v string) error {
	bad := fmt.Errorf("%q is no time span such as 500ms, 10, 1min 30s or infinity", v)
	if v == "infinity" {
		*dst = 0
		return nil
	}
	rest := strings.TrimSpace(v)
	if rest == "" {
		return bad
	}
	total := 0.0
	for rest != "" {
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n < 0 {
			n = len(rest)
		}
		num, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return bad
		}
		rest = strings.TrimLeft(rest[n:], " \t")
		n = strings.IndexFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' || r == ' ' || r == '\t' })
		if n < 0 {
			n = len(rest)
		}
		scale, ok := spanUnits[rest[:n]]
		if !ok {
			return bad
		}
		total += num * float64(scale)
		rest = strings.TrimSpace(rest[n:])
	}
	if total > math.MaxInt64/2 {
		return fmt.Errorf("%q is too long", v)
	}
	*dst = time.Duration(total)
	return nil
}

// addCommand reads one Exec line.
func addCommand(dst *[]Command, v string) error {
	if v == "" {
		*dst = nil
		return nil
	}
	words, err := splitWords(v)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return errors.New("a program is needed")
	}
	if slices.Contains(words, ";") {
		return errors.New("\";\" between commands is not accepted; write one line for each")
	}
	var c Command
	at := false
prefixes:
	for words[0] != "" {
		switch words[0][0] {
		case '-':
			c.IgnoreFailure = true
		case ':':
			c.NoExpand = true
		case '@':
			at = true
		case '+', '!': // privileges: all units have them here
		default:
			break prefixes
		}
		words[0] = words[0][1:]
	}
	c.Args = words
	if at {
		if len(words) < 2 {
			return errors.New("the prefix @ needs a name behind the program")
		}
		c.Argv0 = words[1]
		c.Args = slices.Delete(words, 1, 2)
	}
	if strings.ContainsAny(c.Args[0], "$%") || c.Args[0] == "" {
		return fmt.Errorf("%q is no program", c.Args[0])
	}
	if strings.Contains(c.Args[0], "/") {
		if err := absolute(c.Args[0]); err != nil {
			return err
		}
	}
	*dst = append(*dst, c)
	return nil
}
