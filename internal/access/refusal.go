package access

import "log/slog"

// Reason says, for the log alone, why a request was not let in.
type Reason string

// The reasons.
const (
	UnknownKey        Reason = "unknown_key"
	RevokedKey        Reason = "revoked_key"
	ExpiredKey        Reason = "expired_key"
	DisabledApp       Reason = "disabled_app"
	MalformedHeader   Reason = "malformed_header"
	ClockSkew         Reason = "clock_skew"
	WrongSignature    Reason = "wrong_signature"
	ReusedNonce       Reason = "reused_nonce"
	SignatureRequired Reason = "signature_required"
)

// Refusal is a request that was not let in. Its text is the same whatever the reason was, so that nobody learns from
// it which keys exist; only the owner of a valid key is told that the app wants signatures.
type Refusal struct {
	Reason Reason
	KeyID  string // as far as known
}

func (r *Refusal) Error() string {
	if r.Reason == SignatureRequired {
		return "this app's requests must be signed; send Authorization: " + scheme + " instead of a bearer key"
	}
	return "the request is not authenticated; check that the API key is complete, neither expired nor revoked, and that its app is enabled; " +
		"for a signed request also the signed text, the clock (within 5 minutes) and that the nonce is new"
}

// LogValue tells the log what the caller is not told.
func (r *Refusal) LogValue() slog.Value {
	return slog.GroupValue(slog.String("reason", string(r.Reason)), slog.String("key_id", r.KeyID))
}
