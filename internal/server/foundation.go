package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/job"
	"github.com/tongbao-pay/tongbao/internal/secret"
	"github.com/tongbao-pay/tongbao/internal/store"
)

// Foundation is what commands that do not serve need: the database, brought up to date, and who may use it.
type Foundation struct {
	Store  *store.Store
	Sealer *secret.Sealer
	Access *access.Service
	// FirstKey is the API key made for a database that had no app and a configuration that declares none. Its secret is
	// nowhere else: show it once.
	FirstKey *FirstKey
}

// FirstKey is a new installation's only key.
type FirstKey struct {
	AppID  string
	KeyID  string
	Secret secret.String
}

// OpenFoundation opens the database, migrates it where the configuration allows, and applies what the
// configuration declares.
func OpenFoundation(ctx context.Context, o Options) (_ *Foundation, err error) {
	c, logger, f := o.Config, o.Logger, &Foundation{}
	if f.Store, err = store.Open(ctx, c.Database.Reveal()); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := f.migrate(ctx, c, logger); err != nil {
		return nil, err
	}
	key, err := masterKey(c, logger)
	if err != nil {
		return nil, err
	}
	if f.Sealer, err = secret.Open(ctx, f.Store, key); err != nil {
		return nil, err
	}
	if f.Access, err = access.New(access.Config{Store: f.Store, Sealer: f.Sealer, Now: o.Now}); err != nil {
		return nil, err
	}
	if err := f.declare(ctx, c); err != nil {
		return nil, err
	}
	if err := f.firstKey(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// Close closes the database.
func (f *Foundation) Close() error { return f.Store.Close() }

func (f *Foundation) migrate(ctx context.Context, c config.Config, logger *slog.Logger) error {
	if c.Migrate == config.MigrateManual {
		current, target, err := f.Store.SchemaVersion(ctx)
		if err != nil {
			return err
		}
		if current != target {
			return fmt.Errorf("server: the database has schema version %d and this program needs %d; run 'tongbao migrate up' (migrate is set to manual)", current, target)
		}
		return nil
	}
	ran, err := Migrate(ctx, f.Store)
	if ran > 0 {
		logger.InfoContext(ctx, "database migrated", "migrations", ran)
	}
	return err
}

// Migrate brings the whole schema up to date, the jobs' tables included, and returns how many migrations of ours ran.
func Migrate(ctx context.Context, s *store.Store) (int, error) {
	ran, err := s.Migrate(ctx)
	if err != nil {
		return ran, err
	}
	return ran, job.Migrate(ctx, s)
}

func masterKey(c config.Config, logger *slog.Logger) (secret.MasterKey, error) {
	if !c.MasterKey.IsZero() {
		return secret.LoadMasterKey(c.MasterKey.Reveal())
	}
	key, created, err := secret.LoadOrCreateMasterKeyFile(c.MasterKeyFile)
	if created {
		logger.Warn("a new master key was made: keep a copy apart from the database; without it no secret in the database can be read", "file", c.MasterKeyFile)
	}
	return key, err
}

// declare makes the database's apps and accounts what the configuration says of them. Others stay as they are.
func (f *Foundation) declare(ctx context.Context, c config.Config) error {
	for _, a := range c.Apps {
		if _, err := f.Access.PutApp(ctx, a.ID, a.Settings()); err != nil {
			return fmt.Errorf("server: app %q of the configuration: %w", a.ID, err)
		}
	}
	for _, a := range c.Accounts {
		if err := f.PutAccount(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// PutAccount creates or replaces an account as a configuration file describes it.
func (f *Foundation) PutAccount(ctx context.Context, a config.Account) error {
	settings, secrets, err := a.Channel()
	if err == nil {
		err = f.Access.PutAccount(ctx, a.ID, a.ChannelName(), settings, secrets)
	}
	if err == nil {
		err = f.Access.SetAccountDisabled(ctx, a.ID, a.Disabled)
	}
	if err != nil {
		return fmt.Errorf("server: account %q of the configuration: %w", a.ID, err)
	}
	return nil
}

// firstApp is the app of an installation that names none.
const firstApp = "default"

func (f *Foundation) firstKey(ctx context.Context) error {
	apps, err := f.Access.Apps(ctx)
	if err != nil || len(apps) > 0 {
		return err
	}
	if _, err := f.Access.PutApp(ctx, firstApp, access.AppSettings{Name: "Default"}); err != nil {
		return err
	}
	key, text, err := f.Access.CreateKey(ctx, firstApp, time.Time{})
	if err != nil {
		return err
	}
	f.FirstKey = &FirstKey{AppID: firstApp, KeyID: key.ID, Secret: text}
	return nil
}
