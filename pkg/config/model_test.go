package config

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestModel compares what Parse makes of testdata/model/*.cfg with the golden
// files beside them: diagnostics first, then the model.
func TestModel(t *testing.T) {
	files, err := filepath.Glob("testdata/model/*.cfg")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata/model/*.cfg: %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cfg, warnings, err := Parse([]Source{{Name: filepath.Base(file), Text: text}}, Options{})
			got := "warnings:\n" + format(warnings) + "alerts:\n" + format(alertsOf(err)) + "model:\n" + dump(t, cfg)
			golden := strings.TrimSuffix(file, ".cfg") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("Parse(%s) (-want +got):\n%s", file, diff)
			}
		})
	}
}

// dump renders a configuration; fields that hold nothing are left out so that
// the goldens show what a file has set.
func dump(t *testing.T, cfg *Config) string {
	t.Helper()
	if cfg == nil {
		return "none\n"
	}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(prune(tree), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

// prune drops empty values and the places, which have tests of their own.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			value = prune(value)
			if key == "Pos" || value == nil || value == false || value == "" || value == 0.0 && key != "Weight" {
				delete(v, key)
				continue
			}
			v[key] = value
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
	}
	return v
}
