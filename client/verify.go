package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Why a webhook was refused; test with errors.Is.
var (
	ErrWebhookHeader    = errors.New("a webhook header is missing, doubled or malformed")
	ErrWebhookTooOld    = errors.New("the webhook's timestamp is too old")
	ErrWebhookTooNew    = errors.New("the webhook's timestamp lies in the future")
	ErrWebhookSignature = errors.New("no signature of the webhook fits")
	ErrWebhookBody      = errors.New("the webhook's body is not an event")
)

// webhookWindow is how far a webhook's timestamp may be from now, either way.
const webhookWindow = 5 * time.Minute

// WebhookBodyMax is a bound for reading a webhook's body before it is verified.
const WebhookBodyMax = 1 << 20

// VerifyWebhook checks a webhook as the Standard Webhooks specification says ("Verifying signatures") and returns its
// event. body is the request's body, byte for byte as received. secrets are the endpoint's, each "whsec_...": one, or
// the new and the old while a rotation is under way.
//
// The same event may be delivered more than once: its ID stays the same.
func VerifyWebhook(secrets []string, header http.Header, body []byte, now time.Time) (*Event, error) {
	keys, err := webhookKeys(secrets)
	if err != nil {
		return nil, err
	}
	id, err := single(header, "Webhook-Id")
	if err != nil {
		return nil, err
	}
	timestamp, err := single(header, "Webhook-Timestamp")
	if err != nil {
		return nil, err
	}
	signatures, err := single(header, "Webhook-Signature")
	if err != nil {
		return nil, err
	}
	if err := timely(timestamp, now); err != nil {
		return nil, err
	}
	if !signed(keys, id, timestamp, body, signatures) {
		return nil, fmt.Errorf("client: %w: check the endpoint's secret, and that the body is verified before anything changes it", ErrWebhookSignature)
	}
	var e Event
	if err := json.Unmarshal(body, &e); err != nil || e.ID != id || e.Type == "" {
		return nil, fmt.Errorf("client: %w", ErrWebhookBody)
	}
	return &e, nil
}

func webhookKeys(secrets []string) ([][]byte, error) {
	if len(secrets) == 0 {
		return nil, errors.New("client: verifying a webhook needs the endpoint's secret")
	}
	keys := make([][]byte, 0, len(secrets))
	for _, s := range secrets {
		encoded, ok := strings.CutPrefix(s, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) == 0 {
			return nil, errors.New(`client: a webhook secret must be "whsec_" and base64, as the gateway gave it out`)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func single(header http.Header, name string) (string, error) {
	values := header.Values(name)
	if len(values) != 1 || values[0] == "" {
		return "", fmt.Errorf("client: %w: %s", ErrWebhookHeader, strings.ToLower(name))
	}
	return values[0], nil
}

func timely(timestamp string, now time.Time) error {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != timestamp {
		return fmt.Errorf("client: %w: webhook-timestamp", ErrWebhookHeader)
	}
	window := int64(webhookWindow / time.Second)
	switch current := now.Unix(); {
	case seconds < current-window:
		return fmt.Errorf("client: %w: check this machine's clock", ErrWebhookTooOld)
	case seconds > current+window:
		return fmt.Errorf("client: %w: check this machine's clock", ErrWebhookTooNew)
	}
	return nil
}

// signed compares every signature with every key, in time that does not tell how much of one was right.
func signed(keys [][]byte, id, timestamp string, body []byte, signatures string) bool {
	ok := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
		want := mac.Sum(nil)
		for s := range strings.FieldsSeq(signatures) {
			encoded, v1 := strings.CutPrefix(s, "v1,")
			got, err := base64.StdEncoding.DecodeString(encoded)
			if v1 && err == nil && hmac.Equal(got, want) {
				ok = true
			}
		}
	}
	return ok
}
