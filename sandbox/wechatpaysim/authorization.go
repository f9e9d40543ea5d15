package wechatpaysim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	scheme = "WECHATPAY2-SHA256-RSA2048"
	// skewMax is how far a request's timestamp may be from the provider's clock, to either side.
	skewMax = 5 * time.Minute
	// signMessageMax is how much of the signed text a refusal shows.
	signMessageMax = 1024
)

// authorization is the parsed Authorization header (WeChat Pay APIv3, 签名生成: 设置HTTP头).
type authorization struct {
	mchID, serialNo, nonce, timestamp, signature string
}

// parseAuthorization reads the parameters by name, in any order. It returns the name of what is missing or wrong.
func parseAuthorization(header string) (authorization, string) {
	kind, rest, ok := strings.Cut(header, " ")
	if !ok || kind != scheme {
		return authorization{}, "scheme"
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, quoted, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
			return authorization{}, "parameters"
		}
		if _, twice := values[name]; twice {
			return authorization{}, name
		}
		values[name] = quoted[1 : len(quoted)-1]
	}
	for _, name := range []string{"mchid", "serial_no", "nonce_str", "timestamp", "signature"} {
		if values[name] == "" {
			return authorization{}, name
		}
	}
	return authorization{values["mchid"], values["serial_no"], values["nonce_str"], values["timestamp"], values["signature"]}, ""
}

// signedText is what the merchant signs: five lines over the raw request.
func signedText(method, target, timestamp, nonce string, body []byte) string {
	return method + "\n" + target + "\n" + timestamp + "\n" + nonce + "\n" + string(body) + "\n"
}

// authenticate checks who sent the request and that nothing of it changed on the way. It returns the merchant who signed.
func (p *Provider) authenticate(r *http.Request, body []byte) (mchID string, refusal *apiError) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", signError("authorization", "the request needs one Authorization header", nil)
	}
	a, wrong := parseAuthorization(headers[0])
	if wrong != "" {
		return "", signError(wrong, "missing or malformed in Authorization", nil)
	}
	merchant, known := p.merchant(a.mchID)
	if !known {
		return "", signError("mchid", "no such merchant", nil)
	}
	if !strings.EqualFold(a.serialNo, merchant.Certificate.SerialNo()) {
		return "", signError("serial_no", "the merchant has no certificate of this serial number", nil)
	}
	seconds, err := strconv.ParseInt(a.timestamp, 10, 64)
	if err != nil {
		return "", signError("timestamp", "not Unix seconds", nil)
	}
	if skew := p.clock.Real().Sub(time.Unix(seconds, 0)); skew.Abs() > skewMax {
		return "", signError("timestamp", "more than 5 minutes from the provider's clock", nil)
	}
	message := signedText(r.Method, r.RequestURI, a.timestamp, a.nonce, body)
	signature, err := base64.StdEncoding.DecodeString(a.signature)
	if err != nil {
		return "", signError("signature", "not base64", nil)
	}
	digest := sha256.Sum256([]byte(message))
	public := merchant.Certificate.Cert.PublicKey.(*rsa.PublicKey)
	if rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) != nil {
		return "", signError("signature", "sign not match", &signInformation{
			Method: r.Method, URL: r.RequestURI, SignMessageLength: len(message), TruncatedSignMessage: truncateMessage(message),
		})
	}
	if refusal := p.refuseReplay(a); refusal != nil {
		return "", refusal
	}
	return a.mchID, nil
}

// signInformation shows a merchant the text that the provider checked the signature against.
type signInformation struct {
	Method               string `json:"method"`
	URL                  string `json:"url"`
	TruncatedSignMessage string `json:"truncated_sign_message"`
	SignMessageLength    int    `json:"sign_message_length"`
}

type signDetail struct {
	Detail struct {
		Issue string `json:"issue"`
	} `json:"detail"`
	Field           string           `json:"field"`
	Location        string           `json:"location"`
	SignInformation *signInformation `json:"sign_information,omitempty"`
}

func signError(field, issue string, information *signInformation) *apiError {
	d := signDetail{Field: field, Location: "authorization", SignInformation: information}
	d.Detail.Issue = issue
	return &apiError{http.StatusUnauthorized, codeSign, "错误的签名，验签失败", "the signature is wrong: " + field + ": " + issue, internalSignature, d}
}

func truncateMessage(message string) string {
	if len(message) <= signMessageMax {
		return message
	}
	return strings.ToValidUTF8(message[:signMessageMax], "")
}
