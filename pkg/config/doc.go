// Package config turns HAProxy configuration text into an immutable typed
// model: text -> lines (comments kept) -> words -> Config. It finds every fault
// at once and gives each a place, what is accepted there and a suggestion.
//
// One table row describes each keyword (Keyword); the parser, the help text,
// completion and "did you mean" all read the same rows, see Keywords. The rows
// live beside their parse functions.
//
// # Files
//
// Text: lines.go, lex.go (words, quotes, variables), environ.go, directive.go and
// condition.go (".if" and its relatives), value.go and amount.go (numbers, times),
// address.go, suggest.go ("did you mean", of pkg/slip), diag.go and report.go (findings).
//
// Lines: keyword.go (rows), tables.go (all tables by area), parse.go, admit.go (place,
// state and count of arguments), options.go (options behind a line), later.go and
// obsolete.go (what other versions of HAProxy know), record.go and dump.go (the
// lines in force), reference.go (the tables as documentation).
//
// Model: model.go, and model_line.go, model_proxy.go, model_rules.go,
// model_check.go, model_section.go for the parts that the name tells.
//
// Sections: section.go (headers, inheritance of defaults), named.go (headers of
// others than proxies), peers.go, resolvers.go, userlist.go, ring.go,
// logforward.go, crtstore.go, mail.go (mailers, e-mail alerts), foreign.go
// (sections that are refused and judged nevertheless).
//
// Section global: global.go, process.go (threads, limits, files), tune.go,
// tune_http.go, stats.go (sockets), tlsglobal.go.
//
// Proxies: proxy.go, option.go, timeout.go, balance.go, source.go, log.go, http.go,
// httpoption.go and httpaction.go (what is for HTTP); check.go and checkproxy.go
// (judgements over all lines).
//
// Listeners and servers: bind.go, bindoption.go, server.go, serveroption.go,
// template.go, tlsoption.go, tlscheck.go, certfile.go.
//
// Health checks: check_option.go, check_rule.go, check_expect.go, check_http.go,
// check_server.go, check_track.go.
//
// Samples: sample.go (expressions), sample_arg.go, sample_ref.go (names in
// arguments), sample_check.go (arguments of one fetch or converter), sample_row.go,
// the fetches by topic in sample_conn.go, sample_payload.go, sample_protocol.go,
// sample_ssl.go, sample_state.go, sample_stick.go, sample_http.go, sample_dev.go,
// the converters in sample_conv.go; logformat.go, logformat_line.go, logformat_var.go.
//
// Rules: acl.go, acl_cond.go, acl_list.go, pattern.go, pattern_regex.go, tcprule.go,
// action.go, actionparse.go, actionmore.go, switch.go (use_backend, use-server),
// stickrule.go, sticktable.go, filter.go.
//
// # What becomes of a line
//
// A line has one of three outcomes: it is done, it is kept without effect (a
// warning says why), or it is refused by name. The words of HAProxy's manual are
// the identifiers; section numbers in comments refer to configuration.txt.
//
// Where HAProxy silently reads a malformed number as zero, the verdict follows
// HAProxy but a warning names the value.
//
// # A server without an address
//
// "server NAME" is valid here although HAProxy refuses it: the host is the
// server's name and the port is the one that the client connected to. The word
// after the name is taken as an address unless it spells an option of "server":
// "server s1 weight 3" has no address. A host that is called like an option
// needs a port to be told apart: "server s1 weight:0".
//
// The package must not open sockets, resolve names or read anything but the
// text and what the functions in Options give it. Only ReadFiles and ReadNames
// touch the file system, and what judges the pattern and map files that a line
// names: HAProxy refuses a configuration for what is wrong in them.
package config
