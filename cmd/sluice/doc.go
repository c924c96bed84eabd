// Command sluice is the administrator's command. With words it runs one command;
// without any it is the command line of the appliance's console, where the
// service manager starts it as "sluice login". All of them use the same table
// (commands.go): help, completion and the "?" key come from it.
//
// It changes nothing itself: configurations go to confd, which checks, applies
// and keeps them; services and network are asked through the control sockets of
// init, netd and proxyd. It must not write below /etc or /data, nor judge a
// configuration's language by itself. Only install writes to a disk, never to the
// one that the machine runs from.
//
// On a terminal it writes characters, backspaces and line ends only, so that any
// terminal at any speed will do.
package main
