package config

import (
	"fmt"
	"strings"
)

// admit checks what the row says about place, state, prefix and arguments; it
// reports whether the line is to be parsed.
func (p *parser) admit(st *statement, prefix Word) bool {
	kw := st.kw
	if (st.no || st.reset) && !kw.No {
		p.alert(prefix, "negation/default is not supported for '%s'", kw.Name).Accepted = "'" + kw.Name + "' without '" + prefix.Text + "'"
		return false
	}
	if st.reset && kw.Max == 0 {
		p.alert(prefix, "HAProxy %s understands 'default' not in front of '%s'", CompatVersion, kw.Name).Accepted = "no " + kw.Name
		return false
	}
	if !p.admitPlace(st) || !p.admitState(st) {
		return false
	}
	if len(st.args) < kw.Min || len(st.args) > 0 && kw.Min > 0 && st.args[0].Text == "" {
		p.alert(st.arg(len(st.args)), "'%s' expects %s", kw.Name, plural(kw.Min)).Accepted = kw.synopsis()
		return false
	}
	if kw.Max >= 0 && len(st.args) > kw.Max && st.args[kw.Max].Text != "" {
		extra := st.args[kw.Max]
		p.alert(extra, "'%s' cannot handle unexpected argument '%s'", kw.Name, extra.Text).Accepted = kw.synopsis()
		return false
	}
	return true
}

func plural(n int) string {
	if n == 1 {
		return "an argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

func (kw *Keyword) synopsis() string { return strings.TrimSpace(kw.Name + " " + kw.Args) }

// admitPlace judges a keyword in a section that has not the role it is for:
// HAProxy ignores most of them there, with a warning.
func (p *parser) admitPlace(st *statement) bool {
	kw, w := st.kw, st.name[0]
	if kw.Named && p.section == InDefaults && p.px.px.Name == "" {
		p.alert(w, "'%s' not allowed in anonymous 'defaults' section", kw.Name).Accepted = "defaults <name>"
		return false
	}
	if kw.Where&p.section != 0 {
		return true
	}
	if p.section == InDefaults {
		p.alert(w, "'%s' not allowed in 'defaults' section", kw.Name).Accepted = "'" + kw.Name + "' in section " + kw.Where.String()
		return false
	}
	role := "frontend"
	if p.section == InFrontend {
		role = "backend"
	}
	if kw.Strict {
		p.alert(w, "'%s' not allowed because %s '%s' has no %s capability", kw.Name, p.section, p.sectionName, role).Accepted = "'" + kw.Name + "' in section " + kw.Where.String()
		return false
	}
	p.warn(w, "'%s' ignored because %s '%s' has no %s capability", kw.Name, p.section, p.sectionName, role)
	return true
}

func (p *parser) admitState(st *statement) bool {
	kw, w := st.kw, st.name[0]
	switch kw.State {
	case Refused:
		if kw.Since != "" {
			p.tooNew(w, kw)
			return false
		}
		if p.sectionState == Refused {
			return true // the header says it
		}
		d := p.alert(w, "'%s' is not supported: %s", kw.Name, kw.Why)
		d.Unsupported, d.Accepted = kw.instead == "", kw.instead
		return false
	case NoEffect:
		p.remark(w, "'%s' has no effect: %s", kw.Name, kw.Why)
	}
	return true
}

// tooNew refuses a keyword that the version spoken here does not know.
func (p *parser) tooNew(w Word, kw *Keyword) {
	d := p.alert(w, "'%s' is not supported: it came with HAProxy %s, the language spoken here is that of %s", kw.Name, kw.Since, CompatVersion)
	d.Accepted = kw.instead
	if d.Accepted == "" {
		d.Accepted = "what HAProxy " + CompatVersion + " accepts"
	}
}
