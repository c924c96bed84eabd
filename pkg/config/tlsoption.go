package config

import (
	"strconv"
	"strings"
)

// tlsRow is a TLS option that "bind" and "server" lines share.
type tlsRow struct {
	name, args, help string
	where            Where // BindOption, ServerOption or both
	parse            func(p *parser, t *TLS, o option)
}

const bindAndServer = BindOption | ServerOption

// tlsRows are the TLS options (manual, sections 5.1 and 5.2).
var tlsRows = []tlsRow{
	{"ssl", "", "speak TLS", bindAndServer, func(_ *parser, t *TLS, _ option) { t.Enabled = true }},
	{"ca-file", "<file>", "certificates that those of the other side are checked against", bindAndServer, caFile(func(t *TLS) *string { return &t.CAFile })},
	{"ca-verify-file", "<file>", "more such certificates, not named to clients", BindOption, caFile(func(t *TLS) *string { return &t.CAVerifyFile })},
	{"crl-file", "<file>", "revoked certificates", bindAndServer, caFile(func(t *TLS) *string { return &t.CRLFile })},
	{"ca-sign-file", "<file>", "certificate that signs generated ones", BindOption, tlsText(func(t *TLS) *string { return &t.CASignFile })},
	{"ca-sign-pass", "<password>", "password of its key", BindOption, tlsText(func(t *TLS) *string { return &t.CASignPass })},
	{"ca-ignore-err", "all | <error>[,...]", "faults of a chain that do not matter", BindOption, ignoreErrors(func(t *TLS) *string { return &t.CAIgnoreErrors })},
	{"crt-ignore-err", "all | <error>[,...]", "faults of a client's certificate that do not matter", BindOption, ignoreErrors(func(t *TLS) *string { return &t.CertIgnoreErrors })},
	{"ciphers", "<list>", "ciphers of TLS 1.2 and before", bindAndServer, tlsText(func(t *TLS) *string { return &t.Ciphers })},
	{"ciphersuites", "<list>", "cipher suites of TLS 1.3", bindAndServer, tlsText(func(t *TLS) *string { return &t.Ciphersuites })},
	{"curves", "<list>", "elliptic curves in order of preference", bindAndServer, tlsText(func(t *TLS) *string { return &t.Curves })},
	{"ecdhe", "<curve>", "elliptic curve of the key exchange", BindOption, tlsText(func(t *TLS) *string { return &t.ECDHE })},
	{"sigalgs", "<list>", "signature algorithms", bindAndServer, tlsText(func(t *TLS) *string { return &t.Sigalgs })},
	{"client-sigalgs", "<list>", "signature algorithms of client certificates", bindAndServer, tlsText(func(t *TLS) *string { return &t.ClientSigalgs })},
	{"alpn", "<protocol>[,...]", "protocols offered by ALPN", bindAndServer, protocols("ALPN", func(t *TLS) *string { return &t.ALPN })},
	{"npn", "<protocol>[,...]", "protocols offered by NPN", bindAndServer, protocols("NPN", func(t *TLS) *string { return &t.NPN })},
	{"no-alpn", "", "offer no protocol", BindOption, func(_ *parser, t *TLS, _ option) { t.ALPN, t.NoALPN = "", true }},
	{"verify", "none | optional | required", "whether a client must show a certificate", BindOption, parseVerify("none", "optional", "required")},
	{"verify", "none | required", "whether the server's certificate is checked", ServerOption, parseVerify("none", "required")},
	{"verifyhost", "<name>", "name that the server's certificate must bear", ServerOption, tlsText(func(t *TLS) *string { return &t.VerifyHost })},
	{"ssl-min-ver", versionForm, "lowest TLS version", bindAndServer, parseVersion(func(v *Versions) *string { return &v.Min })},
	{"ssl-max-ver", versionForm, "highest TLS version", bindAndServer, parseVersion(func(v *Versions) *string { return &v.Max })},
	{"no-tls-tickets", "", "no session tickets", bindAndServer, func(_ *parser, t *TLS, _ option) { t.NoTickets = true }},
	{"tls-tickets", "", "revoke 'no-tls-tickets' of a default-server line", ServerOption, func(_ *parser, t *TLS, _ option) { t.NoTickets = false }},
	{"no-ssl", "", "revoke 'ssl' of a default-server line", ServerOption, func(_ *parser, t *TLS, _ option) { t.Enabled = false }},
	{"no-ssl-reuse", "", "resume no session", ServerOption, func(_ *parser, t *TLS, _ option) { t.NoReuse = true }},
	{"ssl-reuse", "", "revoke 'no-ssl-reuse' of a default-server line", ServerOption, func(_ *parser, t *TLS, _ option) { t.NoReuse = false }},
	{"no-ca-names", "", "do not tell clients whose certificates are wanted", BindOption, func(_ *parser, t *TLS, _ option) { t.NoCANames = true }},
	{"strict-sni", "", "refuse clients that ask for a name without certificate", BindOption, func(_ *parser, t *TLS, _ option) { t.StrictSNI = true }},
	{"prefer-client-ciphers", "", "the client's order of ciphers counts", BindOption, func(_ *parser, t *TLS, _ option) { t.PreferClientCiphers = true }},
	{"allow-0rtt", "", "accept or send early data", bindAndServer, func(_ *parser, t *TLS, _ option) { t.EarlyData = true }},
	{"generate-certificates", "", "make certificates for the names asked for", BindOption, func(_ *parser, t *TLS, _ option) { t.GenerateCerts = true }},
	{"tls-ticket-keys", "<file>", "keys of session tickets", BindOption, parseTicketKeys},
	{"crt", "<file> | <directory> | @<store>/<name>", "certificate and key", BindOption, bindCertificate(func(t *TLS) *[]string { return &t.Certificates })},
	{"default-crt", "<file>", "certificate for names without one", BindOption, bindCertificate(func(t *TLS) *[]string { return &t.DefaultCertificates })},
	{"crt-list", "<file>", "list of certificates with options and names", BindOption, parseCertList},
	{"crt", "<file>", "certificate and key shown to the server", ServerOption, func(_ *parser, t *TLS, o option) { t.Certificates = []string{o.arg.Text} }},
	{"sni", "<expression>", "server name that is asked for", ServerOption, parseSNI},
}

// tlsOptions turns the shared rows into keywords, versions included.
func tlsOptions() []Keyword {
	rows := tlsRows
	for _, v := range tlsVersions {
		rows = append(rows[:len(rows):len(rows)],
			tlsRow{"force-" + v.option, "", "speak " + v.name + " only", bindAndServer, func(_ *parser, t *TLS, _ option) { t.Versions.Min, t.Versions.Max = v.name, v.name }},
			tlsRow{"no-" + v.option, "", "do not speak " + v.name, bindAndServer, func(_ *parser, t *TLS, _ option) { t.Versions.forbid(v.name) }})
	}
	var kws []Keyword
	for _, row := range rows {
		kw := Keyword{Name: row.name, Args: row.args, State: Pending, Help: row.help}
		if row.args != "" {
			kw.Min, kw.Max = 1, 1
		}
		if strings.HasPrefix(row.help, "revoke ") {
			kw.State = Done
		}
		if row.where&BindOption != 0 {
			kw.Where, kw.bind = BindOption, func(p *parser, b *bindLine, o option) {
				before := p.alertCount
				row.parse(p, b.tls(), o)
				b.note(p, o)
				b.refused = b.refused || p.alertCount > before
			}
			kws = append(kws, kw)
		}
		if row.where&ServerOption != 0 {
			kw.Where, kw.bind, kw.server = ServerOption, nil, func(p *parser, s *serverLine, o option) { row.parse(p, s.tls(), o); s.note(p, o) }
			kws = append(kws, kw)
		}
	}
	return kws
}

// tlsVersions are the protocol versions from the oldest on, as they are called in
// options and in values.
var tlsVersions = []struct{ option, name string }{
	{"sslv3", "SSLv3"}, {"tlsv10", "TLSv1.0"}, {"tlsv11", "TLSv1.1"}, {"tlsv12", "TLSv1.2"}, {"tlsv13", "TLSv1.3"},
}

const versionForm = "SSLv3 | TLSv1.0 | TLSv1.1 | TLSv1.2 | TLSv1.3"

// versionRank places a version among tlsVersions; -1: none of them.
func versionRank(name string) int {
	for i, v := range tlsVersions {
		if v.name == name {
			return i
		}
	}
	return -1
}

func (v *Versions) forbid(name string) {
	v.No = append(v.No[:len(v.No):len(v.No)], name)
}

func tlsText(field func(*TLS) *string) func(*parser, *TLS, option) {
	return func(p *parser, t *TLS, o option) {
		if p.given(o) {
			*field(t) = o.arg.Text
		}
	}
}

// given refuses an empty first argument.
func (p *parser) given(o option) bool {
	if o.arg.Text == "" {
		p.alert(o.arg, "'%s' expects an argument", o.name.Text).Accepted = o.kw.synopsis()
		return false
	}
	return true
}

// protocols reads a list of protocol names of up to 255 bytes.
func protocols(kind string, field func(*TLS) *string) func(*parser, *TLS, option) {
	return func(p *parser, t *TLS, o option) {
		if !p.given(o) {
			return
		}
		for _, w := range splitCommas(o.arg) {
			if len(w.Text) > 255 {
				p.alert(w, "'%s': %s protocol name too long", o.name.Text, kind).Accepted = "names of up to 255 bytes"
				return
			}
		}
		*field(t), t.NoALPN = o.arg.Text, t.NoALPN && kind != "ALPN"
	}
}

func parseVerify(methods ...string) func(*parser, *TLS, option) {
	return func(p *parser, t *TLS, o option) {
		if p.oneOf(o.arg, "verify", methods) {
			t.Verify = o.arg.Text
		}
	}
}

func parseVersion(field func(*Versions) *string) func(*parser, *TLS, option) {
	return func(p *parser, t *TLS, o option) {
		if p.tlsVersion(o.arg) {
			*field(&t.Versions) = o.arg.Text
		}
	}
}

func (p *parser) tlsVersion(w Word) bool {
	if versionRank(w.Text) >= 0 {
		return true
	}
	var names []string
	for _, v := range tlsVersions {
		names = append(names, v.name)
	}
	d := p.alert(w, "'%s': unknown ssl/tls version", w.Text)
	d.Accepted, d.Suggest = versionForm, nearest(w.Text, names)
	return false
}

// ignoreErrors reads "all" or a list of OpenSSL's verification errors, by number
// or by name.
func ignoreErrors(field func(*TLS) *string) func(*parser, *TLS, option) {
	return func(p *parser, t *TLS, o option) {
		if !p.given(o) {
			return
		}
		*field(t) = o.arg.Text
		if o.arg.Text == "all" {
			return
		}
		for _, w := range splitSet(o.arg, ",;") {
			if w.Text == "" {
				continue
			}
			if isDigit(w.Text[0]) {
				if n := atol(w.Text); n < 1 || n > lastVerifyError {
					p.alert(w, "'%s': ID '%s' out of range", o.name.Text, w.Text).Accepted = "1 to " + strconv.Itoa(lastVerifyError)
					return
				}
			} else if !isVerifyError(w.Text) {
				p.alert(w, "'%s': error constant '%s' unknown", o.name.Text, w.Text).Accepted = "all, 1 to 94, X509_V_ERR_<name>"
				return
			}
		}
	}
}

// splitSet parts a word at each of the characters in set.
func splitSet(w Word, set string) []Word {
	var parts []Word
	for text, col := w.Text, w.Col; ; {
		i := strings.IndexAny(text, set)
		if i < 0 {
			return append(parts, Word{Text: text, Col: col})
		}
		parts = append(parts, Word{Text: text[:i], Col: col})
		text, col = text[i+1:], col+i+1
	}
}

func parseSNI(p *parser, t *TLS, o option) {
	if !p.given(o) {
		return
	}
	if e := p.oneWordExpr(o.arg); e != nil {
		t.SNI = e
	}
}

// oneWordExpr reads a sample expression that is a single word of a server line.
func (p *parser) oneWordExpr(w Word) *Expr {
	e, rest, ok := p.parseExpr([]Word{w}, PlaceServer)
	if !ok {
		return nil
	}
	if len(rest) > 0 && rest[0].Text != "" {
		p.alert(rest[0], "unexpected '%s' behind the expression", rest[0].Text).Accepted = "one expression without blanks"
		return nil
	}
	return e
}
