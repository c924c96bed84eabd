//go:build never

package image

// The rescue commands are built from source by their import path (see
// busybox.go). Naming some of them here keeps their module, and what it needs,
// in go.mod; the file is never compiled.
import (
	_ "github.com/u-root/u-root/cmds/core/gosh"
	_ "github.com/u-root/u-root/cmds/core/ip"
	_ "github.com/u-root/u-root/cmds/core/ls"
)
