// Package client calls the API of a Tongbao gateway and verifies its webhooks.
//
// It needs the standard library alone. A [Client] is made once and is safe for concurrent use:
//
//	c, err := client.New(client.Config{BaseURL: "http://127.0.0.1:8080", APIKey: "sk_..."})
//	p, err := c.CreatePayment(ctx, client.CreatePayment{
//		OutTradeNo: "order-1", Amount: 8800, Description: "two bowls of noodles",
//		Channel: "wechat", Product: "native",
//	})
//
// # Repeating
//
// Every call may be repeated without doing anything twice, and the client repeats by itself what is worth repeating:
// lost connections, 5xx and 429, with growing pauses, until Config.Tries or the caller's context ends. OutTradeNo and
// OutRefundNo identify the intent, so a repeated create answers with the same payment or refund. A payer who wants to pay another
// way is the same create with another Product, Payer or ReturnURL and nothing else changed. Calls that have no
// such number carry an Idempotency-Key that the client makes up once per call.
//
// A payment that comes back with status "processing" (or a refund with "pending") was accepted, but the provider's
// answer is not known yet: repeat the same create after a second to get the credential, or wait for the webhook.
//
// # Errors
//
// What the gateway refuses is an [*Error] with a stable code, what to do, and the request id to ask about. What never
// got an answer is the error of net/http or of the context; nothing is known then about the request's effect, and
// the same call can be made again.
package client
