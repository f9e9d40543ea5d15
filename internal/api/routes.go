package api

import "github.com/tongbao-pay/tongbao/internal/payment"

// register is the table of routes.
func (a *api) register() {
	handle(a, operation{
		pattern: "POST /v1/payments", id: "create-payment", summary: "Create a payment",
		detail: "The same content under the same out_trade_no answers with the same payment, with a fresh credential where the old one has expired. " +
			"A payer who wants to pay another way sends it again with another product, payer or return_url, and nothing else changed: " +
			"while it can be paid, the same payment gets another order at the provider, under a new trade_no, and the order before is closed there once the new one is placed. " +
			"Where the provider refuses the new one, the payment can be paid as before.",
		answers: map[int]string{201: "created", 200: "the same request had created it before, or its payer switched", 202: "accepted, but the provider's answer is not known yet: repeat"},
		codes:   []payment.Code{payment.CodeNumberConflict, payment.CodeInProgress, payment.CodeAttemptLimit, payment.CodeAccount, payment.CodeChannelRefused, payment.CodeChannelUnavailable},
	}, a.createPayment)
	handle(a, operation{
		pattern: "GET /v1/payments", id: "list-payments", summary: "List payments, newest first",
		answers: map[int]string{200: "a page"},
	}, a.listPayments)
	handle(a, operation{
		pattern: "GET /v1/payments/{id}", id: "get-payment", summary: "Show a payment",
		answers: map[int]string{200: "the payment as the gateway knows it"},
	}, a.getPayment)
	handle(a, operation{
		pattern: "POST /v1/payments/{id}/close", id: "close-payment", summary: "Close an unpaid payment, at the provider too",
		answers: map[int]string{200: "closed; it can no longer be paid", 202: "being closed: the provider's answer is not known yet, and the gateway sees to it"},
		codes:   []payment.Code{payment.CodeInProgress, payment.CodeNotClosable},
	}, a.closePayment)
	handle(a, operation{
		pattern: "POST /v1/payments/{id}/sync", id: "sync-payment", summary: "Ask the provider about a payment and its refunds now",
		answers: map[int]string{200: "the payment as the provider knows it"},
		codes:   []payment.Code{payment.CodeInProgress, payment.CodeChannelUnavailable},
	}, a.syncPayment)
	handle(a, operation{
		pattern: "GET /v1/payments/{id}/events", id: "list-payment-events", summary: "List a payment's events, oldest first",
		answers: map[int]string{200: "a page"},
	}, a.listPaymentEvents)

	handle(a, operation{
		pattern: "POST /v1/refunds", id: "create-refund", summary: "Refund a payment, in part or whole",
		detail:  "The same content under the same out_refund_no answers with the same refund.",
		answers: map[int]string{201: "the provider accepted it", 200: "the same request had created it before", 202: "accepted, but not confirmed by the provider yet; the gateway repeats it under the same number"},
		codes: []payment.Code{
			payment.CodeNotFound, payment.CodeNumberConflict, payment.CodeInProgress, payment.CodeNotRefundable, payment.CodeRefundExceeds, payment.CodeRefundLimit,
		},
	}, a.createRefund)
	handle(a, operation{
		pattern: "GET /v1/refunds", id: "list-refunds", summary: "List refunds, newest first",
		answers: map[int]string{200: "a page"},
	}, a.listRefunds)
	handle(a, operation{
		pattern: "GET /v1/refunds/{id}", id: "get-refund", summary: "Show a refund",
		answers: map[int]string{200: "the refund as the gateway knows it"},
	}, a.getRefund)

	handle(a, operation{
		pattern: "GET /v1/events", id: "list-events", summary: "Read the app's events, oldest first",
		answers: map[int]string{200: "a page"},
	}, a.listEvents)

	handle(a, operation{
		pattern: "POST /v1/webhook-endpoints", id: "create-webhook-endpoint", summary: "Add a webhook endpoint",
		answers: map[int]string{201: "created; the secret is in this answer and never shown again"},
	}, a.createWebhookEndpoint)
	handle(a, operation{
		pattern: "GET /v1/webhook-endpoints", id: "list-webhook-endpoints", summary: "List the webhook endpoints",
		answers: map[int]string{200: "all of them"},
	}, a.listWebhookEndpoints)
	handle(a, operation{
		pattern: "GET /v1/webhook-endpoints/{id}", id: "get-webhook-endpoint", summary: "Show a webhook endpoint",
		answers: map[int]string{200: "the endpoint"},
	}, a.getWebhookEndpoint)
	handle(a, operation{
		pattern: "PATCH /v1/webhook-endpoints/{id}", id: "update-webhook-endpoint", summary: "Change a webhook endpoint",
		detail:  "Fields that are left out stay as they are.",
		answers: map[int]string{200: "the endpoint as it is now"},
		codes:   []payment.Code{payment.CodeInProgress},
	}, a.updateWebhookEndpoint)
	handle(a, operation{
		pattern: "POST /v1/webhook-endpoints/{id}/rotate-secret", id: "rotate-webhook-secret", summary: "Give a webhook endpoint a new secret",
		detail:  "The old secret goes on signing beside the new one for a while, so that the app can change over.",
		answers: map[int]string{200: "the endpoint with its new secret, which is never shown again"},
		codes:   []payment.Code{payment.CodeInProgress},
	}, a.rotateWebhookSecret)
	handle(a, operation{
		pattern: "DELETE /v1/webhook-endpoints/{id}", id: "delete-webhook-endpoint", summary: "Remove a webhook endpoint",
		answers: map[int]string{204: "removed; what was on its way to it is given up"},
	}, a.deleteWebhookEndpoint)

	handle(a, operation{
		pattern: "POST /v1/webhook-endpoints/{id}/retry-dead", id: "retry-dead-webhooks", summary: "Deliver what was given up again, at once",
		detail:  "Every event whose way to the endpoint is `dead` is sent again, the oldest first, with a schedule that starts anew. What a call sent is no longer dead: another one does not send it twice.",
		answers: map[int]string{202: "they are on their way"},
		codes:   []payment.Code{payment.CodeInProgress},
	}, a.retryDeadWebhooks)

	handle(a, operation{
		pattern: "GET /v1/webhook-deliveries", id: "list-webhook-deliveries", summary: "List deliveries, newest first",
		answers: map[int]string{200: "a page"},
	}, a.listWebhookDeliveries)
	handle(a, operation{
		pattern: "POST /v1/webhook-deliveries/{id}/retry", id: "retry-webhook-delivery", summary: "Deliver an event to its endpoint again, at once",
		answers: map[int]string{202: "it is on its way; its schedule starts anew"},
		codes:   []payment.Code{payment.CodeInProgress},
	}, a.retryWebhookDelivery)

	handle(a, operation{
		pattern: "GET /v1/reviews", id: "list-reviews", summary: "List the reviews of the app's resources, newest first",
		answers: map[int]string{200: "a page"},
	}, a.listReviews)
	handle(a, operation{
		pattern: "GET /v1/reviews/{id}", id: "get-review", summary: "Show a review with its evidence",
		answers: map[int]string{200: "the review"},
	}, a.getReview)
	handle(a, operation{
		pattern: "POST /v1/reviews/{id}/resolve", id: "resolve-review", summary: "Decide what a review waits for",
		detail: "`accept` keeps late money, and the payment succeeds after all. `refund` gives late or second money back, in the background; the refund's events tell. " +
			"`ask` asks the provider again at once; if it still gives no answer, the review opens again. `acknowledge` changes nothing: it was seen to elsewhere. " +
			"A review's `actions` are those that fit it. The same decision again answers with the same review.",
		answers: map[int]string{200: "resolved"},
		codes: []payment.Code{
			payment.CodeInProgress, payment.CodeReviewResolved, payment.CodeReviewAction, payment.CodeNotRefundable, payment.CodeRefundLimit,
		},
	}, a.resolveReview)
}
