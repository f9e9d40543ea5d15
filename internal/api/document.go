package api

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// describe builds the routes and, from the same declarations, the document about them.
func describe(c Config) *api {
	configureDecoder()
	a := &api{config: c, routes: http.NewServeMux()}
	config := huma.DefaultConfig("Tongbao", "v1")
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	config.DocsPath, config.OpenAPIPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat} // the second for application/problem+json
	config.RejectUnknownQueryParameters = true
	config.Info.Description = introduction()
	config.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	config.Tags = tags()
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "An API key of the app: `Authorization: Bearer sk_...`. Not for apps that require signatures."},
		"signed": {Type: "http", Scheme: "TONGBAO-HMAC-SHA256", Description: signing},
	}
	config.Security = []map[string][]string{{"bearer": {}}, {"signed": {}}}
	a.huma = humago.New(a.routes, config)
	a.register()
	a.describeWebhooks()
	a.openAnswers()
	return a
}

// OpenAPI returns the document about the API in YAML.
func OpenAPI() ([]byte, error) {
	y, err := describe(Config{}).huma.OpenAPI().YAML()
	if err != nil {
		return nil, fmt.Errorf("api: write the OpenAPI document: %w", err)
	}
	return append([]byte("# Made by go generate from internal/api. Do not edit.\n"), y...), nil
}

const signing = "A signed request, for which the key's secret does not travel: " +
	"`Authorization: TONGBAO-HMAC-SHA256 key_id=\"ak_...\",timestamp=\"<unix seconds>\",nonce=\"<16-64 characters>\",signature=\"<hex>\"`. " +
	"The signature is HMAC-SHA256, keyed with the whole secret `sk_...`, over method, request target (path and query as sent), timestamp, nonce and body, " +
	"each followed by a newline. The clock may be 5 minutes off; a nonce passes once."

// introduction tells once what holds for every operation, and lists every code.
func introduction() string {
	var b strings.Builder
	b.WriteString(`Takes payments through WeChat Pay for one app of the merchant's.

**Amounts** are integers in the currency's minor unit (fen). **Times** are RFC 3339 with an offset. Unknown fields and parameters are refused; answers may gain fields.

**Repeating** is safe everywhere. out_trade_no and out_refund_no identify the intent: the same content again answers with the same resource (200 instead of 201), other content under the same number with 409; only how the payer pays may change (see Create a payment). A status of 202 means that the provider's answer is not known yet; repeat, ask with GET, or wait for the webhook.

**Numbers**: the provider's console and the sandbox know a payment by its trade_no, not by the app's out_trade_no.

**Idempotency-Key** is honoured on every POST: the first answer is kept, success or not, and repeats get it with the header Idempotent-Replayed: true. Not kept are answers to requests that never began to execute (400 invalid_request, 401, 413, 415, the idempotency codes), and those with Retry-After, which ask to be repeated. The same key with another method, path or body is refused.

**Lists** are cut into pages: while there is a next_cursor, ask again with it as cursor (for events, as after).

` + delivering + `

**Errors** are application/problem+json. The codes:

| code | status | meaning |
| --- | --- | --- |
`)
	for _, k := range Codes() {
		fmt.Fprintf(&b, "| `%s` | %d | %s |\n", k.Code, k.Status, k.Meaning)
	}
	return b.String()
}

// document turns a line of the table into the document's operation.
func (a *api) document(o operation, method, path string) huma.Operation {
	statuses := slices.Sorted(maps.Keys(o.answers))
	op := huma.Operation{
		OperationID: o.id, Method: method, Path: path, Summary: o.summary, Description: o.detail,
		Tags: []string{strings.Split(path, "/")[2]}, DefaultStatus: statuses[0], Responses: map[string]*huma.Response{},
		MaxBodyBytes: BodyMax + 1, // bounded before; huma refuses what equals its bound
	}
	for _, s := range statuses {
		op.Responses[strconv.Itoa(s)] = &huma.Response{Description: o.answers[s]}
	}
	codes := append([]payment.Code{payment.CodeInvalid, codeUnauthenticated, codeRateLimited, codeInternal, codeTimeout}, o.codes...)
	if strings.Contains(path, "{") {
		codes = append(codes, payment.CodeNotFound)
	}
	if method == http.MethodPost || method == http.MethodPatch {
		codes = append(codes, codeTooLarge, codeMediaType)
	}
	if method == http.MethodPost {
		codes = append(codes, codeKeyInUse, codeKeyReused)
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Description: "makes a repeat answer as the first request did",
			Schema: &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(255)}, Example: "5f0b3c1e-order-1",
		})
	}
	a.documentProblems(&op, codes)
	return op
}

func (a *api) documentProblems(op *huma.Operation, codes []payment.Code) {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, k := range Codes() { // in the order of the table
		if !slices.Contains(codes, k.Code) {
			continue
		}
		status := strconv.Itoa(k.Status)
		answer := op.Responses[status]
		if answer == nil {
			answer = &huma.Response{Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}
			op.Responses[status] = answer
		}
		answer.Description = strings.TrimPrefix(answer.Description+"; `"+string(k.Code)+"`: "+k.Meaning, "; ")
	}
}

// completeAnswers gives every successful answer of an operation the schema of the usual one.
func (a *api) completeAnswers(method, path string) {
	item := a.huma.OpenAPI().Paths[path]
	op := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete}[method]
	usual := op.Responses[strconv.Itoa(op.DefaultStatus)]
	for status, answer := range op.Responses {
		if status[0] == '2' {
			answer.Content = usual.Content
		}
	}
}

// openAnswers lets answers gain fields: only requests are closed to unknown ones.
func (a *api) openAnswers() {
	document := a.huma.OpenAPI()
	closed := map[*huma.Schema]bool{}
	for _, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Patch, item.Delete} {
			if op != nil && op.RequestBody != nil {
				closeSchema(document.Components.Schemas, op.RequestBody.Content["application/json"].Schema, closed)
			}
		}
	}
	for _, s := range document.Components.Schemas.Map() {
		if extra, isBool := s.AdditionalProperties.(bool); isBool && !extra && !closed[s] {
			s.AdditionalProperties = nil
		}
	}
}

func closeSchema(r huma.Registry, s *huma.Schema, closed map[*huma.Schema]bool) {
	if s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	closed[s] = true
	for _, property := range s.Properties {
		closeSchema(r, property, closed)
	}
}

// schemaName gives the document the words of the glossary.
func schemaName(t reflect.Type, hint string) string {
	name := strings.NewReplacer("Resource", "", "Body", "").Replace(huma.DefaultSchemaNamer(t, hint))
	if item, paged := strings.CutPrefix(name, "Page"); paged {
		return item + "Page"
	}
	return name
}

func tags() []*huma.Tag {
	return []*huma.Tag{
		{Name: "payments", Description: "One intent to collect one amount."},
		{Name: "refunds", Description: "Money given back, in part or whole."},
		{Name: "events", Description: "Immutable facts about resources, in order; webhooks carry the same."},
		{Name: "webhook-endpoints", Description: "Where the app receives its events, signed as Standard Webhooks says."},
		{Name: "webhook-deliveries", Description: "What was sent there, and what came back."},
		{Name: "reviews", Description: "What software must not decide alone: a person of the merchant's sees to it."},
	}
}
