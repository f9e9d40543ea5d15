package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/secret"
)

const hidden = "hunter2-hunter2"

// holder keeps secrets the way other packages do, one of them where fmt cannot call methods.
type holder struct {
	Public  secret.String
	private secret.String
	Pointer *secret.String
	List    []secret.String
}

func newHolder() holder {
	s := secret.NewString(hidden)
	return holder{Public: s, private: s, Pointer: &s, List: []secret.String{s}}
}

func TestString(t *testing.T) {
	t.Parallel()

	t.Run("RevealsOnlyOnRequest", func(t *testing.T) {
		t.Parallel()
		if got := newHolder().private.Reveal(); got != hidden {
			t.Errorf("Reveal() = %q, want the text", got)
		}
	})

	t.Run("NoVerbOfFmtPrintsIt", func(t *testing.T) {
		t.Parallel()
		s := secret.NewString(hidden)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T", "%p", "%20s", "%!"} {
			for _, value := range []any{s, &s, newHolder(), []any{s}, map[string]secret.String{"k": s}, fmt.Errorf("with %v", s)} {
				mustNotShow(t, verb, fmt.Sprintf(verb, value))
			}
		}
		if got := fmt.Sprintf("%v %#v %x", s, s, s); got != "[redacted] [redacted] [redacted]" {
			t.Errorf("fmt prints %q", got)
		}
	})

	t.Run("NoLogHandlerPrintsIt", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("m", "secret", secret.NewString(hidden), "holder", newHolder(), "err", fmt.Errorf("x %v", newHolder()))
		}
		mustNotShow(t, "slog", out.String())
		if !strings.Contains(out.String(), "[redacted]") {
			t.Errorf("the log shows nothing in the secret's place: %s", out.String())
		}
	})

	t.Run("JSONNeitherPrintsItAsValueNorAsKey", func(t *testing.T) {
		t.Parallel()
		out, err := json.Marshal(newHolder())
		if err != nil {
			t.Fatal(err)
		}
		mustNotShow(t, "json", string(out))
	})

	t.Run("ReadsItselfFromConfigurationText", func(t *testing.T) {
		t.Parallel()
		var into struct{ Key secret.String }
		if err := json.Unmarshal([]byte(`{"Key":"`+hidden+`"}`), &into); err != nil {
			t.Fatal(err)
		}
		if into.Key.Reveal() != hidden {
			t.Error("the text got lost")
		}
	})

	t.Run("ZeroValueIsEmpty", func(t *testing.T) {
		t.Parallel()
		var s secret.String
		if !s.IsZero() || s.Reveal() != "" || fmt.Sprint(s) != "[redacted]" {
			t.Error("the zero value is not an empty, redacted text")
		}
		if secret.NewString("x").IsZero() {
			t.Error("a text is not zero")
		}
	})
}

func mustNotShow(t *testing.T, what, printed string) {
	t.Helper()
	for _, form := range []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), fmt.Sprintf("% x", hidden)} {
		if strings.Contains(printed, form) {
			t.Errorf("%s shows the secret: %s", what, printed)
		}
	}
}
