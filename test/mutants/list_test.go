package mutants_test

// mutants are the breaks, at least one for each mechanism that guards money.
var mutants = []mutant{
	// Who speaks.
	{
		"a provider's signature is not checked", "wechatpay/verify.go",
		"return key.verify(&signature, body)", "_, _ = key, body\n\treturn nil", "./wechatpay", "^TestNotificationsThatAreRefused$",
	},
	{
		"signatures of the future are accepted", "wechatpay/verify.go",
		"skew >= clockWindow {", "skew >= clockWindow && now.After(s.signedAt) {", "./wechatpay", "^TestClockWindowIsSymmetric$",
	},
	{
		"an app's signature does not cover the body", "internal/access/signed.go",
		"\tmac.Write(r.Body)\n", "", "./internal/access", "^TestSigned$",
	},
	{
		"an app's signed request passes twice", "internal/access/signed.go",
		"if !fresh {", `if !fresh && id.key.ID == "" {`, "./internal/access", "^TestSigned$",
	},
	{
		"a webhook's signature does not cover its body", "internal/webhook/sign.go",
		"signer.Sign(eventID, at, body)", "signer.Sign(eventID, at, nil)", "./internal/webhook", "^TestDeliver$",
	},
	{
		"a rotated secret signs for ever", "internal/webhook/sign.go",
		"if sealed.expired(at) {", "if sealed.expired(at) && at.IsZero() {", "./internal/webhook", "^TestRotateSecret$",
	},
	{
		"webhooks reach every address a name leads to", "internal/webhook/guard.go",
		"if err != nil || !g.allows(to.Addr()) {", "if err != nil || !to.IsValid() {", "./internal/webhook", "^TestNamesThatLeadInside$",
	},
	{
		"webhooks follow redirects", "internal/webhook/try.go",
		"s.transport.RoundTrip(req)", "(&http.Client{Transport: s.transport}).Do(req)", "./internal/webhook", "^(TestDeliver|TestNamesThatLeadInside)$",
	},
	{
		"a nonce is fresh each time", "internal/store/access.go",
		"return n == 1, err", "return n >= 0, err", "./internal/store", "^TestSQLite$",
	},
	{
		"a nonce that Redis has not seen is fresh", "internal/redis/nonce.go",
		"\tfresh, err = n.store.UseNonce(", "\tif asked == nil {\n\t\treturn true, nil\n\t}\n\tfresh, err = n.store.UseNonce(", "./internal/redis", "^TestANonceIsUsedOnce$",
	},

	// What is said is compared with our rows.
	{
		"the amount of an order is not compared", "internal/payment/report.go",
		"\t\td.number(\"amount\", r.Amount, p.Amount)\n", "", "./internal/payment", "^TestOrderReportsAreCompared$",
	},
	{
		"the merchant of an order is not compared", "internal/payment/report.go",
		"\td.text(\"merchant\", r.MerchantID, a.MerchantID)\n", "", "./internal/payment", "^TestOrderReportsAreCompared$",
	},
	{
		"a payment succeeds without a transaction number", "internal/payment/report.go",
		`if r.State == OrderPaid && r.TransactionID == "" {`, `if r.State == OrderClosed && r.TransactionID == "" {`, "./internal/payment", "^TestOrderReportsAreCompared$",
	},
	{
		"the amount of a refund is not compared", "internal/payment/refund.go",
		"\td.number(\"refund amount\", report.Amount, r.Amount)\n", "", "./internal/payment", "^TestRefundReportsAreCompared$",
	},

	// One transition, once.
	{
		"a change over a stale version is committed", "internal/store/payment.go",
		"WHERE app_id = $1 AND id = $2 AND version = $3", "WHERE app_id = $1 AND id = $2 AND version >= $3 - $3", "./internal/store", "^TestSQLite$",
	},
	{
		"a notification that was committed before is committed again", "internal/store/commit.go",
		"return payment.ErrDuplicate", "return nil", "./internal/store", "^TestSQLite$",
	},
	{
		"an order is paid once more by another transaction", "internal/payment/report.go",
		"if a.TransactionID == r.TransactionID {", "if a.TransactionID != \"\" {", "./internal/payment", "^(TestNotify|TestPaidOnTwoProducts|TestOrderReportsAreCompared)$",
	},
	{
		"the events of a payment all have one sequence", "internal/payment/event.go",
		"\tp.Sequence++\n", "", "./internal/payment", "^(TestAnyOrderOfEventsKeepsTheBooks|TestNotify|TestCreate)$",
	},
	{
		"the ledger books what was not paid", "internal/payment/report.go",
		"a.ID, r.Amount, p.Currency, now)", "a.ID, r.Amount+1, p.Currency, now)", "./internal/payment", "^(TestAnyOrderOfEventsKeepsTheBooks|TestNotify)$",
	},
	{
		"a notification that is not stored is acknowledged", "internal/notify/notify.go",
		"door.Answer(w, errNotStored)", "door.Answer(w, nil)", "./internal/notify", "^TestWhatIsNotStoredIsNotAcknowledged$",
	},
	{
		"other content under the same number is answered with the first payment", "internal/payment/create.go",
		"if !p.intends(req) {", `if p.ContentHash == "" {`, "./internal/payment", "^TestCreate$",
	},
	{
		"an idempotency key answers another request", "internal/idempotency/middleware.go",
		"case current.RequestHash != hash:", `case current.RequestHash == "":`, "./internal/idempotency", "^TestMiddleware$",
	},
	{
		"one bad change spoils the others of its group", "internal/store/group.go",
		"\t\t\t\trest = append(rest, e)\n\t\t\t}\n\t\t}\n\t\tgroup = rest", "\t\t\t\tc.answer(err, e)\n\t\t\t}\n\t\t}\n\t\tgroup = rest", "./internal/store", "^TestGroups$",
	},
	{
		"two orders of a payment that are asked for together are one payment in memory", "internal/store/gather.go",
		"q.answer = g.clone(q.answer)", "_ = g.clone(q.answer)", "./internal/store", "^TestTwoOrdersOfAPaymentAskedForTogetherAreAnsweredEachForItself$",
	},
	{
		"changes that wait for held rows take every connection", "internal/store/postgres.go",
		"max(1, int(config.MaxConns)/4)", "1000", "./internal/store", "^TestGroups$",
	},
	{
		"a review is resolved twice", "internal/store/review.go",
		"WHERE app_id = $1 AND id = $2 AND resolved_at = 0", "WHERE app_id = $1 AND id = $2", "./internal/store", "^TestSQLite$",
	},
	{
		"two processes serve one SQLite file", "internal/store/serving.go",
		"lock(ctx, real+\".serve\"); err != nil {", "lock(ctx, real+\".serve\"); err != nil && !errors.Is(err, ErrServed) {", "./internal/server", "^TestASQLiteFileIsServedOnce$",
	},

	// Numbers.
	{
		"without Redis there are no numbers", "internal/payment/number.go",
		"n.logger.DebugContext(ctx, \"a number is counted by the database instead\", \"error\", err)", "return \"\", err", "./internal/redis", "^TestNumbersNeverRepeatThoughRedisIsKilled$",
	},
	{
		"Redis and the database count into one another", "internal/payment/number.go",
		"string(markCounter) + sequence(i)", "string(markDatabase) + sequence(i)", "./internal/redis", "^TestNumbersNeverRepeatThoughRedisIsKilled$",
	},

	// Unknown is settled by asking.
	{
		"a refused order is believed without asking", "internal/payment/create.go",
		"report, err := provider.QueryOrder(ctx, a)", "var report OrderReport\n\t\terr := error(&ChannelError{Outcome: Absent})", "./internal/payment", "^TestPlaceOutcomes$",
	},
	{
		"nobody looks after a payment", "internal/payment/create.go",
		"\tc.Jobs = append(c.Jobs, p.followJob(now.Add(followOffsets[0])))\n", "", "./internal/payment", "^(TestCreate|TestKilledBetween)$",
	},
	{
		"a question without an answer confirms a refusal", "internal/payment/create.go",
		"asked.Outcome == Absent || asked.Outcome == Refused {", "asked.Outcome >= Unknown {", "./internal/payment", "^TestPlaceOutcomes$",
	},
	{
		"a refused refund is believed without asking", "internal/payment/refund.go",
		"report, err := provider.QueryRefund(ctx, r)\n\t\tif err == nil {", "var report RefundReport\n\t\terr := error(&ChannelError{Outcome: Absent})\n\t\tif err == nil {", "./internal/payment", "^TestRefundOutcomes$",
	},
	{
		"a refusal after a lost answer is a refusal", "wechatpay/call.go",
		"lostTry = lostTry || k.write && f.outcome == OutcomeUnknown", "lostTry = lostTry && k.write && f.outcome == OutcomeUnknown", "./wechatpay", "^TestRefusalAfterLostWriteIsUnknown$",
	},
	{
		"a refund is sent by its job while its request may be sending it", "internal/payment/refund.go",
		"&& !s.sending(r) {", "&& (s != nil || !s.sending(r)) {", "./internal/payment", "^(TestRefundOutcomes|TestRefund|TestKilledBetween)$",
	},
	{
		"a payment is closed here before it is closed at its provider", "internal/payment/follow.go",
		"\t\tif refusal.Outcome != Refused {\n\t\t\treturn p, refusal\n\t\t}\n\t\tp, heard, err = s.ask(ctx, p, a) // the usual reason: the payer was faster",
		"\t\tif refusal.Outcome != Refused {\n\t\t\treturn s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {\n\t\t\t\tc, _ := p.applyClosed(p.attempt(a.TradeNo), s.clock())\n\t\t\t\treturn c, nil\n\t\t\t})\n\t\t}\n\t\tp, heard, err = s.ask(ctx, p, a)",
		"./internal/payment", "^TestClose$",
	},
	{
		"a closed order is closed without asking whether it was paid", "internal/payment/follow.go",
		"\tp, heard, err := s.ask(ctx, p, a)\n\tif err != nil {", "\theard := heard{state: OrderUnpaid}\n\tvar err error\n\tif err != nil {", "./internal/payment", "^(TestClose|TestFollowPayment)$",
	},

	// A payer who switches.
	{
		"the order that a payer left is not closed", "internal/payment/switch.go",
		"return p.payable(now) && (a == current || current.Status == AttemptPlacing", "return p.payable(now) && (a == current || current.Status == AttemptPlacing || a.Status == AttemptOpen", "./internal/payment", "^TestSwitch$",
	},
	{
		"the order that a payer left is closed before the new one is placed", "internal/payment/switch.go",
		"(a == current || current.Status == AttemptPlacing && (a.Status == AttemptPlacing || a.Status == AttemptOpen))", "a == current", "./internal/payment", "^TestASwitchOfUnknownOutcome$",
	},
	{
		"a payment is closed while one of its orders is open", "internal/payment/report.go",
		"case AttemptPlacing, AttemptOpen, AttemptPaid:\n\t\t\treturn", "case AttemptPlacing, AttemptOpen:\n\t\tcase AttemptPaid:\n\t\t\treturn", "./internal/payment", "^TestTheEndOfAPaymentWithTwoOrders$",
	},
	{
		"the repeat of a switch is another switch", "internal/payment/create.go",
		"case asked != a:", "case asked != a || a.Ordinal > 1:", "./internal/payment", "^TestSwitch$",
	},
	{
		"the order that did not pay a payment can be paid on", "internal/payment/report.go",
		"current.Status != AttemptPaid {", "current.Status == AttemptRefused {", "./internal/payment", "^(TestTheOrderThatDidNotPay|TestASwitchOfUnknownOutcome)$",
	},

	// No more goes back than came in, and none is lost.
	{
		"a refund under way reserves nothing", "internal/payment/refund.go",
		"\tp.AmountRefunding += r.Amount\n", "", "./internal/payment", "^(TestRefund|TestAnyOrderOfEventsKeepsTheBooks)$",
	},
	{
		"refunds may exceed what is left", "internal/payment/refund.go",
		"case req.Amount > p.Refundable():", "case req.Amount > 2*p.AmountPaid:", "./internal/payment", "^TestRefund$",
	},
	{
		"a refund may exceed what its order paid", "internal/payment/refund.go",
		"case p.refundable(req.Amount) == nil:", "case p.refundable(req.Amount) == nil && req.Amount > p.AmountPaid:", "./internal/payment", "^TestPaidOnTwoProducts$",
	},
	{
		"money that comes late is not looked at", "internal/payment/report.go",
		"\tp.late(c, a, r, now)\n", "", "./internal/payment", "^TestLateMoney$",
	},

	// Storms.
	{
		"notifications beyond the bound are taken in", "internal/notify/notify.go",
		"if !h.house.enter() {", "if !h.house.enter() && r.Body == nil {", "./internal/notify", "^TestBeyondTheBoundTheAnswerIs503AtOnce$",
	},
	{
		"a provider that does not answer is asked on and on", "internal/channel/breaker.go",
		"case v == unanswered, b.circuit.IsHalfOpen():", "case b.circuit.IsHalfOpen():", "./internal/channel", "^TestTheBreakerOpensWhenMostCallsGetNoAnswer$",
	},
	{
		"repeats have no budget", "wechatpay/call.go",
		"|| !c.mayRepeat(ctx) {", "{", "./wechatpay", "^TestRepeatsStayInsideTheCallersBudget$",
	},
	{
		"calls to a provider are not paced", "internal/channel/limit.go",
		"\tif wait == 0 {", "\tif wait >= 0 {", "./internal/channel", "^TestCallsArePacedByTheProvidersLimit$",
	},
	{
		"refunds that keep failing are sent as fast as others", "internal/channel/limit.go",
		"/2 && f.limiter.AllowN(now, 1) {", "/2 || f.limiter.Burst() > 0 {", "./internal/channel", "^TestRefundsThatKeepFailingDoNotHoldUpTheOthers$",
	},
	{
		"a key may send without end", "internal/ratelimit/ratelimit.go",
		"if bucket.AllowN(now, 1) {", "if bucket.AllowN(now, 0) {", "./internal/ratelimit", "^TestAKeyHasABucket$",
	},
	{
		"without Redis a key may send without end", "internal/ratelimit/ratelimit.go",
		"\tif err != nil {\n\t\twait = l.local(keyID)", "\tif err != nil && l.config.Shared == nil {\n\t\twait = l.local(keyID)", "./internal/ratelimit", "^TestReplicasShareABucket$",
	},

	// Apps are told in the end, and what they may still need is kept.
	{
		"a webhook that fails is given up", "internal/webhook/deliver.go",
		"return s.record(ctx, w, d, Pending, again)", "return s.record(ctx, w, d, Dead, again)", "./internal/webhook", "^TestDeliver$",
	},
	{
		"what was given up stays so", "internal/store/webhook.go",
		"SET state = 'pending', round = round + 1, round_began = $2, tries = 0", "SET round = round + 1, round_began = $2, tries = 0", "./internal/store", "^TestSQLite$",
	},
	{
		"an endpoint that hangs holds the slots of all", "internal/webhook/gate.go",
		"case !at.open() && at.taken < g.slots:", "case !at.open():", "./internal/webhook", "^TestGates$",
	},
	{
		"events of a payment under way are pruned", "internal/store/prune.go",
		"p.status IN ('pending', 'processing') LIMIT", "p.status IN ('none') LIMIT", "./internal/store", "^TestSQLite$",
	},
	{
		"webhooks that did not arrive are pruned", "internal/store/prune.go",
		"`state <> 'delivered' AND EXISTS", "`state = 'none' AND EXISTS", "./internal/store", "^TestSQLite$",
	},

	// The event stream.
	{
		"events that were not sent are noted as sent", "internal/stream/stream.go",
		"events[sent-1]", "events[len(events)-1]", "./internal/stream", "^TestAnEventThatIsRefusedHoldsUpThoseAfterIt$",
	},
	{
		"the acknowledgement of another stream counts", "internal/stream/jet.go",
		", jetstream.WithExpectStream(j.name)", "", "./internal/stream", "^TestEventsThatAnotherStreamTakesAreNotTakenForPublished$",
	},
	{
		"what the stream does not have is pruned", "internal/store/prune.go",
		"if keep.Stream {", "if keep.Stream && keep.History == 0 {", "./internal/store", "^TestSQLite$/^WhatTheStreamDoesNotHaveIsNotPruned$",
	},
	{
		"two replicas feed the stream", "internal/store/stream.go",
		"pg_try_advisory_lock($1)", "pg_try_advisory_lock_shared($1)", "./internal/store", "^TestPostgres$/^OneProcessFeedsTheStream$",
	},
}
