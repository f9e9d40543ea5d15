package api

import "github.com/tongbao-pay/tongbao/internal/payment"

// page is a part of a list.
type page[T any] struct {
	Data       []T    `json:"data"`
	NextCursor string `json:"next_cursor,omitempty" doc:"ask with it for the next page; left out on the last one"`
}

// Paging is how every cursor-paged list is asked for.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"512" pattern:"^[0-9A-Za-z._~=-]+$" patternDescription:"a next_cursor as it was given out" doc:"the next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"items per page"`
}

func (p Paging) page() payment.Page { return payment.Page{Cursor: p.Cursor, Limit: p.Limit} }

// pageOf shows what a list holds.
func pageOf[T, R any](data []T, next string, show func(T) R) *output[page[R]] {
	p := page[R]{Data: make([]R, len(data)), NextCursor: next}
	for i, v := range data {
		p.Data[i] = show(v)
	}
	return ok(p)
}

// ByID is the input of an operation on one resource.
type ByID struct {
	ID string `path:"id"`
}

// nothing is the body of an operation that needs none: empty, or an empty object.
type nothing struct{}
