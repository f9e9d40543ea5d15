package api_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestDocumentOfWebhooks(t *testing.T) {
	t.Parallel()
	a := setup(t).send(t, "GET", "/openapi.json", "", header("Authorization", ""))
	type schema struct {
		Ref  string   `json:"$ref"`
		Enum []string `json:"enum"`
	}
	var d struct {
		Info     struct{ Description string }
		Webhooks map[string]struct {
			Post struct {
				Parameters []struct {
					Name, In string
					Required bool
				}
				Security    *[]json.RawMessage
				RequestBody struct {
					Content map[string]struct {
						Schema struct {
							AllOf []struct {
								schema
								Properties struct {
									Type schema
									Data struct{ Properties struct{ Object schema } }
								}
							}
						}
					}
				}
				Responses map[string]struct{ Description string }
			}
		}
	}
	check(t, json.Unmarshal(a.body, &d))

	objects := map[string]string{"payment": "Payment", "refund": "Refund", "review": "Review"}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(objects)), slices.Sorted(maps.Keys(d.Webhooks))); diff != "" {
		t.Fatal(diff)
	}
	t.Run("HaveEveryTypeOfEventOnceInItsFamily", func(t *testing.T) {
		var types []string
		for name, item := range d.Webhooks {
			narrowed := item.Post.RequestBody.Content["application/json"].Schema.AllOf[1].Properties
			for _, eventType := range narrowed.Type.Enum {
				if !strings.HasPrefix(eventType, name+".") {
					t.Errorf("%s is in the family %s", eventType, name)
				}
			}
			types = append(types, narrowed.Type.Enum...)
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(payment.EventTypes)), slices.Sorted(slices.Values(types))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("CarryAnEventWithTheFamilysResource", func(t *testing.T) {
		for name, item := range d.Webhooks {
			parts := item.Post.RequestBody.Content["application/json"].Schema.AllOf
			if parts[0].Ref != "#/components/schemas/Event" || parts[1].Properties.Data.Properties.Object.Ref != "#/components/schemas/"+objects[name] {
				t.Errorf("%s: %+v", name, parts)
			}
		}
	})
	t.Run("AreSignedAndNeedNoKey", func(t *testing.T) {
		for name, item := range d.Webhooks {
			var names []string
			for _, p := range item.Post.Parameters {
				if p.In == "header" && p.Required {
					names = append(names, p.Name)
				}
			}
			if !slices.Equal(names, []string{"webhook-id", "webhook-timestamp", "webhook-signature"}) {
				t.Errorf("%s: the headers are %v", name, names)
			}
			if item.Post.Security == nil || len(*item.Post.Security) != 0 {
				t.Errorf("%s: security is %v", name, item.Post.Security)
			}
			if item.Post.Responses["2XX"].Description == "" || item.Post.Responses["410"].Description == "" {
				t.Errorf("%s: the answers are %v", name, item.Post.Responses)
			}
		}
	})
	t.Run("AreExplainedInTheIntroduction", func(t *testing.T) {
		for _, words := range []string{"HMAC-SHA256", "`whsec_`", "`v1,<base64>`", "at least once", "`sequence`", "24 h after", "2xx", "410", "Retry-After", "trade_no, not by"} {
			if !strings.Contains(d.Info.Description, words) {
				t.Errorf("%q is missing", words)
			}
		}
	})
}
