package config

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"path"
	"slices"
	"strings"
)

// below puts a relative name into a directory.
func below(dir, name string) string {
	if dir == "" || strings.HasPrefix(name, "/") {
		return name
	}
	return dir + "/" + name
}

// exists reports whether a file can be read.
func (p *parser) exists(name string) bool {
	_, err := p.opt.ReadFile(name)
	return err == nil
}

// loadCertificate judges a certificate as HAProxy does when it loads it: the file
// holds a certificate, and it or "<file>.key" the private key. A directory stands
// for its files, and a name may be that of a crt-store. It returns how many
// certificates were found.
func (p *parser) loadCertificate(w Word, name string) (n int, ok bool) {
	if p.stored[name] {
		return 1, true
	}
	file := name
	if !strings.HasPrefix(name, "@") {
		file = below(p.cfg.Global.TLS.CertBase, name)
	}
	if p.opt.ReadFile == nil || p.stored[file] {
		return 1, true
	}
	if p.opt.ReadDir != nil {
		if names, err := p.opt.ReadDir(file); err == nil {
			return p.loadCertificates(w, file, names)
		}
	}
	text, err := p.opt.ReadFile(file)
	if err != nil {
		return p.loadBundle(w, file, err)
	}
	return 1, p.judgeCertificate(w, file, text, "")
}

// loadBundle tries the certificates of one name by kind of key.
func (p *parser) loadBundle(w Word, file string, cause error) (n int, ok bool) {
	ok = true
	for _, kind := range []string{".rsa", ".dsa", ".ecdsa"} {
		if text, err := p.opt.ReadFile(file + kind); err == nil {
			n, ok = n+1, p.judgeCertificate(w, file+kind, text, "") && ok
		}
	}
	if n == 0 {
		p.alert(w, "unable to read the certificate: %v", cause).Accepted = "a PEM file with certificate and key"
		return 0, false
	}
	return n, ok
}

// loadCertificates reads the files of a directory, but for hidden ones and those
// that belong to others.
func (p *parser) loadCertificates(w Word, dir string, names []string) (n int, ok bool) {
	for _, name := range names {
		if strings.HasPrefix(name, ".") || slices.Contains([]string{".issuer", ".ocsp", ".sctl", ".key"}, path.Ext(name)) {
			continue
		}
		text, err := p.opt.ReadFile(dir + "/" + name)
		if err != nil {
			continue // a directory or a socket
		}
		if !p.judgeCertificate(w, dir+"/"+name, text, "") {
			return n, false
		}
		n++
	}
	return n, true
}

// judgeCertificate checks the text of a certificate file. keyFile names where the
// key is, if not in the same file.
func (p *parser) judgeCertificate(w Word, file string, text []byte, keyFile string) bool {
	if !hasBlock(text, isCertificate) {
		p.alert(w, "'%s' holds no certificate", file).Accepted = "a PEM file with certificate and key"
		return false
	}
	key := text
	if keyFile != "" || !hasBlock(text, isPrivateKey) {
		if keyFile == "" {
			keyFile = below(p.cfg.Global.TLS.KeyBase, file+".key")
		}
		var err error
		if key, err = p.opt.ReadFile(keyFile); err != nil || !hasBlock(key, isPrivateKey) {
			p.alert(w, "no private key found in '%s'", keyFile).Accepted = "a PEM file with certificate and key"
			return false
		}
	}
	if _, err := tls.X509KeyPair(text, key); err != nil && strings.Contains(err.Error(), "does not match") {
		p.alert(w, "the private key is not that of the certificate in '%s'", file).Accepted = "a PEM file with certificate and key"
		return false
	}
	return true
}

func isCertificate(kind string) bool { return strings.HasSuffix(kind, "CERTIFICATE") }
func isPrivateKey(kind string) bool  { return strings.HasSuffix(kind, "PRIVATE KEY") }

// hasBlock looks for a PEM block.
func hasBlock(text []byte, kind func(string) bool) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if kind(block.Type) {
			return true
		}
	}
	return false
}

// bindCertificate reads "crt" of a bind line, which is loaded at once.
func bindCertificate(field func(*TLS) *[]string) func(*parser, *TLS, option) {
	return func(p *parser, t *TLS, o option) {
		if !p.given(o) {
			return
		}
		n, ok := p.loadCertificate(o.arg, o.arg.Text)
		if list := field(t); ok && n > 0 {
			*list = append((*list)[:len(*list):len(*list)], o.arg.Text)
		}
	}
}

// caFile reads the name of a file with certificates or revocation lists. A
// directory of them may be empty.
func caFile(field func(*TLS) *string) func(*parser, *TLS, option) {
	return func(p *parser, t *TLS, o option) {
		if p.given(o) && p.loadCA(o.arg) {
			*field(t) = o.arg.Text
		}
	}
}

func (p *parser) loadCA(w Word) bool {
	if strings.HasPrefix(w.Text, "@") || p.opt.ReadFile == nil {
		return true
	}
	file := below(p.cfg.Global.TLS.CABase, w.Text)
	if p.opt.ReadDir != nil {
		if _, err := p.opt.ReadDir(file); err == nil {
			return true
		}
	}
	text, err := p.opt.ReadFile(file)
	if err != nil {
		p.alert(w, "unable to load '%s': %v", file, err).Accepted = "a PEM file with certificates"
		return false
	}
	if !hasBlock(text, func(kind string) bool { return isCertificate(kind) || strings.HasSuffix(kind, "CRL") }) {
		p.alert(w, "'%s' holds neither a certificate nor a revocation list", file).Accepted = "a PEM file with certificates"
		return false
	}
	return true
}

// parseTicketKeys reads a file with one base64 key a line, at least three, all of
// 48 or all of 80 bytes.
func parseTicketKeys(p *parser, t *TLS, o option) {
	if !p.given(o) {
		return
	}
	t.TicketKeys = o.arg.Text
	if p.opt.ReadFile == nil {
		return
	}
	const accepted = "a file with three or more lines of base64, each of 48 or each of 80 bytes"
	text, err := p.opt.ReadFile(o.arg.Text)
	if err != nil {
		p.alert(o.arg, "unable to load the ticket keys: %v", err).Accepted = accepted
		return
	}
	size, n := 0, 0
	for line := range bytes.Lines(text) {
		n++
		key, err := base64.StdEncoding.DecodeString(strings.TrimRight(string(line), "\r\n"))
		if err != nil || len(key) != 48 && len(key) != 80 || size != 0 && len(key) != size {
			p.alert(o.arg, "line %d of '%s' is not a ticket key", n, o.arg.Text).Accepted = accepted
			return
		}
		size = len(key)
	}
	if n < 3 {
		p.alert(o.arg, "'%s' has %d ticket keys", o.arg.Text, n).Accepted = accepted
	}
}

// parseCertList reads "crt-list" and the file it names: a line is a certificate,
// options in brackets and names, of which only the first must be there.
func parseCertList(p *parser, t *TLS, o option) {
	if !p.given(o) {
		return
	}
	t.CertificateLists = append(t.CertificateLists[:len(t.CertificateLists):len(t.CertificateLists)], o.arg.Text)
	if p.opt.ReadFile == nil {
		return
	}
	text, err := p.opt.ReadFile(o.arg.Text)
	if err != nil {
		p.alert(o.arg, "'crt-list': %v", err).Accepted = "a file that names certificates"
		return
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		if _, ok := p.loadCertificate(o.arg, name); !ok || !p.certListOptions(o.arg, strings.TrimSpace(rest), n) {
			return
		}
	}
}

// certListNames are the options that a line of a crt-list may have, with the
// number of their arguments.
var certListNames = map[string]int{
	"allow-0rtt": 0, "alpn": 1, "ca-file": 1, "ca-verify-file": 1, "ciphers": 1, "ciphersuites": 1, "client-sigalgs": 1,
	"crl-file": 1, "curves": 1, "ecdhe": 1, "no-alpn": 0, "no-ca-names": 0, "npn": 1, "sigalgs": 1,
	"ssl-max-ver": 1, "ssl-min-ver": 1, "verify": 1, "ocsp-update": 1,
}

func (p *parser) certListOptions(w Word, text string, line int) bool {
	text, bracket := strings.CutPrefix(text, "[")
	if !bracket {
		return true
	}
	text, _, closed := strings.Cut(text, "]")
	words := strings.Fields(text)
	for i := 0; closed && i < len(words); i++ {
		n, known := certListNames[words[i]]
		if !known || i+n >= len(words) {
			d := p.alert(w, "line %d of '%s': unknown or incomplete option '%s'", line, w.Text, words[i])
			d.Accepted, d.Suggest = strings.Join(optionNames(certListNames), ", "), nearest(words[i], optionNames(certListNames))
			return false
		}
		i += n
	}
	if !closed {
		p.alert(w, "line %d of '%s': ']' is missing", line, w.Text).Accepted = "<certificate> [<option>...] <name>..., the options in brackets"
	}
	return closed
}

func optionNames(m map[string]int) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// lastVerifyError is the greatest number of OpenSSL's verification errors.
const lastVerifyError = 94

// isVerifyError reports whether s is OpenSSL's constant of a verification error.
func isVerifyError(s string) bool {
	name, found := strings.CutPrefix(s, "X509_V_ERR_")
	return s == "X509_V_OK" || found && slices.Contains(strings.Fields(verifyErrors), name)
}

const verifyErrors = `AKID_ISSUER_SERIAL_MISMATCH AKID_SKID_MISMATCH APPLICATION_VERIFICATION
AUTHORITY_KEY_IDENTIFIER_CRITICAL CA_BCONS_NOT_CRITICAL CA_CERT_MISSING_KEY_USAGE CA_KEY_TOO_SMALL CA_MD_TOO_WEAK
CERT_CHAIN_TOO_LONG CERT_HAS_EXPIRED CERT_NOT_YET_VALID CERT_REJECTED CERT_REVOKED CERT_SIGNATURE_FAILURE CERT_UNTRUSTED
CRL_HAS_EXPIRED CRL_NOT_YET_VALID CRL_PATH_VALIDATION_ERROR CRL_SIGNATURE_FAILURE DANE_NO_MATCH
DEPTH_ZERO_SELF_SIGNED_CERT DIFFERENT_CRL_SCOPE EC_KEY_EXPLICIT_PARAMS EE_KEY_TOO_SMALL EMAIL_MISMATCH
EMPTY_SUBJECT_ALT_NAME EMPTY_SUBJECT_SAN_NOT_CRITICAL ERROR_IN_CERT_NOT_AFTER_FIELD ERROR_IN_CERT_NOT_BEFORE_FIELD
ERROR_IN_CRL_LAST_UPDATE_FIELD ERROR_IN_CRL_NEXT_UPDATE_FIELD EXCLUDED_VIOLATION EXTENSIONS_REQUIRE_VERSION_3
HOSTNAME_MISMATCH INVALID_CA INVALID_CALL INVALID_EXTENSION INVALID_NON_CA INVALID_POLICY_EXTENSION INVALID_PURPOSE
IP_ADDRESS_MISMATCH ISSUER_NAME_EMPTY KEYUSAGE_NO_CERTSIGN KEYUSAGE_NO_CRL_SIGN KEYUSAGE_NO_DIGITAL_SIGNATURE
MISSING_AUTHORITY_KEY_IDENTIFIER MISSING_SUBJECT_KEY_IDENTIFIER NO_EXPLICIT_POLICY NO_ISSUER_PUBLIC_KEY NO_VALID_SCTS
OCSP_CERT_UNKNOWN OCSP_VERIFY_FAILED OCSP_VERIFY_NEEDED OUT_OF_MEM PATHLEN_INVALID_FOR_NON_CA
PATHLEN_WITHOUT_KU_KEY_CERT_SIGN PATH_LENGTH_EXCEEDED PATH_LOOP PERMITTED_VIOLATION PROXY_CERTIFICATES_NOT_ALLOWED
PROXY_PATH_LENGTH_EXCEEDED PROXY_SUBJECT_NAME_VIOLATION SELF_SIGNED_CERT_IN_CHAIN SIGNATURE_ALGORITHM_INCONSISTENCY
SIGNATURE_ALGORITHM_MISMATCH STORE_LOOKUP SUBJECT_ISSUER_MISMATCH SUBJECT_KEY_IDENTIFIER_CRITICAL SUBJECT_NAME_EMPTY
SUBTREE_MINMAX SUITE_B_CANNOT_SIGN_P_384_WITH_P_256 SUITE_B_INVALID_ALGORITHM SUITE_B_INVALID_CURVE
SUITE_B_INVALID_SIGNATURE_ALGORITHM SUITE_B_INVALID_VERSION SUITE_B_LOS_NOT_ALLOWED UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY
UNABLE_TO_DECRYPT_CERT_SIGNATURE UNABLE_TO_DECRYPT_CRL_SIGNATURE UNABLE_TO_GET_CRL UNABLE_TO_GET_CRL_ISSUER
UNABLE_TO_GET_ISSUER_CERT UNABLE_TO_GET_ISSUER_CERT_LOCALLY UNABLE_TO_VERIFY_LEAF_SIGNATURE
UNHANDLED_CRITICAL_CRL_EXTENSION UNHANDLED_CRITICAL_EXTENSION UNNESTED_RESOURCE UNSPECIFIED
UNSUPPORTED_CONSTRAINT_SYNTAX UNSUPPORTED_CONSTRAINT_TYPE UNSUPPORTED_EXTENSION_FEATURE UNSUPPORTED_NAME_SYNTAX
UNSUPPORTED_SIGNATURE_ALGORITHM`
