package main

import (
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"
)

func printGateway(to io.Writer, pl gatewayPlan, all []*measuredEngine) {
	fmt.Fprintf(to, "%s on %s/%s with %d cores, medians of %d rounds of %s in turns. Every service is a process of its own, and so are\n"+
		"the database and the provider; shops and the provider's notifications come from the measuring process. All on loopback and on\n"+
		"the same cores. The provider speaks TLS 1.3 and HTTP/1.1 and answers orders with a signature made beforehand. Every commit is\n"+
		"synced.\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), pl.rounds, pl.slice)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, s := range all[0].services {
		fmt.Fprintf(w, "%s\t%s\n", s.name, s.configured)
	}
	_ = w.Flush()
	for _, m := range all {
		fmt.Fprintf(to, "\n== %s\n", m.name)
		printCreations(to, pl.callers, m)
		printIntakes(to, m)
		printRest(to, m)
	}
	fmt.Fprint(to, "\nCPU is in RSA-2048 signatures of crypto/rsa, measured in the same round: the service's process alone, and the database's processes.\n"+
		"\"a core\" is a second's orders by a core that runs nothing but the service. writes are database transactions that wrote. new conns\n"+
		"are those opened to the provider.\n")
	printGatewayTargets(to, all)
}

func printCreations(to io.Writer, allCallers []int, m *measuredEngine) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\norders, callers\t\ta second\ta core\tCPU\tdatabase CPU\twrites\tp50 ms\tp99 ms\tnew conns\tfailed\t\n")
	for _, callers := range allCallers {
		label := fmt.Sprint(callers)
		for _, s := range m.services {
			at := func(of func(creation) float64) float64 { return median(s.creations[callers], of) }
			failed := 0
			for _, c := range s.creations[callers] {
				failed += c.failed
			}
			fmt.Fprintf(w, "%s\t%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%s\t%s\t%.3f\t%d\t\n", label, s.name,
				at(creation.rateOf), at(creation.perCoreOf), at(creation.cpuOf), at(creation.databaseCPUOf), at(creation.writesOf),
				ms(at(creation.p50Of)), ms(at(creation.p99Of)), at(creation.connectionsOf), failed)
			label = ""
		}
	}
	_ = w.Flush()
}

func printIntakes(to io.Writer, m *measuredEngine) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nnotifications, %d callers\ta second\tCPU\twrites\tp99 ms\tslowest ms\tfailed\t\n", intakeCallers)
	for _, s := range m.services {
		at := func(of func(intake) float64) float64 { return median(s.intakes, of) }
		failed := 0
		for _, i := range s.intakes {
			failed += i.failed
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.2f\t%s\t%s\t%d\t\n", s.name, at(intake.rateOf), at(func(i intake) float64 { return i.cpu }), at(func(i intake) float64 { return i.writes }),
			ms(at(func(i intake) float64 { return float64(i.p99) })), ms(at(func(i intake) float64 { return float64(i.slowest) })), failed)
	}
	fmt.Fprintf(w, "plain rows, a commit each\t%.0f\t\t\t\t\t\t\n", median(m.floors, func(f floor) float64 { return f.perRow }))
	fmt.Fprintf(w, "plain rows, a commit for %d\t%.0f\t\t\t\t\t\t\n", groupRows, median(m.floors, func(f floor) float64 { return f.grouped }))
	_ = w.Flush()
}

func printRest(to io.Writer, m *measuredEngine) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nresident memory, MiB\tat rest\tafter the rounds\twith %d open payments\t\n", m.open)
	for _, s := range m.services {
		open := ""
		if s.memory.open > 0 {
			open = mib(s.memory.open)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\n", s.name, mib(s.memory.rest), mib(s.memory.worked), open)
	}
	_ = w.Flush()
	fmt.Fprintf(to, "\nwebhooks of %s delivered to one endpoint: %.0f a second, from the first notification to the last webhook\n", m.services[0].name, m.webhooks)
	for _, s := range m.services {
		if s.firstFailure != nil {
			fmt.Fprintf(to, "the first failure of %s: %v\n", s.name, s.firstFailure)
		}
	}
}

func ms(nanoseconds float64) string {
	return fmt.Sprintf("%.1f", nanoseconds/float64(time.Millisecond))
}

func mib(bytes int64) string { return fmt.Sprintf("%.0f", float64(bytes)/(1<<20)) }

func (c creation) rateOf() float64        { return c.rate }
func (c creation) perCoreOf() float64     { return float64(time.Second) / (c.cpu * float64(c.signature)) }
func (c creation) cpuOf() float64         { return c.cpu }
func (c creation) databaseCPUOf() float64 { return c.databaseCPU }
func (c creation) writesOf() float64      { return c.writes }
func (c creation) p50Of() float64         { return float64(c.p50) }
func (c creation) p99Of() float64         { return float64(c.p99) }
func (c creation) connectionsOf() float64 { return c.connections }
func (i intake) rateOf() float64          { return i.rate }
