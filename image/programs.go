package image

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// program is one of our own binaries and where it belongs.
type program struct {
	pkg  string // below the module's root
	path string // in the image
}

// programs are plain static binaries, one per main package.
var programs = []program{
	{"cmd/confd", "usr/sbin/confd"},
	{"cmd/init", "init"},
	{"cmd/netd", "usr/sbin/netd"},
	{"cmd/proxyd", "usr/sbin/proxyd"},
	{"cmd/sluice", "usr/bin/sluice"},
	{"cmd/webd", "usr/sbin/webd"},
}

// goEnv is the environment of every compiler run: nothing of the builder's own
// settings may reach the bytes.
func (b *builder) goEnv() []string {
	return []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1",
		"GOFLAGS=", "GOEXPERIMENT=", "GOTOOLCHAIN=local", "GOWORK=off",
	}
}

// findGo asks the go command about itself and the module in the source directory.
func (b *builder) findGo(ctx context.Context) error {
	goTool, err := tool{"go", "golang-go", "compiles the programs"}.find()
	if err != nil {
		return err
	}
	text, err := command{path: goTool, args: []string{"env", "GOROOT", "GOVERSION", "GOMOD"}, dir: b.opts.Source}.output(ctx)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 3 {
		return fmt.Errorf("go env in %s: unexpected answer %q", b.opts.Source, text)
	}
	if path.Base(lines[2]) != "go.mod" {
		return fmt.Errorf("%s is not inside a Go module", b.opts.Source)
	}
	b.goRoot, b.goVersion, b.opts.Source = lines[0], lines[1], filepath.Dir(lines[2])
	b.goTool = filepath.Join(b.goRoot, "bin", "go")
	return nil
}

// compile builds the programs into dir; what did not change costs little, thanks
// to the compiler's cache.
func (b *builder) compile(ctx context.Context, dir string) (map[string][]byte, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	args := []string{"build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version=" + b.opts.Version, "-o", dir + "/"}
	for _, p := range programs {
		args = append(args, "./"+p.pkg)
	}
	c := command{path: b.goTool, args: args, dir: b.opts.Source, env: append(b.goEnv(), "GO111MODULE=on")}
	if _, err := c.output(ctx); err != nil {
		return nil, err
	}
	binaries := map[string][]byte{}
	for _, p := range programs {
		data, err := os.ReadFile(filepath.Join(dir, path.Base(p.pkg)))
		if err != nil {
			return nil, err
		}
		binaries[p.path] = data
	}
	return binaries, nil
}
