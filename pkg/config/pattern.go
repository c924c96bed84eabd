package config

import (
	"errors"
	"io/fs"
	"math"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Match is how the patterns of an ACL or a map are compared with a sample
// (manual, section 7.1.4).
type Match string

// The matching methods of "-m".
const (
	MatchFound  Match = "found"
	MatchBool   Match = "bool"
	MatchInt    Match = "int"
	MatchIP     Match = "ip"
	MatchBinary Match = "bin"
	MatchLength Match = "len"
	MatchString Match = "str"
	MatchBegin  Match = "beg"
	MatchSub    Match = "sub"
	MatchDir    Match = "dir"
	MatchDomain Match = "dom"
	MatchEnd    Match = "end"
	MatchRegex  Match = "reg"
	// MatchVersion compares numbers such as 3.1, MatchMethod HTTP methods; only
	// some ACL keywords have them.
	MatchVersion Match = "version"
	MatchMethod  Match = "method"
)

// matchTypes tells what each method of "-m" needs the sample to be.
var matchTypes = map[Match]SampleType{
	MatchFound: TypeAny, MatchBool: TypeInt, MatchInt: TypeInt, MatchIP: TypeAddr, MatchBinary: TypeBinary,
	MatchLength: TypeString, MatchString: TypeString, MatchBegin: TypeString, MatchSub: TypeString, MatchDir: TypeString,
	MatchDomain: TypeString, MatchEnd: TypeString, MatchRegex: TypeString, "regm": TypeString,
}

const matchForm = "found, bool, int, ip, bin, len, str, beg, sub, dir, dom, end, reg"

// Pattern is one value that a sample is compared with.
type Pattern struct {
	Text string
	// Min and Max bound the numbers of MatchInt, MatchLength and MatchVersion,
	// where 3.1 is 3<<16+1.
	Min, Max int64
	Net      netip.Addr // of MatchIP
	Mask     netip.Addr // of MatchIP; need not be a prefix
}

// patternFault is what is wrong with a pattern.
type patternFault struct {
	msg, accepted string
	unsupported   bool
}

// parsePattern reads a value for a matching method.
func parsePattern(text string, m Match, resolve bool) (Pattern, *patternFault) {
	pat := Pattern{Text: text}
	switch m {
	case MatchInt, MatchLength:
		return pat, pat.parseRange(decimal, "number")
	case MatchVersion:
		return pat, pat.parseRange(dotted, "dotted number")
	case MatchIP:
		return pat, pat.parseNet(resolve)
	case MatchBinary:
		if fault := hexFault(text); fault != "" {
			return pat, &patternFault{msg: fault, accepted: hexForm}
		}
	case MatchRegex, "regm":
		if fault, unsupported := regexFault(text, m == "regm"); fault != "" {
			return pat, &patternFault{fault, regexForm, unsupported}
		}
	}
	return pat, nil
}

// decimal reads a whole number without a sign.
func decimal(s string) (int64, bool) {
	if s == "" || !isDigit(s[0]) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// dotted reads a number such as 3.1 or 3.
func dotted(s string) (int64, bool) {
	major, minor, _ := strings.Cut(s, ".")
	if !strings.Contains(s, ".") {
		minor = "0"
	}
	hi, ok := decimal(major)
	lo, ok2 := decimal(minor)
	return hi<<16 | lo, ok && ok2 && hi < 1<<16 && lo < 1<<16
}

const rangeForm = "a number, <low>:<high>, <low>:, :<high>, or one behind eq, ge, gt, le, lt"

// parseRange reads a number or a range of numbers. A dash parts as a colon does; only
// behind a colon it is a sign.
func (pat *Pattern) parseRange(number func(string) (int64, bool), what string) *patternFault {
	i := strings.IndexAny(pat.Text, ":-")
	if i < 0 {
		n, ok := number(pat.Text)
		if !ok {
			return &patternFault{msg: "'" + pat.Text + "' is not a " + what, accepted: rangeForm}
		}
		pat.Min, pat.Max = n, n
		return nil
	}
	lo, hi := pat.Text[:i], pat.Text[i+1:]
	pat.Min, pat.Max = math.MinInt64, math.MaxInt64
	ok, ok2 := lo != "" || hi != "", true
	if lo != "" {
		pat.Min, ok = number(lo)
	}
	if rest, negative := strings.CutPrefix(hi, "-"); negative && pat.Text[i] == ':' {
		pat.Max, ok2 = number(rest)
		pat.Max = -pat.Max
	} else if hi != "" {
		pat.Max, ok2 = number(hi)
	}
	if !ok || !ok2 || pat.Min > pat.Max {
		return &patternFault{msg: "'" + pat.Text + "' is not a valid range of numbers", accepted: rangeForm}
	}
	return nil
}

const netForm = "an IPv4 or IPv6 address, with /<bits> or /<mask> for a network"

// parseNet reads an address or network.
func (pat *Pattern) parseNet(resolve bool) *patternFault {
	host, mask, masked := strings.Cut(pat.Text, "/")
	fault := &patternFault{msg: "'" + pat.Text + "' is not a valid IPv4 or IPv6 address", accepted: netForm}
	addr, err := netip.ParseAddr(host)
	ok := err == nil && addr.Zone() == ""
	if !ok && resolve {
		addr, ok = shortIPv4(host)
	}
	if !ok {
		if resolve && isHostName(host) && !masked {
			fault.msg, fault.unsupported = "host names are not resolved here: '"+pat.Text+"'", true
		}
		return fault
	}
	pat.Net = addr
	if !masked {
		mask = strconv.Itoa(addr.BitLen())
	}
	pat.Mask, ok = maskOf(mask, addr.Is4())
	if !ok || addr.Is6() && strings.Contains(mask, ":") {
		return fault
	}
	return nil
}

// shortIPv4 reads an IPv4 address of which the last parts may be missing.
func shortIPv4(s string) (netip.Addr, bool) {
	var bytes [4]byte
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || !isDigit(part[0]) {
			return netip.Addr{}, false
		}
		bytes[i] = byte(n)
	}
	return netip.AddrFrom4(bytes), true
}

// operators turn "ge 5" into a range.
var operators = []string{"eq", "ge", "gt", "le", "lt"}

// withOperator rewrites a number behind an operator as a range.
func withOperator(op, text string, m Match) (string, *patternFault) {
	if op == "eq" || strings.ContainsAny(text, ":-") {
		return text, nil
	}
	number := dotted
	if m != MatchVersion {
		number = func(s string) (int64, bool) {
			whole, _, _ := strings.Cut(s, ".") // HAProxy passes over what is behind the dot
			return decimal(whole)
		}
	}
	n, ok := number(text)
	if !ok {
		return "", &patternFault{msg: "'" + text + "' is neither a number nor a supported operator", accepted: rangeForm}
	}
	switch op {
	case "gt":
		n++
	case "lt":
		n--
	}
	s := strconv.FormatInt(n, 10)
	if m == MatchVersion {
		s = strconv.FormatInt(n>>16, 10) + "." + strconv.FormatInt(n&0xffff, 10)
	}
	if op == "ge" || op == "gt" {
		return s + ":", nil
	}
	return ":" + s, nil
}

// maxPatternFile bounds what is read of a file that a line names.
const maxPatternFile = 256 << 20

// errNotRegular is the error for devices and directories.
var errNotRegular = errors.New("not a regular file")

// patternFile reads a file of patterns. The prefix "opt@" allows it to be absent,
// with "virt@" there is none, and one that was named before is known.
func (p *parser) patternFile(name string) (text string, err error) {
	if rest, ok := strings.CutPrefix(name, "virt@"); ok {
		p.patterns[rest] = true
		return "", nil
	}
	path, optional := strings.CutPrefix(name, "opt@")
	path = strings.TrimPrefix(path, "file@")
	known := p.patterns[path]
	content, err := readRegular(path)
	if errors.Is(err, fs.ErrNotExist) && (optional || known) {
		err = nil
	}
	if err == nil {
		p.patterns[path] = true
	}
	return string(content), err
}

func readRegular(path string) ([]byte, error) {
	if path == "/dev/null" {
		return nil, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxPatternFile {
		return nil, errNotRegular
	}
	return os.ReadFile(path)
}

// patternLine returns the text of a line of a pattern file; blank lines and
// comments have none.
func patternLine(line string) string {
	line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t")
	if strings.HasPrefix(line, "#") {
		return ""
	}
	return line
}

// checkMap judges map_<match>_<output>(<file>[,<default>]): the file, its keys and
// its values.
func checkMap(c *checker) *argFault {
	match, output := mapKinds(c.name)
	name := c.text(0)
	text, err := c.p.patternFile(name)
	if err != nil {
		return faultf(0, "a file of keys and values", "cannot read map file '%s': %v", name, err)
	}
	if output == "ip" && len(c.args) > 1 {
		if _, err := netip.ParseAddr(c.text(1)); err != nil {
			return faultf(1, "an address", "'%s' is not an address", c.text(1))
		}
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		key, value, _ := strings.Cut(strings.ReplaceAll(patternLine(line), "\t", " "), " ")
		if key == "" {
			continue
		}
		if _, fault := parsePattern(key, match, true); fault != nil {
			f := faultf(0, fault.accepted, "%s at line %d of file '%s'", fault.msg, n, name)
			f.unsupported = fault.unsupported
			return f
		}
		if !mapValue(strings.TrimSpace(value), output) {
			return faultf(0, "values of the type that the converter returns", "unable to parse '%s' at line %d of file '%s'", value, n, name)
		}
	}
	return nil
}

// mapKinds takes the name of a map converter apart.
func mapKinds(name string) (match Match, output string) {
	parts := strings.Split(name, "_")
	match = MatchString
	if len(parts) > 1 {
		match = Match(parts[1])
	}
	if len(parts) > 2 {
		output = parts[2]
	}
	return match, output
}

func mapValue(value, output string) bool {
	switch output {
	case "int":
		_, ok := int64Of(value)
		return ok
	case "ip":
		_, err := netip.ParseAddr(value)
		return err == nil
	}
	return true
}
