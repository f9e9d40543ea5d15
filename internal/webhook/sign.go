package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tongbao-pay/tongbao/internal/secret"
)

// newSecret makes a signing secret: "whsec_" and 32 random bytes in base64 (Standard Webhooks, Webhook secret format).
func newSecret() secret.String {
	raw := make([]byte, 32)
	rand.Read(raw)
	return secret.NewString("whsec_" + base64.StdEncoding.EncodeToString(raw))
}

// place is what the endpoint's secrets are sealed for.
func (e Endpoint) place() string { return "webhook_endpoints/" + e.ID + "/secret" }

// addSecret makes text the endpoint's newest secret.
func (s *Service) addSecret(e *Endpoint, text secret.String) error {
	sealed, err := s.sealer.Seal([]byte(text.Reveal()), e.place())
	if err != nil {
		return err
	}
	e.SealedSecrets = append([]SealedSecret{{Sealed: sealed}}, e.SealedSecrets...)
	return nil
}

// sign returns the webhook-signature header: one signature per secret that has not expired, newest first.
func (s *Service) sign(e Endpoint, eventID string, at time.Time, body []byte) (string, error) {
	var signatures []string
	for _, sealed := range e.SealedSecrets {
		if sealed.expired(at) {
			continue
		}
		text, err := s.sealer.Open(sealed.Sealed, e.place())
		if err != nil {
			return "", err
		}
		signer, err := standardwebhooks.NewWebhook(string(text))
		if err != nil {
			return "", fmt.Errorf("webhook: the signing secret of endpoint %s is damaged; rotate it", e.ID)
		}
		signature, err := signer.Sign(eventID, at, body)
		if err != nil {
			return "", fmt.Errorf("webhook: sign for endpoint %s: %w", e.ID, err)
		}
		signatures = append(signatures, signature)
	}
	if len(signatures) == 0 {
		return "", fmt.Errorf("webhook: endpoint %s has no valid signing secret; rotate it", e.ID)
	}
	return strings.Join(signatures, " "), nil
}

func (s SealedSecret) expired(now time.Time) bool {
	return !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt)
}
