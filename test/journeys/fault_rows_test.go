package journeys_test

import "maps"

// faultTable is what docs/fault-table.md shows and [TestFaultTable] runs.
var faultTable = []risky{
	{
		name: "Place", what: "An order is placed at the provider (`prepay`); afterwards the app repeats its request.",
		told: "the app is told", ends: "the end", open: openPlain, play: placeWrong,
		endings: usually(ending{"`processing`", "`pending`, 1 order"}, map[wrong]ending{
			refused: {"422 `channel_refused`", "`failed`, 0 orders"},
			tooFast: {"503 `channel_unavailable`", "`pending`, 1 order"},
			slow:    {"`pending`", "`pending`, 1 order"},
		}),
	},
	{
		name: "Query", what: "The provider is asked about an order that was paid, and of which no notification came; afterwards it is asked again.",
		told: "the app is told, and the payment is", ends: "the end", open: openSilent, play: queryWrong,
		endings: usually(ending{"503 `channel_unavailable`, `pending`", "`succeeded`, told by `payment.succeeded`"}, map[wrong]ending{
			slow: {"`succeeded`, `succeeded`", "`succeeded`, told by `payment.succeeded`"},
		}),
	},
	{
		name: "Close", what: "An order is closed at the provider; afterwards the app repeats its request.",
		told: "the app is told, and the provider has", ends: "the end", open: openPlain, play: closeWrong,
		endings: usually(ending{"`pending`, order `CLOSED`", "`closed`, order `CLOSED`, told by `payment.closed`"}, map[wrong]ending{
			refused:     {"`pending`, order `NOTPAY`", "`closed`, order `CLOSED`, told by `payment.closed`"},
			unreachable: {"`pending`, order `NOTPAY`", "`closed`, order `CLOSED`, told by `payment.closed`"},
			requestLost: {"`pending`, order `NOTPAY`", "`closed`, order `CLOSED`, told by `payment.closed`"},
			failed:      {"`pending`, order `NOTPAY`", "`closed`, order `CLOSED`, told by `payment.closed`"},
			tooFast:     {"`pending`, order `NOTPAY`", "`closed`, order `CLOSED`, told by `payment.closed`"},
			slow:        {"`closed`, order `CLOSED`", "`closed`, order `CLOSED`, told by `payment.closed`"},
		}),
	},
	{
		name: "Refund", what: "A refund is made; afterwards its job asks, and sends it again under its number where the provider does not have it.",
		told: "the app is told", ends: "the end", open: openLater, play: refundWrong,
		endings: usually(ending{"`pending`", "`succeeded`, 1 refund"}, map[wrong]ending{
			refused: {"`failed`", "`failed`, 0 refunds"},
			slow:    {"`processing`", "`succeeded`, 1 refund"},
		}),
	},
	{
		name: "QueryRefund", what: "The provider is asked about a refund that went through, and of which no notification came; afterwards it is asked again.",
		told: "the app is told, and the payment is", ends: "the end", open: openSilent, play: queryRefundWrong,
		endings: usually(ending{"503 `channel_unavailable`, `succeeded`", "`refunded`, refund `succeeded`"}, map[wrong]ending{
			slow: {"`refunded`, `refunded`", "`refunded`, refund `succeeded`"},
		}),
	},
	{
		name: "Notification", what: "The provider notifies of a payment, through a load balancer; afterwards it sends again what was not received.",
		told: "the provider is answered, and the payment is", ends: "the end", open: openNotified, play: notificationWrong,
		endings: usually(ending{"no answer, `succeeded`", "`succeeded`, told by `payment.succeeded`"}, map[wrong]ending{
			refused:     {"403, `pending`", "`succeeded`, told by `payment.succeeded`"},
			unreachable: {"no answer, `pending`", "`succeeded`, told by `payment.succeeded`"},
			requestLost: {"no answer, `pending`", "`succeeded`, told by `payment.succeeded`"},
			failedDone:  {"500, `succeeded`", "`succeeded`, told by `payment.succeeded`"},
			failed:      {"500, `pending`", "`succeeded`, told by `payment.succeeded`"},
			tooFast:     {"429, `pending`", "`succeeded`, told by `payment.succeeded`"},
			badSigned:   {"401, `pending`", "`succeeded`, told by `payment.succeeded`"},
			probe:       {"401, `pending`", "`succeeded`, told by `payment.succeeded`"},
			stale:       {"401, `pending`", "`succeeded`, told by `payment.succeeded`"},
		}),
	},
	{
		name: "Webhook", what: "The gateway tells the app of an event; afterwards it tries again.",
		told: "the first try", ends: "the end", open: openHooked, play: webhookWrong,
		endings: usually(ending{"no answer", "delivered at try 2, received 2× with one id"}, map[wrong]ending{
			refused:     {"403", "delivered at try 2, received 1× with one id"},
			unreachable: {"no answer", "delivered at try 2, received 1× with one id"},
			requestLost: {"no answer", "delivered at try 2, received 1× with one id"},
			failedDone:  {"500", "delivered at try 2, received 2× with one id"},
			failed:      {"500", "delivered at try 2, received 1× with one id"},
			tooFast:     {"429", "delivered at try 2, received 1× with one id"},
			badSigned:   unsigned, probe: unsigned, stale: unsigned,
		}),
	},
}

// usually are the endings of an operation: one for all faults but the exceptions.
func usually(e ending, exceptions map[wrong]ending) map[wrong]ending {
	all := map[wrong]ending{}
	for _, f := range wrongs {
		all[f] = e
	}
	maps.Copy(all, exceptions)
	return all
}
