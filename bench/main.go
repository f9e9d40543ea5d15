// Command bench measures the library beside wechatpay-go and gopay, and beside the two RSA operations that no call
// can do without: all in one run, in turns, so that a busy machine hits all alike. `make bench` runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run ends with an error when something could not be measured. Slow is no error: it depends on the machine.
func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) == 1 && args[0] == upstreamCommand {
		return serveUpstream(ctx, stdin, stdout)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "measure only operations whose name begins so, and print no targets")
	rounds := flags.Int("rounds", 11, "how many times everything is measured; the table shows medians")
	slice := flags.Duration("slice", 100*time.Millisecond, "how long one measurement works, about")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 || *slice <= 0 || flags.NArg() > 0 {
		return fmt.Errorf("usage: bench [-rounds N] [-slice DURATION], both above zero")
	}

	p, err := newParties()
	if err != nil {
		return err
	}
	up, err := startUpstream(ctx, p)
	if err != nil {
		return err
	}
	defer up.stop()
	all, err := contenders(p, up.reach())
	if err != nil {
		return err
	}
	defer func() {
		for _, c := range all {
			if c.quit != nil {
				c.quit()
			}
		}
	}()
	results, err := measureAll(ctx, plan{rounds: *rounds, slice: *slice, only: *only}, all, up, p)
	if err != nil {
		return err
	}
	printConfiguration(stdout, all, *rounds)
	printTable(stdout, all, results)
	if *only == "" {
		printTargets(stdout, results)
	}
	return nil
}
