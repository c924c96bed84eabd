package netcfg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoadReportsEveryFault(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"10-lan.network": "Name=eth0\n[Match]\nNmae=eth0\n[Network]\nAddress=198.18.0.2\nGateway = 198.18.9.1\nLLDP=yes\n" +
			"[Adress]\nAddress=1.2.3.4/24\n[Link]\nMTUBytes=9\nMTUBytes=1400\nnonsense\n[Route]\nDestination=10.0.0.1/8\n[Route]\nMetric=\\\n  5\n[Broken\nX=1\n",
		"20-a.vip":         "[VIP]\r\nAddress=198.18.0.10/32\r\nLink=10-lan.netwrok\r\nAnnounce=yse\r\n",
		"21-b.vip":         "[VIP]\nAddress=198.18.0.11/32\n[VIP]\nAnnounceCount=100\nLink=10-lna.network\nAddress=198.18.0.12/32\n",
		"22-c.vip":         "[VIP]\nAddress=198.18.0.13/32\nLink=10-lna.network\n",
		"30-x.netdev":      "",
		"40-lan.netwrok":   "",
		"ignored.network~": "garbage",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Load(dir)
	if err == nil {
		t.Fatal("Load = nil, want faults")
	}
	got := strings.ReplaceAll(err.Error(), dir+"/", "") + "\n"
	golden := "testdata/faults.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("faults (-want +got):\n%s", d)
	}
}

func FuzzParse(f *testing.F) {
	rows, _ := filepath.Glob("testdata/plan/*.txtar")
	for _, r := range rows {
		text, err := os.ReadFile(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(false, string(text))
		f.Add(true, string(text))
	}
	f.Add(false, "[Match]\r\nName=a\\\r\n b\n;x\n[")
	f.Fuzz(func(t *testing.T, vip bool, text string) {
		name := word(vip, "a.vip", "a.network")
		lines := strings.Count(text, "\n") + 1
		parseFile(name, text, func(d *Diagnostic) {
			if d.Line < 1 || d.Line > lines || d.Col < 1 {
				t.Errorf("fault outside of the file's %d lines: %v", lines, d)
			}
		})
	})
}

func TestFactoryFilesAreValid(t *testing.T) {
	cfg, err := Load("../../overlay/etc/sluice/network")
	if err != nil {
		t.Fatal(err)
	}
	d := Resolve(cfg, newFakeOS().Links, nil)
	if len(d.Missing)+len(d.Problems) != 0 || len(d.Links) != 2 || len(d.Links[1].Addrs) != 3 || d.Links[1].Name != "eth0" {
		t.Errorf("Resolve = %+v, want two addresses and a VIP on the first Ethernet link", d)
	}
}
