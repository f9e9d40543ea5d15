package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

func printConfiguration(to io.Writer, all []*contender, rounds int) {
	fmt.Fprintf(to, "%s on %s/%s with %d cores, medians of %d rounds in turns. The upstream is a process of its own on loopback: TLS 1.3,\n"+
		"HTTP/1.1, answers signed beforehand. Whoever verifies does so with RSA-2048 under the WeChat Pay public key.\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), rounds)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%s\n", c.name, c.configured)
	}
	_ = w.Flush()
}

// printTable prints each operation's contenders under each other; x is the time beside the library's.
func printTable(to io.Writer, all []*contender, r results) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\n\t\ttime\tx\tCPU\town CPU\tallocs\tbytes\tnew conns\tp50\tp99\t\n")
	for _, op := range operations() {
		ours := r.median(op.name, libraryName, sample.timeOf)
		label := op.name
		for _, c := range all {
			if len(r[key{op.name, c.name}]) == 0 {
				continue
			}
			at := func(of func(sample) float64) float64 { return r.median(op.name, c.name, of) }
			fmt.Fprintf(w, "%s\t%s\t%s\t%.2f\t%s\t%s\t%.0f\t%.0f\t%.3f\t%s\t%s\t\n", label, c.name,
				us(at(sample.timeOf)), at(sample.timeOf)/ours, us(at(sample.cpuOf)), us(at(sample.ownCPUOf)),
				at(func(s sample) float64 { return s.allocs }), at(func(s sample) float64 { return s.bytes }),
				at(func(s sample) float64 { return s.connections }),
				us(at(func(s sample) float64 { return float64(s.p50) })), us(at(func(s sample) float64 { return float64(s.p99) })))
			label = ""
		}
	}
	_ = w.Flush()
	fmt.Fprint(to, "\nEach figure is for one operation; times in microseconds. \"prepay, 16\" is a whole Native order by 16 callers at once. time is\n"+
		"the clock divided by the operations of all callers. own CPU is the process's CPU without the bare RSA's of the same round; the\n"+
		"bare RSA of parse is one verification with its hash and base64. new conns are counted at the upstream's listener.\n")
}

func us(nanoseconds float64) string {
	return fmt.Sprintf("%.1f", nanoseconds/float64(time.Microsecond))
}

func (s sample) timeOf() float64   { return float64(s.time) }
func (s sample) cpuOf() float64    { return float64(s.cpu) }
func (s sample) ownCPUOf() float64 { return float64(s.ownCPU) }

// median is over the rounds; not a number where nothing was measured.
func (r results) median(op, contender string, of func(sample) float64) float64 {
	return median(r[key{op, contender}], of)
}

// ratio is the median of the rounds' ratios: both sides of each were measured right after each other.
func (r results) ratio(op, numerator, denominator string, of func(sample) float64) float64 {
	above, below := r[key{op, numerator}], r[key{op, denominator}]
	if len(above) != len(below) {
		return math.NaN()
	}
	quotients := make([]float64, len(above))
	for i := range above {
		quotients[i] = of(above[i]) / of(below[i])
	}
	return median(quotients, func(q float64) float64 { return q })
}

func median[T any](of []T, figure func(T) float64) float64 {
	if len(of) == 0 {
		return math.NaN()
	}
	figures := make([]float64, len(of))
	for i, v := range of {
		figures[i] = figure(v)
	}
	slices.SortFunc(figures, cmp.Compare[float64])
	middle := len(figures) / 2
	if len(figures)%2 == 1 {
		return figures[middle]
	}
	return (figures[middle-1] + figures[middle]) / 2
}
