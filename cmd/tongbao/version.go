package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

type versionCommand struct{}

// Help is shown by --help.
func (versionCommand) Help() string { return "Example: tongbao version" }

func (versionCommand) Run(sys system) error {
	var b strings.Builder
	fmt.Fprintf(&b, "tongbao %s\n", version())
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	fmt.Fprintf(&b, "go      %s\n", info.GoVersion)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision", "vcs.time", "vcs.modified", "CGO_ENABLED", "-trimpath", "-tags", "GOOS", "GOARCH":
			fmt.Fprintf(&b, "%s=%s\n", s.Key, s.Value)
		}
	}
	_, err := io.WriteString(sys.stdout, b.String())
	return err
}

// version is the module's version, or "devel" for a build from a working copy.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
