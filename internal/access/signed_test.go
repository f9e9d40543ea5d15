package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/secret"
)

// request is a signed request before it is sent; sign writes the header as the contract says it.
type request struct {
	keyID, secret, nonce string
	at                   time.Time
	SignedRequest
}

func (r request) sign() SignedRequest {
	timestamp := fmt.Sprint(r.at.Unix())
	mac := hmac.New(sha256.New, []byte(r.secret))
	mac.Write([]byte(r.Method + "\n" + r.Target + "\n" + timestamp + "\n" + r.nonce + "\n" + string(r.Body) + "\n"))
	r.Authorization = fmt.Sprintf(`TONGBAO-HMAC-SHA256 key_id="%s",timestamp="%s",nonce="%s",signature="%s"`,
		r.keyID, timestamp, r.nonce, hex.EncodeToString(mac.Sum(nil)))
	return r.SignedRequest
}

func signing(t *testing.T) (*bundle, request) {
	t.Helper()
	b := setup(t)
	b.app(t, "shop", AppSettings{RequireSignature: true})
	key, text := b.key(t, "shop")
	b.store.took()
	return b, request{keyID: key.ID, secret: text, nonce: "0123456789abcdef", at: b.clock.Now(), SignedRequest: SignedRequest{
		Method: "POST", Target: "/v1/payments?x=1&y=%2F", Body: []byte(`{"amount":1}`),
	}}
}

func TestSigned(t *testing.T) {
	t.Parallel()

	t.Run("MessageIsFiveLinesEachEndingWithANewline", func(t *testing.T) {
		t.Parallel()
		// Computed by hand with: printf 'GET\n/v1/events\n1767294245\n0123456789abcdef\n\n' | openssl dgst -sha256 -hmac sk_test
		const signature = "d2643a367f8aae8f127149558cc7204ded637c784ac09b6d39c9f68063e1c1aa"
		a, err := parseAuthorization(`TONGBAO-HMAC-SHA256 key_id="ak_01ARZ3NDEKTSV4RRFFQ69G5FAV",timestamp="1767294245",nonce="0123456789abcdef",signature="` + signature + `"`)
		if err != nil {
			t.Fatal(err)
		}
		id := identity{secret: secret.NewString("sk_test")}
		if !a.signedBy(id, SignedRequest{Method: "GET", Target: "/v1/events"}) {
			t.Error("a signature made by other means does not verify")
		}
	})

	t.Run("ValidSignatureTellsTheApp", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		who, err := b.Signed(t.Context(), r.sign())
		if err != nil {
			t.Fatal(err)
		}
		if who.App.ID != "shop" || who.KeyID != r.keyID || who.Applicant().AppID != "shop" {
			t.Errorf("got %+v", who)
		}
	})

	t.Run("ReplayIsRefusedWithinAndAfterTheWindow", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		sent := r.sign()
		if _, err := b.Signed(t.Context(), sent); err != nil {
			t.Fatal(err)
		}
		_, err := b.Signed(t.Context(), sent)
		mustRefuse(t, err, ReusedNonce)
		b.clock.advance(ClockSkewMax - time.Second)
		_, err = b.Signed(t.Context(), sent)
		mustRefuse(t, err, ReusedNonce)
		b.clock.advance(2 * time.Second)
		_, err = b.Signed(t.Context(), sent)
		mustRefuse(t, err, ClockSkew)
	})

	t.Run("NonceIsKeptLongerThanItsRequestCouldPass", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		r.at = r.at.Add(ClockSkewMax) // a client whose clock is ahead
		if _, err := b.Signed(t.Context(), r.sign()); err != nil {
			t.Fatal(err)
		}
		lastPass := time.Unix(r.at.Unix(), 0).Add(ClockSkewMax)
		if kept := b.store.nonces[r.keyID+" "+r.nonce]; !kept.After(lastPass.Add(time.Minute)) {
			t.Errorf("kept until %v, could pass until %v and longer where a clock is behind", kept, lastPass)
		}
	})

	t.Run("SameNonceOfAnotherKeyIsAnotherNonce", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		if _, err := b.Signed(t.Context(), r.sign()); err != nil {
			t.Fatal(err)
		}
		key, text := b.key(t, "shop")
		r.keyID, r.secret = key.ID, text
		if _, err := b.Signed(t.Context(), r.sign()); err != nil {
			t.Error(err)
		}
	})

	t.Run("ClockMayBeFiveMinutesOffBothWaysAndNoMore", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		base := b.clock.Now().Truncate(time.Second)
		b.clock.advance(base.Sub(b.clock.Now()))
		for i, c := range []struct {
			off time.Duration
			ok  bool
		}{{-5 * time.Minute, true}, {5 * time.Minute, true}, {-301 * time.Second, false}, {301 * time.Second, false}, {-24 * time.Hour, false}, {24 * time.Hour, false}} {
			r.at, r.nonce = base.Add(c.off), fmt.Sprintf("nonce-number-%03d", i)
			_, err := b.Signed(t.Context(), r.sign())
			if c.ok && err != nil {
				t.Errorf("%v off: %v", c.off, err)
			}
			if !c.ok {
				mustRefuse(t, err, ClockSkew)
			}
		}
	})

	t.Run("ChangingAnythingSignedIsRefusedAndUsesUpNoNonce", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		for what, change := range map[string]func(*SignedRequest){
			"method":  func(r *SignedRequest) { r.Method = "PUT" },
			"path":    func(r *SignedRequest) { r.Target = "/v1/refunds?x=1&y=%2F" },
			"query":   func(r *SignedRequest) { r.Target = "/v1/payments?x=1&y=/" },
			"body":    func(r *SignedRequest) { r.Body = []byte(`{"amount":2}`) },
			"no body": func(r *SignedRequest) { r.Body = nil },
			"timestamp": func(sent *SignedRequest) {
				sent.Authorization = strings.Replace(sent.Authorization, fmt.Sprint(r.at.Unix()), fmt.Sprint(r.at.Unix()+1), 1)
			},
			"nonce": func(r *SignedRequest) {
				r.Authorization = strings.Replace(r.Authorization, "0123456789abcdef", "0123456789abcdeg", 1)
			},
			"signature":      func(r *SignedRequest) { r.Authorization = flipLastHex(r.Authorization) },
			"line injection": func(r *SignedRequest) { r.Target += "\n1" },
		} {
			sent := r.sign()
			change(&sent)
			_, err := b.Signed(t.Context(), sent)
			if _, refused := errors.AsType[*Refusal](err); !refused {
				t.Errorf("%s changed: %v", what, err)
			}
		}
		if len(b.store.nonces) != 0 {
			t.Errorf("forgeries used up nonces: %v", b.store.nonces)
		}
		if _, err := b.Signed(t.Context(), r.sign()); err != nil {
			t.Errorf("the true request is refused after the forgeries: %v", err)
		}
	})

	t.Run("EveryFailureAfterParsingHasTheSameTextAndTheSameWork", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		revoked, revokedText := b.key(t, "shop")
		if err := b.RevokeKey(t.Context(), revoked.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Signed(t.Context(), r.sign()); err != nil { // now the key is cached
			t.Fatal(err)
		}
		cases := map[Reason]func(r *request){
			UnknownKey:     func(r *request) { r.keyID = "ak_01ARZ3NDEKTSV4RRFFQ69G5FAV" },
			WrongSignature: func(r *request) { r.secret = "sk_" + strings.Repeat("A", 43) },
			RevokedKey:     func(r *request) { r.keyID, r.secret = revoked.ID, revokedText },
		}
		texts := map[string]bool{}
		for reason, change := range cases {
			bad := r
			bad.nonce += string(reason)
			change(&bad)
			b.store.took()
			_, err := b.Signed(t.Context(), bad.sign())
			texts[mustRefuse(t, err, reason).Error()] = true
			if got := b.store.took(); !slices.Equal(got, []string{"KeyByID", "AppByID"}) {
				t.Errorf("%s asks the store %v", reason, got)
			}
		}
		_, err := b.Signed(t.Context(), SignedRequest{Authorization: "nonsense"})
		texts[mustRefuse(t, err, MalformedHeader).Error()] = true
		if len(texts) != 1 {
			t.Errorf("the texts tell the reasons apart: %v", texts)
		}
	})

	t.Run("SignatureWithTheDecoysPlaceIsNobodys", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		decoy, err := b.Service.sealer.Open(b.decoy.SealedSecret, b.decoy.place())
		if err != nil {
			t.Fatal(err)
		}
		r.keyID, r.secret = b.decoy.ID, string(decoy)
		_, err = b.Signed(t.Context(), r.sign())
		mustRefuse(t, err, UnknownKey)
	})

	t.Run("BusyKeyCostsOnlyItsNonce", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		for i := range 10 {
			r.nonce = fmt.Sprintf("nonce-number-%03d", i)
			if _, err := b.Signed(t.Context(), r.sign()); err != nil {
				t.Fatal(err)
			}
		}
		reads := slices.DeleteFunc(b.store.took(), func(call string) bool { return call == "UseNonce" })
		if !slices.Equal(reads, []string{"KeyByID", "AppByID"}) {
			t.Errorf("10 requests read %v", reads)
		}
	})

	t.Run("AppWithoutTheRequirementMaySignToo", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		b.app(t, "shop", AppSettings{RequireSignature: false})
		if _, err := b.Signed(t.Context(), r.sign()); err != nil {
			t.Error(err)
		}
	})

	t.Run("DisabledAppIsRefusedAlthoughItsKeyIsCached", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		if _, err := b.Signed(t.Context(), r.sign()); err != nil {
			t.Fatal(err)
		}
		b.app(t, "shop", AppSettings{Disabled: true})
		r.nonce += "2"
		_, err := b.Signed(t.Context(), r.sign())
		mustRefuse(t, err, DisabledApp)
	})
}

func flipLastHex(header string) string {
	i := len(header) - 2
	digit := byte('0')
	if header[i] == digit {
		digit = '1'
	}
	return header[:i] + string(digit) + header[i+1:]
}
