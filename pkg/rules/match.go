package rules

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/sluice-lb/sluice/pkg/config"
)

// matcher compares the stream's value with the patterns of a test.
type matcher func(s *Stream) bool

// newMatcher compiles the patterns of a test, and tells what the sample must be
// cast to. Without a matcher any sample will do.
func newMatcher(t *config.ACLTest) (config.SampleType, matcher, error) {
	switch t.Match {
	case config.MatchFound:
		return config.TypeAny, nil, nil
	case config.MatchBool:
		return config.TypeBool, func(s *Stream) bool { return s.value.n != 0 }, nil
	case config.MatchInt:
		r := newRanges(t)
		return config.TypeInt, func(s *Stream) bool { return r.has(s.value.n) }, nil
	case config.MatchLength:
		r := newRanges(t)
		return config.TypeString, func(s *Stream) bool { return r.has(int64(len(s.value.bytes))) }, nil
	case config.MatchIP:
		n := newNets(t)
		return config.TypeAddr, func(s *Stream) bool { return n.has(s.value.addr) }, nil
	case config.MatchBinary:
		set := map[string]struct{}{}
		for p := range t.All() {
			b, err := hex.DecodeString(p.Text)
			if err != nil {
				return 0, nil, fmt.Errorf("pattern '%s': %w", p.Text, err)
			}
			set[string(b)] = struct{}{}
		}
		return config.TypeBinary, func(s *Stream) bool { _, ok := set[string(s.value.bytes)]; return ok }, nil
	case config.MatchRegex, "regm": // the latter is for maps; in ACLs it is the same
		m, err := matchRegex(t)
		return config.TypeString, m, err
	}
	m, err := matchText(t)
	return config.TypeString, m, err
}

// textMatches tell whether b has the pattern p where the method wants it.
var textMatches = map[config.Match]func(b, p []byte) bool{
	config.MatchBegin:  bytes.HasPrefix,
	config.MatchEnd:    bytes.HasSuffix,
	config.MatchSub:    bytes.Contains,
	config.MatchDir:    func(b, p []byte) bool { return hasWord(b, p, "/?") },
	config.MatchDomain: func(b, p []byte) bool { return hasWord(b, p, "/?.:") },
}

func matchText(t *config.ACLTest) (matcher, error) {
	var patterns [][]byte
	for p := range t.All() {
		b := []byte(p.Text)
		if t.IgnoreCase {
			b = bytes.Map(func(r rune) rune {
				if r < 0x80 {
					return rune(lower(byte(r)))
				}
				return r
			}, b)
		}
		patterns = append(patterns, b)
	}
	match := equals(patterns)
	if t.Match != config.MatchString {
		f, known := textMatches[t.Match]
		if !known {
			return nil, fmt.Errorf("matching method '%s' is not supported yet", t.Match)
		}
		match = func(s *Stream) bool {
			return slices.ContainsFunc(patterns, func(p []byte) bool { return f(s.value.bytes, p) })
		}
	}
	if !t.IgnoreCase {
		return match, nil
	}
	return func(s *Stream) bool { s.mapBytes(lower); return match(s) }, nil
}

func equals(patterns [][]byte) matcher {
	set := make(map[string]struct{}, len(patterns))
	for _, p := range patterns {
		set[string(p)] = struct{}{}
	}
	return func(s *Stream) bool { _, ok := set[string(s.value.bytes)]; return ok }
}

// hasWord reports whether p is a whole word, or several, of b, whose words are
// parted by the delimiters. Delimiters around p do not count.
func hasWord(b, p []byte, delimiters string) bool {
	p = bytes.Trim(p, delimiters)
	if len(p) == 0 {
		return false
	}
	for at := 0; ; {
		i := bytes.Index(b[at:], p)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(p)
		if (start == 0 || bytes.IndexByte([]byte(delimiters), b[start-1]) >= 0) &&
			(end == len(b) || bytes.IndexByte([]byte(delimiters), b[end]) >= 0) {
			return true
		}
		at = start + 1
	}
}

func matchRegex(t *config.ACLTest) (matcher, error) {
	var all []*regexp.Regexp
	for p := range t.All() {
		text := p.Text
		if t.IgnoreCase {
			text = "(?i)" + text
		}
		r, err := regexp.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("pattern '%s': %w", p.Text, err)
		}
		all = append(all, r)
	}
	return func(s *Stream) bool {
		return slices.ContainsFunc(all, func(r *regexp.Regexp) bool { return r.Match(s.value.bytes) })
	}, nil
}

// ranges are numbers, sorted and without overlap.
type ranges [][2]int64

func newRanges(t *config.ACLTest) ranges {
	var r ranges
	for p := range t.All() {
		r = append(r, [2]int64{p.Min, p.Max})
	}
	return merge(r, cmp.Compare[int64], func(n int64) (int64, bool) { return n + 1, n < math.MaxInt64 })
}

func (r ranges) has(n int64) bool { return find(r, n, cmp.Compare[int64]) }

// merge sorts ranges and joins those that overlap or touch; next is the following
// value, if there is one.
func merge[T any](r [][2]T, compare func(a, b T) int, next func(T) (T, bool)) [][2]T {
	slices.SortFunc(r, func(a, b [2]T) int { return compare(a[0], b[0]) })
	out := r[:0]
	for _, x := range r {
		if n := len(out); n > 0 {
			last := &out[n-1]
			after, more := next(last[1])
			if !more || compare(x[0], after) <= 0 {
				if compare(x[1], last[1]) > 0 {
					last[1] = x[1]
				}
				continue
			}
		}
		out = append(out, x)
	}
	return slices.Clip(out)
}
