package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// keywordClass is one class of option -dK.
type keywordClass struct {
	name, help, title string
	print             func(w io.Writer, commands []ctl.Command)
}

// keywordClasses lists HAProxy's classes and one of our own, which "all" leaves out:
// what is known and not supported yet.
var keywordClasses = []keywordClass{
	{"acl", "ACL keywords", "# List of registered ACL keywords:", func(w io.Writer, _ []ctl.Command) {
		printACLs(w, config.Done, config.NoEffect)
	}},
	{"cfg", "configuration keywords", "# List of registered configuration keywords:", func(w io.Writer, _ []ctl.Command) {
		printKeywords(w, config.Done, config.NoEffect)
	}},
	{"cli", "CLI keywords", "# List of registered CLI keywords:", printCommands},
	{"cnv", "sample converter keywords", "# List of registered sample converter functions:", func(w io.Writer, _ []ctl.Command) {
		printConverters(w, config.Done, config.NoEffect)
	}},
	{"flt", "filter names", "# List of registered filter names:", func(io.Writer, []ctl.Command) {}},
	{"smp", "sample fetch functions", "# List of registered sample fetch functions:", func(w io.Writer, _ []ctl.Command) {
		printFetches(w, config.Done, config.NoEffect)
	}},
	{"svc", "service names", "# List of registered service names:", func(io.Writer, []ctl.Command) {}},
	{"pending", "what is known and not supported yet", "# List of what is known and not supported yet:",
		func(w io.Writer, _ []ctl.Command) { printPending(w) }},
}

// printClasses answers -dK; names of no class are passed over, as in HAProxy.
func printClasses(w io.Writer, classes []string, commands []ctl.Command) {
	if slices.Contains(classes, "help") {
		fmt.Fprintln(w, "# List of supported keyword classes:\nall: list all keywords")
		for _, class := range keywordClasses {
			fmt.Fprintf(w, "%s: %s\n", class.name, class.help)
		}
	}
	all := slices.Contains(classes, "all")
	for _, class := range keywordClasses {
		if slices.Contains(classes, class.name) || all && class.name != "pending" {
			fmt.Fprintln(w, class.title)
			class.print(w, commands)
		}
	}
}

// keywordGroups are the sections in the order of the listing. The proxy sections
// share one, as in HAProxy.
var keywordGroups = []struct {
	title string
	where config.Where
}{
	{"global", config.InGlobal},
	{"listen", config.InDefaults | config.InFrontend | config.InListen | config.InBackend},
	{"peers", config.InPeers},
	{"resolvers", config.InResolvers},
	{"userlist", config.InUserlist},
	{"mailers", config.InMailers},
	{"ring", config.InRing},
	{"log-forward", config.InLogForward},
	{"crt-store", config.InCrtStore},
}

// optionGroups are the options of lines, with the line that they stand on.
var optionGroups = []struct {
	title, line string
	where       config.Where
}{
	{"global", "stats socket <path>", config.SocketOption},
	{"listen", "bind <addr>", config.BindOption},
	{"listen", "server <name> <addr>", config.ServerOption},
	{"listen", "log <target>", config.LogOption},
}

// printKeywords lists the keywords in the given states by section.
func printKeywords(w io.Writer, states ...config.State) {
	rows := slices.DeleteFunc(config.Keywords(), func(kw config.Keyword) bool { return !slices.Contains(states, kw.State) })
	for _, group := range keywordGroups {
		var lines []string
		for _, kw := range rows {
			if kw.Where&group.where != 0 {
				lines = append(lines, kw.Name+sides(kw))
			}
		}
		for _, options := range optionGroups {
			for _, kw := range rows {
				if options.title == group.title && kw.Where&options.where != 0 {
					lines = append(lines, options.line+" "+kw.Name+arity(kw))
				}
			}
		}
		if group.title == "listen" {
			lines = append(lines, actionLines(states)...)
		}
		if len(lines) > 0 {
			fmt.Fprintf(w, "%s\n\t%s\n", group.title, strings.Join(lines, "\n\t"))
		}
	}
}

// actionLines lists the actions in the given states by rule set.
func actionLines(states []config.State) []string {
	var lines []string
	for set := config.RequestConnection; set <= config.ResponseContent; set <<= 1 {
		for _, a := range config.Actions() {
			if a.Sets&set != 0 && slices.Contains(states, a.State) {
				lines = append(lines, set.String()+" "+a.Name)
			}
		}
	}
	return lines
}

// sides tells where an "option" line is valid, when that is not everywhere.
func sides(kw config.Keyword) string {
	if !strings.HasPrefix(kw.Name, "option ") {
		return ""
	}
	front, back := kw.Where&config.InFrontend != 0, kw.Where&config.InBackend != 0
	switch {
	case front && !back:
		return " [ FE ]"
	case back && !front:
		return " [ BE ]"
	}
	return ""
}

// arity tells how many words an option takes.
func arity(kw config.Keyword) string {
	if kw.Min == 0 {
		return ""
	}
	return fmt.Sprintf(" +%d", kw.Min)
}

// printCommands lists the commands that are served.
func printCommands(w io.Writer, commands []ctl.Command) {
	var lines []string
	for _, c := range commands {
		if c.Missing == "" {
			lines = append(lines, strings.TrimSpace(c.Name+" "+c.Args)+" [WORKER]")
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
}
