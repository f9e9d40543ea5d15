package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"io"
	"strings"
	"time"
)

// ClockSkewMax is how far a signed request's timestamp may be from our clock, before or after.
const ClockSkewMax = 5 * time.Minute

// nonceKept is how long after its timestamp a nonce is remembered: twice as long as a request is accepted, so that a
// replica whose clock is behind has not forgotten it either.
const nonceKept = 2 * ClockSkewMax

// SignedRequest is a request as it was received.
type SignedRequest struct {
	Authorization string // the header's value, whole
	Method        string
	Target        string // the request target as it was sent: path and query
	Body          []byte
}

// Signed tells who signed a request. A request passes once: the same nonce of the same key is refused ever after. The
// error is a [*Refusal], or the store's.
func (s *Service) Signed(ctx context.Context, r SignedRequest) (Principal, error) {
	now := s.clock()
	a, err := parseAuthorization(r.Authorization)
	if err != nil || strings.ContainsAny(r.Method+r.Target, "\r\n") {
		return Principal{}, &Refusal{Reason: MalformedHeader}
	}
	signedAt := time.Unix(a.unix, 0)
	if skew := now.Sub(signedAt); skew > ClockSkewMax || skew < -ClockSkewMax {
		return Principal{}, &Refusal{Reason: ClockSkew, KeyID: a.keyID}
	}
	id, err := s.signer(ctx, a, r, now)
	if err != nil {
		return Principal{}, err
	}
	// Last, so that a forger cannot use up the nonces of others.
	fresh, err := s.nonces.UseNonce(ctx, id.key.ID, a.nonce, signedAt.Add(nonceKept).UTC())
	if err != nil {
		return Principal{}, err
	}
	if !fresh {
		return Principal{}, &Refusal{Reason: ReusedNonce, KeyID: id.key.ID}
	}
	return id.principal(), nil
}

// signer finds the key that made the signature and may be used.
func (s *Service) signer(ctx context.Context, a authorization, r SignedRequest, now time.Time) (identity, error) {
	if id, ok := s.cache.get(a.keyID, now); ok && a.signedBy(id, r) && id.refusal(now) == nil {
		return id, nil
	}
	key, err := s.store.KeyByID(ctx, a.keyID)
	id, known, err := s.identify(ctx, key, err)
	if err != nil {
		return identity{}, err
	}
	signed := a.signedBy(id, r)
	if !known {
		return identity{}, &Refusal{Reason: UnknownKey, KeyID: a.keyID}
	}
	if !signed {
		return identity{}, &Refusal{Reason: WrongSignature, KeyID: a.keyID}
	}
	if refusal := id.refusal(now); refusal != nil {
		return identity{}, refusal
	}
	s.cache.put(a.keyID, id, now)
	return id, nil
}

// signedBy compares in constant time. The MAC's key is the secret's text, "sk_" included.
func (a authorization) signedBy(id identity, r SignedRequest) bool {
	mac := hmac.New(sha256.New, []byte(id.secret.Reveal()))
	for _, line := range []string{r.Method, r.Target, a.timestamp, a.nonce} {
		_, _ = io.WriteString(mac, line+"\n")
	}
	mac.Write(r.Body)
	mac.Write([]byte{'\n'})
	return hmac.Equal(mac.Sum(nil), a.signature[:])
}
