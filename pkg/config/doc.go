// Package config turns HAProxy configuration text into an immutable typed
// model: text -> tokens -> lines (comments kept) -> Config. It finds every fault
// at once and gives each a place, what is accepted there and a suggestion.
//
// It must not open sockets, resolve names or read anything but the text and the
// environment it is handed.
package config
