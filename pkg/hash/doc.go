// Package hash has the hash functions of HAProxy's configuration language: those of
// "hash-type", of the converters of the same names, and of what names a server on
// the hash ring. They are exact, for two proxies with the same configuration are to
// send a key to the same server.
package hash
