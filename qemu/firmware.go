package qemu

import (
	"fmt"
	"io"
	"os"
)

// Firmware is what the virtual machine starts from.
type Firmware string

// The two kinds that the appliance supports.
const (
	BIOS Firmware = "bios" // QEMU's SeaBIOS
	UEFI Firmware = "uefi" // OVMF, without Secure Boot
)

// ovmf lists where distributions keep OVMF's code and variable store; the first
// pair that exists is taken. Debian 12 and 13 have the first.
var ovmf = [][2]string{
	{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
	{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
}

// firmwareArgs returns QEMU's arguments for fw. The variable store is copied to
// vars, as the machine writes to it.
func firmwareArgs(fw Firmware, vars string) ([]string, error) {
	switch fw {
	case BIOS:
		return nil, nil
	case UEFI:
	default:
		return nil, fmt.Errorf("firmware %q: accepted are %s, %s", fw, BIOS, UEFI)
	}
	for _, pair := range ovmf {
		if _, err := os.Stat(pair[0]); err != nil {
			continue
		}
		if err := copyFile(vars, pair[1]); err != nil {
			return nil, fmt.Errorf("copy UEFI variable store: %w", err)
		}
		return []string{
			"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + pair[0],
			"-drive", "if=pflash,format=raw,unit=1,file=" + vars,
		}, nil
	}
	return nil, fmt.Errorf("find UEFI firmware %s: not there (Debian package ovmf)", ovmf[0][0])
}

func copyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
