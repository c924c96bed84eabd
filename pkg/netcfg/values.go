package netcfg

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// wordError is a value that is none of the known words.
type wordError struct {
	word  string
	words []string
}

func (e *wordError) Error() string { return fmt.Sprintf("unknown word %q", e.word) }

func setBool(p *bool, v string) error {
	switch strings.ToLower(v) {
	case "yes", "true", "on", "1":
		*p = true
	case "no", "false", "off", "0":
		*p = false
	default:
		return &wordError{word: v, words: []string{"yes", "no"}}
	}
	return nil
}

func setInt(p *int, v string, low, high int) error {
	n, err := strconv.Atoi(v)
	if err != nil {
		return fmt.Errorf("%q is no number", v)
	}
	if n < low || n > high {
		return fmt.Errorf("%d is out of range", n)
	}
	*p = n
	return nil
}

func setMTU(p *int, v string) error {
	digits, factor := v, 1
	if d, ok := strings.CutSuffix(strings.ToUpper(v), "K"); ok {
		digits, factor = d, 1024
	}
	n := 0
	if err := setInt(&n, digits, 1, 65535); err != nil {
		return err
	}
	if n*factor < 68 || n*factor > 65535 {
		return fmt.Errorf("%s bytes are out of range", v)
	}
	*p = n * factor
	return nil
}

func setMAC(p *string, v string) error {
	m, err := net.ParseMAC(v)
	if err != nil || len(m) != 6 {
		return fmt.Errorf("%q is no Ethernet address", v)
	}
	*p = m.String()
	return nil
}

func setMACs(list *[]string, v string) error {
	if v == "" {
		*list = nil
	}
	for _, w := range strings.Fields(v) {
		var m string
		if err := setMAC(&m, w); err != nil {
			return err
		}
		*list = append(*list, m)
	}
	return nil
}

func setGlobs(list *[]string, v string) error {
	if v == "" {
		*list = nil
	}
	for _, w := range strings.Fields(v) {
		if _, err := path.Match(strings.TrimPrefix(w, "!"), ""); err != nil {
			return fmt.Errorf("%q is no glob: %w", w, err)
		}
		*list = append(*list, w)
	}
	return nil
}

func setAddr(p *netip.Addr, v string) error {
	a, err := netip.ParseAddr(v)
	if err != nil || a.Zone() != "" || a.IsUnspecified() {
		return fmt.Errorf("%q is no usable address", v)
	}
	*p = a.Unmap()
	return nil
}

func setPrefix(p *netip.Prefix, v string) error {
	if !strings.Contains(v, "/") {
		if a, err := netip.ParseAddr(v); err == nil {
			return fmt.Errorf("%q lacks its prefix length, e.g. %s/%d", v, a, a.BitLen())
		}
	}
	got, err := netip.ParsePrefix(v)
	switch {
	case err != nil || got.Addr().Is4In6():
		return fmt.Errorf("%q is no address with prefix length", v)
	case got.Addr().IsUnspecified() || got.Addr().IsMulticast():
		return fmt.Errorf("%s cannot be an address of a link", got.Addr())
	case got.Bits() == 0:
		return fmt.Errorf("%q has length 0", v)
	case got.Addr().Is4() && got.Bits() < 31 && got.Addr() == got.Masked().Addr():
		return fmt.Errorf("%s is the network's own address", v)
	}
	*p = got
	return nil
}
