package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// target is a promise about one run, as a ratio of figures of that run.
type target struct {
	promise string
	limit   float64
	least   bool // the ratio must be at least limit; otherwise at most
	// got is the ratio for a contender of ours; not a number where it was not measured.
	got func(r results, ours string) float64
}

func (t target) verdict(got float64) string {
	switch {
	case math.IsNaN(got):
		return "not measured"
	case t.least && got >= t.limit, !t.least && got <= t.limit:
		return fmt.Sprintf("pass %.3f", got)
	}
	return fmt.Sprintf("FAIL %.3f", got)
}

func allocsOf(s sample) float64      { return s.allocs }
func bytesOf(s sample) float64       { return s.bytes }
func connectionsOf(s sample) float64 { return s.connections }

// beside is our figure divided by another's.
func beside(op, other string, of func(sample) float64) func(results, string) float64 {
	return func(r results, ours string) float64 { return r.ratio(op, ours, other, of) }
}

// times is how many times ours goes into another's.
func times(op, other string, of func(sample) float64) func(results, string) float64 {
	return func(r results, ours string) float64 { return r.ratio(op, other, ours, of) }
}

func targets() []target {
	var all []target
	for _, n := range callers {
		whole, own := opPrepay(n), opUnsigned(n)
		all = append(all,
			target{whole + ": CPU beside one signature and one verification", 1.1, false, beside(whole, bareName, sample.cpuOf)},
			target{own + ": own CPU beside wechatpay-go's", 0.6, false, beside(own, officialName, sample.ownCPUOf)},
			target{whole + ": allocations beside wechatpay-go's", 0.5, false, beside(whole, officialName, allocsOf)},
			target{whole + ": bytes beside wechatpay-go's", 0.5, false, beside(whole, officialName, bytesOf)},
		)
	}
	return append(all,
		// By one caller who waits for nobody, so that CPU is time, without that of other programs.
		target{"parse: times faster than wechatpay-go, by CPU", 1.2, true, times(opParse, officialName, sample.cpuOf)},
		target{"parse: times faster than gopay, by CPU", 1.2, true, times(opParse, gopayName, sample.cpuOf)},
		target{opPrepay(64) + ": new connections for a request", 0.03, false, func(r results, ours string) float64 {
			return r.median(opPrepay(64), ours, connectionsOf)
		}},
	)
}

// beyond is for the library with everything optional, beside the peers at their best.
func beyond() []target {
	var all []target
	for _, n := range callers {
		op := opPrepay(n)
		all = append(all,
			target{op + ": times faster than tuned wechatpay-go", 1.4, true, times(op, officialTunedName, sample.timeOf)},
			target{op + ": times faster than tuned gopay", 1.4, true, times(op, gopayTunedName, sample.timeOf)},
		)
	}
	return all
}

func printTargets(to io.Writer, r results) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\ntarget\twanted\t%s\t%s\t%s\n", libraryName, directName, opensslName)
	for _, t := range targets() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.promise, t.bound(), t.verdict(t.got(r, libraryName)), t.verdict(t.got(r, directName)), t.verdict(t.got(r, opensslName)))
	}
	for _, t := range beyond() {
		fmt.Fprintf(w, "%s\t%s\t\t\t%s\n", t.promise, t.bound(), t.verdict(t.got(r, opensslName)))
	}
	_ = w.Flush()
	fmt.Fprint(to, "\nown CPU is compared under a signer that costs nothing: beside a signature it is the small difference of two large figures.\n")
}

func (t target) bound() string {
	if t.least {
		return fmt.Sprintf("at least %.2f", t.limit)
	}
	return fmt.Sprintf("at most %.2f", t.limit)
}
