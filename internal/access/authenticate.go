package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/secret"
)

// Principal is who sends a request.
type Principal struct {
	App   App
	KeyID string
}

// Applicant is the principal in the domain's words.
func (p Principal) Applicant() payment.Applicant {
	return payment.Applicant{AppID: p.App.ID, LatePolicy: p.App.LatePolicy}
}

func (id identity) principal() Principal { return Principal{App: id.app, KeyID: id.key.ID} }

// Bearer tells who holds the secret of an API key; token is what follows "Bearer " in the Authorization header. The
// error is a [*Refusal], or the store's.
func (s *Service) Bearer(ctx context.Context, token string) (Principal, error) {
	now := s.clock()
	if !secretForm.MatchString(token) {
		token = "" // nobody's secret, however long it was; it is refused the way every wrong one is
	}
	hash := sha256.Sum256([]byte(token))
	by := string(hash[:])
	if id, ok := s.cache.get(by, now); ok && id.bearerRefusal(now) == nil {
		return id.principal(), nil
	}
	key, err := s.store.KeyByHash(ctx, hash[:])
	id, known, err := s.identify(ctx, key, err)
	if err != nil {
		return Principal{}, err
	}
	if !known {
		return Principal{}, &Refusal{Reason: UnknownKey}
	}
	if refusal := id.bearerRefusal(now); refusal != nil {
		return Principal{}, refusal
	}
	s.cache.put(by, id, now)
	return id.principal(), nil
}

// identify completes a key the store was asked for. Where the store did not find it, the decoy takes its place and
// known is false: the caller does the same work on it and refuses at the end.
func (s *Service) identify(ctx context.Context, key Key, lookup error) (id identity, known bool, err error) {
	known = lookup == nil
	if !known {
		if !errors.Is(lookup, ErrNotFound) {
			return identity{}, false, lookup
		}
		key = s.decoy
	}
	app, err := s.store.AppByID(ctx, key.AppID)
	if errors.Is(err, ErrNotFound) {
		known = false
	} else if err != nil {
		return identity{}, false, err
	}
	text, err := s.sealer.Open(key.SealedSecret, key.place())
	if err != nil {
		return identity{}, false, err
	}
	return identity{key: key, app: app, secret: secret.NewString(string(text))}, known, nil
}

// refusal is nil where the key may be used at now.
func (id identity) refusal(now time.Time) *Refusal {
	switch {
	case !id.key.RevokedAt.IsZero():
		return &Refusal{Reason: RevokedKey, KeyID: id.key.ID}
	case !id.key.ExpiresAt.IsZero() && !now.Before(id.key.ExpiresAt):
		return &Refusal{Reason: ExpiredKey, KeyID: id.key.ID}
	case id.app.Disabled:
		return &Refusal{Reason: DisabledApp, KeyID: id.key.ID}
	}
	return nil
}

func (id identity) bearerRefusal(now time.Time) *Refusal {
	if refusal := id.refusal(now); refusal != nil {
		return refusal
	}
	if id.app.RequireSignature {
		return &Refusal{Reason: SignatureRequired, KeyID: id.key.ID}
	}
	return nil
}
