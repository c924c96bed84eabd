package web

import (
	"os"
	"strings"
	"testing"
)

// Every route of the API is in its manual.
func TestAPIDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range routes() {
		if !rt.api() {
			continue
		}
		path := strings.TrimPrefix(rt.path, "/api/v1")
		path = strings.Replace(path, "{which}", "{edited,running,saved,factory,N}", 1)
		if rt.method == "GET" && path == "/config/edited" {
			continue // named with the other contents
		}
		if !strings.Contains(string(text), "`"+rt.method+" "+path) {
			t.Errorf("docs/api.md does not name %s %s", rt.method, path)
		}
	}
}
