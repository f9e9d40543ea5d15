package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/server"
)

// onFoundation opens the installation's database for one command that may be the first, and applies the configuration
// as a start does.
func (c configured) onFoundation(ctx context.Context, sys system, do func(*server.Foundation) error) error {
	return c.on(ctx, sys, server.OpenFoundation, do)
}

// onInstalled opens it for one command that needs what is there, and changes no more than it says.
func (c configured) onInstalled(ctx context.Context, sys system, do func(*server.Foundation) error) error {
	return c.on(ctx, sys, server.OpenInstalled, do)
}

func (c configured) on(ctx context.Context, sys system, open func(context.Context, server.Options) (*server.Foundation, error), do func(*server.Foundation) error) error {
	cfg, err := c.load(sys)
	if err != nil {
		return err
	}
	f, err := open(ctx, server.Options{Config: cfg, Logger: logger(sys, cfg)})
	if err != nil {
		return err
	}
	err = do(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

type appCommand struct {
	Create appCreateCommand `cmd:"" help:"Create an app and its first API key."`
	List   appListCommand   `cmd:"" help:"List the apps."`
}

// Help is shown by --help.
func (appCommand) Help() string { return "Example: tongbao app create shop --name 'Web shop'" }

type appCreateCommand struct {
	configured
	ID               string `arg:"" help:"1 to 32 of a-z, 0-9, - and _."`
	Name             string `help:"For people. Default: the id."`
	LatePayment      string `help:"What happens to money that arrives after a payment has ended: ${enum}. Default: ${default}." enum:"refund, accept, review" default:"refund"`
	RequireSignature bool   `help:"Refuse bearer keys: every request must be signed."`
}

// Help is shown by --help.
func (appCreateCommand) Help() string { return "Example: tongbao app create shop --name 'Web shop'" }

func (c *appCreateCommand) Run(ctx context.Context, sys system) error {
	return c.onFoundation(ctx, sys, func(f *server.Foundation) error {
		app, err := f.Access.CreateApp(ctx, c.ID, access.AppSettings{Name: c.Name, LatePolicy: payment.LatePolicy(c.LatePayment), RequireSignature: c.RequireSignature})
		if err != nil {
			return err
		}
		return printNewKey(ctx, sys, f, app.ID, time.Time{})
	})
}

type appListCommand struct{ configured }

// Help is shown by --help.
func (appListCommand) Help() string {
	return "Example: tongbao app list --config /etc/tongbao/tongbao.yaml"
}

func (c *appListCommand) Run(ctx context.Context, sys system) error {
	return c.onInstalled(ctx, sys, func(f *server.Foundation) error {
		apps, err := f.Access.Apps(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(sys.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tLATE PAYMENT\tSIGNATURE\tDISABLED\tCREATED")
		for _, a := range apps {
			fmt.Fprintf(w, "%s\t%s\t%s\t%t\t%t\t%s\n", a.ID, a.Name, a.LatePolicy, a.RequireSignature, a.Disabled, a.CreatedAt.Format(time.RFC3339))
		}
		return w.Flush()
	})
}

type keyCommand struct {
	Create keyCreateCommand `cmd:"" help:"Create an API key; its secret is shown once."`
	List   keyListCommand   `cmd:"" help:"List an app's keys."`
	Revoke keyRevokeCommand `cmd:"" help:"Revoke a key; replicas notice within seconds."`
}

// Help is shown by --help.
func (keyCommand) Help() string { return "Example: tongbao key create shop --expires-in 2160h" }

type keyCreateCommand struct {
	configured
	App       string        `arg:"" help:"The app's id."`
	ExpiresIn time.Duration `help:"How long the key works, such as 2160h. Default: until revoked."`
}

// Help is shown by --help.
func (keyCreateCommand) Help() string { return "Example: tongbao key create shop --expires-in 2160h" }

func (c *keyCreateCommand) Run(ctx context.Context, sys system) error {
	if c.ExpiresIn < 0 {
		return usageError{"--expires-in must be positive"}
	}
	return c.onFoundation(ctx, sys, func(f *server.Foundation) error {
		var expiresAt time.Time
		if c.ExpiresIn > 0 {
			expiresAt = time.Now().Add(c.ExpiresIn)
		}
		return printNewKey(ctx, sys, f, c.App, expiresAt)
	})
}

func printNewKey(ctx context.Context, sys system, f *server.Foundation, appID string, expiresAt time.Time) error {
	key, text, err := f.Access.CreateKey(ctx, appID, expiresAt)
	if err != nil {
		return err
	}
	fmt.Fprintf(sys.stdout, "app     %s\nkey id  %s\nsecret  %s\n\nThe secret is shown this once. Bearer requests send it as it is; signed ones sign with it.\n", appID, key.ID, text.Reveal())
	return nil
}

type keyListCommand struct {
	configured
	App string `arg:"" help:"The app's id."`
}

// Help is shown by --help.
func (keyListCommand) Help() string { return "Example: tongbao key list shop" }

func (c *keyListCommand) Run(ctx context.Context, sys system) error {
	return c.onInstalled(ctx, sys, func(f *server.Foundation) error {
		keys, err := f.Access.Keys(ctx, c.App)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(sys.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tCREATED\tEXPIRES\tREVOKED")
		for _, k := range keys {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.ID, k.CreatedAt.Format(time.RFC3339), orDash(k.ExpiresAt), orDash(k.RevokedAt))
		}
		return w.Flush()
	})
}

func orDash(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

type keyRevokeCommand struct {
	configured
	ID string `arg:"" help:"The key's id, ak_..."`
}

// Help is shown by --help.
func (keyRevokeCommand) Help() string {
	return "Example: tongbao key revoke ak_01JZ8Q6W3B5T7R9N2M4K6H8G0F"
}

func (c *keyRevokeCommand) Run(ctx context.Context, sys system) error {
	return c.onInstalled(ctx, sys, func(f *server.Foundation) error { return f.Access.RevokeKey(ctx, c.ID) })
}
