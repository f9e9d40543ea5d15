package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/server"
)

// configured is the flag of every command that works on an installation.
type configured struct {
	Config string `help:"The configuration file. Default: what TONGBAO_CONFIG names; without any, SQLite under ./data on loopback." type:"path" placeholder:"FILE"`
}

func (c configured) load(sys system) (config.Config, error) {
	file := c.Config
	if file == "" {
		file = sys.getenv(config.ConfigVariable)
	}
	return config.Load(file, sys.environ)
}

func logger(sys system, c config.Config) *slog.Logger {
	return server.NewLogger(sys.stderr, c.Log)
}

type serveCommand struct{ configured }

// Help is shown by --help.
func (serveCommand) Help() string { return "Example: tongbao serve --config /etc/tongbao/tongbao.yaml" }

func (c *serveCommand) Run(ctx context.Context, sys system) error {
	cfg, err := c.load(sys)
	if err != nil {
		return err
	}
	log := logger(sys, cfg)
	slog.SetDefault(log) // for libraries that know no other, such as the exporter of traces
	s, err := server.Open(ctx, server.Options{Config: cfg, Version: version(), Logger: log})
	if err != nil {
		return err
	}
	if err := greet(ctx, sys, s); err != nil {
		return errors.Join(err, s.Close())
	}
	return s.Serve(ctx)
}

// greet tells what a new installation needs next.
func greet(ctx context.Context, sys system, s *server.Server) error {
	accounts, err := s.Access.Accounts(ctx)
	if err != nil {
		return err
	}
	if k := s.FirstKey; k != nil {
		fmt.Fprintf(sys.stdout, "First start. An app %q was created with this API key, shown this once:\n\n    %s\n\n", k.AppID, k.Secret.Reveal())
	}
	switch {
	case len(accounts) == 0:
		fmt.Fprintf(sys.stdout, "Add the merchant's account with 'tongbao account add', then create payments at %s/docs\n\n", s.URL())
	case s.FirstKey != nil:
		fmt.Fprintf(sys.stdout, "Create payments at %s/docs\n\n", s.URL())
	}
	return nil
}
