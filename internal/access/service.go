package access

import (
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/secret"
)

// Config is what a [Service] needs.
type Config struct {
	Store  Store
	Sealer *secret.Sealer
	Nonces Nonces           // nil: the store
	Now    func() time.Time // nil: time.Now
}

// Service manages apps, keys and accounts, and tells who sends a request. What a caller got wrong is a
// [*payment.Error]; a request that is not let in is a [*Refusal]. It is safe for concurrent use, in one process and in
// many on one database.
type Service struct {
	store  Store
	sealer *secret.Sealer
	nonces Nonces
	now    func() time.Time
	cache  *cache
	decoy  Key // belongs to nobody; an unknown key costs the same work as a known one
}

// New returns a service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Sealer == nil {
		return nil, errors.New("access: a service needs a store and a sealer")
	}
	s := &Service{store: c.Store, sealer: c.Sealer, nonces: c.Nonces, now: c.Now, cache: newCache()}
	if s.now == nil {
		s.now = time.Now
	}
	if s.nonces == nil {
		s.nonces = c.Store
	}
	decoy, _, err := s.newKey("", time.Time{})
	if err != nil {
		return nil, err
	}
	s.decoy = decoy
	return s, nil
}

// clock is now in UTC to the millisecond, the precision that is stored.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

func newID(prefix string, now time.Time) string {
	return prefix + ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()
}

// name is what people call an app or an account; it is part of URLs and of the places secrets are sealed for.
var name = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

func checkName(field, id string) error {
	if name.MatchString(id) {
		return nil
	}
	return invalid(field, "use 1 to 32 of the characters a-z, 0-9, - and _, and begin with a letter or digit")
}

func invalid(field, format string, args ...any) *payment.Error {
	return &payment.Error{Code: payment.CodeInvalid, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// orNotFound turns the store's "no such row" into an answer for the caller; other errors pass.
func orNotFound(err error, what, id string) error {
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return &payment.Error{Code: payment.CodeNotFound, Detail: fmt.Sprintf("there is no %s %q; list what there is and check the id", what, id)}
}
