// Command bench measures the library beside wechatpay-go and gopay, and beside the two RSA operations that no call
// can do without: all in one run, in turns, so that a busy machine hits all alike. `make bench` runs it. With -gateway it
// measures the gateway beside the service that most people would write, on SQLite and PostgreSQL: `make bench-gateway`.
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
	if len(args) == 1 && args[0] == tutorialCommand {
		return serveTutorial(ctx, stdin, stdout)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "measure only operations whose name begins so, and print no targets")
	rounds := flags.Int("rounds", 11, "how many times everything is measured; the table shows medians")
	slice := flags.Duration("slice", 100*time.Millisecond, "how long one measurement works, about")
	services := flags.Bool("gateway", false, "measure the gateway beside the tutorial app instead; -rounds is then 3 and -slice 2s unless they are given")
	accelerated := flags.Bool("accelerated", false, "with -gateway: measure it built with an accelerated RSA too (GOEXPERIMENT=boringcrypto; needs cgo)")
	open := flags.Int("open", 10_000, "with -gateway: how many payments are open while the memory is read")
	webhooks := flags.Int("webhooks", 2_000, "with -gateway: how many webhooks are counted")
	if err := flags.Parse(args); err != nil {
		return err
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if *services && !given["rounds"] {
		*rounds = 3
	}
	if *services && !given["slice"] {
		*slice = 2 * time.Second
	}
	if *rounds < 1 || *slice <= 0 || *open < 1 || *webhooks < 1 || flags.NArg() > 0 {
		return fmt.Errorf("usage: bench [-gateway] [-rounds N] [-slice DURATION] [-open N] [-webhooks N], all above zero")
	}
	if *services {
		return runGateway(ctx, gatewayPlan{callers: []int{1, 16, 64, 256}, rounds: *rounds, slice: *slice, open: *open, webhooks: *webhooks, accelerated: *accelerated}, stdout)
	}

	p, err := newParties()
	if err != nil {
		return err
	}
	up, err := startUpstream(ctx, p, false)
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
