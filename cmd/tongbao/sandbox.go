package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/telemetry"
	"github.com/tongbao-pay/tongbao/sandbox"
)

type sandboxCommand struct {
	Dir       string  `help:"Where identities and state are kept; created on first start." type:"path" default:"sandbox-data"`
	Listen    address `help:"The provider's primary host. Default: ${default}." default:"127.0.0.1:9100" placeholder:"ADDR"`
	Backup    address `help:"The provider's backup host. Default: ${default}." default:"127.0.0.1:9103" placeholder:"ADDR"`
	Control   address `help:"The control API; loopback only. Default: ${default}." default:"127.0.0.1:9101" placeholder:"ADDR"`
	Phone     address `help:"The payer's phone pages. Default: ${default}." default:"127.0.0.1:9102" placeholder:"ADDR"`
	TLS       address `name:"tls" help:"HTTPS for the provider's real host names under the sandbox's own CA. Default: off." placeholder:"ADDR"`
	MutualTLS address `name:"mutual-tls" help:"HTTPS under the sandbox's own CA that takes the merchant's certificate, for APIv2 with /secapi/. Default: ${default}." default:"127.0.0.1:9104" placeholder:"ADDR"`
	Seed      uint64  `help:"Makes identifiers and fault probabilities repeatable. Default: random."`
}

// Help is shown by --help.
func (sandboxCommand) Help() string {
	return "Credentials for your SDK are written to DIR/credentials.json, an account for the gateway to DIR/account.yaml.\n\nExample: tongbao sandbox --dir ./sandbox-data --tls 127.0.0.1:9443"
}

func (c *sandboxCommand) Run(ctx context.Context, sys system) error {
	sandboxConfig := sandbox.Config{
		Dir: c.Dir, Listen: string(c.Listen), Backup: string(c.Backup), Control: string(c.Control), Phone: string(c.Phone), TLS: string(c.TLS), MutualTLS: string(c.MutualTLS), Seed: c.Seed,
		Logger: telemetry.NewLogger(sys.stderr, config.Log{Level: "info", Format: "text"}),
	}
	if err := sandboxConfig.Check(); err != nil {
		return usageError{err.Error()}
	}
	s, err := sandbox.Open(sandboxConfig)
	if err != nil {
		return err
	}
	credentials := s.Credentials()
	account, err := writeAccount(credentials)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	fmt.Fprintf(sys.stdout, "WeChat Pay, offline\n\n  primary host   %s\n  backup host    %s\n", credentials.WeChatPay.BaseURL, credentials.WeChatPay.BackupURL)
	if credentials.TLSURL != "" {
		fmt.Fprintf(sys.stdout, "  TLS            %s (CA: %s)\n", credentials.TLSURL, credentials.Path(credentials.CAFile))
	}
	if url := credentials.WeChatPay.MutualTLSURL; url != "" {
		fmt.Fprintf(sys.stdout, "  mutual TLS     %s (APIv2, the merchant's certificate for /secapi/)\n", url)
	}
	fmt.Fprintf(sys.stdout, "  payer's phone  %s\n  control API    %s\n  credentials    %s\n\nTake payments through the gateway, in another terminal:\n\n  tongbao account add --file \"%s\"\n  tongbao serve\n\nStop with Ctrl-C.\n", credentials.PhoneURL, credentials.ControlURL, credentials.Path("credentials.json"), account)
	return s.Serve(ctx)
}
