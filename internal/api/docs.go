package api

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"path"

	"github.com/swaggest/swgui/v5emb"
)

//go:embed docs
var docsPage embed.FS

// docsPolicy lets the page use what this server serves, and nothing else: no other host, no inline script.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// mountDocs serves the document, and Swagger UI from the binary to read it with. They are public: they hold no secret.
func (a *api) mountDocs(mux *http.ServeMux) error {
	inJSON, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return fmt.Errorf("api: write the OpenAPI document: %w", err)
	}
	inYAML, err := OpenAPI()
	if err != nil {
		return err
	}
	mux.Handle("GET /openapi.json", content("application/openapi+json", inJSON))
	mux.Handle("GET /openapi.yaml", content("application/openapi+yaml", inYAML))

	page, err := docsPage.ReadFile("docs/index.html")
	if err != nil {
		return fmt.Errorf("api: %w", err)
	}
	start, err := docsPage.ReadFile("docs/start.js")
	if err != nil {
		return fmt.Errorf("api: %w", err)
	}
	mux.Handle("GET /docs", framed(content("text/html; charset=utf-8", page)))
	mux.Handle("GET /docs/start.js", framed(content("text/javascript; charset=utf-8", start)))
	assets := v5emb.New("Tongbao", "/openapi.json", "/docs/")
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js", "favicon-16x16.png", "favicon-32x32.png"} {
		mux.Handle("GET "+path.Join("/docs", name), framed(assets))
	}
	return nil
}

func content(mediaType string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(body) // the reader has gone
	})
}

func framed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		next.ServeHTTP(w, r)
	})
}
