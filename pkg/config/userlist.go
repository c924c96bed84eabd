package config

import "slices"

// userlistKeywords are the lines of section userlist (manual, section 3.4).
var userlistKeywords = []Keyword{
	{Name: "user", Where: InUserlist, Args: "<name> [password <hash> | insecure-password <text>] [groups <group>[,<group>...]]", Min: 1, Max: -1,
		State: NoEffect, Why: onlyHTTPAuth, Help: "a user with a password", parse: parseUser},
	{Name: "group", Where: InUserlist, Args: "<name> [users <user>[,<user>...]]", Min: 1, Max: -1,
		State: NoEffect, Why: onlyHTTPAuth, Help: "a group of users", parse: parseGroup},
}

const onlyHTTPAuth = "only HTTP rules ask for users"

func beginUserlist(p *parser, name Word) {
	u := &Userlist{Pos: p.pos(name), Name: name.Text}
	p.cfg.Userlists = append(p.cfg.Userlists, u)
}

// listing is the section under construction.
func (p *parser) listing() *Userlist { return p.cfg.Userlists[len(p.cfg.Userlists)-1] }

func parseUser(p *parser, st *statement) {
	name, list := st.args[0], p.listing()
	if slices.ContainsFunc(list.Users, func(u User) bool { return u.Name == name.Text }) {
		p.warn(name, "user '%s' exists already, this line is ignored", name.Text).Accepted = "another name"
		return
	}
	user := User{Name: name.Text}
	for i := 1; i < len(st.args); i += 2 {
		word, value := st.args[i], st.arg(i+1)
		switch word.Text {
		case "password", "insecure-password":
			user.Password, user.Plain = value.Text, word.Text == "insecure-password"
		case "groups":
			user.Groups = nil
			for _, g := range splitCommas(value) {
				if g.Text != "" {
					user.Groups = append(user.Groups, g.Text)
					p.needGroup(list, g)
				}
			}
		default:
			p.alert(word, "'user' does not know '%s'", word.Text).Accepted = st.kw.synopsis()
			return
		}
	}
	list.Users = append(list.Users, user)
}

func parseGroup(p *parser, st *statement) {
	name, list := st.args[0], p.listing()
	if !p.checkName(name, "'group'") {
		return
	}
	if slices.ContainsFunc(list.Groups, func(g Group) bool { return g.Name == name.Text }) {
		p.warn(name, "group '%s' exists already, this line is ignored", name.Text).Accepted = "another name"
		return
	}
	group := Group{Name: name.Text}
	for i := 1; i < len(st.args); i += 2 {
		if st.args[i].Text != "users" {
			p.alert(st.args[i], "'group' does not know '%s'", st.args[i].Text).Accepted = st.kw.synopsis()
			return
		}
		if i > 1 {
			p.alert(st.args[i], "'users' comes again").Accepted = "one list of users, parted by commas"
			return
		}
		for _, u := range splitCommas(st.arg(i + 1)) {
			if u.Text != "" {
				group.Users = append(group.Users, u.Text)
				p.needUser(list, u)
			}
		}
	}
	list.Groups = append(list.Groups, group)
}

// needGroup checks at the end that the group exists.
func (p *parser) needGroup(list *Userlist, w Word) {
	at := p.pos(w)
	p.atEnd(func() {
		names := make([]string, len(list.Groups))
		for i := range list.Groups {
			names[i] = list.Groups[i].Name
		}
		p.needMember(at, "group", w.Text, names)
	})
}

// needUser checks at the end that the user exists.
func (p *parser) needUser(list *Userlist, w Word) {
	at := p.pos(w)
	p.atEnd(func() {
		names := make([]string, len(list.Users))
		for i := range list.Users {
			names[i] = list.Users[i].Name
		}
		p.needMember(at, "user", w.Text, names)
	})
}

func (p *parser) needMember(at Pos, what, name string, names []string) {
	if slices.Contains(names, name) {
		return
	}
	d := p.report(Alert, at, "no such %s '%s' in this userlist", what, name)
	d.Accepted, d.Suggest = "a '"+what+"' line of the same userlist", nearest(name, names)
}
