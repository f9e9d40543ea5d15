package main

import (
	"context"
	"fmt"

	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/telemetry"
	"github.com/tongbao-pay/tongbao/sandbox"
)

type sandboxCommand struct {
	Dir     string `help:"Where identities and state are kept; created on first start." type:"path" default:"sandbox-data"`
	Listen  string `help:"The provider's primary host." default:"127.0.0.1:9100" placeholder:"ADDR"`
	Backup  string `help:"The provider's backup host." default:"127.0.0.1:9103" placeholder:"ADDR"`
	Control string `help:"The control API; loopback only." default:"127.0.0.1:9101" placeholder:"ADDR"`
	Phone   string `help:"The payer's phone pages." default:"127.0.0.1:9102" placeholder:"ADDR"`
	TLS     string `name:"tls" help:"HTTPS for the provider's real host names under the sandbox's own CA. Default: off." placeholder:"ADDR"`
	Seed    uint64 `help:"Makes identifiers and fault probabilities repeatable. Default: random."`
}

// Help is shown by --help.
func (sandboxCommand) Help() string {
	return "Credentials for your SDK are written to DIR/credentials.json.\n\nExample: tongbao sandbox --dir ./sandbox-data --tls 127.0.0.1:9443"
}

func (c *sandboxCommand) Run(ctx context.Context, sys system) error {
	s, err := sandbox.Open(sandbox.Config{
		Dir: c.Dir, Listen: c.Listen, Backup: c.Backup, Control: c.Control, Phone: c.Phone, TLS: c.TLS, Seed: c.Seed,
		Logger: telemetry.NewLogger(sys.stderr, config.Log{Level: "info", Format: "text"}),
	})
	if err != nil {
		return err
	}
	credentials := s.Credentials()
	fmt.Fprintf(sys.stdout, "WeChat Pay, offline\n\n  primary host   %s\n  backup host    %s\n", credentials.WeChatPay.BaseURL, credentials.WeChatPay.BackupURL)
	if credentials.TLSURL != "" {
		fmt.Fprintf(sys.stdout, "  TLS            %s (CA: %s)\n", credentials.TLSURL, credentials.Path(credentials.CAFile))
	}
	fmt.Fprintf(sys.stdout, "  payer's phone  %s\n  control API    %s\n  credentials    %s\n\nStop with Ctrl-C.\n", credentials.PhoneURL, credentials.ControlURL, credentials.Path("credentials.json"))
	return s.Serve(ctx)
}
