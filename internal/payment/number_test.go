package payment_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

const merchant = "1900000109"

var (
	numberForm = regexp.MustCompile(`^000109\d{14}[PQ][0-9A-HJKMNP-TV-Z]{11}$`)
	// What WeChat Pay takes as out_trade_no is wider: 6 to 32 of the digits, letters and _-*.
	everyProvider = regexp.MustCompile(`^[0-9A-Za-z]{6,32}$`)
)

// blocks are those of one database in memory.
type blocks struct {
	mu      sync.Mutex
	claimed map[string]int64
	claims  int
}

func (b *blocks) ClaimNumbers(_ context.Context, merchantID string, count int64) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.claimed == nil {
		b.claimed = map[string]int64{}
	}
	b.claims++
	first := b.claimed[merchantID]
	b.claimed[merchantID] += count
	return first, nil
}

// counter is one Redis in memory that goes away and forgets.
type counter struct {
	mu     sync.Mutex
	counts map[string]int64
	down   bool
}

func (c *counter) NextNumber(_ context.Context, merchantID, date string) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return 0, errors.New("down")
	}
	c.counts[merchantID+date]++
	return c.counts[merchantID+date], nil
}

func (c *counter) change(down, forget bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
	if forget {
		clear(c.counts)
	}
}

func trade(t interface{ Errorf(string, ...any) }, n *payment.Numbers, merchantID string, now time.Time) string {
	number, err := n.Trade(context.Background(), merchantID, now)
	if err != nil {
		t.Errorf("no number: %v", err)
	}
	return number
}

func TestANumberIsReadable(t *testing.T) {
	t.Parallel()
	lastOfMarch := time.Date(2026, 3, 31, 16, 0, 1, 0, time.UTC) // already April in China
	t.Run("CountedByTheDatabase", func(t *testing.T) {
		t.Parallel()
		n := payment.NewNumbers(&blocks{}, nil, nil)
		for _, want := range []string{"00010920260401000001P000000", "00010920260401000001P000001"} {
			number := trade(t, n, merchant, lastOfMarch)
			if !strings.HasPrefix(number, want) || !numberForm.MatchString(number) {
				t.Errorf("number %s, want %s and chance", number, want)
			}
		}
	})
	t.Run("CountedByTheCounter", func(t *testing.T) {
		t.Parallel()
		n := payment.NewNumbers(&blocks{}, &counter{counts: map[string]int64{}}, nil)
		if number := trade(t, n, merchant, lastOfMarch); !strings.HasPrefix(number, "00010920260401000001Q000001") {
			t.Errorf("number %s", number)
		}
	})
	t.Run("WhateverTheMerchantIsCalled", func(t *testing.T) {
		t.Parallel()
		n := payment.NewNumbers(&blocks{}, nil, nil)
		for merchantID, want := range map[string]string{"": "000000", "7": "000007", "2088-10/2345_é": "102345", "wxAbC": "0wxAbC"} {
			number := trade(t, n, merchantID, lastOfMarch)
			if !strings.HasPrefix(number, want+"2026") || !everyProvider.MatchString(number) || len(number) != 32 {
				t.Errorf("merchant %q: number %s, want %s first", merchantID, number, want)
			}
		}
	})
}

func TestANumberCostsARoundTripOnceInAThousand(t *testing.T) {
	t.Parallel()
	all := &blocks{}
	n := payment.NewNumbers(all, nil, nil)
	for range 2500 {
		trade(t, n, merchant, time.Unix(1, 0))
	}
	if all.claims != 3 {
		t.Errorf("%d claims for 2500 numbers, want 3", all.claims)
	}
}

func TestNumbersWaitForTheDatabaseAsLongAsTheCallerDoes(t *testing.T) {
	t.Parallel()
	hanging := &hangingBlocks{asked: make(chan struct{})}
	n := payment.NewNumbers(hanging, nil, nil)
	first, giveUp := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := n.Trade(first, merchant, time.Unix(1, 0))
		done <- err
	}()
	<-hanging.asked
	second, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Trade(second, merchant, time.Unix(1, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("the second caller, who went away, was told %v", err)
	}
	giveUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the first caller, who went away, was told %v", err)
	}
}

type hangingBlocks struct{ asked chan struct{} }

func (b *hangingBlocks) ClaimNumbers(ctx context.Context, _ string, _ int64) (int64, error) {
	close(b.asked)
	<-ctx.Done()
	return 0, ctx.Err()
}

// TestNumbersOfAProcessSortAsTheyWereMade plays clocks that jump and counters that go, come back and forget.
func TestNumbersOfAProcessSortAsTheyWereMade(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		redis := &counter{counts: map[string]int64{}}
		n := payment.NewNumbers(&blocks{}, redis, nil)
		now := time.Date(2026, 3, 9, 15, 59, 58, 0, time.UTC)
		last := ""
		for range 200 {
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0:
				redis.change(true, false)
			case 1:
				redis.change(false, rapid.Bool().Draw(t, "forgotten"))
			case 2:
				now = now.Add(time.Duration(rapid.IntRange(-3700, 3700).Draw(t, "seconds")) * time.Second)
			}
			number := trade(t, n, merchant, now)
			if number <= last {
				t.Fatalf("%s was made after %s and sorts before it", number, last)
			}
			if !numberForm.MatchString(number) {
				t.Fatalf("number %s", number)
			}
			last = number
		}
	})
}

// TestNumbersNeverRepeat has goroutines of several replicas on one database take numbers within one second, and the
// counter going, coming back and forgetting among them. What guards the numbers must be the sequences: chance is left out.
func TestNumbersNeverRepeat(t *testing.T) {
	t.Parallel()
	const replicas, callers, each = 3, 8, 150
	now := time.Date(2026, 3, 9, 1, 2, 3, 0, time.UTC)
	database, redis := storetest.OpenSQLite(t), &counter{counts: map[string]int64{}}
	var mu sync.Mutex
	var all, whole []string
	var group sync.WaitGroup
	for range replicas {
		n := payment.NewNumbers(database, redis, nil)
		for range callers {
			group.Go(func() {
				last := ""
				for i := range each {
					number := trade(t, n, merchant, now)
					if number <= last {
						t.Errorf("one caller was given %s after %s", number, last)
					}
					last = number
					if i%50 == 49 {
						redis.change(i%100 == 49, false)
					}
					mu.Lock()
					all, whole = append(all, number[:27]), append(whole, number)
					mu.Unlock()
				}
			})
		}
	}
	group.Wait()
	slices.Sort(all)
	if distinct := slices.Compact(slices.Clone(all)); len(distinct) != replicas*callers*each {
		t.Errorf("%d numbers of %d repeat without their chance", replicas*callers*each-len(distinct), len(all))
	}
	counted := map[bool]int{}
	for _, number := range whole {
		counted[number[20] == 'P']++
	}
	if counted[true] == 0 || counted[false] == 0 {
		t.Errorf("only one of the two sequences was used: %v", counted)
	}
}

func TestAClockThatWasSetBackHoldsTheSecondAndDoesNotRunAhead(t *testing.T) {
	t.Parallel()
	n := payment.NewNumbers(&blocks{}, nil, nil)
	noon := time.Date(2026, 3, 9, 4, 0, 0, 0, time.UTC)
	trade(t, n, merchant, noon)
	for range 100 {
		if number := trade(t, n, merchant, noon.Add(-time.Hour)); number[6:20] != "20260309120000" {
			t.Fatalf("number %s", number)
		}
	}
}

func TestARestoredDatabaseDoesNotMeetItsOwnPast(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 9, 4, 0, 0, 0, time.UTC)
	before := trade(t, payment.NewNumbers(&blocks{}, nil, nil), merchant, noon)
	after := trade(t, payment.NewNumbers(&blocks{}, nil, nil), merchant, noon.Add(time.Second))
	if before[20:27] != after[20:27] || before[:27] == after[:27] {
		t.Errorf("%s and %s: want one place in the sequence at two times", before, after)
	}
}

func TestNumbersOfARunningGateway(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	p := b.paid()
	r := b.refund(p, "refund-1", 10)
	if no := p.Attempts[0].TradeNo; !everyProvider.MatchString(no) || no[20] != 'P' {
		t.Errorf("trade number %s", no)
	}
	if !everyProvider.MatchString(r.RefundNo) || len(r.RefundNo) != 32 || r.RefundNo[20] != 'R' || r.RefundNo[:6] != p.Attempts[0].TradeNo[:6] {
		t.Errorf("refund number %s of trade number %s", r.RefundNo, p.Attempts[0].TradeNo)
	}
}
