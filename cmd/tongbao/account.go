package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/server"
)

type accountCommand struct {
	Add  accountAddCommand  `cmd:"" help:"Add an account, or replace one, from a file."`
	List accountListCommand `cmd:"" help:"List the accounts, without their secrets."`
}

// Help is shown by --help.
func (accountCommand) Help() string { return "Example: tongbao account add --file wechat-main.yaml" }

type accountAddCommand struct {
	configured
	File string `required:"" type:"existingfile" help:"YAML with one account, as under 'accounts:' of the configuration file." placeholder:"FILE"`
}

// Help is shown by --help.
func (accountAddCommand) Help() string {
	return "The keys it names are read, sealed and stored in the database; the files are not needed after.\n\nExample: tongbao account add --file wechat-main.yaml"
}

func (c *accountAddCommand) Run(ctx context.Context, sys system) error {
	account, err := config.LoadAccount(c.File)
	if err != nil {
		return err
	}
	return c.onFoundation(ctx, sys, func(f *server.Foundation) error {
		if err := f.PutAccount(ctx, account); err != nil {
			return err
		}
		fmt.Fprintf(sys.stdout, "account %s stored, its keys sealed; a running gateway notices within about 5 seconds\n", account.ID)
		return nil
	})
}

type accountListCommand struct{ configured }

// Help is shown by --help.
func (accountListCommand) Help() string {
	return "KEY is what the provider's signatures are verified by.\n\nExample: tongbao account list --config /etc/tongbao/tongbao.yaml"
}

func (c *accountListCommand) Run(ctx context.Context, sys system) error {
	return c.onInstalled(ctx, sys, func(f *server.Foundation) error {
		accounts, err := f.Access.Accounts(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(sys.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tCHANNEL\tMCHID\tAPPID\tKEY\tDISABLED\tUPDATED")
		for _, a := range accounts {
			if err := printAccount(w, a); err != nil {
				return err
			}
		}
		return w.Flush()
	})
}

func printAccount(w *tabwriter.Writer, a access.OpenAccount) error {
	var s channel.WeChatSettings
	if err := json.Unmarshal(a.Settings, &s); err != nil {
		return fmt.Errorf("account %s: its settings cannot be read, add it again: %w", a.ID, err)
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%t\t%s\n", a.ID, a.Channel, s.MchID, appIDs(s), keyKind(s), a.Disabled, a.UpdatedAt.Format(time.RFC3339))
	return err
}

// appIDs is the appid of all products, and those of single ones.
func appIDs(s channel.WeChatSettings) string {
	var ids []string
	if s.AppID != "" {
		ids = append(ids, s.AppID)
	}
	for _, product := range slices.SortedFunc(maps.Keys(s.AppIDs), cmp.Compare[payment.Product]) {
		ids = append(ids, string(product)+"="+s.AppIDs[product])
	}
	return strings.Join(ids, ",")
}

// keyKind is what the provider's signatures are verified by.
func keyKind(s channel.WeChatSettings) string {
	switch {
	case s.PublicKeyID != "" && s.PlatformCertificates:
		return "public_key,platform_certificates"
	case s.PublicKeyID != "":
		return "public_key"
	}
	return "platform_certificates"
}
