package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Page is a part of a list.
type Page[T any] struct {
	Data       []T    `json:"data"`
	NextCursor string `json:"next_cursor,omitempty"` // empty: this was the last page
}

// query collects the parameters that are set.
type query url.Values

func (q query) text(name, value string) {
	if value != "" {
		url.Values(q).Set(name, value)
	}
}

func (q query) limit(value int) {
	if value != 0 {
		url.Values(q).Set("limit", strconv.Itoa(value))
	}
}

func (q query) time(name string, value time.Time) {
	if !value.IsZero() {
		url.Values(q).Set(name, value.UTC().Format(time.RFC3339Nano))
	}
}

func page[T any](ctx context.Context, c *Client, path string, q query) (*Page[T], error) {
	var p Page[T]
	if err := c.do(ctx, call{method: http.MethodGet, path: path, query: url.Values(q)}, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// all walks the pages of a list from cursor on. It ends after the first error, which it yields.
func all[T any](cursor string, next func(cursor string) (*Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			p, err := next(cursor)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, v := range p.Data {
				if !yield(v, nil) {
					return
				}
			}
			if p.NextCursor == "" {
				return
			}
			cursor = p.NextCursor
		}
	}
}
