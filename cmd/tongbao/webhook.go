package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tongbao-pay/tongbao/internal/server"
)

type webhookCommand struct {
	Dead  webhookDeadCommand  `cmd:"" help:"Count the webhooks that were given up, by endpoint." default:"withargs"`
	Retry webhookRetryCommand `cmd:"" help:"Send webhooks again: one, or all of an endpoint that were given up."`
}

// Help is shown by --help.
func (webhookCommand) Help() string { return "Example: tongbao webhook dead" }

type webhookDeadCommand struct{ configured }

// Help is shown by --help.
func (webhookDeadCommand) Help() string {
	return "Webhooks of every app that were given up, and wait for somebody to send them again.\n\nExample: tongbao webhook dead --config /etc/tongbao/tongbao.yaml"
}

func (c *webhookDeadCommand) Run(ctx context.Context, sys system) error {
	return c.onInstalled(ctx, sys, func(f *server.Foundation) error {
		dead, err := f.Store.DeadLetters(ctx)
		if err != nil {
			return err
		}
		if len(dead) == 0 {
			_, err := fmt.Fprintln(sys.stdout, "no webhook was given up")
			return err
		}
		w := tabwriter.NewWriter(sys.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "APP\tENDPOINT\tDEAD\tOLDEST EVENT\tNEWEST EVENT")
		for _, d := range dead {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", d.AppID, d.EndpointID, d.Count, d.Oldest.Format(time.RFC3339), d.Newest.Format(time.RFC3339))
		}
		return w.Flush()
	})
}

type webhookRetryCommand struct {
	configured
	ID    string    `arg:"" help:"An endpoint's id, whe_..., or a delivery's, dlv_..."`
	App   string    `required:"" help:"The app it belongs to." placeholder:"ID"`
	Since time.Time `help:"With an endpoint: only events since then, such as 2026-01-31T08:00:00+08:00." placeholder:"TIME"`
}

// Help is shown by --help.
func (webhookRetryCommand) Help() string {
	return "With an endpoint, every webhook to it that was given up is sent again; with a delivery, that one, whatever became of it. The running gateway sends them, " +
		"to an endpoint that kept failing within five minutes. What is on its way already is not sent again by a second call for its endpoint.\n\n" +
		"Example: tongbao webhook retry whe_01K9ZQ4T3M8W6V5R2N7X1Y0ABC --app shop --since 2026-01-31T08:00:00+08:00"
}

func (c *webhookRetryCommand) Run(ctx context.Context, sys system) error {
	isDelivery := strings.HasPrefix(c.ID, "dlv_")
	switch {
	case !isDelivery && !strings.HasPrefix(c.ID, "whe_"):
		return usageError{"give an endpoint's id, whe_..., or a delivery's, dlv_..."}
	case isDelivery && !c.Since.IsZero():
		return usageError{"--since goes with an endpoint"}
	}
	return c.onInstalled(ctx, sys, func(f *server.Foundation) error {
		webhooks, err := f.Redelivery()
		if err != nil {
			return err
		}
		if isDelivery {
			if err := webhooks.Retry(ctx, c.App, c.ID); err != nil {
				return err
			}
			_, err := fmt.Fprintln(sys.stdout, "webhooks on their way again: 1")
			return err
		}
		total := 0
		for more := true; more && err == nil; {
			var n int
			n, more, err = webhooks.RetryDead(ctx, c.App, c.ID, c.Since)
			total += n
		}
		if total > 0 || err == nil { // what was sent before a failure is on its way all the same
			fmt.Fprintf(sys.stdout, "webhooks on their way again: %d\n", total)
		}
		return err
	})
}
