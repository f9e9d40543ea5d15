// Command openapi writes the OpenAPI document of the API into the file it is told.
package main

import (
	"fmt"
	"os"

	"github.com/tongbao-pay/tongbao/internal/api"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("name one file to write, such as docs/openapi.yaml")
	}
	document, err := api.OpenAPI()
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], document, 0o644) //nolint:gosec // a public document in a source tree
}
