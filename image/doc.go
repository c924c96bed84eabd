// Package image builds the appliance: an initramfs with init, the daemons, the
// rescue commands and the kernel modules, and a GPT disk that GRUB boots on BIOS
// and on UEFI. It runs with ordinary user rights: nothing is mounted, no device
// is opened, and every archive and file system is written as plain bytes.
//
// Two builds of the same tree yield the same bytes: lists are sorted, owners are
// root, modes do not depend on the umask, times are Options.Epoch and identifiers
// are fixed.
//
// The kernel is Debian's, fetched by apt into a state directory of its own. The
// package must not touch the apt state of the machine, must not need the network
// once the kernel is in its cache, and knows nothing of the daemons except where
// their main packages are and where their binaries belong.
package image
