package config

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ruleModel parses a text whose lines may not be acted on yet and returns the
// proxies.
func ruleModel(t *testing.T, text string) []*Proxy {
	t.Helper()
	p := newParser(nil, Options{})
	p.parseSource(Source{Name: "t.cfg", Text: []byte(text)})
	for _, judge := range p.later {
		judge()
	}
	p.check()
	for _, d := range p.diags {
		if d.Severity == Alert && !d.Unsupported {
			t.Errorf("Parse(%q): %v", text, d)
		}
	}
	return p.cfg.Proxies
}

// whereAndWhat leaves out what other tests look at: places and expressions.
var whereAndWhat = cmp.Options{cmpopts.IgnoreTypes(Pos{}, &Expr{}, &Condition{}, &LogFormat{}), cmpopts.EquateComparable(netip.AddrPort{})}

func TestTCPRuleModel(t *testing.T) {
	for _, tt := range []struct {
		line string
		want TCPRule
	}{
		{"connection accept", TCPRule{Set: RequestConnection, Action: "accept"}},
		{"connection expect-proxy layer4", TCPRule{Set: RequestConnection, Action: "expect-proxy"}},
		{"session silent-drop rst-ttl 7", TCPRule{Set: RequestSession, Action: "silent-drop", Args: DropArgs{ResetTTL: 7}}},
		{"content track-sc2 src table st", TCPRule{Set: RequestContent, Action: "track-sc", Args: TrackArgs{Counter: 2, Table: "st"}}},
		{"content sc-inc-gpc(4,1)", TCPRule{Set: RequestContent, Action: "sc-inc-gpc", Args: CounterArgs{Element: "gpc", Index: 4, Counter: 1}}},
		{"content sc-inc-gpc0(2)", TCPRule{Set: RequestContent, Action: "sc-inc-gpc0", Args: CounterArgs{Element: "gpc0", Counter: 2}}},
		{"content sc-set-gpt0(1) 42", TCPRule{Set: RequestContent, Action: "sc-set-gpt0", Args: CounterArgs{Element: "gpt0", Counter: 1, Value: 42}}},
		{"content set-var(sess.a.b,ifset,iflt) src", TCPRule{Set: RequestContent, Action: "set-var", Args: VariableArgs{Name: "sess.a.b", If: []string{"ifset", "iflt"}}}},
		{"content unset-var(txn.x)", TCPRule{Set: RequestContent, Action: "unset-var", Args: VariableArgs{Name: "txn.x"}}},
		{"content set-mark 0x10", TCPRule{Set: RequestContent, Action: "set-mark", Args: ValueArgs{Number: 16}}},
		{"content capture src len 12", TCPRule{Set: RequestContent, Action: "capture", Args: CaptureArgs{Length: 12}}},
		{"content do-resolve(txn.ip,default,ipv6) src", TCPRule{Set: RequestContent, Action: "do-resolve", Args: ResolveArgs{Variable: "txn.ip", Resolvers: "default", Family: 6}}},
		{"content set-bandwidth-limit lim limit 2k period 3s", TCPRule{Set: RequestContent, Action: "set-bandwidth-limit", Args: BandwidthArgs{Filter: "lim", Limit: 2048, Period: 3 * time.Second}}},
		{"content set-log-level silent", TCPRule{Set: RequestContent, Action: "set-log-level", Args: LevelArgs{Level: "silent"}}},
		{"content set-nice -2000", TCPRule{Set: RequestContent, Action: "set-nice", Args: NiceArgs{Nice: -1024}}},
	} {
		text := "frontend f\n bind :1\n filter bwlim-in lim default-limit 1k default-period 1s\n tcp-request " + tt.line + "\nbackend st\n stick-table type ip size 1k\n"
		px := ruleModel(t, text)
		if diff := cmp.Diff([]TCPRule{tt.want}, px[0].TCPRules, whereAndWhat); diff != "" {
			t.Errorf("tcp-request %s (-want +got):\n%s", tt.line, diff)
		}
	}
}

// TestTCPRuleInheritance checks that rules of a defaults section come first and
// that its proxies do not share what they add.
func TestTCPRuleInheritance(t *testing.T) {
	px := ruleModel(t, "defaults d\n tcp-request inspect-delay 5s\n tcp-request content accept if TRUE\nfrontend f from d\n bind :1\n tcp-request content reject\nfrontend g from d\n bind :2\n tcp-request content silent-drop\n")
	for i, want := range []string{"reject", "silent-drop"} {
		rules := px[i].TCPRules
		if len(rules) != 2 || rules[0].Action != "accept" || rules[1].Action != want || px[i].InspectDelay != 5*time.Second {
			t.Errorf("rules of %s = %+v, delay %v, want accept, %s and 5s", px[i].Name, rules, px[i].InspectDelay, want)
		}
	}
}

func TestStickTableModel(t *testing.T) {
	for _, tt := range []struct {
		line string
		want StickTable
	}{
		{"type ip size 1k", StickTable{Type: TypeIPv4, Size: 1024}},
		{"type string size 2 expire 1m nopurge", StickTable{Type: TypeString, Length: 31, Size: 2, Expire: time.Minute, NoPurge: true}},
		{"type binary len 9 size 1m srvkey addr", StickTable{Type: TypeBinary, Length: 9, Size: 1 << 20, SrvKey: "addr"}},
		{"type integer size 1 store gpc0,conn_rate(10s) store gpc_rate(3,1m),gpt(2)", StickTable{Type: TypeInt, Size: 1, Store: []StoredData{
			{Name: "gpc0"}, {Name: "conn_rate", Period: 10 * time.Second}, {Name: "gpc_rate", Count: 3, Period: time.Minute}, {Name: "gpt", Count: 2}}}},
	} {
		px := ruleModel(t, "backend b\n stick-table "+tt.line+"\n")
		tt.want.Name = "b"
		if diff := cmp.Diff(&tt.want, px[0].StickTable, whereAndWhat); diff != "" {
			t.Errorf("stick-table %s (-want +got):\n%s", tt.line, diff)
		}
	}
}

func TestSwitchModel(t *testing.T) {
	px := ruleModel(t, `listen l
 bind :1
 server s1 192.0.2.1:80
 use_backend b if TRUE
 use_backend b
 use-server s1 unless FALSE
 ignore-persist if TRUE
 stick-table type ip size 1k store bytes_out_rate(1s)
 stick store-response src
 declare capture response len 8
 filter bwlim-out lim limit 1m key src min-size 10
backend b
`)
	got := *px[0]
	if got.BackendRules[0].Cond == nil || got.BackendRules[1].Cond != nil {
		t.Errorf("conditions of use_backend = %v, %v, want one and none", got.BackendRules[0].Cond, got.BackendRules[1].Cond)
	}
	want := Proxy{
		BackendRules:     []BackendRule{{Backend: "b"}, {Backend: "b"}},
		ServerRules:      []ServerRule{{Server: "s1"}},
		PersistRules:     []PersistRule{{Ignore: true}},
		StickRules:       []StickRule{{Kind: "store-response"}},
		Captures:         []CaptureSlot{{Response: true, Length: 8}},
		BandwidthFilters: []BandwidthFilter{{Name: "lim", Out: true, Limit: 1 << 20, MinSize: 10}},
	}
	got = Proxy{BackendRules: got.BackendRules, ServerRules: got.ServerRules, PersistRules: got.PersistRules,
		StickRules: got.StickRules, Captures: got.Captures, BandwidthFilters: got.BandwidthFilters}
	if diff := cmp.Diff(want, got, whereAndWhat); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// What is acted on passes, what is not there yet is refused by its own name.
func TestConnectionActions(t *testing.T) {
	const head = "frontend f\n bind :1\n timeout client 1s\n tcp-request connection "
	for rule, want := range map[string]string{
		"accept if { src 192.0.2.1 }":  "",
		"reject":                       "",
		"expect-proxy layer4":          "",
		"track-sc0 src table f":        "'tcp-request connection track-sc0' is not supported by this version yet",
		"silent-drop":                  "'tcp-request connection silent-drop' is not supported by this version yet",
		"reject if { src_conn_cur 1 }": "'src_conn_cur' is not supported by this version yet",
	} {
		text := head + rule + "\nbackend t\n stick-table type ip size 1k store conn_cur\n"
		_, _, err := Parse([]Source{{Name: "a.cfg", Text: []byte(text)}}, Options{})
		got := ""
		for _, d := range alertsOf(err) {
			if d.Pos.Line == 4 && got == "" {
				got = d.Message
			}
		}
		if got != want {
			t.Errorf("%s: alert %q, want %q", rule, got, want)
		}
	}
}

// TestActionRows checks what readers of the table rely on.
func TestActionRows(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range Actions() {
		switch {
		case seen[row.Name+row.State.String()]:
			t.Errorf("%s: two rows", row.Name)
		case row.Sets == 0 || row.Help == "":
			t.Errorf("%s: no rule set or no help", row.Name)
		case row.State == Refused && row.Why == "" && row.Since == "":
			t.Errorf("%s: refused without a reason", row.Name)
		}
		seen[row.Name+row.State.String()] = true
	}
}
