package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// target is a promise about one run, as a ratio of figures of that run.
type target struct {
	promise string
	got     float64
	limit   float64
	least   bool // got must be at least limit; otherwise at most
}

func (t target) kept() bool {
	if t.least {
		return t.got >= t.limit
	}
	return t.got <= t.limit
}

func targets(r results) []target {
	allocs := func(s sample) float64 { return s.allocs }
	bytes := func(s sample) float64 { return s.bytes }
	var all []target
	for _, n := range callers {
		op := opPrepay(n)
		all = append(all,
			target{op + ": CPU beside one signature and one verification", r.ratio(op, libraryName, bareName, sample.cpuOf), 1.1, false},
			target{op + ": own CPU beside wechatpay-go's", r.ratio(op, libraryName, officialName, sample.ownCPUOf), 0.6, false},
			target{op + ": own CPU beside tuned wechatpay-go's", r.ratio(op, libraryName, officialTunedName, sample.ownCPUOf), 0.6, false},
			target{op + ": allocations beside wechatpay-go's", r.ratio(op, libraryName, officialName, allocs), 0.5, false},
			target{op + ": allocations beside tuned wechatpay-go's", r.ratio(op, libraryName, officialTunedName, allocs), 0.5, false},
			target{op + ": bytes beside wechatpay-go's", r.ratio(op, libraryName, officialName, bytes), 0.5, false},
			target{op + ": bytes beside tuned wechatpay-go's", r.ratio(op, libraryName, officialTunedName, bytes), 0.5, false},
		)
	}
	all = append(all,
		target{"parse: times faster than wechatpay-go", r.ratio(opParse, officialName, libraryName, sample.timeOf), 1.2, true},
		target{"parse: times faster than gopay", r.ratio(opParse, gopayName, libraryName, sample.timeOf), 1.2, true},
		target{"prepay, 64: new connections for a request", r.median(opPrepay(64), libraryName, func(s sample) float64 { return s.connections }), 0.03, false},
	)
	return all
}

func printTargets(to io.Writer, r results) {
	fmt.Fprint(to, "\n")
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, t := range targets(r) {
		verdict, bound := "FAIL", "at most"
		if t.kept() {
			verdict = "pass"
		}
		if t.least {
			bound = "at least"
		}
		fmt.Fprintf(w, "%s\t%s\t%.3f\t%s %.2f\n", verdict, t.promise, t.got, bound, t.limit)
	}
	_ = w.Flush()
}
