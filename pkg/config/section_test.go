package config

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ignorePlaces leaves out the places, which have tests of their own.
var ignorePlaces = cmpopts.IgnoreTypes(Pos{})

// modelOf parses one section and returns the model even if it is not supported.
func modelOf(t *testing.T, text string) *Config {
	t.Helper()
	p := newParser(nil, Options{Hostname: "here"})
	p.parseSource(Source{Name: "a.cfg", Text: []byte(text)})
	for _, judge := range p.later {
		judge()
	}
	for _, d := range p.diags {
		if d.Severity == Alert && !d.Unsupported {
			t.Fatalf("Parse(%q): %v", text, d)
		}
	}
	return p.cfg
}

func TestPeersModel(t *testing.T) {
	cfg := modelOf(t, "peers p\n shards 2\n bind 127.0.0.1:10000\n server here\n server there 127.0.0.1:10001\n disabled\n")
	if len(cfg.Peers) != 1 {
		t.Fatalf("%d sections, want 1", len(cfg.Peers))
	}
	got := cfg.Peers[0]
	if got.Name != "p" || got.Shards != 2 || !got.Disabled {
		t.Errorf("peers = %+v, want p with 2 shards, disabled", got)
	}
	if len(got.Binds) != 1 || got.Binds[0].Addr != netip.MustParseAddrPort("127.0.0.1:10000") {
		t.Errorf("binds = %+v, want 127.0.0.1:10000", got.Binds)
	}
	var names []string
	for _, s := range got.Servers {
		names = append(names, s.Name)
	}
	if diff := cmp.Diff([]string{"here", "there"}, names); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
}

func TestResolversModel(t *testing.T) {
	cfg := modelOf(t, "resolvers r\n nameserver a 127.0.0.1:53\n nameserver b tcp@[::1]:5353\n hold nx 5s\n hold obsolete 2s\n"+
		" resolve_retries 4\n timeout resolve 2s\n timeout retry 300ms\n accepted_payload_size 8192\n parse-resolv-conf\n")
	want := []*Resolvers{{
		Name: "r", ParseResolvConf: true, Retries: 4, PayloadSize: 8192, Resolve: 2 * time.Second, Retry: 300 * time.Millisecond,
		Hold: Hold{NX: 5 * time.Second, Obsolete: 2 * time.Second},
		Nameservers: []Nameserver{
			{Name: "a", Addr: netip.MustParseAddrPort("127.0.0.1:53")},
			{Name: "b", Addr: netip.MustParseAddrPort("[::1]:5353"), TCP: true},
		},
	}}
	if diff := cmp.Diff(want, cfg.Resolvers, ignorePlaces, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("resolvers (-want +got):\n%s", diff)
	}
}

func TestUserlistModel(t *testing.T) {
	cfg := modelOf(t, "userlist u\n group g users a,b\n user a insecure-password x\n user b password $5$y groups g,\n user a\n")
	want := []*Userlist{{
		Name:   "u",
		Users:  []User{{Name: "a", Password: "x", Plain: true}, {Name: "b", Password: "$5$y", Groups: []string{"g"}}},
		Groups: []Group{{Name: "g", Users: []string{"a", "b"}}},
	}}
	if diff := cmp.Diff(want, cfg.Userlists, ignorePlaces); diff != "" {
		t.Errorf("userlists (-want +got):\n%s", diff)
	}
}

func TestRingModel(t *testing.T) {
	cfg := modelOf(t, "ring r\n description text\n format rfc5424\n size 64k\n maxlen 2048\n timeout connect 1s\n backing-file /x\n")
	want := []*Ring{{Name: "r", Description: "text", Format: "rfc5424", Size: 65536, MaxLength: 2048, BackingFile: "/x", Connect: time.Second}}
	if diff := cmp.Diff(want, cfg.Rings, ignorePlaces); diff != "" {
		t.Errorf("rings (-want +got):\n%s", diff)
	}
}

func TestLogForwardModel(t *testing.T) {
	cfg := modelOf(t, "log-forward f\n bind 127.0.0.1:514\n dgram-bind udp@127.0.0.1:514-515\n maxconn 5\n timeout client 3s\n log 127.0.0.2 local0\n")
	got := cfg.LogForwards[0]
	if len(got.Binds) != 1 || len(got.DgramBinds) != 2 || got.Maxconn != 5 || got.TimeoutClient != 3*time.Second || len(got.Logs) != 1 {
		t.Errorf("log-forward = %+v", got)
	}
}

func TestLogSample(t *testing.T) {
	cfg := modelOf(t, "global\n log 127.0.0.1 sample 4,1-2:5 local0\n")
	want := &LogSample{Ranges: [][2]int{{1, 2}, {4, 4}}, Size: 5}
	if diff := cmp.Diff(want, cfg.Global.Logs[0].Sample); diff != "" {
		t.Errorf("sample (-want +got):\n%s", diff)
	}
}

func TestGlobalModel(t *testing.T) {
	g := modelOf(t, "global\n cpu-map auto:1/1-2 0 1\n thread-groups 2\n nbthread 4\n maxconnrate 5\n maxconnrate 6\n grace 2s\n close-spread-time infinite\n localpeer p\n").Global
	want := Global{
		CPUMap: []CPUMap{{Threads: "auto:1/1-2", CPUs: []string{"0", "1"}}}, ThreadGroups: 2, NbThread: 4,
		MaxconnRate: 5, Grace: 2 * time.Second, CloseSpread: -1, LocalPeer: "p",
	}
	if diff := cmp.Diff(want, g, ignorePlaces); diff != "" {
		t.Errorf("global (-want +got):\n%s", diff)
	}
}

func TestAmount(t *testing.T) {
	for _, tt := range []struct {
		name string
		a    amount
		text string
		want bool
	}{
		{"text behind", percent, "5x", true},
		{"whole", wholeAmount, "5x", false},
		{"sign", wholeAmount, "-5", true},
		{"wraps to 0", notNegative, "4294967296", true},
		{"wraps below 0", notNegative, "2147483648", false},
		{"saturates to -1", notNegative, "99999999999999999999", false},
		{"wide", amount{lo: 0, hi: 1<<32 - 1, wide: true}, "2147483648", true},
		{"flip", amount{lo: 1, hi: 10, flip: true}, "-1", true},
		{"no digits", positive, "x", false},
	} {
		if got := tt.a.fits(tt.text); got != tt.want {
			t.Errorf("%s: fits(%q) = %v, want %v", tt.name, tt.text, got, tt.want)
		}
	}
}
