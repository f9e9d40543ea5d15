package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/server"
)

type reviewCommand struct {
	List    reviewListCommand    `cmd:"" help:"List what waits for a person, newest first." default:"withargs"`
	Show    reviewShowCommand    `cmd:"" help:"Show a review with its evidence and what can be decided."`
	Resolve reviewResolveCommand `cmd:"" help:"Decide what a review waits for."`
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
	filter := payment.ReviewFilter{AnyApp: true, State: payment.ReviewOpen}
	if c.All {
		filter.State = ""
	}
	return c.onInstalled(ctx, sys, func(f *server.Foundation) error {
		reviews, next, err := f.Store.Reviews(ctx, filter, payment.Page{Limit: c.Limit})
		if err != nil {
			return err
		}
		if len(reviews) == 0 {
			_, err := fmt.Fprintln(sys.stdout, "nothing waits for a person")
			return err
		}
		w := tabwriter.NewWriter(sys.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "OPENED\tID\tKIND\tAPP\tABOUT\tWHAT TO DO")
		for _, v := range reviews {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.OpenedAt.Format(time.RFC3339), v.ID, v.Kind, orNone(v.AppID), v.SubjectID, v.Summary)
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

type reviewShowCommand struct {
	configured
	ID string `arg:"" help:"The review's id, rvw_..."`
}

// Help is shown by --help.
func (reviewShowCommand) Help() string {
	return "Example: tongbao review show rvw_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"
}

func (c *reviewShowCommand) Run(ctx context.Context, sys system) error {
	return c.onInstalled(ctx, sys, func(f *server.Foundation) error {
		v, err := reviewOfAnyApp(ctx, f, c.ID)
		if err != nil {
			return err
		}
		return printReview(sys, v)
	})
}

type reviewResolveCommand struct {
	configured
	ID     string `arg:"" help:"The review's id, rvw_..."`
	Action string `required:"" help:"What is decided: ${enum}; 'show' names those that fit." enum:"accept,refund,ask,acknowledge" placeholder:"ACTION"`
	Note   string `help:"Why; kept with the review." placeholder:"TEXT"`
}

// Help is shown by --help.
func (reviewResolveCommand) Help() string {
	return "accept keeps late money: the payment succeeds after all. refund gives it back. ask has the provider asked again now; without an answer the review opens again. " +
		"acknowledge changes nothing. What the decision asks of a provider is done by the running gateway.\n\n" +
		"Example: tongbao review resolve rvw_01K9ZQ4T3M8W6V5R2N7X1Y0ABC --action refund --note 'sold out'"
}

func (c *reviewResolveCommand) Run(ctx context.Context, sys system) error {
	return c.onInstalled(ctx, sys, func(f *server.Foundation) error {
		v, err := reviewOfAnyApp(ctx, f, c.ID)
		if err != nil {
			return err
		}
		reviews, err := f.Reviews()
		if err != nil {
			return err
		}
		v, err = reviews.ResolveReview(ctx, payment.ResolveRequest{
			AppID: v.AppID, ReviewID: v.ID, Action: payment.ReviewAction(c.Action), Note: c.Note, By: payment.ByOperator,
		})
		if err != nil {
			return err
		}
		return printReview(sys, v)
	})
}

func reviewOfAnyApp(ctx context.Context, f *server.Foundation, id string) (*payment.Review, error) {
	found, _, err := f.Store.Reviews(ctx, payment.ReviewFilter{AnyApp: true, ID: id}, payment.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	if id == "" || len(found) == 0 {
		return nil, fmt.Errorf("there is no review %q; 'tongbao review list --all' shows those there are", id)
	}
	return found[0], nil
}

func printReview(sys system, v *payment.Review) error {
	w := tabwriter.NewWriter(sys.stdout, 0, 0, 2, ' ', 0)
	line := func(name, text string) { fmt.Fprintf(w, "%s\t%s\n", name, orNone(text)) }
	line("review", v.ID)
	line("kind", string(v.Kind))
	line("app", v.AppID)
	line("account", v.AccountID)
	line("about", v.SubjectID)
	line("opened", v.OpenedAt.Format(time.RFC3339))
	if v.State() == payment.ReviewResolved {
		line("resolved", fmt.Sprintf("%s, %s, by %s", v.ResolvedAt.Format(time.RFC3339), v.Resolution, v.ResolvedBy))
		line("note", v.Note)
	} else {
		words := make([]string, 0, len(v.Kind.Actions()))
		for _, a := range v.Kind.Actions() {
			words = append(words, string(a))
		}
		line("actions", strings.Join(words, ", "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var evidence bytes.Buffer
	if err := json.Indent(&evidence, v.RedactedEvidence(), "", "  "); err != nil {
		evidence.Reset()
		evidence.WriteString("none was kept")
	}
	_, err := fmt.Fprintf(sys.stdout, "\n%s\n\nevidence:\n%s\n", v.Summary, evidence.String())
	return err
}
