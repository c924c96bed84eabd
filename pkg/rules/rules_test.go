package rules

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
)

// farm answers every question with the number of the quantity.
type farm struct{}

func (farm) Quantity(q Quantity) int64    { return int64(q) }
func (farm) Frontend(string) Object       { return farm{} }
func (farm) Backend(string) Object        { return farm{} }
func (farm) Server(string, string) Object { return farm{} }
func testCompiler() *Compiler {
	return &Compiler{Section: "px", Names: farm{}, Host: Host{
		Name: "lb1", PID: 77, Getenv: func(string) (string, bool) { return "value", true },
		Now: func() time.Time { return time.Unix(1000, 5e6) }, Random: func() uint32 { return 1 << 31 },
		Local: func(a netip.Addr) bool { return a.IsLoopback() }, Started: time.Unix(900, 0),
		Conns: func() int64 { return 3 }, Stopping: func() bool { return true },
	}}
}

func testStream() *Stream {
	return &Stream{
		Client: netip.MustParseAddrPort("192.0.2.77:40001"), Local: netip.MustParseAddrPort("[2001:db8::1]:443"),
		Frontend: &config.Proxy{Name: "px", ID: 2, DefaultBackend: "px", Timeouts: config.Timeouts{Client: 7 * time.Millisecond}},
		Backend:  &config.Proxy{Name: "px", ID: 2, Timeouts: config.Timeouts{Server: 5 * time.Millisecond}},
		Bind:     &config.Bind{ID: 9, Name: "Public"}, Socket: farm{}, Session: visitor{numbers: map[Detail]int64{ConnectTime: -1, Accepted: 12345678e3}},
	}
}

// condition parses the text behind "if" in a proxy that has all roles.
func condition(t testing.TB, text string) (*config.Condition, error) {
	t.Helper()
	conf, _, err := config.Parse([]config.Source{{Name: "t.cfg", Text: []byte("listen px\n mode tcp\n bind :1\n server s1 192.0.2.1:1\n use-server s1 if " + text + "\n")}}, config.Options{})
	if err != nil {
		return nil, err
	}
	return conf.Proxies[0].ServerRules[0].Cond, nil
}

func compiled(t testing.TB, text string) *Cond {
	t.Helper()
	cond, err := condition(t, text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	c, err := testCompiler().Cond(cond)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func TestConditions(t *testing.T) {
	tests := []struct {
		text string
		want bool
	}{
		{"TRUE", true},
		{"!TRUE", false},
		{"FALSE or TRUE", true},
		{"FALSE TRUE or FALSE", false},
		{"{ src 192.0.2.0/24 }", true},
		{"{ src 192.0.2.0/26 }", false},
		{"{ src 192.0.0.77/255.255.0.255 }", true},
		{"{ src ::ffff:192.0.2.0/120 }", true},
		{"{ src -m str 192.0.2.77 }", true},
		{"{ src -m beg 192.0 }", true},
		{"{ src -m end .77 .78 }", true},
		{"{ src -m sub 0.2 }", true},
		{"{ src -m dom 2.77 }", true},
		{"{ src -m dom 2.7 }", false},
		{"{ src -m reg ^192\\.[0-9.]+7$ }", true},
		{"{ src -m len 10 }", true},
		{"{ src -m found }", true},
		{"{ src_port gt 40000 }", true},
		{"{ src_port 1:1024 40001 }", true},
		{"{ src_port lt 40001 }", false},
		{"{ src_port,odd }", true},
		{"{ src_is_local }", false},
		{"{ dst 2001:db8::/32 }", true},
		{"{ dst_port 443 }", true},
		{"{ dst,ipmask(24,32) 2001:db8:: }", true},
		{"{ dst,ipmask(24) -m found }", false},
		{"{ src,ipmask(24) 192.0.2.0 }", true},
		{"{ fe_name px } { be_name px } { fe_id 2 } { be_id 2 } { so_id 9 }", true},
		{"{ so_name -i PUBLIC }", true},
		{"{ so_name PUBLIC }", false},
		{"{ so_name,upper PUBLIC }", true},
		{"{ so_name,lower -i PUBLIC }", true},
		{"{ so_name,length 6 }", true},
		{"{ str(a/b/c) -m dir b/c }", true},
		{"{ str(a/bb/c) -m dir b }", false},
		{"{ int(7),add(3),mul(2),sub(6),div(2),mod(5) 2 }", true},
		{"{ int(9223372036854775807),add(1) 9223372036854775807 }", true},
		{"{ int(6),and(3),or(8),xor(1) 11 }", true},
		{"{ int(1),div(0) 9223372036854775807 }", true},
		{"{ int(0),not } { int(2),even } { int(3),bool }", true},
		{"{ int(5),neg,cpl 4 }", true},
		{"{ int(-1) lt 0 } !{ int(0) lt 0 } { int(-1) :-1 } !{ int(0) :-1 }", true},
		{"{ bool(1),iif(yes,no) yes }", true},
		{"{ bin(00ff10) -m bin 00ff10 }", true},
		{"{ bin(00ff10) -m str 00FF10 }", true},
		{"{ str(192.0.2.1) -m ip 192.0.2.0/24 }", true},
		{"{ str(x) -m ip 192.0.2.0/24 }", false},
		{"{ str(abc),djb2 193485963 } { str(abc),sdbm 807794786 } { str(abc),crc32 891568578 } { str(abc),crc32c 910901175 }", true},
		{"{ hostname lb1 } { pid 77 } { env(X) value } { date 1000 } { date(5,ms) 1000010 } { rand(10) 5 }", true},
		{"{ ipv4(10.0.0.1),ipmask(8) 10.0.0.0 } { ipv6(::1) ::1 }", true},
		{"{ fc_src 192.0.2.77 } { fc_src_port 40001 } !{ fc_src_is_local } { fc_dst 2001:db8::1 } { fc_dst_port 443 } !{ fc_dst_is_local }", true},
		{"{ act_conn 3 } { stopping } { uptime 100 } { date_us 5000 } { proc 1 } { nbproc 1 } { prio_class 0 } { prio_offset 0 } { fe_req_rate(px) 0 }", true},
		{"{ accept_date 12 } { accept_date(ms) 12345 } { accept_date(us) 12345678 } { bytes_in 0 } !{ fc_rcvd_proxy } !{ fc_pp_authority -m found }", true},
		{"{ uuid 80000000-8000-4000-8000-000080000000 } { uuid(7) 0000000f-4245-7000-8000-000080000000 }", true},
		{"{ fe_client_timeout 7 } { cur_client_timeout 7 } { be_server_timeout 5 } { cur_server_timeout 0 } { be_tunnel_timeout 0 } { cur_tunnel_timeout 0 }", true},
	}
	s := testStream()
	for _, tt := range tests {
		if got := compiled(t, tt.text).Holds(s); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.text, got, tt.want)
		}
	}
}

// TestQuantities checks which number each fetch asks for, and of what.
func TestQuantities(t *testing.T) {
	for call, q := range map[string]Quantity{
		"fe_conn": FrontendConns, "fe_sess_rate": FrontendRate, "fe_sess_rate(px)": FrontendRate, "be_conn": BackendConns, "be_sess_rate(px)": BackendRate,
		"be_conn_free": BackendFree, "connslots(px)": BackendSlots, "nbsrv(px)": BackendUsable, "queue(px)": BackendQueue, "avg_queue(px)": AverageQueue,
		"srv_conn(s1)": ServerConns, "srv_sess_rate(px/s1)": ServerRate, "srv_conn_free(s1)": ServerFree, "srv_queue(s1)": ServerQueue,
		"srv_weight(s1)": ServerWeight, "srv_uweight(s1)": UserWeight, "srv_iweight(s1)": InitialWeight, "dst_conn": SocketConns,
	} {
		if !compiled(t, fmt.Sprintf("{ %s %d }", call, q)).Holds(testStream()) {
			t.Errorf("%s does not ask for %d", call, q)
		}
	}
	if !compiled(t, "{ srv_is_up(px/s1) }").Holds(testStream()) {
		t.Error("a server is not up")
	}
}

// TestUnixClient checks that samples without an address do not match, and that
// their negation does.
func TestUnixClient(t *testing.T) {
	s := testStream()
	s.Client = netip.AddrPort{}
	for text, want := range map[string]bool{"{ src 0.0.0.0/0 }": false, "!{ src 0.0.0.0/0 }": true, "{ src_port 0 }": false} {
		if got := compiled(t, text).Holds(s); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// TestStatesTellWhatCompiles compares the tables of pkg/config with those here.
func TestStatesTellWhatCompiles(t *testing.T) {
	sample := map[config.ArgType]string{
		config.ArgInteger: "1", config.ArgIPv4: "192.0.2.1", config.ArgIPv6: "::1", config.ArgMask4: "24", config.ArgMask6: "64",
		config.ArgString: "1", config.ArgServer: "s1", config.ArgBackend: "px", config.ArgFrontend: "px",
	}
	special := map[string]string{"bin": "00ff", "date": "1,s", "accept_date": "ms", "uuid": "4"}
	call := func(r config.SampleRow) string {
		if r.Args == "" {
			return r.Name
		}
		if args, ok := special[r.Name]; ok {
			return r.Name + "(" + args + ")"
		}
		var args []string
		for _, a := range strings.FieldsFunc(r.Args, func(c rune) bool { return strings.ContainsRune("[],", c) }) {
			args = append(args, sample[config.ArgType(a)])
		}
		return r.Name + "(" + strings.Join(args, ",") + ")"
	}
	check := func(r config.SampleRow, known bool, text string) {
		if done := r.State == config.Done; done != known {
			t.Errorf("%s: %v in the table, compiles: %v", r.Name, r.State, known)
		}
		if r.State != config.Done {
			return
		}
		cond, err := condition(t, "{ "+text+" -m found }")
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if _, err := testCompiler().Cond(cond); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, r := range config.Fetches() {
		_, known := fetches[r.Name]
		check(r, known, call(r))
	}
	from := map[config.SampleType]string{config.TypeInt: "int(1),", config.TypeBool: "bool(1),", config.TypeAddr: "src,"}
	for _, r := range config.Converters() {
		_, known := converters[r.Name]
		input := from[r.In]
		if input == "" {
			input = "str(x),"
		}
		check(r, known, input+call(r))
	}
}

// TestPendingIsRefused checks that what does not compile is refused where it
// stands.
func TestPendingIsRefused(t *testing.T) {
	tests := []struct {
		text, at string
	}{
		{"{ src_conn_cur(px) gt 3 }", "5:21"},
		{"{ src,b64dec -m found }", "5:25"},
		{"TRUE { req.len gt 3 }", "5:26"},
		{"{ int(1),add(txn.x) 1 }", "5:28"},
		{"REQ_CONTENT", "5:19"},
	}
	for _, tt := range tests {
		_, err := condition(t, tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.at) {
			t.Errorf("%s: %v, want a fault at %s", tt.text, err, tt.at)
		}
	}
}

// TestFileOfNetworks compares look-ups in a large file with a plain search.
func TestFileOfNetworks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	var prefixes []netip.Prefix
	text.WriteString("# networks\n\n")
	for range 3000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), 20+r.IntN(13)).Masked()
		prefixes = append(prefixes, p)
		fmt.Fprintln(&text, p)
	}
	file := filepath.Join(t.TempDir(), "nets")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := compiled(t, "{ src -f "+file+" 192.0.2.1 }")
	s := testStream()
	hits := 0
	for range 20000 {
		a := netip.AddrFrom4([4]byte{10, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
		s.Client = netip.AddrPortFrom(a, 1)
		want := slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
		if got := c.Holds(s); got != want {
			t.Fatalf("%v in %d networks: %v, want %v", a, len(prefixes), got, want)
		} else if got {
			hits++
		}
	}
	if hits == 0 || hits == 20000 {
		t.Errorf("%d of 20000 addresses are in the networks", hits)
	}
}

var measured = []string{
	"{ src 192.0.2.0/24 10.0.0.0/8 }", "{ src_port,mul(3),odd } { dst_port 443 }", "{ src -m sub 0.2 }", "{ so_name,lower -i public }",
	"{ src,ipmask(24),djb2 gt 0 }", "{ nbsrv(px) ge 1 } !{ srv_is_up(s1) } or TRUE", "{ src -m reg ^192 }",
}

func TestEvaluationDoesNotAllocate(t *testing.T) {
	s := testStream()
	for _, text := range measured {
		c := compiled(t, text)
		c.Holds(s) // the scratch memory grows
		if n := testing.AllocsPerRun(100, func() { c.Holds(s) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", text, n)
		}
	}
	e, err := testCompiler().Expr(&config.Expr{Fetch: "src"})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { e.Bytes(s) }); n != 0 {
		t.Errorf("Bytes: %v allocations, want 0", n)
	}
}

func BenchmarkHolds(b *testing.B) {
	s := testStream()
	for _, text := range measured {
		c := compiled(b, text)
		b.Run(strings.ReplaceAll(text, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Holds(s)
			}
		})
	}
}
