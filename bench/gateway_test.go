package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

// It starts everything, measures once and judges no time. That webhooks arrive shows that the notifications it measures
// are those of paid payments.
func TestOneRoundMeasuresTheGatewayBesideTheTutorial(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	plan := gatewayPlan{callers: []int{1, judgedCallers}, rounds: 1, slice: 20 * time.Millisecond, open: 10, webhooks: 10}
	if err := runGateway(t.Context(), plan, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"SQLite", "PostgreSQL", gatewayName, tutorialName, tutorialTunedName, "plain rows", "webhooks of", "with 10 open payments", "at most 1.35",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing about %q in\n%s", want, out.String())
		}
	}
}

func TestWhatWasNotMeasuredPassesNoTarget(t *testing.T) {
	t.Parallel()
	nothing := &measuredEngine{name: "PostgreSQL", services: []*ofService{{name: gatewayName}, {name: tutorialName}, {name: tutorialTunedName}}}
	for _, promise := range gatewayTargets() {
		if got := promise.of(nothing); promise.promise != "MiB resident at rest" && !math.IsNaN(got) {
			t.Errorf("%s: got %v", promise.promise, got)
		}
	}
}
