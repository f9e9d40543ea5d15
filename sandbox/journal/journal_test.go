package journal_test

import (
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/sandbox/journal"
)

func TestJournal(t *testing.T) {
	t.Parallel()

	t.Run("TheNewestAreKept", func(t *testing.T) {
		t.Parallel()
		var j journal.Journal
		for range journal.EntriesMax + 5 {
			j.Add(journal.Entry{Kind: journal.Request})
		}
		entries, last := j.List(journal.Filter{})
		if len(entries) != journal.EntriesMax || entries[0].Seq != 6 || entries[len(entries)-1].Seq != last || last != journal.EntriesMax+5 {
			t.Fatalf("%d entries, from %d, last %d", len(entries), entries[0].Seq, last)
		}
	})

	t.Run("FiltersAndPolling", func(t *testing.T) {
		t.Parallel()
		var j journal.Journal
		for _, number := range []string{"A", "B", "A"} {
			j.Add(journal.Entry{OutTradeNo: number, Operation: "prepay"})
		}
		count := func(f journal.Filter) int {
			entries, _ := j.List(f)
			return len(entries)
		}
		if count(journal.Filter{OutTradeNo: "A"}) != 2 || count(journal.Filter{Operation: "close"}) != 0 ||
			count(journal.Filter{After: 2}) != 1 || count(journal.Filter{Limit: 1}) != 1 {
			t.Fatal("the filter selects wrongly")
		}
		j.Clear()
		if count(journal.Filter{}) != 0 {
			t.Fatal("entries after Clear")
		}
		j.Add(journal.Entry{})
		if entries, last := j.List(journal.Filter{}); len(entries) != 1 || last != 4 {
			t.Fatalf("%v %d", entries, last)
		}
	})

	t.Run("LongBodiesAreCut", func(t *testing.T) {
		t.Parallel()
		var j journal.Journal
		j.Add(journal.Entry{Request: strings.Repeat("x", journal.BodyBytesMax+1)})
		if entries, _ := j.List(journal.Filter{}); !strings.HasSuffix(entries[0].Request, "x…") {
			t.Fatal("not cut")
		}
	})
}
