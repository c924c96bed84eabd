package proxy

import (
	"strings"
	"testing"

	"github.com/sluice-lb/sluice/pkg/config"
)

func TestLimitsWithin(t *testing.T) {
	const fixed = reservedFiles + loopFiles // with one thread
	tests := []struct {
		name    string
		global  config.Global
		system  uint64
		maxconn int64
		pipes   int64
		says    string // part of the error or of the warning
		fails   bool
	}{
		{"given", config.Global{Maxconn: 1000}, 10000, 1000, 250, "", false},
		{"given pipes", config.Global{Maxconn: 1000, Maxpipes: 7}, 10000, 1000, 7, "", false},
		{"derived", config.Global{}, fixed + 2000, 800, 200, "", false},
		{"derived with pipes", config.Global{Maxpipes: 500}, fixed + 2000, 500, 500, "", false},
		{"derived with too many pipes", config.Global{Maxpipes: 1000}, fixed + 2000, 800, 200, "", false},
		{"derived from fd-hard-limit", config.Global{FDHardLimit: fixed + 500}, 10000, 200, 50, "", false},
		{"derived, at most a million files", config.Global{Maxpipes: 1}, 1 << 40, (1<<20 - fixed - 2) / 2, 1, "", false},
		{"derived from ulimit-n", config.Global{UlimitN: fixed + 500}, 10000, 200, 50, "", false},
		{"system too low", config.Global{Maxconn: 1000}, 2000, 0, 0, "maxconn 1000 needs 2261 files, the limit is 2000; lower \"maxconn\", or raise LimitNOFILE=", true},
		{"pipes take what is left", config.Global{Maxconn: 1000}, fixed + 2100, 1000, 50, "", false},
		{"too low with pipes", config.Global{Maxconn: 1000, Maxpipes: 100}, 2300, 0, 0, "maxconn 1000 with 100 pipes needs 2459 files, the limit is 2300; lower \"maxconn\" or \"maxpipes\", or raise", true},
		{"fd-hard-limit too low", config.Global{Maxconn: 1000, FDHardLimit: 2000}, 10000, 0, 0, `raise "fd-hard-limit"`, true},
		{"ulimit-n too low", config.Global{Maxconn: 1000, UlimitN: fixed + 1000}, 10000, 400, 100, `raise "ulimit-n"; going on with maxconn 400`, false},
		{"ulimit-n too high", config.Global{UlimitN: 20000}, 10000, 0, 0, "ulimit-n 20000 is more than the limit of 10000 files", true},
		{"lax", config.Global{Maxconn: 1000, LaxLimits: true}, fixed + 1000, 400, 100, "going on with maxconn 400", false},
		{"nothing left", config.Global{LaxLimits: true}, 100, 0, 0, "too low", true},
	}
	for _, tt := range tests {
		tt.global.NbThread = 1
		l, err := limitsWithin(&config.Config{Global: tt.global}, 0, tt.system)
		said := l.warning
		if err != nil {
			said = err.Error()
		}
		if (err != nil) != tt.fails || l.maxconn != tt.maxconn || l.pipes != tt.pipes || !strings.Contains(said, tt.says) || tt.says == "" && said != "" {
			t.Errorf("%s: %+v, %v, want maxconn %d, %d pipes, %q", tt.name, l, err, tt.maxconn, tt.pipes, tt.says)
		}
		if err == nil && l.files > tt.system {
			t.Errorf("%s: %d files", tt.name, l.files)
		}
	}
}
