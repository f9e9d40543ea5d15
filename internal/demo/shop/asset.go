package shop

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var assetFiles embed.FS

// assets serves the embedded files under names that carry a hash of their content, so that browsers keep them for
// good and never show an old one.
type assets struct {
	paths map[string]string // plain name to URL path
	files map[string][]byte // hashed name to content
}

func newAssets() (*assets, error) {
	entries, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		return nil, fmt.Errorf("read the embedded assets: %w", err)
	}
	a := &assets{paths: map[string]string{}, files: map[string][]byte{}}
	for _, e := range entries {
		content, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read the embedded assets: %w", err)
		}
		digest := sha256.Sum256(content)
		extension := path.Ext(e.Name())
		hashed := strings.TrimSuffix(e.Name(), extension) + "-" + hex.EncodeToString(digest[:6]) + extension
		a.paths[e.Name()] = "/assets/" + hashed
		a.files[hashed] = content
	}
	return a, nil
}

// path is where a page finds the asset; a name that does not exist is a mistake in a template.
func (a *assets) path(name string) (string, error) {
	p, ok := a.paths[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %q", name)
	}
	return p, nil
}

// ServeHTTP serves one asset.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, ok := a.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mediaType(name))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

func mediaType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	default:
		return "image/svg+xml"
	}
}
