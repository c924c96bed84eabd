package proxy

import (
	"bufio"
	"bytes"
	"net/netip"
	"strings"
	"testing"

	peer "github.com/pires/go-proxyproto"
)

var (
	ppSrc4, ppDst4 = netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("198.51.100.7:443")
	ppSrc6, ppDst6 = netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[2001:db8::2]:443")
)

// TestProxyHeaderAgainstPeer holds that another implementation reads what is
// written here, and the reverse.
func TestProxyHeaderAgainstPeer(t *testing.T) {
	mapped := netip.AddrPortFrom(netip.AddrFrom16(ppSrc4.Addr().As16()), ppSrc4.Port())
	tests := []struct {
		name     string
		header   []byte
		src, dst netip.AddrPort
	}{
		{"v1 IPv4", appendProxyV1(nil, ppSrc4, ppDst4), ppSrc4, ppDst4},
		{"v1 IPv6", appendProxyV1(nil, ppSrc6, ppDst6), ppSrc6, ppDst6},
		{"v1 mapped", appendProxyV1(nil, mapped, ppDst4), ppSrc4, ppDst4},
		{"v1 unknown", appendProxyV1(nil, netip.AddrPort{}, netip.AddrPort{}), netip.AddrPort{}, netip.AddrPort{}},
		{"v2 IPv4", appendProxyV2(nil, proxyHeader{src: ppSrc4, dst: ppDst4}, false), ppSrc4, ppDst4},
		{"v2 IPv6 with all", appendProxyV2(nil, proxyHeader{src: ppSrc6, dst: ppDst6, authority: []byte("db.example"), uniqueID: []byte("id-1")}, true), ppSrc6, ppDst6},
		{"v2 local", appendProxyV2(nil, proxyHeader{}, true), netip.AddrPort{}, netip.AddrPort{}},
	}
	for _, tt := range tests {
		h, err := peer.Read(bufio.NewReader(bytes.NewReader(append(tt.header, "data"...))))
		if err != nil {
			t.Errorf("%s: the peer cannot read %q: %v", tt.name, tt.header, err)
			continue
		}
		if src, dst, ok := h.TCPAddrs(); ok != tt.src.IsValid() || ok && (src.String() != tt.src.String() || dst.String() != tt.dst.String()) {
			t.Errorf("%s: the peer read %v, %v", tt.name, src, dst)
		}
		theirs, err := h.Format()
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{tt.header, theirs} {
			got, size, err := parseProxyHeader(append(bytes.Clone(text), "data"...))
			if err != nil || size != len(text) || got.src != tt.src || got.dst != tt.dst {
				t.Errorf("%s: parseProxyHeader(%q) = %+v, %d, %v", tt.name, text, got, size, err)
			}
		}
	}
}

func TestProxyHeaderInParts(t *testing.T) {
	for _, header := range [][]byte{
		appendProxyV1(nil, ppSrc6, ppDst6),
		appendProxyV2(nil, proxyHeader{src: ppSrc4, dst: ppDst4, authority: []byte("a.example")}, true),
	} {
		for n := range header {
			if _, size, err := parseProxyHeader(header[:n]); size != 0 || err != nil {
				t.Errorf("parseProxyHeader(%q) = size %d, %v, want to need more", header[:n], size, err)
			}
		}
	}
}

func TestProxyHeaderFaults(t *testing.T) {
	v2 := appendProxyV2(nil, proxyHeader{src: ppSrc4, dst: ppDst4}, true)
	change := func(at int, b byte) string { c := bytes.Clone(v2); c[at] = b; return string(c) }
	for name, text := range map[string]string{
		"other protocol":        "GET / HTTP/1.1\r\n",
		"beginning only":        "PROXZ",
		"no family":             "PROXY \r\n",
		"unknown family":        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
		"IPv6 as IPv4":          "PROXY TCP4 ::1 ::2 1 2\r\n",
		"port missing":          "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
		"port too many":         "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
		"port too high":         "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
		"port with zero":        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
		"no address":            "PROXY TCP4 host 192.0.2.2 1 2\r\n",
		"zone":                  "PROXY TCP6 fe80::1%1 ::2 1 2\r\n",
		"LF only":               "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
		"too long":              "PROXY UNKNOWN " + strings.Repeat("x", 100) + "\r\n",
		"version 3":             change(12, 0x31),
		"unknown command":       change(12, 0x22),
		"too short for IPv6":    change(13, familyTCPv6)[:16+12+7],
		"checksum":              change(16, 9),
		"extension is cut":      change(len(v2)-5, 200),
		"announces too much":    change(14, 0xff),
		"checksum of wrong len": string(appendTLV(append(bytes.Clone(v2[:14]), 0, 15, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2), tlvCRC32C, nil)),
	} {
		if h, size, err := parseProxyHeader([]byte(text)); err == nil || size != 0 || h.src.IsValid() {
			t.Errorf("%s: parseProxyHeader(%q) = %+v, %d, %v, want an error", name, text, h, size, err)
		}
	}
}

func TestProxyHeaderDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 256)
	h := proxyHeader{src: ppSrc6, dst: ppDst6, authority: []byte("db.example")}
	n := testing.AllocsPerRun(100, func() {
		buf = appendProxyV2(appendProxyV1(buf[:0], ppSrc6, ppDst6), h, true)
		_, size, _ := parseProxyHeader(buf)
		_, _, _ = parseProxyHeader(buf[size:])
	})
	if n > 4 { // netip.ParseAddr takes strings
		t.Errorf("%v allocations, want at most 4", n)
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add(appendProxyV1(nil, ppSrc4, ppDst4))
	f.Add(appendProxyV2(nil, proxyHeader{src: ppSrc6, dst: ppDst6, authority: []byte("x"), uniqueID: []byte("y")}, true))
	f.Fuzz(func(t *testing.T, p []byte) {
		h, size, err := parseProxyHeader(p)
		if size < 0 || size > len(p) || err != nil && size != 0 {
			t.Fatalf("parseProxyHeader(%q) = %+v, %d, %v", p, h, size, err)
		}
		// What was understood can be written and read again.
		if size == 0 || !h.src.IsValid() {
			return
		}
		again, _, err := parseProxyHeader(appendProxyV2(nil, h, true))
		if err != nil || again.src != unmapped(h.src, h.dst) || !bytes.Equal(again.authority, h.authority) {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
	})
}

// unmapped is how src is written beside dst: as IPv4 if both are that.
func unmapped(src, dst netip.AddrPort) netip.AddrPort {
	if src.Addr().Unmap().Is4() && dst.Addr().Unmap().Is4() {
		return netip.AddrPortFrom(src.Addr().Unmap(), src.Port())
	}
	return src
}
