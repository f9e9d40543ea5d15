package direct

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

var (
	errForbiddenBytes = errors.New("method, target, host and headers must not hold control characters or spaces where HTTP has none")
	errFraming        = errors.New("a header that says how the request is sent must be spelled as net/http does")
	errBodyTooLong    = errors.New("the request's body is longer than its Content-Length, or than may be sent without one")
)

// appendRequest writes the request as it goes over the connection, which is one write: the target is what RequestURI says.
func appendRequest(to []byte, r *http.Request) ([]byte, error) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	target := r.URL.RequestURI()
	if !isToken(r.Method) || !isVisible(target) || !isVisible(host) {
		return nil, errForbiddenBytes
	}
	to = append(append(append(to, r.Method...), ' '), target...)
	to = append(append(to, " HTTP/1.1\r\nHost: "...), host...)
	for name, values := range r.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Host", "Content-Length":
			continue
		case "Connection", "Expect", "Upgrade", "Te", "Trailer", "Transfer-Encoding": // in another spelling than handles knows
			return nil, errFraming
		}
		for _, value := range values {
			if !isToken(name) || strings.ContainsFunc(value, isControl) {
				return nil, errForbiddenBytes
			}
			to = append(append(append(append(to, "\r\n"...), name...), ": "...), value...)
		}
	}

	length, body := r.ContentLength, r.Body
	if length == 0 && body != nil && body != http.NoBody {
		// As in net/http, the length is not known then, and often there is no body after all.
		unannounced, err := appendBody(nil, body, bodyBytesMax)
		if err != nil {
			return nil, err
		}
		length, body = int64(len(unannounced)), io.NopCloser(bytes.NewReader(unannounced))
	}
	if length == 0 && r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		return append(to, "\r\n\r\n"...), nil
	}
	to = strconv.AppendInt(append(to, "\r\nContent-Length: "...), length, 10)
	to = append(to, "\r\n\r\n"...)
	start := len(to)
	if body == nil {
		return to, nil
	}
	to, err := appendBody(to, body, length)
	if err == nil && int64(len(to)-start) != length {
		err = fmt.Errorf("read the request's body: %w", io.ErrUnexpectedEOF)
	}
	return to, err
}

// appendBody reads to the end. More than most is an error.
func appendBody(to []byte, body io.Reader, most int64) ([]byte, error) {
	start := len(to)
	to = slices.Grow(to, int(min(most, bytes.MinRead))+1)
	for {
		n, err := body.Read(to[len(to):cap(to)])
		to = to[:len(to)+n]
		switch {
		case int64(len(to)-start) > most:
			return nil, errBodyTooLong
		case errors.Is(err, io.EOF):
			return to, nil
		case err != nil:
			return nil, fmt.Errorf("read the request's body: %w", err)
		case len(to) == cap(to):
			to = slices.Grow(to, len(to))
		}
	}
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

// isVisible is true for text without spaces and control characters, as in a request line.
func isVisible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] == 0x7F {
			return false
		}
	}
	return text != ""
}

// isToken is HTTP's word: names of methods and headers.
func isToken(text string) bool {
	for i := range len(text) {
		b := text[i]
		letter := 'a' <= b|0x20 && b|0x20 <= 'z' || '0' <= b && b <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return false
		}
	}
	return text != ""
}

func hostPort(to address) string {
	if _, _, err := net.SplitHostPort(to.host); err == nil {
		return to.host
	}
	port := "443"
	if to.scheme == "http" {
		port = "80"
	}
	return net.JoinHostPort(strings.Trim(to.host, "[]"), port)
}

func hostname(to address) string {
	host, _, err := net.SplitHostPort(to.host)
	if err != nil {
		host = to.host
	}
	return strings.Trim(host, "[]")
}
