package config

import (
	"strconv"
	"strings"
	"time"
)

// tlsGlobalKeywords are the lines of section global about TLS and about listeners
// as a whole (manual, sections 3.1 and 3.2).
var tlsGlobalKeywords = []Keyword{
	{Name: "ca-base", Where: InGlobal, Args: "<directory>", Min: 1, Max: 1, State: Pending, Help: "directory of CA and revocation files with relative names", parse: baseDirectory(func(t *TLSGlobal) *string { return &t.CABase })},
	{Name: "crt-base", Where: InGlobal, Args: "<directory>", Min: 1, Max: 1, State: Pending, Help: "directory of certificates with relative names", parse: baseDirectory(func(t *TLSGlobal) *string { return &t.CertBase })},
	{Name: "key-base", Where: InGlobal, Args: "<directory>", Min: 1, Max: 1, State: Pending, Help: "directory of private keys with relative names", parse: baseDirectory(func(t *TLSGlobal) *string { return &t.KeyBase })},
	{Name: "issuers-chain-path", Where: InGlobal, Args: "<directory>", Min: 1, Max: 1, State: Pending, Help: "directory of certificates that complete chains", parse: parseIssuersPath},
	{Name: "maxsslconn", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: "0, unlimited", State: Pending, Help: "concurrent TLS connections", parse: tlsNumber(func(t *TLSGlobal) *int { return &t.Maxconn })},
	{Name: "maxsslrate", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: "0, unlimited", State: Pending, Help: "TLS handshakes per second",
		parse: func(p *parser, st *statement) {
			if p.firstTime(st, "maxsslrate") {
				p.cfg.Global.TLS.Rate = p.looseInt(st.args[0], "maxsslrate")
			}
		}},
	presetRow("ssl-default-bind-ciphers", "ciphers of TLS 1.2 and before on listeners", func(t *TLSGlobal) *string { return &t.Bind.Ciphers }),
	presetRow("ssl-default-bind-ciphersuites", "cipher suites of TLS 1.3 on listeners", func(t *TLSGlobal) *string { return &t.Bind.Ciphersuites }),
	presetRow("ssl-default-bind-curves", "elliptic curves on listeners", func(t *TLSGlobal) *string { return &t.Bind.Curves }),
	presetRow("ssl-default-bind-sigalgs", "signature algorithms on listeners", func(t *TLSGlobal) *string { return &t.Bind.Sigalgs }),
	presetRow("ssl-default-bind-client-sigalgs", "signature algorithms of client certificates", func(t *TLSGlobal) *string { return &t.Bind.ClientSigalgs }),
	presetRow("ssl-default-server-ciphers", "ciphers of TLS 1.2 and before to servers", func(t *TLSGlobal) *string { return &t.Server.Ciphers }),
	presetRow("ssl-default-server-ciphersuites", "cipher suites of TLS 1.3 to servers", func(t *TLSGlobal) *string { return &t.Server.Ciphersuites }),
	presetRow("ssl-default-server-curves", "elliptic curves to servers", func(t *TLSGlobal) *string { return &t.Server.Curves }),
	presetRow("ssl-default-server-sigalgs", "signature algorithms to servers", func(t *TLSGlobal) *string { return &t.Server.Sigalgs }),
	presetRow("ssl-default-server-client-sigalgs", "signature algorithms of certificates shown to servers", func(t *TLSGlobal) *string { return &t.Server.ClientSigalgs }),
	{Name: "ssl-default-bind-options", Where: InGlobal, Args: presetForm + " | prefer-client-ciphers", Min: 1, Max: -1, State: Pending, Help: "TLS options of all listeners",
		parse: parsePresets(func(t *TLSGlobal) *TLS { return &t.Bind }, true)},
	{Name: "ssl-default-server-options", Where: InGlobal, Args: presetForm, Min: 1, Max: -1, State: Pending, Help: "TLS options of all servers",
		parse: parsePresets(func(t *TLSGlobal) *TLS { return &t.Server }, false)},
	{Name: "ssl-server-verify", Where: InGlobal, Args: "none | required", Min: 1, Max: 1, Default: "required", State: Pending, Help: "whether the certificates of servers are checked",
		parse: func(p *parser, st *statement) {
			if p.oneOf(st.args[0], "ssl-server-verify", []string{"none", "required"}) {
				p.cfg.Global.TLS.ServerVerify = st.args[0].Text
			}
		}},
	{Name: "ssl-dh-param-file", Where: InGlobal, Args: "<file>", Min: 1, Max: 1, State: NoEffect, Why: onlyCurves, Help: "Diffie-Hellman parameters of all listeners", parse: parseDHFile},
	{Name: "ssl-load-extra-files", Where: InGlobal, Args: "none | all | bundle | sctl | ocsp | issuer | key ...", Min: 1, Max: -1, Default: "all", State: Pending, Help: "files beside a certificate that are read with it", parse: parseExtraFiles},
	{Name: "ssl-load-extra-del-ext", Where: InGlobal, Max: -1, State: Pending, Help: "names of extra files replace the certificate's extension"},
	{Name: "ssl-skip-self-issued-ca", Where: InGlobal, Max: -1, State: Pending, Help: "do not send the root of a chain"},
	{Name: "ssl-security-level", Where: InGlobal, Args: "<number>", Min: 1, Max: -1, State: Pending, Help: "OpenSSL's security level, 0 to 5",
		parse: func(p *parser, st *statement) { p.strictInt(st.args[0], "ssl-security-level", 0, 5) }},
	{Name: "ssl-mode-async", Where: InGlobal, Max: -1, State: NoEffect, Why: noEngines, Help: "let engines work in parallel"},
	{Name: "ssl-propquery", Where: InGlobal, Args: "<text>", Min: 1, Max: -1, State: NoEffect, Why: noEngines, Help: "properties of OpenSSL's algorithms"},
	{Name: "ssl-provider", Where: InGlobal, Args: "<name>", Min: 1, Max: -1, State: NoEffect, Why: noEngines, Help: "OpenSSL provider to load"},
	{Name: "ssl-provider-path", Where: InGlobal, Args: "<directory>", Min: 1, Max: -1, State: NoEffect, Why: noEngines, Help: "directory of OpenSSL providers"},
	{Name: "ssl-engine", Where: InGlobal, Args: "<name> [algo <list>]", Min: 1, Max: -1, State: Refused, Why: "this build of HAProxy's language has no engines", Help: "OpenSSL engine to use", instead: "a file without it"},
	{Name: "ssl-passphrase-cmd", Where: InGlobal, Max: -1, State: Refused, Since: "3.3", Help: "command that prints the password of a key"},
	{Name: "noktls", Where: InGlobal, Max: -1, State: Refused, Since: "3.3", Help: "no TLS in the kernel"},
	{Name: "tune.ssl.certificate-compression", Where: InGlobal, Max: -1, State: Refused, Since: "3.3", Help: "compression of certificates"},
	{Name: "tune.ssl.keyupdate-rate-limit", Where: InGlobal, Max: -1, State: Refused, Since: "3.5", Help: "key updates per second"},
	ocspSwitch("ocsp-update.disable", "no automatic update of OCSP responses"),
	ocspSwitch("ocsp-update.mode", "whether OCSP responses are updated"),
	{Name: "ocsp-update.httpproxy", Where: InGlobal, Args: "<address>", Min: 1, Max: -1, State: NoEffect, Why: noOCSP, Help: "HTTP proxy of such updates"},
	ocspDelay("ocsp-update.maxdelay"), ocspDelay("ocsp-update.mindelay"), ocspDelay("tune.ssl.ocsp-update.maxdelay"), ocspDelay("tune.ssl.ocsp-update.mindelay"),
	tuneNumber("tune.ssl.cachesize", "20000", "TLS sessions that are kept", func(t *TLSGlobal) *int { return &t.CacheSize }),
	tuneNumber("tune.ssl.maxrecord", "0, unlimited", "bytes in one TLS record", func(t *TLSGlobal) *int { return &t.MaxRecord }),
	tuneNumber("tune.ssl.hard-maxrecord", "0, unlimited", "bytes in one TLS record, from the start of a connection", nil),
	tuneNumber("tune.ssl.capture-buffer-size", "0", "bytes of a client hello that are kept for fetches", nil),
	tuneNumber("tune.ssl.capture-cipherlist-size", "0", "older name of tune.ssl.capture-buffer-size", nil),
	tuneNumber("tune.ssl.ssl-ctx-cache-size", "1000", "generated certificates that are kept", nil),
	{Name: "tune.ssl.default-dh-param", Where: InGlobal, Args: "<bits>", Min: 1, Max: 1, Default: "2048", State: NoEffect, Why: onlyCurves, Help: "size of Diffie-Hellman keys", parse: parseDefaultDH},
	{Name: "tune.ssl.force-private-cache", Where: InGlobal, State: NoEffect, Why: "there is one process", Help: "a session cache for each process"},
	{Name: "tune.ssl.keylog", Where: InGlobal, Args: "on | off", Min: 1, Max: 1, Default: "off", State: Pending, Help: "keep the secrets of TLS connections for fetches",
		parse: func(p *parser, st *statement) { p.oneOf(st.args[0], "tune.ssl.keylog", []string{"on", "off"}) }},
	{Name: "tune.ssl.lifetime", Where: InGlobal, Args: "<time>", Min: 1, Max: 1, Default: "300s", State: Pending, Help: "how long a TLS session can be resumed",
		parse: func(p *parser, st *statement) {
			if d, ok := p.timer(st.args[0], "tune.ssl.lifetime", time.Second); ok {
				p.cfg.Global.TLS.Lifetime = d
			}
		}},
	{Name: "unix-bind", Where: InGlobal, Args: "[prefix <path>] [mode <octal>] [user <name>] [uid <number>] [group <name>] [gid <number>]", Max: -1, Help: "what holds for the UNIX listeners of the lines behind it", parse: parseUnixBind},
}

const (
	presetForm = "ssl-min-ver <version> | ssl-max-ver <version> | no-<version> | force-<version> | no-tls-tickets"
	onlyCurves = "TLS keys are exchanged over elliptic curves"
	noEngines  = "TLS is not OpenSSL's here"
	noOCSP     = "OCSP responses are read from files only"
)

// baseDirectory builds the rule of a directory that can be set once.
func baseDirectory(field func(*TLSGlobal) *string) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		if old := field(&p.cfg.Global.TLS); *old != "" {
			p.alert(st.name[0], "'%s' already specified", st.kw.Name).Accepted = "one '" + st.kw.Name + "'"
		} else {
			*old = st.args[0].Text
		}
	}
}

func parseIssuersPath(p *parser, st *statement) {
	if p.opt.ReadDir == nil {
		return
	}
	if _, err := p.opt.ReadDir(st.args[0].Text); err != nil {
		p.alert(st.args[0], "'issuers-chain-path': %v", err).Accepted = "a directory"
	}
}

// tlsNumber builds the rule of a number that is not negative.
func tlsNumber(field func(*TLSGlobal) *int) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		w, n := st.args[0], 0
		if atol(w.Text) < 0 {
			p.alert(w, "'%s' expects a positive numeric value", st.kw.Name).Accepted = "0 to 2147483647"
			return
		}
		n = p.looseInt(w, st.kw.Name)
		if field != nil {
			*field(&p.cfg.Global.TLS) = n
		}
	}
}

func tuneNumber(name, preset, help string, field func(*TLSGlobal) *int) Keyword {
	return Keyword{Name: name, Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: preset, State: Pending, Help: help, parse: tlsNumber(field)}
}

func presetRow(name, help string, field func(*TLSGlobal) *string) Keyword {
	return Keyword{Name: name, Where: InGlobal, Args: "<list>", Min: 1, Max: 1, State: Pending, Help: help,
		parse: func(p *parser, st *statement) { *field(&p.cfg.Global.TLS) = st.args[0].Text }}
}

// parsePresets reads the options of "ssl-default-bind-options" and its like.
func parsePresets(field func(*TLSGlobal) *TLS, bind bool) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		t := field(&p.cfg.Global.TLS)
		for i := 0; i < len(st.args); i++ {
			w := st.args[i]
			switch name := strings.TrimPrefix(strings.TrimPrefix(w.Text, "no-"), "force-"); {
			case w.Text == "no-tls-tickets":
				t.NoTickets = true
			case w.Text == "prefer-client-ciphers" && bind:
				t.PreferClientCiphers = true
			case w.Text == "ssl-min-ver", w.Text == "ssl-max-ver":
				if i++; !p.tlsVersion(st.arg(i)) {
					return
				}
				if w.Text == "ssl-min-ver" {
					t.Versions.Min = st.args[i].Text
				} else {
					t.Versions.Max = st.args[i].Text
				}
			case name != w.Text && versionOf(name) != "":
				if strings.HasPrefix(w.Text, "no-") {
					t.Versions.forbid(versionOf(name))
				} else {
					t.Versions.Min, t.Versions.Max = versionOf(name), versionOf(name)
				}
			default:
				d := p.alert(w, "unknown option '%s' on global statement '%s'", w.Text, st.kw.Name)
				d.Accepted, d.Suggest = st.kw.Args, nearest(w.Text, []string{"ssl-min-ver", "ssl-max-ver", "no-tls-tickets", "no-sslv3", "no-tlsv10", "no-tlsv11"})
				return
			}
		}
	}
}

// versionOf turns "tlsv12" into "TLSv1.2"; "" if it is none.
func versionOf(option string) string {
	for _, v := range tlsVersions {
		if v.option == option {
			return v.name
		}
	}
	return ""
}

func parseDHFile(p *parser, st *statement) {
	p.cfg.Global.TLS.DHParamFile = st.args[0].Text
	if p.opt.ReadFile == nil {
		return
	}
	text, err := p.opt.ReadFile(st.args[0].Text)
	if err != nil || !hasBlock(text, func(kind string) bool { return strings.HasSuffix(kind, "DH PARAMETERS") }) {
		p.alert(st.args[0], "'ssl-dh-param-file': no DH parameters in '%s'", st.args[0].Text).Accepted = "a PEM file with DH parameters"
	}
}

func parseExtraFiles(p *parser, st *statement) {
	for _, w := range st.args {
		if !p.oneOf(w, "kind of extra file", []string{"none", "all", "bundle", "sctl", "ocsp", "issuer", "key"}) {
			return
		}
		if (w.Text == "none" || w.Text == "all") && len(st.args) > 1 {
			p.alert(w, "'%s' can only be used alone", w.Text).Accepted = "'" + w.Text + "' alone, or kinds of files"
			return
		}
	}
}

func parseDefaultDH(p *parser, st *statement) {
	if atol(st.args[0].Text) < 1024 {
		p.alert(st.args[0], "'tune.ssl.default-dh-param' expects a value >= 1024").Accepted = "1024 or more"
		return
	}
	p.cfg.Global.TLS.DefaultDH = p.looseInt(st.args[0], "tune.ssl.default-dh-param")
}

// ocspSwitch builds a row that HAProxy merely warns about when it is not on or off.
func ocspSwitch(name, help string) Keyword {
	return Keyword{Name: name, Where: InGlobal, Args: "on | off", Max: -1, Default: "off", State: NoEffect, Why: noOCSP, Help: help,
		parse: func(p *parser, st *statement) {
			if w := st.arg(0); w.Text != "on" && w.Text != "off" {
				p.warn(w, "'%s': expecting <on|off>", name).Accepted = "on, off"
			}
		}}
}

// ocspDelay builds a row of the time between updates: seconds, the greatest not
// below the least.
func ocspDelay(name string) Keyword {
	least := strings.HasSuffix(name, "mindelay")
	help := "longest time between updates of OCSP responses in seconds"
	if least {
		help = "shortest time between updates of OCSP responses in seconds"
	}
	return Keyword{Name: name, Where: InGlobal, Args: "<seconds>", Min: 1, Max: -1, Default: "3600, 300", State: NoEffect, Why: noOCSP, Help: help,
		parse: func(p *parser, st *statement) {
			n := atol(st.args[0].Text)
			lo, hi := p.ocspDelays[0], p.ocspDelays[1]
			if least {
				lo = n
			} else {
				hi = n
			}
			if lo > hi || n < 0 {
				p.alert(st.args[0], "'%s': the least delay would be above the greatest", name).Accepted = "mindelay 300 and maxdelay 3600, or others in this order"
				return
			}
			p.ocspDelays = [2]int{lo, hi}
		}}
}

func parseUnixBind(p *parser, st *statement) {
	u := &p.cfg.Global.UnixBind
	names := []string{"prefix", "mode", "user", "uid", "group", "gid"}
	for i := 0; i < len(st.args); i += 2 {
		w, value := st.args[i], st.arg(i+1)
		if !p.oneOf(w, "option of unix-bind", names) {
			return
		}
		if i+1 >= len(st.args) && w.Text == "prefix" {
			p.alert(value, "'prefix' expects a path as an argument").Accepted = "prefix <path>"
			return
		}
		switch w.Text {
		case "prefix":
			u.Prefix = value.Text
		case "mode":
			for _, c := range strings.TrimLeft(value.Text, " ") {
				if c < '0' || c > '7' {
					p.remark(value, "'mode' is octal, '%s' is not", value.Text).Accepted = "an octal number up to 7777"
					break
				}
				u.Mode = u.Mode<<3&0o7777 | uint32(c-'0')
			}
		case "user":
			u.User = value.Text
		case "uid":
			u.User = strconv.Itoa(atol(value.Text))
		case "group":
			u.Group = value.Text
		case "gid":
			u.Group = strconv.Itoa(atol(value.Text))
		}
	}
}
