// Package appliance is the life of the configuration: immutable revisions on the
// data partition, the pointers running, saved (startup) and last good, the edited
// candidate, and Apply as one transaction over named steps that can be undone. It
// also makes, checks and mounts the data partition.
//
// A revision is a whole: the proxy's file and all files of the network. It is
// written to a temporary name, fsynced, renamed, and the directory is fsynced, so
// after a power cut there is the old state or the new one.
//
// cmd/confd is the only writer; everybody else asks it over its control socket,
// with the types of api.go. The package knows neither the proxy's language nor
// netlink: it runs the steps that it is handed, and must not import them.
package appliance
