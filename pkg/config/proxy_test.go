package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// judgedProxy parses lines in a listen section and returns the model even where
// lines are not supported yet; other alerts fail the test.
func judgedProxy(t *testing.T, lines ...string) *Proxy {
	t.Helper()
	p := newParser(nil, Options{})
	p.parseSource(Source{Name: "test.cfg", Text: []byte("listen web\n" + strings.Join(lines, "\n") + "\n")})
	for _, d := range p.diags {
		if d.Severity == Alert && !d.Unsupported {
			t.Errorf("%v", d)
		}
	}
	return p.px.px
}

func TestProxyModel(t *testing.T) {
	tests := []struct {
		lines []string
		got   func(*Proxy) any
		want  any
	}{
		{[]string{"balance random(5)"}, func(px *Proxy) any { return px.Balance }, Balance{Algorithm: "random", Draws: 5}},
		{[]string{"balance random"}, func(px *Proxy) any { return px.Balance }, Balance{Algorithm: "random", Draws: 2}},
		{[]string{"balance rdp-cookie"}, func(px *Proxy) any { return px.Balance }, Balance{Algorithm: "rdp-cookie", Cookie: "mstshash"}},
		{[]string{"balance rdp-cookie(a)"}, func(px *Proxy) any { return px.Balance }, Balance{Algorithm: "rdp-cookie", Cookie: "a"}},
		{[]string{"hash-balance-factor 150", "hash-type consistent wt6 avalanche"}, func(px *Proxy) any { return px.Hash },
			Hash{Consistent: true, Function: "wt6", Avalanche: true, BalanceFactor: 150}},
		{[]string{"retry-on conn-failure 503"}, func(px *Proxy) any { return px.RetryOn }, []string{"conn-failure", "503"}},
		{[]string{"source 192.0.2.1:80 interface eth0 usesrc clientip"}, func(px *Proxy) any { return *px.Source },
			ConnSource{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Interface: "eth0", UseSrc: "clientip"}},
		{[]string{"source * usesrc 192.0.2.2"}, func(px *Proxy) any { return *px.Source },
			ConnSource{Addr: netip.MustParseAddrPort("0.0.0.0:0"), UseSrc: "addr", UseSrcAddr: netip.MustParseAddrPort("192.0.2.2:0")}},
		{[]string{"dispatch 192.0.2.1:80"}, func(px *Proxy) any { return px.Dispatch }, netip.MustParseAddrPort("192.0.2.1:80")},
		{[]string{"persist rdp-cookie"}, func(px *Proxy) any { return *px.Persistence }, Persistence{Cookie: "msts"}},
		{[]string{"clitcpka-cnt 3", "clitcpka-idle 5", "clitcpka-intvl 1500ms"}, func(px *Proxy) any { return px.ClientProbes },
			Keepalive{Count: 3, Idle: 5 * time.Second, Interval: 2 * time.Second}},
		{[]string{"load-server-state-from-file local", "server-state-file-name use-backend-name"}, func(px *Proxy) any { return px.State }, ServerState{From: "local"}},
		{[]string{"option nolinger", "option persist", "no option persist"}, func(px *Proxy) any { return px.Flags }, Flags{NoLinger: true}},
		{[]string{"guid a:b", "log-tag web"}, func(px *Proxy) any { return px.GUID + " " + px.LogTag }, "a:b web"},
	}
	for _, tt := range tests {
		name := strings.Join(tt.lines, "; ")
		t.Run(name, func(t *testing.T) {
			got := tt.got(judgedProxy(t, tt.lines...))
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreTypes(Pos{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		})
	}
}
