package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// answerBytesMax bounds what is read of an answer: a journal is the longest.
const answerBytesMax = 64 << 20

// Client calls the control API of a sandbox, as a tester in any language would: over HTTP. It is safe for concurrent use.
type Client struct {
	URL  string // of the control API, without a slash at its end
	HTTP *http.Client
}

// Refusal is the sandbox's no.
type Refusal struct {
	Status int    // of HTTP
	Text   string // the body of the answer, on one line
}

func (e *Refusal) Error() string { return fmt.Sprintf("the sandbox answered %d: %s", e.Status, e.Text) }

// Call sends body as JSON, or none where it is nil, and decodes the answer into what into points to, if it is not nil. What
// the sandbox refuses is a [*Refusal].
func (c Client) Call(ctx context.Context, method, path string, body, into any) error {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, send)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // everything of it was read
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return &Refusal{answer.StatusCode, string(bytes.Join(bytes.Fields(text), []byte(" ")))}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
