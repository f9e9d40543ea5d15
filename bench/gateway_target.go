package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// gatewayTarget is a promise about an engine's figures of one run, all of them ratios but the memory.
type gatewayTarget struct {
	target
	// of is the figure; not a number where it was not measured.
	of func(*measuredEngine) float64
}

// judgedCallers is how many shops the targets speak of.
const judgedCallers = 64

func gatewayTargets() []gatewayTarget {
	creations := func(of func(creation) float64, above, below string) func(*measuredEngine) float64 {
		return func(m *measuredEngine) float64 {
			return ratios(m.creationsOf(above), m.creationsOf(below), of, of)
		}
	}
	gateway := func(of func(creation) float64) func(*measuredEngine) float64 {
		return func(m *measuredEngine) float64 { return median(m.creationsOf(gatewayName), of) }
	}
	least, most := true, false
	return []gatewayTarget{
		{target{promise: "CPU of an order beside one signature", limit: 1.35, least: most}, gateway(creation.cpuOf)},
		{target{promise: "orders a second beside the tutorial's", limit: 3, least: least}, creations(creation.rateOf, gatewayName, tutorialName)},
		{target{promise: "orders a second beside the tuned tutorial's", limit: 1.4, least: least}, creations(creation.rateOf, gatewayName, tutorialTunedName)},
		{target{promise: "orders a second with an accelerated signer, beside the tutorial's", limit: 5, least: least}, creations(creation.rateOf, acceleratedName, tutorialName)},
		{target{promise: "PostgreSQL's CPU of an order beside one signature", limit: 0.3, least: most}, onlyOn("PostgreSQL", gateway(creation.databaseCPUOf))},
		{target{promise: "p99 of an order beside the tutorial's", limit: 0.333, least: most}, creations(creation.p99Of, gatewayName, tutorialName)},
		{target{promise: "new connections to the provider for an order", limit: 0.001, least: most}, gateway(creation.connectionsOf)},
		{target{promise: "notifications a second beside the tutorial's", limit: 6, least: least}, func(m *measuredEngine) float64 {
			return ratios(m.intakesOf(gatewayName), m.intakesOf(tutorialName), intake.rateOf, intake.rateOf)
		}},
		{target{promise: "notifications beside rows with a commit each, SQLite", limit: 8, least: least}, onlyOn("SQLite", besideRows)},
		{target{promise: "notifications beside rows with a commit each, PostgreSQL", limit: 3, least: least}, onlyOn("PostgreSQL", besideRows)},
		{target{promise: "MiB resident at rest", limit: 64, least: most}, func(m *measuredEngine) float64 {
			return float64(m.service(gatewayName).memory.rest) / (1 << 20)
		}},
	}
}

func (m *measuredEngine) creationsOf(name string) []creation {
	if s := m.service(name); s != nil {
		return s.creations[judgedCallers]
	}
	return nil
}

func (m *measuredEngine) intakesOf(name string) []intake { return m.service(name).intakes }

func besideRows(m *measuredEngine) float64 {
	return median(m.intakesOf(gatewayName), func(i intake) float64 { return i.rate / i.besideBy.perRow })
}

func onlyOn(engine string, of func(*measuredEngine) float64) func(*measuredEngine) float64 {
	return func(m *measuredEngine) float64 {
		if m.name != engine {
			return math.NaN()
		}
		return of(m)
	}
}

// ratios is the median of the rounds' ratios: both sides of each were measured soon after each other.
func ratios[T any](above, below []T, over, under func(T) float64) float64 {
	if len(above) != len(below) {
		return math.NaN()
	}
	quotients := make([]float64, len(above))
	for i := range above {
		quotients[i] = over(above[i]) / under(below[i])
	}
	return median(quotients, func(q float64) float64 { return q })
}

func printGatewayTargets(to io.Writer, all []*measuredEngine) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\ntarget, at %d callers\twanted", judgedCallers)
	for _, m := range all {
		fmt.Fprintf(w, "\t%s", m.name)
	}
	for _, t := range gatewayTargets() {
		fmt.Fprintf(w, "\n%s\t%s", t.promise, t.bound())
		for _, m := range all {
			fmt.Fprintf(w, "\t%s", t.verdict(t.of(m)))
		}
	}
	fmt.Fprintln(w)
	_ = w.Flush()
}
