package fault_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/chance"
	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/fault"
)

func newSet() *fault.Set {
	return fault.NewSet(fault.Catalog{
		"one": {
			"pay": {fault.Delay, fault.Status}, "query": {fault.Status},
			"notify/payment": {fault.Status, fault.WrongAppID, fault.Duplicate}, "notify/refund": {fault.Status, fault.Duplicate},
		},
		"two": {"pay": {fault.Status}},
	}, chance.New(1, 0))
}

func add(t *testing.T, s *fault.Set, r fault.Rule) fault.Rule {
	t.Helper()
	added, err := s.Add(r)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func TestTake(t *testing.T) {
	t.Parallel()
	takes := func(s *fault.Set, provider, operation, order string) bool {
		_, ok := s.Take(provider, operation, order)
		return ok
	}

	t.Run("ARuleIsUsedAsOftenAsItSays", func(t *testing.T) {
		t.Parallel()
		s := newSet()
		add(t, s, fault.Rule{Provider: "one", Operation: "pay", Effect: fault.Status, Times: 2})
		for _, want := range []bool{true, true, false} {
			if takes(s, "one", "pay", "") != want {
				t.Fatal("not twice")
			}
		}
		if used := s.List()[0].Used; used != 2 {
			t.Fatalf("used %d", used)
		}
	})

	t.Run("FirstComeFirstServed", func(t *testing.T) {
		t.Parallel()
		s := newSet()
		first := add(t, s, fault.Rule{Provider: "one", Operation: "pay", Effect: fault.Status, Times: 1})
		second := add(t, s, fault.Rule{Provider: "one", Operation: "*", Effect: fault.Status})
		for _, want := range []string{first.ID, second.ID, second.ID} {
			if got, _ := s.Take("one", "pay", ""); got.ID != want {
				t.Fatalf("got %s, want %s", got.ID, want)
			}
		}
	})

	t.Run("PatternsProvidersAndOrdersMustFit", func(t *testing.T) {
		t.Parallel()
		s := newSet()
		add(t, s, fault.Rule{Provider: "one", Operation: "notify/*", Effect: fault.Status, Match: fault.Match{OutTradeNo: "A"}})
		if takes(s, "one", "pay", "A") || takes(s, "two", "notify/payment", "A") || takes(s, "one", "notify/payment", "B") || !takes(s, "one", "notify/refund", "A") {
			t.Fatal("the rule fits wrongly")
		}
	})

	t.Run("AnOperationWithoutTheEffectIsLeftAlone", func(t *testing.T) {
		t.Parallel()
		s := newSet()
		add(t, s, fault.Rule{Provider: "one", Operation: "notify/*", Effect: fault.WrongAppID})
		if takes(s, "one", "notify/refund", "") || !takes(s, "one", "notify/payment", "") {
			t.Fatal("the effect fits wrongly")
		}
	})

	t.Run("ProbabilityIsAShare", func(t *testing.T) {
		t.Parallel()
		s := newSet()
		add(t, s, fault.Rule{Provider: "one", Operation: "pay", Effect: fault.Status, Probability: new(0.3)})
		hits := 0
		for range 1000 {
			if takes(s, "one", "pay", "") {
				hits++
			}
		}
		if hits < 250 || hits > 350 {
			t.Fatalf("%d of 1000", hits)
		}
	})

	t.Run("DeletedAndClearedRulesAreGone", func(t *testing.T) {
		t.Parallel()
		s := newSet()
		r := add(t, s, fault.Rule{Provider: "one", Operation: "pay", Effect: fault.Status})
		if !s.Delete(r.ID) || s.Delete(r.ID) || takes(s, "one", "pay", "") {
			t.Fatal("not deleted")
		}
		add(t, s, fault.Rule{Provider: "one", Operation: "pay", Effect: fault.Status})
		s.Clear()
		if takes(s, "one", "pay", "") || len(s.List()) != 0 {
			t.Fatal("not cleared")
		}
	})
}

func TestAddRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	day := clock.Duration(25 * time.Hour)
	for field, rule := range map[string]fault.Rule{
		"provider":    {Provider: "three", Operation: "pay", Effect: fault.Status},
		"operation":   {Provider: "one", Operation: "refund", Effect: fault.Status},
		"effect":      {Provider: "one", Operation: "query", Effect: fault.Delay},
		"times":       {Provider: "one", Operation: "pay", Effect: fault.Status, Times: -1},
		"probability": {Provider: "one", Operation: "pay", Effect: fault.Status, Probability: new(1.1)},
		"delay":       {Provider: "one", Operation: "pay", Effect: fault.Status, Delay: day},
		"status":      {Provider: "one", Operation: "pay", Effect: fault.Status, Status: 99},
		"copies":      {Provider: "one", Operation: "notify/*", Effect: fault.Duplicate, Copies: fault.CopiesMax + 1},
	} {
		_, err := newSet().Add(rule)
		wrong, ok := errors.AsType[*fault.Invalid](err)
		if !ok || wrong.Field != field || wrong.Reason == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
}
