// Command tongbao takes WeChat Pay payments for a merchant's applications, and brings the provider offline.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// The exit codes, the same for every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// commands is the whole command line; each field's type is in the file of its name.
type commands struct {
	Demo     demoCommand     `cmd:"" help:"Run sandbox, gateway and a demo shop in one process; nothing to configure."`
	Serve    serveCommand    `cmd:"" help:"Run the gateway."`
	Sandbox  sandboxCommand  `cmd:"" help:"Run WeChat Pay offline, for any SDK in any language."`
	App      appCommand      `cmd:"" help:"Create and list the apps that may call the API."`
	Key      keyCommand      `cmd:"" help:"Create, list and revoke the API keys of apps."`
	Account  accountCommand  `cmd:"" help:"Add and list the merchant's accounts at providers."`
	Review   reviewCommand   `cmd:"" help:"List what waits for a person (runs list)."`
	Webhook  webhookCommand  `cmd:"" help:"List the webhooks that were given up, and send them again (runs dead)."`
	Config   configCommand   `cmd:"" help:"Print the effective configuration, without its secrets."`
	Migrate  migrateCommand  `cmd:"" help:"Bring the database schema up to date, or tell how it stands."`
	Simulate simulateCommand `cmd:"" help:"Play the whole system against chance: faults, races, lost answers; then compare everybody's books."`
	Version  versionCommand  `cmd:"" help:"Print version, commit, Go and build settings."`
}

// system is what commands know of the outside; tests give their own.
type system struct {
	stdout, stderr io.Writer
	environ        []string
}

// getenv is the value of a variable, "" where it is not set.
func (s system) getenv(name string) string {
	for _, v := range s.environ {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], system{stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()})
	stop()
	os.Exit(code)
}

// run parses and runs one command line and returns the exit code.
func run(ctx context.Context, args []string, sys system) (code int) {
	var c commands
	parser, err := kong.New(&c,
		kong.Name("tongbao"), kong.Description("Tongbao (通宝) takes WeChat Pay payments for your applications, never loses one and never counts one twice.\n\nExample: tongbao demo"),
		kong.UsageOnError(), kong.Writers(sys.stdout, sys.stderr), kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic(err) // unreachable: the command line's own description is wrong
	}
	defer func() { // help ends the parse in the middle
		switch v := recover().(type) {
		case nil:
		case exit:
			code = int(v)
		default:
			panic(v)
		}
	}()
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help":
		args = append(slices.Clone(args[1:]), "--help")
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(sys.stderr, "tongbao: %v\nRun 'tongbao --help', or add --help to a command, for what it takes.\n", err)
		return exitUsage
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(sys)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, new(usageError)):
		fmt.Fprintf(sys.stderr, "tongbao: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(sys.stderr, "tongbao: %v\n", err)
	return exitFailed
}

type exit int

// usageError is a mistake on the command line that parsing alone cannot see.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }
