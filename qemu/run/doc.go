// Command run is "make run": it starts two MariaDB servers in containers, boots
// the appliance's disk image in QEMU beside them, and connects a port of the
// loopback address with the virtual address. The terminal is the appliance's
// serial console; ctrl-a x switches the machine off. It must not be needed by any
// test: the tests use package qemu themselves.
package main
