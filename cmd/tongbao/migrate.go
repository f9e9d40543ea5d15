package main

import (
	"context"
	"fmt"

	"github.com/tongbao-pay/tongbao/internal/server"
	"github.com/tongbao-pay/tongbao/internal/store"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" help:"Bring the schema up to date; 'tongbao migrate' alone does this." default:"withargs"`
	Status migrateStatusCommand `cmd:"" help:"Tell the schema's version and the one this program needs."`
}

// Help is shown by --help.
func (migrateCommand) Help() string {
	return "Without 'up' or 'status' it runs 'up'.\n\nExample: tongbao migrate status --config /etc/tongbao/tongbao.yaml"
}

func (c configured) onStore(ctx context.Context, sys system, do func(*store.Store) error) error {
	cfg, err := c.load(sys)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, cfg.Database.Reveal())
	if err != nil {
		return err
	}
	err = do(s)
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	return err
}

type migrateUpCommand struct{ configured }

// Help is shown by --help.
func (migrateUpCommand) Help() string {
	return "Example: tongbao migrate up --config /etc/tongbao/tongbao.yaml"
}

func (c *migrateUpCommand) Run(ctx context.Context, sys system) error {
	return c.onStore(ctx, sys, func(s *store.Store) error {
		ran, err := server.Migrate(ctx, s)
		if err != nil {
			return err
		}
		fmt.Fprintf(sys.stdout, "%d migrations ran; the schema is up to date\n", ran)
		return nil
	})
}

type migrateStatusCommand struct{ configured }

// Help is shown by --help.
func (migrateStatusCommand) Help() string {
	return "Example: tongbao migrate status --config /etc/tongbao/tongbao.yaml"
}

func (c *migrateStatusCommand) Run(ctx context.Context, sys system) error {
	return c.onStore(ctx, sys, func(s *store.Store) error {
		current, target, err := s.SchemaVersion(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(sys.stdout, "schema version %d; this program needs %d\n", current, target)
		if current != target {
			fmt.Fprintln(sys.stdout, "run 'tongbao migrate up'")
		}
		return nil
	})
}
