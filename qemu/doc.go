// Package qemu puts the appliance to the test: it boots disk images and kernels
// in QEMU, wires virtual machines, containers and clients together in network
// namespaces of its own (a Lab), and starts real MariaDB servers in containers.
// Its tests are the end-to-end tests of the project, one file per user story;
// the program in qemu/run is the same lab for a person.
//
// Nothing of a lab outlives the process that made it: namespaces are anonymous,
// child processes die with their parent, and what the file system still holds of
// a killed run is removed by the next one.
//
// The package must not import anything that runs inside the appliance: it sees
// the appliance as a user does, through its disk image, its network and its
// serial console. It must not touch the host's own network beyond a listener on
// the loopback address.
package qemu
