package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/secret"
)

// accountJSONMax bounds settings and secrets, in bytes: a few keys and certificates.
const accountJSONMax = 64 << 10

// OpenAccount is an account with its secrets opened: JSON that the channel's adapter reads, in a type that does not
// print it.
type OpenAccount struct {
	ID        string
	Channel   payment.Channel
	Settings  json.RawMessage
	Secrets   secret.String
	Disabled  bool
	UpdatedAt time.Time
}

// PutAccount creates the account of that id or replaces what is known of it. Settings and secrets are JSON objects;
// nil secrets leave those of a known account as they are. The channel of an account never changes, because payments
// were placed under it.
func (s *Service) PutAccount(ctx context.Context, id string, channel payment.Channel, settings, secrets json.RawMessage) error {
	if err := checkAccount(id, channel, settings, secrets); err != nil {
		return err
	}
	account, err := s.store.AccountByID(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		account = Account{ID: id, Channel: channel}
		if secrets == nil {
			secrets = json.RawMessage("{}")
		}
	case err != nil:
		return err
	case account.Channel != channel:
		return invalid("channel", "account %q belongs to channel %q and payments may have gone through it; make another account for %q", id, account.Channel, channel)
	}
	if secrets != nil {
		if account.SealedSecrets, err = s.sealer.Seal(secrets, account.place()); err != nil {
			return err
		}
	}
	account.Settings = bytes.Clone(settings)
	account.UpdatedAt = s.clock()
	return s.store.PutAccount(ctx, account)
}

func checkAccount(id string, channel payment.Channel, settings, secrets json.RawMessage) error {
	if err := checkName("id", id); err != nil {
		return err
	}
	if channel != payment.WeChat {
		return invalid("channel", "%q is not a channel of this version; use %q", channel, payment.WeChat)
	}
	if !isObject(settings) {
		return invalid("settings", "give a JSON object of at most %d bytes", accountJSONMax)
	}
	if secrets != nil && !isObject(secrets) {
		return invalid("secrets", "give a JSON object of at most %d bytes", accountJSONMax)
	}
	return nil
}

func isObject(text json.RawMessage) bool {
	return len(text) <= accountJSONMax && json.Valid(text) && bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{"))
}

// SetAccountDisabled takes an account out of use for new payments, or back into it.
func (s *Service) SetAccountDisabled(ctx context.Context, id string, disabled bool) error {
	account, err := s.store.AccountByID(ctx, id)
	if err != nil {
		return orNotFound(err, "account", id)
	}
	account.Disabled = disabled
	account.UpdatedAt = s.clock()
	return s.store.PutAccount(ctx, account)
}

// Accounts lists the accounts with their secrets opened.
func (s *Service) Accounts(ctx context.Context) ([]OpenAccount, error) {
	sealed, err := s.store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	accounts := make([]OpenAccount, len(sealed))
	for i, account := range sealed {
		if accounts[i], err = s.open(account); err != nil {
			return nil, err
		}
	}
	return accounts, nil
}

// Account returns the account of that id with its secrets opened.
func (s *Service) Account(ctx context.Context, id string) (OpenAccount, error) {
	account, err := s.store.AccountByID(ctx, id)
	if err != nil {
		return OpenAccount{}, orNotFound(err, "account", id)
	}
	return s.open(account)
}

func (s *Service) open(a Account) (OpenAccount, error) {
	secrets, err := s.sealer.Open(a.SealedSecrets, a.place())
	if err != nil {
		return OpenAccount{}, err
	}
	return OpenAccount{
		ID: a.ID, Channel: a.Channel, Settings: a.Settings, Secrets: secret.NewString(string(secrets)),
		Disabled: a.Disabled, UpdatedAt: a.UpdatedAt,
	}, nil
}

// place is what the account's secrets are sealed for.
func (a Account) place() string { return "accounts/" + a.ID + "/secrets" }
