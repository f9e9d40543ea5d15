package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/server"
)

type reviewCommand struct {
	List reviewListCommand `cmd:"" help:"List what waits for a person, newest first." default:"withargs"`
}

// Help is shown by --help.
func (reviewCommand) Help() string { return "Example: tongbao review list" }

type reviewListCommand struct {
	configured
	All   bool `help:"Resolved ones too."`
	Limit int  `help:"How many at most." default:"50"`
}

// Help is shown by --help.
func (reviewListCommand) Help() string {
	return "Reviews of every app, and of what belongs to none.\n\nExample: tongbao review list --config /etc/tongbao/tongbao.yaml"
}

func (c *reviewListCommand) Run(ctx context.Context, sys system) error {
	if c.Limit < 1 || c.Limit > 1000 {
		return usageError{"--limit must be from 1 to 1000"}
	}
	return c.onFoundation(ctx, sys, func(f *server.Foundation) error {
		reviews, next, err := f.Store.Reviews(ctx, payment.ReviewFilter{AnyApp: true, OpenOnly: !c.All}, payment.Page{Limit: c.Limit})
		if err != nil {
			return err
		}
		if len(reviews) == 0 {
			_, err := fmt.Fprintln(sys.stdout, "nothing waits for a person")
			return err
		}
		w := tabwriter.NewWriter(sys.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "OPENED\tKIND\tAPP\tABOUT\tWHAT TO DO")
		for _, r := range reviews {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.OpenedAt.Format(time.RFC3339), r.Kind, orNone(r.AppID), r.SubjectID, r.Summary)
		}
		if next != "" {
			fmt.Fprintln(w, "there are more; raise --limit")
		}
		return w.Flush()
	})
}

func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
