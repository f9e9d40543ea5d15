package idempotency

import (
	"bytes"
	"maps"
	"net/http"
)

// recorder holds an answer back.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.body.Write(b)
}

func (r *recorder) send(w http.ResponseWriter) {
	header := w.Header()
	clear(header)
	maps.Copy(header, r.header)
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()) // the caller has gone: it will ask again
}
