// Package web is the appliance's web pages and its REST API: one table of routes
// (routes.go) says for each path who may use it, how large its body may be and
// what answers; mux, login check, token check and the tests are driven by it.
//
// Pages are html/template and work without JavaScript: every action is a form.
// The scripts under static make them livelier: app.js refreshes and counts down,
// editor.js (bundled from /ui) is the editor with diagnostics and completion.
//
// Everything about the machine is asked of the daemons over their control
// sockets, through the interface Daemon. The package must not read or write
// configuration files, judge a configuration by itself (confd runs "proxyd -c"),
// hash passwords, or touch the network's state.
//
// # What protects it
//
// Until confd knows a password, every page says how to set one and nothing else
// is served. A login makes a session: 256 random bits in a __Host- cookie
// (Secure, HttpOnly, SameSite=Strict), of which only the hash is kept. Requests
// that change something need the session's token besides, and browsers' requests
// from other origins are refused. API clients may send the session's secret as a
// bearer token instead; browsers never do that by themselves, so no token is
// asked for then. Failed logins are answered slower and slower, then not at all
// for a while (guard.go).
package web
