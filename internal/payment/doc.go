// Package payment is the domain: payments, their attempts and refunds, the
// states they may be in, and the use cases that move them.
//
// # Shape
//
// A [Payment] is loaded whole, with its attempts and refunds, and it is the
// unit of concurrency: every change of any of them carries the payment's
// version, and [Store.Commit] refuses a change computed from an older one.
// A use case therefore reads, computes a [Change] without side effects, and
// commits it; on [ErrConflict] it starts over. One Change holds everything
// one transition means: the rows, the events, the ledger postings, the jobs,
// the inbox row and the reviews. It is committed in one database transaction
// or not at all.
//
// # Outside effects
//
// Before a provider is asked to do anything, the row that says what is about
// to be asked is committed, with a job that will look after it. The answer is
// done, refused or unknown. Unknown is never settled by guessing or by a new
// number: the job asks the provider (or repeats with the same number) until
// the answer is trustworthy. Where software cannot decide, a [Review] is
// opened with the evidence.
//
// # Sources of truth
//
// A state moves only on what a provider said in a verified notification or a
// verified answer, and only after [Attempt] and report agree on merchant,
// app, trade number, amount and currency. Both arrive as the same
// [OrderReport] or [RefundReport] and take the same path, so it does not
// matter which is first, late or doubled.
package payment
