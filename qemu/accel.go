package qemu

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Accelerator says how QEMU runs guest instructions.
type Accelerator struct {
	Name   string // value of QEMU's -accel, "kvm" or "tcg"
	Reason string // why it was chosen, for a person
}

// PickAccelerator returns KVM where the processor shows hardware virtualization
// and /dev/kvm can be opened, TCG (emulation, about ten times slower) elsewhere.
// Both are asked because /dev/kvm alone proves nothing: it may open on a machine
// without nested virtualization, where guests then hang.
func PickAccelerator() Accelerator {
	cpuinfo, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return Accelerator{"tcg", err.Error()}
	}
	flag := virtualizationFlag(string(cpuinfo))
	if flag == "" {
		return Accelerator{"tcg", "the processor shows neither vmx nor svm"}
	}
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return Accelerator{"tcg", err.Error()}
	}
	_ = f.Close()
	return Accelerator{"kvm", fmt.Sprintf("the processor shows %s and /dev/kvm opens", flag)}
}

// virtualizationFlag returns "vmx" or "svm" when a flags line of cpuinfo, the
// content of /proc/cpuinfo, holds that word, else "".
func virtualizationFlag(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		key, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(key) != "flags" {
			continue
		}
		flags := strings.Fields(value)
		for _, f := range []string{"vmx", "svm"} {
			if slices.Contains(flags, f) {
				return f
			}
		}
	}
	return ""
}
