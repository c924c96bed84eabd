package main

import (
	"context"
	"fmt"
)

// group is a part of the command table with its heading in help.
type group struct {
	title string
	rows  []command
}

// commands returns the table. It is a function because help reads it.
func commands() []group {
	return []group{
		{"Look", []command{
			{"status", "", "services, network and proxy", nil, status},
			{"show status", "", "the same as status", nil, status},
			{"show config", "[edited|running|saved|factory|NUMBER] [FILE]", "a configuration, or one file of it", configArguments, showConfig},
			{"show network", "", "links, addresses, virtual addresses, routes", nil, daemonCommand("netd", "show network")},
			{"show revisions", "", "the configurations that were applied", nil, showRevisions},
			{"show log", "[UNIT [LINES]]", "the end of a unit's log, or of all", onlyFirst(unitNames), showLog},
			{"show units", "", "services and their states", nil, daemonCommand("init", "show units")},
			{"show boot", "", "what the boot did and how long it took", nil, daemonCommand("init", "show boot")},
			{"show users", "", "who may log in", nil, showUsers},
			{"diff", "[A [B]]", "what changes from configuration A (running) to B (edited)", configNames, diff},
			{"check", "[FILE]", "judge the edited configuration and show its plan; or a proxy file, or a directory of network files", fileNames, check},
		}},
		{"Configure", []command{
			{"setup", "", "asks for addresses and a first service, step by step", nil, setup},
			{"edit proxy", "", "edit the proxy's configuration", nil, editFile("proxy.cfg")},
			{"edit network", "[FILE]", "edit a network file, or a new one", onlyFirst(networkFiles), editNetwork},
			{"edit hosts", "", "edit the table of hosts", nil, editFile("hosts")},
			{"edit hostname", "", "edit the host name", nil, editFile("hostname")},
			{"apply", "[--confirm TIME] [--note TEXT] [--force]", "put the edited configuration in force; with --confirm it goes back after TIME, such as 5m, unless confirmed; with --force also over what others applied meanwhile", flags("--confirm", "--note", "--force"), apply},
			{"confirm", "", "keep what apply --confirm put in force", nil, confirm},
			{"save", "[--note TEXT]", "keep the running configuration over a reboot", flags("--note"), save},
			{"discard", "", "forget the edited configuration", nil, discard},
			{"rollback", "NUMBER", "put an earlier revision in force", onlyFirst(revisionNumbers), rollback},
			{"backup", "FILE", "write the configuration to FILE as tar.gz; - is the standard output", fileNames, backup},
			{"restore", "FILE", "make a backup the edited configuration", fileNames, restore},
			{"factory-reset", "[--yes]", "put the factory's configuration in force", flags("--yes"), factoryReset},
			{"password", "[USER]", "set a password (of admin)", onlyFirst(userNames), password},
		}},
		{"Test", []command{
			{"ping", "HOST [-c COUNT]", "send echo requests and time the answers", nil, ping},
			{"resolve", "NAME|ADDRESS", "look a name or an address up", nil, resolve},
		}},
		{"Run", []command{
			{"reload", "[proxy|network]", "read the files in force again", first("proxy", "network"), reload},
			{"logs", "UNIT [-n LINES] [-f]", "show a unit's log; -f goes on until ctrl-c", unitThen("-n", "-f"), logs},
			{"start", "UNIT", "start a unit", onlyFirst(unitNames), unitAction("start")},
			{"stop", "UNIT", "stop a unit", onlyFirst(unitNames), unitAction("stop")},
			{"restart", "UNIT", "stop and start a unit", onlyFirst(unitNames), unitAction("restart")},
			{"boot", "", "the same as show boot", nil, daemonCommand("init", "show boot")},
			{"ctl", "DAEMON COMMAND...", "send a command to a daemon's control socket; \"help\" lists them", first("confd", "init", "netd", "proxyd"), control},
			{"shell", "", "rescue shell; \"exit\" comes back", nil, rescueShell},
			{"install", "DISK [--yes NAME] [--factory]", "copy the running system and its saved configuration to another disk, after naming what is on it and asking; with --factory without the configuration", installWords, install},
			{"reboot", "", "stop all services and restart the machine", nil, leave("reboot")},
			{"poweroff", "", "stop all services and switch the machine off", nil, leave("poweroff")},
			{"version", "", "print the version", nil, printVersion},
			{"help", "[COMMAND|all]", "list the commands, or explain one", helpWords, help},
			{"login", "", "the console of a tty: asks who is there, then reads commands", nil, loginConsole},
			{"exit", "", "log out", nil, exit},
			{"quit", "", "the same as exit", nil, exit},
		}},
	}
}

func exit(_ context.Context, _ *shell, args []string) error {
	if len(args) > 0 {
		return errArguments
	}
	return errExit
}

func printVersion(_ context.Context, s *shell, args []string) error {
	if len(args) > 0 {
		return errArguments
	}
	_, err := fmt.Fprintln(s.stdout, "Sluice", version)
	return err
}

func helpWords(_ context.Context, _ *shell, args []string) []string {
	words := nextWords(args)
	if len(args) == 0 {
		words = append(words, "all")
	}
	return words
}
