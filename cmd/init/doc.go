// Command init is the appliance's process 1. It runs the boot steps of the table
// in boot.go, then hands over to the supervisor, and at the end stops everything
// and powers off or reboots.
//
// The files tell the machine's concerns apart: mounts.go, console.go, sysctl.go,
// modalias.go and modules.go (drivers), uevent.go (hotplug), watchdog.go,
// power.go (buttons and signals), shutdown.go, cmdline.go (all sluice.* keys).
//
// It must not configure links other than lo (netd does), must not know what the
// services are (the unit files do), and must never return while the machine
// lives: every way out ends in reboot(2).
package main
