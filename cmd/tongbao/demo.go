package main

import (
	"context"
	"fmt"

	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/demo"
	"github.com/tongbao-pay/tongbao/internal/telemetry"
)

type demoCommand struct {
	Once   bool    `help:"Play the scripted journey, prove each step, and exit 0 only if every step held."`
	Data   string  `help:"Keep identities and databases here. Default: a temporary folder, removed at the end." type:"path" placeholder:"DIR"`
	Listen address `help:"The gateway's address. Default: 127.0.0.1:8080, or a free port where that is taken." placeholder:"ADDR"`
}

// Help is shown by --help.
func (demoCommand) Help() string { return "Example: tongbao demo --once" }

func (c *demoCommand) Run(ctx context.Context, sys system) error {
	cfg := demo.Config{Data: c.Data, Listen: string(c.Listen), Version: version(), Logger: telemetry.NewLogger(sys.stderr, config.Log{Level: "warn", Format: "text"})}
	if c.Once {
		return demo.Once(ctx, cfg, sys.stdout)
	}
	d, err := demo.Open(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(sys.stdout, `Tongbao demo: buy something, pay with the phone page, watch the order turn paid.

  shop           %s
  payer's phone  %s
  gateway API    %s/v1   (readable at %s/docs)
  API key        %s
  sandbox        %s   (control API)

Stop with Ctrl-C. 'tongbao demo --once' plays a scripted journey instead.
`, d.ShopURL(), d.PhoneURL(), d.GatewayURL(), d.GatewayURL(), d.APIKey().Reveal(), d.ControlURL())
	return d.Serve(ctx)
}
