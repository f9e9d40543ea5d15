package access

import (
	"encoding/hex"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// scheme names the signature in the Authorization header.
const scheme = "TONGBAO-HMAC-SHA256"

// authorizationMax bounds the header's value; the longest valid one is about half.
const authorizationMax = 512

var errAuthorization = errors.New("access: malformed " + scheme + " authorization")

// authorization is the parsed header of a signed request.
type authorization struct {
	keyID     string
	timestamp string // as it was sent, and signed
	unix      int64  // the same in numbers
	nonce     string
	signature [32]byte
}

var (
	keyIDForm     = regexp.MustCompile(`^ak_[0-9A-Z]{26}$`)
	timestampForm = regexp.MustCompile(`^[1-9][0-9]{0,11}$`)
	nonceForm     = regexp.MustCompile(`^[!#-\[\]-~]{16,64}$`) // visible ASCII that needs no escape in a quoted string
)

// parseAuthorization reads
//
//	TONGBAO-HMAC-SHA256 key_id="...",timestamp="...",nonce="...",signature="..."
//
// Each parameter must be there once, in any order, quoted; no other may be.
func parseAuthorization(value string) (authorization, error) {
	if len(value) > authorizationMax {
		return authorization{}, errAuthorization
	}
	head, rest, ok := strings.Cut(value, " ")
	if !ok || !strings.EqualFold(head, scheme) {
		return authorization{}, errAuthorization
	}
	params, ok := parseParameters(rest)
	if !ok {
		return authorization{}, errAuthorization
	}
	a := authorization{keyID: params["key_id"], timestamp: params["timestamp"], nonce: params["nonce"]}
	if len(params) != 4 || !keyIDForm.MatchString(a.keyID) || !timestampForm.MatchString(a.timestamp) || !nonceForm.MatchString(a.nonce) {
		return authorization{}, errAuthorization
	}
	var err error
	if a.unix, err = strconv.ParseInt(a.timestamp, 10, 64); err != nil {
		return authorization{}, errAuthorization
	}
	signature := params["signature"]
	if len(signature) != hex.EncodedLen(len(a.signature)) {
		return authorization{}, errAuthorization
	}
	if _, err := hex.Decode(a.signature[:], []byte(signature)); err != nil {
		return authorization{}, errAuthorization
	}
	return a, nil
}

// parseParameters reads name="text" between commas, with space allowed around the commas. A text has no escapes: it
// ends at the next quote. A name that comes twice is refused.
func parseParameters(s string) (params map[string]string, ok bool) {
	params = make(map[string]string, 4)
	for {
		name, rest, ok := strings.Cut(strings.TrimLeft(s, " \t"), `="`)
		if !ok {
			return nil, false
		}
		text, rest, ok := strings.Cut(rest, `"`)
		if !ok {
			return nil, false
		}
		if _, twice := params[name]; twice {
			return nil, false
		}
		params[name] = text
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return params, true
		}
		if s, ok = strings.CutPrefix(rest, ","); !ok {
			return nil, false
		}
	}
}
