package shop

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// object is JSON as the gateway writes it.
type object = map[string]any

// fakeGateway speaks the part of the gateway's API that the shop uses, and holds the shop to the API's rules: one
// number means one content, and refunds stay within what was paid.
type fakeGateway struct {
	t      *testing.T
	server *httptest.Server
	now    func() time.Time

	mu       sync.Mutex
	payments map[string]object // by out_trade_no
	contents map[string]string
	refunds  map[string]object // by out_refund_no
	refuse   *refusal
	unpaid   bool // creates answer "processing" without a credential
	created  func(payment object)
	calls    map[string]int
}

type refusal struct {
	status int
	body   object // nil: the connection is cut
}

func newFakeGateway(t *testing.T, now func() time.Time) *fakeGateway {
	t.Helper()
	g := &fakeGateway{
		t: t, now: now, payments: map[string]object{}, contents: map[string]string{}, refunds: map[string]object{}, calls: map[string]int{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/payments", g.operation("create", g.create))
	mux.HandleFunc("POST /v1/payments/{id}/close", g.operation("close", g.close))
	mux.HandleFunc("POST /v1/refunds", g.operation("refund", g.refund))
	g.server = httptest.NewServer(mux)
	t.Cleanup(g.server.Close)
	return g
}

func (g *fakeGateway) operation(name string, do func(*http.Request, object) object) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer sk_test" {
			g.t.Errorf("the shop called with Authorization %q", got)
		}
		body := object{}
		if r.ContentLength > 0 {
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				g.t.Errorf("the shop sent no JSON: %v", err)
			}
		}
		g.mu.Lock()
		g.calls[name]++
		no := g.refuse
		var answer object
		if no == nil {
			answer = do(r, body)
		}
		g.mu.Unlock()
		if no != nil {
			g.turnDown(w, no)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			g.t.Errorf("answer: %v", err)
		}
	}
}

func (g *fakeGateway) turnDown(w http.ResponseWriter, no *refusal) {
	if no.body == nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(no.status)
	if err := json.NewEncoder(w).Encode(no.body); err != nil {
		g.t.Errorf("answer: %v", err)
	}
}

func (g *fakeGateway) create(_ *http.Request, body object) object {
	no, _ := body["out_trade_no"].(string)
	content := fmt.Sprint(body)
	if earlier, ok := g.contents[no]; ok && earlier != content {
		g.t.Errorf("the shop used %s for two contents:\n%s\n%s", no, earlier, content)
	}
	g.contents[no] = content
	p := g.payments[no]
	if p == nil {
		p = object{
			"id": fmt.Sprintf("pay_%d", len(g.payments)+1), "object": "payment", "app_id": "shop", "out_trade_no": no, "status": "processing",
			"amount": body["amount"], "currency": "CNY", "amount_paid": 0, "amount_refunded": 0, "description": body["description"],
			"channel": body["channel"], "product": body["product"], "account": "wechat-test", "trade_no": "T" + no[len(no)-12:],
			"created_at": g.now().Format(time.RFC3339Nano), "expires_at": body["expires_at"],
		}
		g.payments[no] = p
	}
	if g.created != nil {
		created := g.created
		g.mu.Unlock()
		created(with(p, nil))
		g.mu.Lock()
	}
	if !g.unpaid {
		p["status"] = "pending"
		p["credential"] = object{"code_url": "weixin://wxpay/bizpayurl/up?pr=" + no[len(no)-7:] + "zz", "expires_at": body["expires_at"]}
	}
	return p
}

func (g *fakeGateway) close(r *http.Request, _ object) object {
	for _, p := range g.payments {
		if p["id"] == r.PathValue("id") {
			p["status"], p["closed_at"] = "closed", g.now().Format(time.RFC3339Nano)
			return with(p, object{"credential": nil})
		}
	}
	g.t.Errorf("the shop closed %s, which it did not create", r.PathValue("id"))
	return nil
}

func (g *fakeGateway) refund(_ *http.Request, body object) object {
	no, _ := body["out_refund_no"].(string)
	if r, ok := g.refunds[no]; ok {
		return r
	}
	r := object{
		"id": fmt.Sprintf("rfd_%d", len(g.refunds)+1), "object": "refund", "app_id": "shop", "payment_id": body["payment_id"], "out_refund_no": no,
		"refund_no": fmt.Sprintf("R%d", len(g.refunds)+1), "status": "processing", "amount": body["amount"], "currency": "CNY",
		"reason": body["reason"], "created_at": g.now().Format(time.RFC3339Nano),
	}
	g.refunds[no] = r
	total := 0.0
	for _, r := range g.refunds {
		amount, _ := r["amount"].(float64)
		total += amount
	}
	for _, p := range g.payments {
		if paid, ok := p["amount"].(float64); ok && p["id"] == body["payment_id"] && total > paid {
			g.t.Errorf("the shop asked to refund %v of %v fen", total, paid)
		}
	}
	return r
}

func (g *fakeGateway) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func (g *fakeGateway) count(operation string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls[operation]
}

// payment is a copy of the payment that the gateway holds under a number.
func (g *fakeGateway) payment(no string) object {
	g.mu.Lock()
	defer g.mu.Unlock()
	return with(g.payments[no], nil)
}

func with(o, changes object) object {
	changed := object{}
	maps.Copy(changed, o)
	maps.Copy(changed, changes)
	return changed
}
