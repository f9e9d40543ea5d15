package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/api"
)

func TestCommittedDocumentIsWhatTheCodeSays(t *testing.T) {
	t.Parallel()
	want, err := api.OpenAPI()
	check(t, err)
	got, err := os.ReadFile("../../docs/openapi.yaml")
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("docs/openapi.yaml is stale: run go generate ./internal/api/...\n%s", cmp.Diff(string(got), string(want)))
	}
}

// document is the part of OpenAPI that the tests read.
type document struct {
	OpenAPI string
	Info    struct{ Description string }
	Paths   map[string]map[string]struct {
		OperationID string
		Summary     string
		Parameters  []struct{ Name, In string }
		Responses   map[string]struct{ Description string }
	}
	Components struct {
		Schemas map[string]struct {
			Properties           map[string]json.RawMessage
			AdditionalProperties json.RawMessage
		}
		SecuritySchemes map[string]json.RawMessage
	}
	Security []map[string][]string
}

func readDocument(t *testing.T, b *testBundle) document {
	t.Helper()
	a := b.send(t, "GET", "/openapi.json", "", header("Authorization", ""))
	if a.status != 200 || a.header.Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("status %d, %s", a.status, a.header.Get("Content-Type"))
	}
	var d document
	check(t, json.Unmarshal(a.body, &d))
	return d
}

func TestDocument(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := readDocument(t, b)
	t.Run("IsOpenAPI31WithBothWaysToAuthenticate", func(t *testing.T) {
		if d.OpenAPI != "3.1.0" || d.Components.SecuritySchemes["bearer"] == nil || d.Components.SecuritySchemes["signed"] == nil || len(d.Security) != 2 {
			t.Errorf("it is %s with %v", d.OpenAPI, d.Security)
		}
	})
	t.Run("NamesEveryCodeSomewhereAndEachWithItsStatus", func(t *testing.T) {
		for _, k := range api.Codes() {
			if !strings.Contains(d.Info.Description, "| `"+string(k.Code)+"` |") {
				t.Errorf("%s is not in the introduction", k.Code)
			}
		}
		for path, methods := range d.Paths {
			for method, op := range methods {
				if op.Summary == "" || op.Responses["401"].Description == "" || op.Responses["500"].Description == "" {
					t.Errorf("%s %s is not described", method, path)
				}
			}
		}
	})
	t.Run("OffersAnIdempotencyKeyOnEveryPost", func(t *testing.T) {
		for path, methods := range d.Paths {
			if op, ok := methods["post"]; ok && !slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool { return p.Name == "Idempotency-Key" && p.In == "header" }) {
				t.Errorf("%s does not", path)
			}
		}
	})
	t.Run("ClosesRequestsAndOpensAnswers", func(t *testing.T) {
		for name, s := range d.Components.Schemas {
			request := strings.HasPrefix(name, "Create") || strings.HasPrefix(name, "Update") || strings.HasPrefix(name, "Rotate") || strings.HasPrefix(name, "Resolve") || strings.HasPrefix(name, "Retry") || name == "Payer" || name == "Nothing"
			if closed := string(s.AdditionalProperties) == "false"; closed != request {
				t.Errorf("%s: closed is %t", name, closed)
			}
		}
	})
	t.Run("IsTheSameInYAML", func(t *testing.T) {
		a := b.send(t, "GET", "/openapi.yaml", "", header("Authorization", ""))
		want, err := api.OpenAPI()
		check(t, err)
		if a.status != 200 || !bytes.Equal(a.body, want) {
			t.Errorf("status %d, %d bytes", a.status, len(a.body))
		}
	})
}

func fields(t reflect.Type) []string {
	var names []string
	for field := range t.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "-" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestClientHasEveryFieldOfTheDocument(t *testing.T) {
	t.Parallel()
	d := readDocument(t, setup(t))
	types := map[string]reflect.Type{
		"Payment": reflect.TypeFor[client.Payment](), "Credential": reflect.TypeFor[client.Credential](), "CreatePayment": reflect.TypeFor[client.CreatePayment](),
		"Payer": reflect.TypeFor[client.Payer](), "Refund": reflect.TypeFor[client.Refund](), "CreateRefund": reflect.TypeFor[client.CreateRefund](),
		"Event": reflect.TypeFor[client.Event](), "EventData": reflect.TypeFor[client.EventData](), "Review": reflect.TypeFor[client.Review](),
		"WebhookEndpoint": reflect.TypeFor[client.WebhookEndpoint](), "CreateWebhookEndpoint": reflect.TypeFor[client.CreateWebhookEndpoint](),
		"UpdateWebhookEndpoint": reflect.TypeFor[client.UpdateWebhookEndpoint](), "RotateWebhookSecret": reflect.TypeFor[client.RotateWebhookSecret](),
		"RetryDeadWebhooks": reflect.TypeFor[client.RetryDeadWebhooks](), "RetriedWebhooks": reflect.TypeFor[client.RetriedWebhooks](),
		"WebhookDelivery": reflect.TypeFor[client.WebhookDelivery](), "ResolveReview": reflect.TypeFor[client.ResolveReview](), "ChannelError": reflect.TypeFor[client.ChannelError](), "FieldError": reflect.TypeFor[client.FieldError](),
	}
	for name, s := range d.Components.Schemas {
		want := make([]string, 0, len(s.Properties))
		for property := range s.Properties {
			want = append(want, property)
		}
		slices.Sort(want)
		switch {
		case name == "Nothing":
		case strings.HasSuffix(name, "Page"):
			if diff := cmp.Diff(want, fields(reflect.TypeFor[client.Page[client.Payment]]())); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		case name == "Problem": // its type is always left out
			if diff := cmp.Diff(slices.DeleteFunc(want, func(s string) bool { return s == "type" }), fields(reflect.TypeFor[client.Error]())); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		case types[name] == nil:
			t.Errorf("the client has no type for %s", name)
		default:
			if diff := cmp.Diff(want, fields(types[name])); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

func TestClientCoversEveryOperation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := readDocument(t, b)
	var mu sync.Mutex
	var calls []string
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		calls = append(calls, r.Method+" "+r.URL.Path)
		mu.Unlock()
		b.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	c, err := client.New(client.Config{BaseURL: front.URL, APIKey: client.Secret(b.secret), Tries: 1})
	check(t, err)

	ctx := t.Context()
	for name, call := range map[string]func(context.Context) error{
		"create-payment": func(ctx context.Context) error {
			_, err := c.CreatePayment(ctx, client.CreatePayment{OutTradeNo: "order-1", Amount: 1, Description: "x", Channel: "wechat", Product: "native"})
			return err
		},
		"list-payments":       func(ctx context.Context) error { return drain(c.Payments(ctx, client.PaymentQuery{})) },
		"get-payment":         func(ctx context.Context) error { _, err := c.Payment(ctx, paymentID); return err },
		"close-payment":       func(ctx context.Context) error { _, err := c.ClosePayment(ctx, paymentID); return err },
		"sync-payment":        func(ctx context.Context) error { _, err := c.SyncPayment(ctx, paymentID); return err },
		"list-payment-events": func(ctx context.Context) error { return drain(c.PaymentEvents(ctx, paymentID)) },
		"create-refund": func(ctx context.Context) error {
			_, err := c.CreateRefund(ctx, client.CreateRefund{PaymentID: paymentID, OutRefundNo: "r", Amount: 1})
			return err
		},
		"list-refunds": func(ctx context.Context) error {
			return drain(c.Refunds(ctx, client.RefundQuery{PaymentID: paymentID}))
		},
		"get-refund":             func(ctx context.Context) error { _, err := c.Refund(ctx, refundID); return err },
		"list-events":            func(ctx context.Context) error { return drain(c.Events(ctx, client.EventQuery{})) },
		"list-webhook-endpoints": func(ctx context.Context) error { _, err := c.ListWebhookEndpoints(ctx); return err },
		"create-webhook-endpoint": func(ctx context.Context) error {
			_, err := c.CreateWebhookEndpoint(ctx, client.CreateWebhookEndpoint{URL: "https://shop.example.com", Types: []string{client.EventPaymentCreated}})
			return err
		},
		"get-webhook-endpoint": func(ctx context.Context) error { _, err := c.WebhookEndpoint(ctx, endpointID); return err },
		"update-webhook-endpoint": func(ctx context.Context) error {
			_, err := c.UpdateWebhookEndpoint(ctx, endpointID, client.UpdateWebhookEndpoint{})
			return err
		},
		"rotate-webhook-secret": func(ctx context.Context) error {
			_, err := c.RotateWebhookSecret(ctx, endpointID, client.RotateWebhookSecret{})
			return err
		},
		"delete-webhook-endpoint": func(ctx context.Context) error { return c.DeleteWebhookEndpoint(ctx, endpointID) },
		"list-webhook-deliveries": func(ctx context.Context) error {
			return drain(c.WebhookDeliveries(ctx, client.WebhookDeliveryQuery{State: "dead"}))
		},
		"retry-webhook-delivery": func(ctx context.Context) error { _, err := c.RetryWebhookDelivery(ctx, deliveryID); return err },
		"retry-dead-webhooks": func(ctx context.Context) error {
			_, err := c.RetryDeadWebhooks(ctx, endpointID, client.RetryDeadWebhooks{})
			return err
		},
		"list-reviews": func(ctx context.Context) error {
			return drain(c.Reviews(ctx, client.ReviewQuery{State: client.ReviewOpen}))
		},
		"get-review": func(ctx context.Context) error { _, err := c.Review(ctx, reviewID); return err },
		"resolve-review": func(ctx context.Context) error {
			_, err := c.ResolveReview(ctx, reviewID, client.ResolveReview{Action: client.ActionAccept})
			return err
		},
	} {
		if err := call(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	parameter := regexp.MustCompile(`\{[a-z_]+\}`)
	for path, methods := range d.Paths {
		for method, op := range methods {
			line := regexp.MustCompile("^" + strings.ToUpper(method) + " " + parameter.ReplaceAllString(path, "[^/]+") + "$")
			if !slices.ContainsFunc(calls, line.MatchString) {
				t.Errorf("nothing in the client calls %s: %s %s", op.OperationID, method, path)
			}
		}
	}
}

func drain[T any](all func(yield func(T, error) bool)) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestDocsPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := b.send(t, "GET", "/docs", "", header("Authorization", ""))
	t.Run("LoadsOnlyFromThisServer", func(t *testing.T) {
		sources := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(page.body), -1)
		if page.status != 200 || len(sources) < 4 {
			t.Fatalf("status %d: %s", page.status, page.body)
		}
		for _, s := range sources {
			if a := b.send(t, "GET", s[1], "", header("Authorization", "")); a.status != 200 || len(a.body) == 0 {
				t.Errorf("%s: status %d, %d bytes", s[1], a.status, len(a.body))
			}
		}
	})
	t.Run("FitsItsPolicy", func(t *testing.T) {
		policy := page.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "script-src 'self';") || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("the policy is %s", policy)
		}
		for _, inline := range []string{"<style", " style=", " onload=", "javascript:"} {
			if strings.Contains(string(page.body), inline) {
				t.Errorf("%q is on the page", inline)
			}
		}
		if regexp.MustCompile(`<script>|<script [^>]*>[^<]`).Match(page.body) {
			t.Error("a script is inline")
		}
	})
	t.Run("ServesNothingElseFromTheLibrary", func(t *testing.T) {
		for _, path := range []string{"/docs/embed.go", "/docs/oauth2-redirect.html", "/docs/", "/docs?proxy=http://127.0.0.1"} {
			if a := b.send(t, "GET", path, "", header("Authorization", "")); a.status != 404 && path != "/docs?proxy=http://127.0.0.1" || strings.Contains(string(a.body), "package static") {
				t.Errorf("%s: status %d", path, a.status)
			}
		}
	})
}

func TestHiddenDocsAreNotFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	handler, err := api.New(api.Config{
		Payments: b.domain, Lists: b.lists, Webhooks: b.hooks, Authenticator: b.access, Idempotency: b.answers, Sealer: plain{}, Limiter: b.limiter, HideDocs: true,
	})
	check(t, err)
	for _, path := range []string{"/docs", "/openapi.json", "/openapi.yaml"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if w.Code != 404 {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

// plain seals nothing.
type plain struct{}

func (plain) Seal(b []byte, _ string) ([]byte, error) { return b, nil }

func (plain) Open(b []byte, _ string) ([]byte, error) { return b, nil }
