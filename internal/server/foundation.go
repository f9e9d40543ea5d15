package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/job"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/redis"
	"github.com/tongbao-pay/tongbao/internal/secret"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

// Foundation is what commands that do not serve need: the database and who may use it.
type Foundation struct {
	Store  *store.Store
	Sealer *secret.Sealer
	Access *access.Service

	redis *redis.Client // nil: none is configured
}

// FirstKey is a new installation's only key.
type FirstKey struct {
	AppID  string
	KeyID  string
	Secret secret.String
}

// OpenFoundation opens the database, migrates it where the configuration allows, and applies what the
// configuration declares.
func OpenFoundation(ctx context.Context, o Options) (*Foundation, error) {
	return openFoundation(ctx, o, unclaimed)
}

func unclaimed(context.Context, *store.Store) error { return nil }

// OpenInstalled opens the database of a gateway that is there, and applies nothing of the configuration to it. It is for
// commands that look, or decide something, beside the running gateway: with the wrong configuration one of them would
// make an empty database and find nothing in it, and with an edited one put settings into force that nobody deployed.
func OpenInstalled(ctx context.Context, o Options) (*Foundation, error) {
	if file, ok := o.Config.Database.SQLiteFile(); ok {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("server: there is no database %s; name the gateway's own configuration with --config or TONGBAO_CONFIG. Its first start makes the database", file)
		}
	}
	return open(ctx, o, func(f *Foundation) error { return f.checkSchema(ctx) })
}

// openFoundation opens the database and lets claim have it before anything in it is changed.
func openFoundation(ctx context.Context, o Options, claim func(context.Context, *store.Store) error) (*Foundation, error) {
	if err := checkAccounts(o.Config.Accounts); err != nil {
		return nil, err
	}
	f, err := open(ctx, o, func(f *Foundation) error {
		if err := claim(ctx, f.Store); err != nil {
			return err
		}
		return f.migrate(ctx, o.Config, o.Logger)
	})
	if err != nil {
		return nil, err
	}
	if err := f.declare(ctx, o.Config); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// open opens the database, and what is in it once prepare has seen to its schema.
func open(ctx context.Context, o Options, prepare func(*Foundation) error) (_ *Foundation, err error) {
	c, logger, f := o.Config, o.Logger, &Foundation{}
	if f.Store, err = store.Open(ctx, c.Database.Reveal()); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := prepare(f); err != nil {
		return nil, err
	}
	key, err := f.masterKey(ctx, c, logger)
	if err != nil {
		return nil, err
	}
	if f.Sealer, err = secret.Open(ctx, f.Store, key); err != nil {
		return nil, err
	}
	var nonces access.Nonces = f.Store
	if !c.Redis.IsZero() {
		if f.redis, err = redis.Open(redis.Config{URL: c.Redis.Reveal(), Logger: logger}); err != nil {
			return nil, err
		}
		nonces = f.redis.Nonces(f.Store)
	}
	if f.Access, err = access.New(access.Config{Store: f.Store, Sealer: f.Sealer, Nonces: nonces, Now: o.Now}); err != nil {
		return nil, err
	}
	return f, nil
}

// Reviews are the use cases of who decides beside a running gateway: the jobs of a decision are committed for it to run.
func (f *Foundation) Reviews() (*payment.Service, error) {
	if err := f.useOutbox(); err != nil {
		return nil, err
	}
	return payment.New(payment.Config{Store: f.Store, Providers: noProviders{}, Now: time.Now}), nil
}

// Redelivery sends webhooks again from beside a running gateway, which delivers them.
func (f *Foundation) Redelivery() (*webhook.Service, error) {
	if err := f.useOutbox(); err != nil {
		return nil, err
	}
	return webhook.New(webhook.Config{Store: f.Store, Sealer: f.Sealer})
}

// useOutbox makes changes commit their jobs for the running gateway.
func (f *Foundation) useOutbox() error {
	outbox, err := job.NewOutbox(f.Store)
	if err != nil {
		return err
	}
	f.Store.UseQueue(outbox)
	return nil
}

// noProviders is for a process that must not ask any: the gateway does, with its limits and its metrics.
type noProviders struct{}

func (noProviders) Choose(context.Context, payment.Channel, payment.Product, string) (string, error) {
	return "", errNoProviders
}

func (noProviders) Provider(context.Context, string) (payment.Provider, error) {
	return nil, errNoProviders
}

var errNoProviders = errors.New("server: only a serving gateway asks providers")

// Close closes the database, and Redis.
func (f *Foundation) Close() error {
	var err error
	if f.redis != nil {
		err = f.redis.Close()
	}
	return errors.Join(err, f.Store.Close())
}

func (f *Foundation) migrate(ctx context.Context, c config.Config, logger *slog.Logger) error {
	if c.Migrate == config.MigrateManual {
		if err := f.checkSchema(ctx); err != nil {
			return fmt.Errorf("%w (migrate is set to manual)", err)
		}
		return nil
	}
	ran, err := Migrate(ctx, f.Store)
	if ran > 0 {
		logger.InfoContext(ctx, "database migrated", "migrations", ran)
	}
	return err
}

func (f *Foundation) checkSchema(ctx context.Context) error {
	current, target, err := f.Store.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if current != target {
		return fmt.Errorf("server: the database has schema version %d and this program needs %d; run 'tongbao migrate up'", current, target)
	}
	return nil
}

// Migrate brings the whole schema up to date, the jobs' tables included, and returns how many migrations of ours ran.
func Migrate(ctx context.Context, s *store.Store) (int, error) {
	ran, err := s.Migrate(ctx)
	if err != nil {
		return ran, err
	}
	return ran, job.Migrate(ctx, s)
}

// masterKey is the configured one. Only a database without secrets gets a new one: for any other, a new key would look
// like the lost one and open nothing.
func (f *Foundation) masterKey(ctx context.Context, c config.Config, logger *slog.Logger) (secret.MasterKey, error) {
	if !c.MasterKey.IsZero() {
		return secret.LoadMasterKey(c.MasterKey.Reveal())
	}
	if _, err := os.Stat(c.MasterKeyFile); errors.Is(err, os.ErrNotExist) {
		keyset, err := f.Store.Keyset(ctx)
		if err != nil {
			return secret.MasterKey{}, err
		}
		if keyset != nil {
			return secret.MasterKey{}, fmt.Errorf("server: the master key file %s is missing, and this database holds secrets that only it opens; restore it from its backup", c.MasterKeyFile)
		}
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

// checkAccounts finds keys that are none in every account before anything is opened: a start that fails at the second one
// would already have given replicas that serve the first.
func checkAccounts(accounts []config.Account) error {
	var all []error
	for _, a := range accounts {
		settings, secrets, err := a.Channel()
		if err == nil {
			_, err = channel.CheckAccount(channel.Account{ID: a.ID, Channel: a.ChannelName(), Settings: settings, Secrets: secrets})
		}
		if err != nil {
			all = append(all, ofConfiguration(a, err))
		}
	}
	return errors.Join(all...)
}

func ofConfiguration(a config.Account, err error) error {
	return fmt.Errorf("server: account %q of the configuration: %w", a.ID, err)
}

// PutAccount creates or replaces an account as a configuration file describes it.
func (f *Foundation) PutAccount(ctx context.Context, a config.Account) error {
	settings, secrets, err := a.Channel()
	if err == nil {
		err = f.checkAccount(ctx, a, settings, secrets)
	}
	if err == nil {
		err = f.Access.PutAccount(ctx, a.ID, a.ChannelName(), settings, secrets)
	}
	if err == nil {
		err = f.Access.SetAccountDisabled(ctx, a.ID, a.Disabled)
	}
	if err != nil {
		return ofConfiguration(a, err)
	}
	return nil
}

// checkAccount finds keys, certificates and numbers that do not belong together before they are stored, and an id that
// would become another merchant's: payments were placed under it, and only the old merchant can settle them.
func (f *Foundation) checkAccount(ctx context.Context, a config.Account, settings, secrets json.RawMessage) error {
	merchantID, err := channel.CheckAccount(channel.Account{ID: a.ID, Channel: a.ChannelName(), Settings: settings, Secrets: secrets})
	if err != nil {
		return err
	}
	known, err := f.Access.Account(ctx, a.ID)
	if e, ok := errors.AsType[*payment.Error](err); ok && e.Code == payment.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	before, err := channel.MerchantOf(known.Channel, known.Settings)
	if err == nil && before != merchantID {
		return fmt.Errorf("it is merchant %s and would become merchant %s, who cannot settle its payments; give the other merchant an account of its own", before, merchantID)
	}
	return err
}

// firstApp is the app of an installation that names none.
const firstApp = "default"

func (s *Server) firstKey(ctx context.Context) error {
	apps, err := s.Access.Apps(ctx)
	if err != nil || len(apps) > 0 {
		return err
	}
	if _, err := s.Access.PutApp(ctx, firstApp, access.AppSettings{Name: "Default"}); err != nil {
		return err
	}
	key, text, err := s.Access.CreateKey(ctx, firstApp, time.Time{})
	if err != nil {
		return err
	}
	s.FirstKey = &FirstKey{AppID: firstApp, KeyID: key.ID, Secret: text}
	return nil
}
