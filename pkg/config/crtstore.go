package config

// certStoreKeywords are the lines of a crt-store section (manual, section 12.7.1).
var certStoreKeywords = []Keyword{
	{Name: "crt-base", Where: InCrtStore, Args: "<directory>", Min: 1, Max: -1, State: Pending, Help: "directory of certificates with relative names", parse: storeBase(func(s *certStore) *string { return &s.certBase })},
	{Name: "key-base", Where: InCrtStore, Args: "<directory>", Min: 1, Max: -1, State: Pending, Help: "directory of keys with relative names", parse: storeBase(func(s *certStore) *string { return &s.keyBase })},
	{Name: "load", Where: InCrtStore, Args: "crt <file> [key <file>] [alias <name>] [issuer <file>] [ocsp <file>] [sctl <file>] [ocsp-update on | off]", Max: -1, State: Pending,
		Help: "a certificate and what belongs to it", parse: parseLoad},
}

// certStore is a crt-store section under construction.
type certStore struct {
	name              string // "": the section without one
	certBase, keyBase string
	loaded            bool // there was a "load" line
}

func openCertStore(p *parser, row *sectionRow, words []Word) {
	p.store = certStore{}
	if len(words) > 2 {
		p.alert(words[2], "'crt-store' only takes a name").Accepted = row.name + " " + row.args
	}
	if len(words) > 1 {
		p.store.name = words[1].Text
	}
}

// storeBase builds the rule of a directory that stands before all "load" lines.
func storeBase(field func(*certStore) *string) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		if p.store.loaded {
			p.alert(st.name[0], "'%s' can't be used after a load line", st.kw.Name).Accepted = "'" + st.kw.Name + "' at the beginning of the section"
			return
		}
		*field(&p.store) = st.args[0].Text
		p.extra(st, 1)
	}
}

var loadParameters = []string{"crt", "key", "alias", "issuer", "ocsp", "sctl", "ocsp-update"}

// parseLoad reads pairs of parameter and value.
func parseLoad(p *parser, st *statement) {
	p.store.loaded = true
	given := map[string]Word{}
	for i := 0; i < len(st.args); i += 2 {
		if !p.oneOf(st.args[i], "parameter of 'load'", loadParameters) {
			return
		}
		given[st.args[i].Text] = st.arg(i + 1)
	}
	cert, found := given["crt"]
	if !found {
		p.alert(st.arg(len(st.args)), "mandatory 'crt' parameter not found").Accepted = st.kw.synopsis()
		return
	}
	if w, found := given["ocsp-update"]; found && !p.oneOf(w, "value of 'ocsp-update'", []string{"on", "off"}) {
		return
	}
	file := below(firstOf(p.store.certBase, p.cfg.Global.TLS.CertBase), cert.Text)
	if !p.readLoaded(cert, file, given) {
		return
	}
	name, word := file, cert
	if p.store.name != "" {
		name = "@" + p.store.name + "/" + cert.Text
	}
	if alias := given["alias"]; alias.Text != "" {
		name, word = "@"+p.store.name+"/"+alias.Text, alias
	}
	if p.stored[name] {
		p.alert(word, "'%s' was already defined", name).Accepted = "another certificate or alias"
		return
	}
	p.stored[name] = true
}

// readLoaded judges the files of a "load" line.
func (p *parser) readLoaded(cert Word, file string, given map[string]Word) bool {
	if p.opt.ReadFile == nil {
		return true
	}
	text, err := p.opt.ReadFile(file)
	if err != nil {
		p.alert(cert, "cannot read '%s': %v", file, err).Accepted = "a PEM file with certificate and key"
		return false
	}
	keyFile := ""
	if key, found := given["key"]; found {
		if key.Text == "" {
			p.alert(key, "'key' expects a file").Accepted = "key <file>"
			return false
		}
		keyFile = below(firstOf(p.store.keyBase, p.cfg.Global.TLS.KeyBase), key.Text)
	}
	for _, name := range []string{"issuer", "ocsp", "sctl"} {
		if w, found := given[name]; found && !p.exists(w.Text) {
			p.alert(w, "'%s' cannot be read", w.Text).Accepted = "a file"
			return false
		}
	}
	return p.judgeLoaded(cert, file, text, keyFile)
}

// judgeLoaded leaves the key out where the line names none: HAProxy then looks for
// it when the certificate is used.
func (p *parser) judgeLoaded(w Word, file string, text []byte, keyFile string) bool {
	if keyFile == "" && hasBlock(text, isCertificate) && !hasBlock(text, isPrivateKey) {
		return true
	}
	return p.judgeCertificate(w, file, text, keyFile)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
