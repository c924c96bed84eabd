package config

import (
	"regexp"
	"slices"
	"strings"
)

// tlsCheck judges the TLS settings of one line when all lines are known; HAProxy
// does so when it makes the contexts of its TLS library.
type tlsCheck struct {
	p        *parser
	what     string         // "bind" or the server, for messages
	tls      *TLS           // what the line says
	defaults *TLS           // what section global says
	at       map[string]Pos // where the line's options are
	main     Pos            // for options that are not on the line
	lowest   string         // the least version without limits
	refused  bool           // an option was refused: nothing is said about what is missing
}

func (c *tlsCheck) alert(option, accepted, format string, a ...any) {
	pos, ok := c.at[option]
	if !ok {
		pos = c.main
	}
	c.p.report(Alert, pos, c.what+": "+format, a...).Accepted = accepted
}

// common judges what clients and servers share.
func (c *tlsCheck) common() {
	c.versions()
	for _, list := range []struct {
		option, own, preset, accepted string
		valid                         func(string) bool
	}{
		{"ciphers", c.tls.Ciphers, c.defaults.Ciphers, "a list of ciphers, see 'openssl ciphers'", validCiphers},
		{"ciphersuites", c.tls.Ciphersuites, c.defaults.Ciphersuites, strings.Join(cipherSuites, ", "), validSuites},
		{"curves", c.tls.Curves, c.defaults.Curves, "X25519, P-256, P-384, P-521, ... parted by ':'", validCurves},
		{"ecdhe", c.tls.ECDHE, c.defaults.ECDHE, "X25519, P-256, P-384, P-521, ...", validCurves},
		{"sigalgs", c.tls.Sigalgs, c.defaults.Sigalgs, sigalgForm, validSigalgs},
		{"client-sigalgs", c.tls.ClientSigalgs, c.defaults.ClientSigalgs, sigalgForm, validSigalgs},
	} {
		value := list.own
		if value == "" {
			value = list.preset
		}
		if value != "" && !list.valid(value) {
			c.alert(list.option, list.accepted, "'%s' cannot be set to '%s'", list.option, value)
		}
	}
}

const sigalgForm = "RSA+SHA256, ECDSA+SHA256, rsa_pss_rsae_sha256, ed25519, ... parted by ':'"

// versions refuses settings that leave no TLS version. SSLv3 is never left: the
// library has it no more.
func (c *tlsCheck) versions() {
	v := c.tls.Versions
	if v.Min == "" && v.Max == "" && len(v.No) == 0 {
		v = c.defaults.Versions
	}
	lo, hi := max(0, versionRank(v.Min)), len(tlsVersions)-1
	if v.Max != "" {
		hi = versionRank(v.Max)
	}
	if v.Min == "" && v.Max == "" {
		lo = versionRank(c.lowest)
	}
	for rank := max(lo, 1); rank <= hi; rank++ {
		if v.Min != "" || v.Max != "" || !slices.Contains(v.No, tlsVersions[rank].name) {
			return
		}
	}
	option := "ssl-max-ver"
	for _, name := range []string{"ssl-min-ver", "no-tlsv13", "no-tlsv12", "force-sslv3"} {
		if _, ok := c.at[name]; ok {
			option = name
		}
	}
	c.alert(option, "settings that leave TLSv1.0 to TLSv1.3 or one of them", "all SSL/TLS versions are disabled")
}

// bind judges a "bind" line with "ssl".
func (c *tlsCheck) bind() {
	t := c.tls
	if len(t.Certificates)+len(t.DefaultCertificates)+len(t.CertificateLists) == 0 && !t.GenerateCerts && !c.refused {
		if t.StrictSNI {
			c.p.report(Warning, c.main, "bind: no SSL certificate specified, ssl connections will fail").Accepted = "crt <file>"
		} else {
			c.alert("ssl", "ssl crt <file>", "no SSL certificate specified")
		}
	}
	if (t.Verify == "optional" || t.Verify == "required") && t.CAFile == "" && t.CAVerifyFile == "" && !c.refused {
		c.alert("verify", "verify "+t.Verify+" ca-file <file>", "verify is enabled but no CA file specified")
	}
	if t.GenerateCerts {
		c.signer()
	}
	c.common()
}

// signer judges the CA of "generate-certificates".
func (c *tlsCheck) signer() {
	if c.tls.CASignFile == "" {
		c.alert("generate-certificates", "ca-sign-file <file>", "cannot enable certificate generation, no CA certificate file configured")
		return
	}
	read := c.p.opt.ReadFile
	if read == nil {
		return
	}
	text, err := read(below(c.p.cfg.Global.TLS.CABase, c.tls.CASignFile))
	if err != nil || !hasBlock(text, isCertificate) || !hasBlock(text, isPrivateKey) {
		c.alert("ca-sign-file", "a PEM file with certificate and key", "no certificate and key of a CA in '%s'", c.tls.CASignFile)
	}
}

// server judges a server with "ssl".
func (c *tlsCheck) server() {
	t := c.tls
	verify := t.Verify
	if verify == "" {
		verify = c.p.cfg.Global.TLS.ServerVerify
	}
	if _, named := c.at["ca-file"]; verify != "none" && t.CAFile == "" && !named {
		c.alert("verify", "ca-file <file>, verify none, or 'ssl-server-verify none' in section global",
			"verify is enabled by default but no CA file specified")
	}
	c.common()
}

// clientCertificate judges the certificate shown to a server.
func (c *tlsCheck) clientCertificate() {
	if len(c.tls.Certificates) == 0 {
		return
	}
	pos, ok := c.at["crt"]
	if !ok {
		pos = c.main
	}
	c.p.placed(pos, func(w Word) { c.p.loadCertificate(w, c.tls.Certificates[0]) })
}

// validCiphers reports whether a list in OpenSSL's notation adds at least one
// cipher and is well formed.
func validCiphers(list string) bool {
	added := map[string]bool{}
	for _, item := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(":, ;", r) }) {
		name := strings.TrimLeft(item, "!-+")
		if command, found := strings.CutPrefix(name, "@"); found {
			level, isLevel := strings.CutPrefix(command, "SECLEVEL=")
			if command != "STRENGTH" && !(isLevel && len(level) == 1 && level[0] >= '0' && level[0] <= '5') {
				return false
			}
			continue
		}
		if strings.Trim(name, cipherChars) != "" || name == "" {
			return false
		}
		switch {
		case item[0] == '!' && name == "ALL":
			clear(added)
		case item[0] == '!':
			delete(added, name)
		case name == item && knownCipher(name):
			added[name] = true
		}
	}
	return len(added) > 0
}

const cipherChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+._="

// knownCipher reports whether name is a cipher or a set of them; "+" cuts sets.
func knownCipher(name string) bool {
	for _, part := range strings.Split(name, "+") {
		if !slices.Contains(cipherSets, part) && !cipherName.MatchString(part) {
			return false
		}
	}
	return true
}

var cipherSets = strings.Fields(`ALL COMPLEMENTOFALL COMPLEMENTOFDEFAULT DEFAULT HIGH MEDIUM kRSA kEDH kDHE DH kEECDH kECDHE ECDH EECDH ECDHE
kPSK kRSAPSK kECDHEPSK kDHEPSK kSRP aRSA aDSS aNULL aECDSA aPSK aSRP DSS RSA EDH DHE NULL eNULL ECDSA PSK SRP ADH AECDH
AES128 AES256 AES AESGCM AESCCM AESCCM8 CAMELLIA128 CAMELLIA256 CAMELLIA CHACHA20 ARIA ARIA128 ARIA256 ARIAGCM
MD5 SHA1 SHA SHA256 SHA384 SSLv3 TLSv1 TLSv1.0 TLSv1.2 CBC SUITEB128 SUITEB128ONLY SUITEB128C2 SUITEB192`)

// cipherName matches the names of single ciphers, OpenSSL's and the standard's.
var cipherName = regexp.MustCompile(`^(((ECDHE|DHE|RSA|SRP)-)?(ECDSA|RSA|DSS|PSK)-|(A|AEC)?DH-|ECDHE-|SRP-)?` +
	`((AES|CAMELLIA|ARIA)-?(128|256)|CHACHA20|NULL)(-(GCM|CBC|CCM8?|POLY1305))?(-(SHA(256|384)?|MD5))?$` +
	`|^TLS_[A-Z_]+_WITH_(AES|CAMELLIA|ARIA|CHACHA20)_[A-Z0-9_]+$`)

// cipherSuites are those of TLS 1.3.
var cipherSuites = []string{
	"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256",
}

// validSuites reports whether a list of TLS 1.3 suites has a known one; others are
// passed over.
func validSuites(list string) bool {
	return slices.ContainsFunc(strings.Split(list, ":"), func(s string) bool { return slices.Contains(cipherSuites, s) })
}

// validCurves reports whether all groups of a list are known, but for those
// marked with "?".
func validCurves(list string) bool {
	for _, name := range strings.Split(list, ":") {
		if !strings.HasPrefix(name, "?") && !slices.Contains(curveNames, strings.ToLower(strings.TrimPrefix(name, "*"))) {
			return false
		}
	}
	return true
}

var curveNames = strings.Fields(`x25519 x448 p-256 p-384 p-521 secp256r1 secp384r1 secp521r1 prime256v1 secp256k1 secp224r1 secp192r1
secp224k1 secp192k1 prime192v1 secp160k1 secp160r1 secp160r2 p-224 p-192 sect163k1 sect163r1 sect163r2 sect193r1 sect193r2 sect233k1
sect233r1 sect239k1 sect283k1 sect283r1 sect409k1 sect409r1 sect571k1 sect571r1 b-163 b-233 b-283 b-409 b-571 k-163 k-233 k-283 k-409 k-571
brainpoolp256r1 brainpoolp384r1 brainpoolp512r1 brainpoolp256r1tls13 brainpoolp384r1tls13 brainpoolp512r1tls13
ffdhe2048 ffdhe3072 ffdhe4096 ffdhe6144 ffdhe8192 x25519mlkem768 secp256r1mlkem768 secp384r1mlkem1024 mlkem512 mlkem768 mlkem1024`)

// validSigalgs reports whether all algorithms of a list are known.
func validSigalgs(list string) bool {
	for _, name := range strings.Split(strings.ToLower(list), ":") {
		key, hash, pair := strings.Cut(strings.TrimPrefix(name, "?"), "+")
		known := slices.Contains(sigalgNames, key)
		if pair {
			known = slices.Contains([]string{"rsa", "rsa-pss", "pss", "ecdsa", "dsa"}, key) &&
				slices.Contains([]string{"sha1", "sha224", "sha256", "sha384", "sha512"}, hash)
		}
		if !known && !strings.HasPrefix(name, "?") {
			return false
		}
	}
	return true
}

var sigalgNames = strings.Fields(`ed25519 ed448 rsa_pss_rsae_sha256 rsa_pss_rsae_sha384 rsa_pss_rsae_sha512 rsa_pss_pss_sha256
rsa_pss_pss_sha384 rsa_pss_pss_sha512 rsa_pkcs1_sha1 rsa_pkcs1_sha224 rsa_pkcs1_sha256 rsa_pkcs1_sha384 rsa_pkcs1_sha512
ecdsa_sha1 ecdsa_sha224 ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384 ecdsa_secp521r1_sha512
ecdsa_brainpoolp256r1tls13_sha256 ecdsa_brainpoolp384r1tls13_sha384 ecdsa_brainpoolp512r1tls13_sha512
mldsa44 mldsa65 mldsa87`)
