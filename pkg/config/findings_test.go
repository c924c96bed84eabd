package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each cause is told once, with what to do about it. What is not built yet is left
// out.
func TestFindings(t *testing.T) {
	const timeouts = "defaults\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"certificate that cannot be read", timeouts + "frontend f\n bind :1 ssl crt /nowhere.pem\n",
			[]string{"a.cfg:6:18: unable to read the certificate: open /nowhere.pem: no such file or directory; accepted: a PEM file with certificate and key"}},
		{"the same with strict-sni", timeouts + "frontend f\n bind :1 ssl strict-sni crt /nowhere.pem\n",
			[]string{"a.cfg:6:29: unable to read the certificate: open /nowhere.pem: no such file or directory; accepted: a PEM file with certificate and key"}},
		{"no certificate", timeouts + "frontend f\n bind :1 ssl\n",
			[]string{"a.cfg:6:10: bind: no SSL certificate specified; accepted: ssl crt <file>"}},
		{"authority that cannot be read", timeouts + "backend b\n server s 127.0.0.1:1 ssl ca-file /nowhere.pem\n",
			[]string{"a.cfg:6:35: unable to load '/nowhere.pem': open /nowhere.pem: no such file or directory; accepted: a PEM file with certificates"}},
		{"address behind listen", timeouts + "listen l 127.0.0.1:80\n server s 127.0.0.1:1 bakup\n",
			[]string{
				"a.cfg:5:10: please use the 'bind' keyword for listening addresses; accepted: 'bind 127.0.0.1:80' on a line of its own",
				"a.cfg:6:23: 'server s': unknown keyword 'bakup' (did you mean \"backup\"?)",
			}},
		{"timeout with a blank", "defaults\n timeout client 5 s\n timeout server 1s\n timeout connect\nlisten l\n bind :1\n server s 127.0.0.1:1\n",
			[]string{
				"a.cfg:2:19: 'timeout client': unexpected extra argument 's' after value '5' (did you mean \"5s\"?)",
				"a.cfg:4:17: 'timeout connect' expects an argument; accepted: timeout connect <time>",
			}},
		{"keyword of another section", timeouts + "backend b\n default-backend c\n",
			[]string{"a.cfg:6:2: unknown keyword 'default-backend' in 'backend' section (did you mean \"default_backend\"?)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, warnings, err := Parse([]Source{{Name: "a.cfg", Text: []byte(tt.text)}}, Options{ReadFile: os.ReadFile})
			var got []string
			for _, d := range append(alertsOf(err), warnings...) {
				text := d.Error()
				if d.Suggest != "" { // the list of all keywords is of no interest here
					text, _, _ = strings.Cut(text, "; accepted: ")
				}
				if !d.Unsupported && !d.Own {
					got = append(got, text)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// "unix-bind" holds for the listeners of proxies, not for stats sockets, as in
// HAProxy.
func TestUnixBindOfStatsSocket(t *testing.T) {
	text := "global\n unix-bind prefix /p mode 711 user root\n stats socket /s\nfrontend f\n bind unix@/f\n"
	p := newParser(nil, Options{})
	p.parseSource(Source{Name: "a.cfg", Text: []byte(text)})
	want := []StatsSocket{{Pos: Pos{"a.cfg", 3, 15}, Path: "/s", Level: "operator"}}
	if got := p.cfg.Global.Sockets; !slices.Equal(got, want) {
		t.Errorf("stats sockets = %+v, want %+v", got, want)
	}
	if got := p.px.px.Binds[0].Path; got != "/p/f" {
		t.Errorf("path of the listener = %q, want /p/f", got)
	}
}

// A UNIX listener takes from "unix-bind" what its own line does not say; TCP and
// abstract ones have no owner.
func TestUnixBindFillsOptions(t *testing.T) {
	text := "global\n unix-bind mode 711 user root gid 7x\nfrontend f\n timeout client 1s\n bind unix@/a,:1,abns@b\n bind unix@/c mode 600 group staff\n"
	conf, _, err := Parse([]Source{{Name: "a.cfg", Text: []byte(text)}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []*BindOptions{{Mode: 0o711, User: "root", Group: "7"}, nil, nil, {Mode: 0o600, User: "root", Group: "staff"}}
	var got []*BindOptions
	for _, b := range conf.Proxies[0].Binds {
		got = append(got, b.Options)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got)\n%s", diff)
	}
}

// A log target that asks for a connection is not taken for datagrams.
func TestLogOverConnection(t *testing.T) {
	for _, address := range []string{"stream+unix@/s", "uxst@/s", "tcp@127.0.0.1:1", "stream+ipv4@127.0.0.1:1"} {
		_, _, err := Parse([]Source{{Name: "a.cfg", Text: []byte("global\n log " + address + " local0\n")}}, Options{})
		if alerts := alertsOf(err); len(alerts) != 1 || !alerts[0].Unsupported {
			t.Errorf("log %s: alerts = %v, want one about what is not supported yet", address, alerts)
		}
	}
}
