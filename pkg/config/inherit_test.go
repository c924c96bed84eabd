package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// presets tells for each field of Proxy which proxies take it over from a
// defaults section: "front", "back", "both", or "none". A struct whose fields
// differ has a line for each.
var presets = map[string]string{
	"Pos": "none", "Name": "none", "Kind": "none", "ID": "none", "Description": "none", "GUID": "none",
	"Binds": "none", "Servers": "none", "Dispatch": "none", "DispatchPath": "none",
	"BackendRules": "none", "ServerRules": "none", "PersistRules": "none", "StickRules": "none", "StickTable": "none", "Captures": "none", "BandwidthFilters": "none",
	"Disabled": "both", "Logs": "both", "LogTag": "both", "EmailAlert": "both", "TCPRules": "both", "InspectDelay": "both", "ResponseInspectDelay": "back",

	"Maxconn": "front", "Backlog": "front", "DefaultBackend": "front", "RateSessions": "front", "SessionConns": "front",
	"TCPLog": "front", "DontLogNull": "front", "LogASAP": "front", "ClientKeepalive": "front", "ClientProbes": "front",
	"Timeouts.Client": "front", "Timeouts.ClientFin": "front", "Timeouts.ClientHS": "front",
	"Flags.ContStats": "front", "Flags.DontLogNormal": "front", "Flags.LogSeparateErrors": "front", "Flags.SocketStats": "front", "Flags.SmartAccept": "front",

	"Balance": "back", "Hash": "back", "Retries": "back", "Redispatch": "back", "AllBackups": "back", "Fullconn": "back", "RetryOn": "back",
	"Splice": "both",
	"Source": "back", "Persistence": "back", "State": "back", "ServerKeepalive": "back", "ServerProbes": "back", "Check": "back", "LogHealthChecks": "back",
	"Timeouts.Server": "back", "Timeouts.Connect": "back", "Timeouts.Queue": "back", "Timeouts.Check": "back", "Timeouts.ServerFin": "back", "Timeouts.Tunnel": "back",
	"Flags.AbortOnClose": "back", "Flags.Persist": "back", "Flags.SmartConnect": "back", "Flags.Transparent": "back",

	"LogFormat": "both", "LogFormatSD": "both", "ErrorLogFormat": "both", "UniqueIDFormat": "both",
	"Flags.IndependentStreams": "both", "Flags.NoLinger": "both",
}

// fill sets everything that v holds to something that is not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.String:
		v.SetString("x")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[netip.AddrPort]() {
			v.Set(reflect.ValueOf(netip.MustParseAddrPort("192.0.2.1:80")))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	}
}

// fieldsOf lists the lines of presets that belong to a proxy, with whether each
// holds something.
func fieldsOf(px *Proxy) map[string]bool {
	set := map[string]bool{}
	v := reflect.ValueOf(px).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if name != "Flags" && name != "Timeouts" {
			set[name] = !v.Field(i).IsZero()
			continue
		}
		for j := range v.Field(i).NumField() {
			set[name+"."+v.Field(i).Type().Field(j).Name] = !v.Field(i).Field(j).IsZero()
		}
	}
	return set
}

// TestInheritance sets every field in a defaults section and looks at what each
// kind of proxy starts with.
func TestInheritance(t *testing.T) {
	for _, kind := range []Kind{Frontend, Backend, Listen} {
		base := &section{px: &Proxy{}}
		fill(reflect.ValueOf(base.px).Elem())
		base.px.Kind = Listen
		want, got := map[string]bool{}, fieldsOf(newSection(base, kind).px)
		for name := range got {
			role, known := presets[name]
			if !known {
				t.Errorf("presets does not tell who inherits %s", name)
			}
			want[name] = role == "both" || role == "front" && kind.HasFrontend() || role == "back" && kind.HasBackend()
		}
		for _, own := range []string{"Pos", "Name", "Kind"} { // openProxy sets them
			delete(want, own)
			delete(got, own)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

// TestInheritanceChain checks that a setting goes through named defaults sections
// and that a proxy's own line wins.
func TestInheritanceChain(t *testing.T) {
	text := `
defaults base
    balance leastconn
    retries 7
    option allbackups
    source 192.0.2.1
defaults more from base
    retries 8
backend one from more
    server s1 192.0.2.1:80
backend two from more
    balance roundrobin
    no option allbackups
backend three from base
`
	p := newParser(nil, Options{})
	p.parseSource(Source{Name: "test.cfg", Text: []byte(strings.TrimPrefix(text, "\n"))})
	type settings struct {
		Balance string
		Retries int
		All     bool
		Source  bool
	}
	got := map[string]settings{}
	for _, s := range p.sections {
		got[s.px.Name] = settings{s.px.Balance.Algorithm, s.px.Retries, s.px.AllBackups, s.px.Source != nil}
	}
	want := map[string]settings{
		"one": {"leastconn", 8, true, true}, "two": {"roundrobin", 8, false, true}, "three": {"leastconn", 7, true, true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("inherited settings (-want +got):\n%s", diff)
	}
}
