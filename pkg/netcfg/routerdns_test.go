package netcfg

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// ndMessage is a kernel's message about the options for link 2.
func ndMessage(options ...byte) []byte {
	b := make([]byte, ndHeader)
	b[0] = 10
	binary.NativeEndian.PutUint16(b[2:], uint16(len(options)))
	binary.NativeEndian.PutUint32(b[4:], 2)
	b[8] = icmpAdvert
	return append(b, options...)
}

func rdnss(lifetime byte, addr string) []byte {
	a := netip.MustParseAddr(addr).As16()
	return append([]byte{ndRDNSS, 3, 0, 0, 0, 0, 0, lifetime}, a[:]...)
}

func TestRouterOptions(t *testing.T) {
	now := time.Unix(1e9, 0)
	dnssl := append([]byte{ndDNSSL, 4, 0, 0, 0, 0, 0, 60}, "\x03lan\x07example\x00\x04corp\x00\x00\x00\x00\x00\x00"...)
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"server", ndMessage(rdnss(60, "fd00::1")...), "2 fd00::1 60s"},
		{"domains", ndMessage(dnssl...), "2 lan.example 60s,2 corp 60s"},
		{"both", ndMessage(append(rdnss(9, "fe80::1"), dnssl...)...), "2 fe80::1 9s,2 lan.example 60s,2 corp 60s"},
		{"no server of anybody", ndMessage(append(rdnss(9, "ff02::1"), rdnss(9, "::")...)...), ""},
		{"size 0", ndMessage(ndRDNSS, 0, 0, 0, 0, 0, 0, 9), ""},
		{"cut", ndMessage(rdnss(60, "fd00::1")...)[:30], ""},
		{"label beyond the end", ndMessage(ndDNSSL, 2, 0, 0, 0, 0, 0, 60, 63, 'a', 'b', 'c', 0, 0, 0, 0), ""},
		{"no name", ndMessage(ndDNSSL, 2, 0, 0, 0, 0, 0, 60, 3, 'a', '\n', 'c', 0, 0, 0, 0), ""},
		{"other message", append([]byte{10, 0, 0, 0, 2, 0, 0, 0, 137, 0, 0, 0, 0, 0, 0, 0}, rdnss(1, "fd00::1")...), ""},
		{"empty", nil, ""},
	} {
		var got []string
		for _, o := range parseRouterOptions(tt.b, now) {
			got = append(got, fmt.Sprintf("%d %s %ds", o.index, word(o.domain == "", o.server.String(), o.domain), o.until.Sub(now)/time.Second))
		}
		if s := strings.Join(got, ","); s != tt.want {
			t.Errorf("%s: parseRouterOptions = %q, want %q", tt.name, s, tt.want)
		}
	}
}

func FuzzRouterOptions(f *testing.F) {
	f.Add(ndMessage(rdnss(60, "fd00::1")...))
	f.Add(ndMessage(ndDNSSL, 2, 0, 0, 0, 0, 0, 60, 3, 'l', 'a', 'n', 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, o := range parseRouterOptions(b, time.Now()) {
			if (o.domain == "") == !o.server.IsValid() || o.domain != "" && !isDomain(o.domain) {
				t.Errorf("option = %+v", o)
			}
		}
	})
}

// TestRouterOptionsLife takes, renews, withdraws and bounds options.
func TestRouterOptionsLife(t *testing.T) {
	now := time.Unix(1e9, 0)
	var o routerOptions
	server := func(n int, life time.Duration) routerOption {
		return routerOption{index: 2, server: netip.MustParseAddr(fmt.Sprintf("fd00::%x", n)), until: now.Add(life)}
	}
	o.take([]routerOption{server(1, time.Minute), server(2, time.Hour), {index: 2, domain: "lan", until: now.Add(time.Hour)}, {index: 3, domain: "other", until: now.Add(time.Hour)}})
	if d := o.expire(now); d != time.Minute {
		t.Errorf("next end in %v, want 1m", d)
	}
	for _, tt := range []struct {
		ra   RA
		want string
	}{
		{RA{Accept: true, UseDNS: true}, "[198.18.0.3 fd00::1 fd00::2] []"},
		{RA{Accept: true, UseDomains: true}, "[198.18.0.3] [lan]"},
		{RA{UseDNS: true, UseDomains: true}, "[198.18.0.3] []"},
	} {
		d := &Desired{Links: []DesiredLink{{Index: 2, Name: "eth0", RA: tt.ra}}, DNS: []netip.Addr{netip.MustParseAddr("198.18.0.3")}}
		o.addTo(d)
		if got := fmt.Sprint(d.DNS, d.Domains); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.ra, got, tt.want)
		}
	}
	o.take([]routerOption{server(1, 2*time.Hour), server(2, 0)}) // renewed, withdrawn
	if d := o.expire(now); d != time.Hour || len(o) != 3 {
		t.Errorf("next end in %v, %d options, want 1h and 3", d, len(o))
	}
	for i := range 100 {
		o.take([]routerOption{server(100+i, time.Hour)})
	}
	if len(o) != maxRouterOptions {
		t.Errorf("%d options are kept, want %d", len(o), maxRouterOptions)
	}
	if d := o.expire(now.Add(3 * time.Hour)); d != 0 || len(o) != 0 {
		t.Errorf("after the last end: %v, %d options", d, len(o))
	}
}
