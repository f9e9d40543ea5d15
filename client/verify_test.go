package client_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tongbao-pay/tongbao/client"
)

const (
	webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	webhookBody   = `{"id":"evt_1","type":"payment.succeeded","created_at":"2026-01-31T10:00:00Z","sequence":2,"data":{"object":{"id":"pay_1","object":"payment"}}}`
)

var webhookTime = time.Unix(1769824800, 0)

func webhookHeader(secret, id string, at time.Time, body string) http.Header {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return http.Header{
		"Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	other := "whsec_" + base64.StdEncoding.EncodeToString([]byte("another secret of enough bytes.."))
	good := func() http.Header { return webhookHeader(webhookSecret, "evt_1", webhookTime, webhookBody) }
	set := func(name string, values ...string) http.Header {
		h := good()
		h[name] = values
		return h
	}
	signature := good().Get("Webhook-Signature")
	for _, c := range []struct {
		name    string
		secrets []string
		header  http.Header
		body    string
		now     time.Time
		want    error
	}{
		{"Good", []string{webhookSecret}, good(), webhookBody, webhookTime, nil},
		{"GoodAt5Minutes", []string{webhookSecret}, good(), webhookBody, webhookTime.Add(5 * time.Minute), nil},
		{"GoodAtMinus5Minutes", []string{webhookSecret}, good(), webhookBody, webhookTime.Add(-5 * time.Minute), nil},
		{"SecondSecret", []string{other, webhookSecret}, good(), webhookBody, webhookTime, nil},
		{"SecondSignature", []string{webhookSecret}, set("Webhook-Signature", "v1,AAAA v1a,BBBB "+signature), webhookBody, webhookTime, nil},
		{"OtherSecret", []string{other}, good(), webhookBody, webhookTime, client.ErrWebhookSignature},
		{"OtherBody", []string{webhookSecret}, good(), strings.Replace(webhookBody, "pay_1", "pay_2", 1), webhookTime, client.ErrWebhookSignature},
		{"SpaceInBody", []string{webhookSecret}, good(), webhookBody + " ", webhookTime, client.ErrWebhookSignature},
		{"OtherID", []string{webhookSecret}, set("Webhook-Id", "evt_2"), webhookBody, webhookTime, client.ErrWebhookSignature},
		{"OtherTimestamp", []string{webhookSecret}, set("Webhook-Timestamp", "1769824801"), webhookBody, webhookTime, client.ErrWebhookSignature},
		{"OtherVersion", []string{webhookSecret}, set("Webhook-Signature", "v2"+signature[2:]), webhookBody, webhookTime, client.ErrWebhookSignature},
		{"CutSignature", []string{webhookSecret}, set("Webhook-Signature", signature[:20]), webhookBody, webhookTime, client.ErrWebhookSignature},
		{"EmptySignatureOfV1", []string{webhookSecret}, set("Webhook-Signature", "v1,"), webhookBody, webhookTime, client.ErrWebhookSignature},
		{"TooOld", []string{webhookSecret}, good(), webhookBody, webhookTime.Add(301 * time.Second), client.ErrWebhookTooOld},
		{"TooNew", []string{webhookSecret}, good(), webhookBody, webhookTime.Add(-301 * time.Second), client.ErrWebhookTooNew},
		{"TimestampFarOff", []string{webhookSecret}, set("Webhook-Timestamp", "9223372036854775807"), webhookBody, webhookTime, client.ErrWebhookTooNew},
		{"TimestampFarBack", []string{webhookSecret}, set("Webhook-Timestamp", "-9223372036854775808"), webhookBody, webhookTime, client.ErrWebhookTooOld},
		{"TimestampWithSign", []string{webhookSecret}, set("Webhook-Timestamp", "+1769824800"), webhookBody, webhookTime, client.ErrWebhookHeader},
		{"TimestampWords", []string{webhookSecret}, set("Webhook-Timestamp", "now"), webhookBody, webhookTime, client.ErrWebhookHeader},
		{"NoSignature", []string{webhookSecret}, set("Webhook-Signature"), webhookBody, webhookTime, client.ErrWebhookHeader},
		{"NoID", []string{webhookSecret}, set("Webhook-Id"), webhookBody, webhookTime, client.ErrWebhookHeader},
		{"NoTimestamp", []string{webhookSecret}, set("Webhook-Timestamp", ""), webhookBody, webhookTime, client.ErrWebhookHeader},
		{"TwoSignatureHeaders", []string{webhookSecret}, set("Webhook-Signature", signature, signature), webhookBody, webhookTime, client.ErrWebhookHeader},
		{"NothingAtAll", []string{webhookSecret}, nil, "", webhookTime, client.ErrWebhookHeader},
		{"BodyOfAnotherEvent", []string{webhookSecret}, webhookHeader(webhookSecret, "evt_9", webhookTime, webhookBody), webhookBody, webhookTime, client.ErrWebhookBody},
		{"BodyNotJSON", []string{webhookSecret}, webhookHeader(webhookSecret, "evt_1", webhookTime, "hello"), "hello", webhookTime, client.ErrWebhookBody},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := client.VerifyWebhook(c.secrets, c.header, []byte(c.body), c.now)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || (e != nil) != (c.want == nil) {
				t.Fatalf("event %+v, error %v, want %v", e, err, c.want)
			}
			if e != nil && (e.ID != "evt_1" || e.Sequence != 2) {
				t.Errorf("the event is %+v", e)
			}
		})
	}
	for _, secrets := range [][]string{nil, {""}, {"whsec_"}, {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, {"whsec_???"}, {webhookSecret, "whsec_"}} {
		t.Run("BadSecretIsNamedWithoutShowingIt", func(t *testing.T) {
			t.Parallel()
			_, err := client.VerifyWebhook(secrets, good(), []byte(webhookBody), webhookTime)
			if err == nil || strings.Contains(err.Error(), "MfKQ") || !strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %v", secrets, err)
			}
		})
	}
}

func TestWebhookOfTheReferenceLibraryIsVerified(t *testing.T) {
	t.Parallel()
	signer, err := standardwebhooks.NewWebhook(webhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign("evt_1", webhookTime, []byte(webhookBody))
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Webhook-Id": {"evt_1"}, "Webhook-Timestamp": {strconv.FormatInt(webhookTime.Unix(), 10)}, "Webhook-Signature": {signature}}
	if _, err := client.VerifyWebhook([]string{webhookSecret}, header, []byte(webhookBody), webhookTime); err != nil {
		t.Error(err)
	}
}

// FuzzVerifyWebhook: nothing passes that was not signed with the secret, and nothing panics.
func FuzzVerifyWebhook(f *testing.F) {
	good := webhookHeader(webhookSecret, "evt_1", webhookTime, webhookBody)
	f.Add("evt_1", good.Get("Webhook-Timestamp"), good.Get("Webhook-Signature"), []byte(webhookBody))
	f.Add("evt_1", good.Get("Webhook-Timestamp"), "v1,AAAA "+good.Get("Webhook-Signature"), []byte(webhookBody))
	f.Add("", "0", "v1,", []byte("{}"))
	f.Add("evt_1", "-1", "v1,"+strings.Repeat("A", 44), []byte("\xff"))
	f.Fuzz(func(t *testing.T, id, timestamp, signatures string, body []byte) {
		header := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signatures}}
		e, err := client.VerifyWebhook([]string{webhookSecret}, header, body, webhookTime)
		if err != nil {
			return
		}
		seconds, err := strconv.ParseInt(timestamp, 10, 64)
		if err != nil {
			t.Fatalf("timestamp %q passed", timestamp)
		}
		want := webhookHeader(webhookSecret, id, time.Unix(seconds, 0), string(body)).Get("Webhook-Signature")
		if e.ID != id || !strings.Contains(signatures, strings.TrimRight(want, "=")) {
			t.Fatalf("%q passed, %q was expected", signatures, want)
		}
	})
}
