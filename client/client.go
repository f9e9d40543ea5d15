package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says where the gateway is and who calls.
type Config struct {
	// BaseURL is the gateway's address, such as "https://pay.example.com". A path in it is a prefix.
	BaseURL string
	// APIKey is a key that begins with "sk_". Requests carry it as a bearer token, unless KeyID is set.
	APIKey Secret
	// KeyID begins with "ak_". With it every request is signed and APIKey itself never travels; an app may require that.
	KeyID string
	// HTTPClient sends the requests; nil: a client of its own with a timeout of 60 s for each try. Redirects are never followed.
	HTTPClient *http.Client
	// Tries bounds how often one call is sent in all; 0: 4; 1: never repeated.
	Tries int
	// Backoff is the pause before the second try, doubled for each further one up to 5 s; 0: 200 ms.
	Backoff time.Duration
	// Now is the clock for signatures; nil: time.Now.
	Now func() time.Time
	// UserAgent names the calling program; empty: "tongbao-go".
	UserAgent string
}

// Client calls one gateway on behalf of one app. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	sign      *signer // nil: bearer
	apiKey    Secret
	http      *http.Client
	tries     int
	backoff   time.Duration
	userAgent string
}

// answerMax bounds an answer's body. A full page of the largest payments stays below it.
const answerMax = 16 << 20

// New checks the configuration whole and names every mistake. It sends nothing.
func New(c Config) (*Client, error) {
	var mistakes []error
	base, err := url.Parse(c.BaseURL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		mistakes = append(mistakes, errors.New("BaseURL must be an http(s) address such as https://pay.example.com"))
	}
	if !strings.HasPrefix(string(c.APIKey), "sk_") {
		mistakes = append(mistakes, errors.New(`APIKey must be a key that begins with "sk_"`))
	}
	if c.KeyID != "" && !strings.HasPrefix(c.KeyID, "ak_") {
		mistakes = append(mistakes, errors.New(`KeyID must begin with "ak_"`))
	}
	if c.Tries < 0 || c.Backoff < 0 {
		mistakes = append(mistakes, errors.New("tries and backoff must not be negative"))
	}
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("client: %w", errors.Join(mistakes...))
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	client := &Client{
		base: base, apiKey: c.APIKey, http: quiet(c.HTTPClient), tries: cmp.Or(c.Tries, 4),
		backoff: cmp.Or(c.Backoff, 200*time.Millisecond), userAgent: cmp.Or(c.UserAgent, "tongbao-go"),
	}
	if c.KeyID != "" {
		client.sign = &signer{keyID: c.KeyID, secret: c.APIKey, now: c.Now}
		if c.Now == nil {
			client.sign.now = time.Now
		}
	}
	return client, nil
}

// quiet is h without redirects: a signed or authorized request belongs to nobody but the gateway.
func quiet(h *http.Client) *http.Client {
	if h == nil {
		h = &http.Client{Timeout: 60 * time.Second}
	}
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// call is one operation of the API.
type call struct {
	method         string
	path           string // escaped
	query          url.Values
	body           any // nil: none
	idempotencyKey string
}

// do sends the call until it is answered for good, and decodes the answer into out unless that is nil.
func (c *Client) do(ctx context.Context, op call, out any) error {
	var body []byte
	if op.body != nil {
		var err error
		if body, err = json.Marshal(op.body); err != nil {
			return fmt.Errorf("client: encode the request: %w", err)
		}
	}
	answer, err := c.sendUntilAnswered(ctx, op, body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("client: the answer to %s %s is not what the API promises: %w", op.method, op.path, err)
	}
	return nil
}

// send makes one try.
func (c *Client) send(ctx context.Context, op call, body []byte) ([]byte, error) {
	target := c.base.Scheme + "://" + c.base.Host + c.base.EscapedPath() + op.path
	if len(op.query) > 0 {
		target += "?" + op.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, op.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.userAgent)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if op.idempotencyKey != "" {
		r.Header.Set("Idempotency-Key", op.idempotencyKey)
	}
	authorization := "Bearer " + string(c.apiKey)
	if c.sign != nil {
		authorization = c.sign.authorization(op.method, r.URL.RequestURI(), body)
	}
	r.Header.Set("Authorization", authorization)

	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, answerMax+1))
	if err != nil {
		return nil, fmt.Errorf("client: read the answer to %s %s: %w", op.method, op.path, err)
	}
	if len(content) > answerMax {
		return nil, fmt.Errorf("client: the answer to %s %s is larger than %d bytes", op.method, op.path, answerMax)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, problem(answer.StatusCode, answer.Header, content)
	}
	return content, nil
}
