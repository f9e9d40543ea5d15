// Command reference writes docs/configuration.md and docs/tongbao.example.yaml into the folder that it is given.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tongbao-pay/tongbao/internal/config"
)

func main() {
	if err := write(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func write(args []string) error {
	if len(args) != 1 {
		return errors.New("give the folder to write to")
	}
	for name, text := range map[string]string{"configuration.md": config.Reference(), "tongbao.example.yaml": config.Example()} {
		if err := os.WriteFile(filepath.Join(args[0], name), []byte(text), 0o644); err != nil { //nolint:gosec // pages for everybody
			return err
		}
	}
	return nil
}
