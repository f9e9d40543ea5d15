package main

import (
	"fmt"
	"runtime/debug"
)

type versionCommand struct{}

func (versionCommand) Run(sys system) error {
	info, ok := debug.ReadBuildInfo()
	fmt.Fprintf(sys.stdout, "tongbao %s\n", version())
	if !ok {
		return nil
	}
	fmt.Fprintf(sys.stdout, "go      %s\n", info.GoVersion)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision", "vcs.time", "vcs.modified", "CGO_ENABLED", "-trimpath", "-tags", "GOOS", "GOARCH":
			fmt.Fprintf(sys.stdout, "%s=%s\n", s.Key, s.Value)
		}
	}
	return nil
}

// version is the module's version, or "devel" for a build from a working copy.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
