// Package ctl is the one control protocol of the house: HAProxy's runtime API
// (management guide, section 9.3) on a UNIX stream socket. A client writes one
// line of commands separated by ";" and reads the answers until the server
// closes; "prompt" keeps the connection open. A command may carry a payload after
// "<<". Failures are told apart from answers through HAProxy's own "set
// severity-output number", which prefixes each message with "[level]:".
//
// Every daemon (init, netd, proxyd) serves a table of Commands; help, level
// checks and completion come from the same table. The package knows no command
// of any daemon, and must not: the tables live with their owners.
package ctl
