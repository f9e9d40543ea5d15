package clock_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/clock"
)

func TestAdvance(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	fixed := func() time.Time { return start }

	t.Run("TasksRunInOrderAtTheirOwnMoments", func(t *testing.T) {
		t.Parallel()
		c := clock.New(fixed)
		var seen []time.Duration
		note := func(due time.Time) {
			if !c.Now().Equal(due) {
				t.Errorf("due %v, now %v", due, c.Now())
			}
			seen = append(seen, due.Sub(start))
		}
		for _, after := range []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour} {
			c.At(start.Add(after), note)
		}
		c.At(start.Add(2*time.Hour), func(due time.Time) {
			note(due)
			c.At(due.Add(30*time.Minute), note)
		})
		if err := c.Advance(t.Context(), 2*time.Hour+45*time.Minute); err != nil {
			t.Fatal(err)
		}
		if want := []time.Duration{time.Hour, 2 * time.Hour, 2 * time.Hour, 150 * time.Minute}; !slices.Equal(seen, want) {
			t.Fatalf("ran at %v, want %v", seen, want)
		}
		if got := c.Now().Sub(start); got != 165*time.Minute {
			t.Fatalf("now %v", got)
		}
		if c.Pending() != 1 {
			t.Fatalf("%d tasks are left", c.Pending())
		}
	})

	t.Run("OnlyForwardAndNotForEver", func(t *testing.T) {
		t.Parallel()
		c := clock.New(fixed)
		for _, d := range []time.Duration{0, -time.Second, clock.AdvanceMax + 1} {
			if c.Advance(t.Context(), d) == nil {
				t.Fatalf("%v was accepted", d)
			}
		}
	})

	t.Run("EndsWithItsContext", func(t *testing.T) {
		t.Parallel()
		c := clock.New(fixed)
		ctx, cancel := context.WithCancel(t.Context())
		c.At(start.Add(time.Hour), func(time.Time) { cancel() })
		c.At(start.Add(2*time.Hour), func(time.Time) { t.Error("ran after the end") })
		if c.Advance(ctx, 3*time.Hour) == nil {
			t.Fatal("no error")
		}
	})

	t.Run("ResetDropsTasksAndOffset", func(t *testing.T) {
		t.Parallel()
		c := clock.New(fixed)
		c.At(start.Add(2*time.Hour), func(time.Time) { t.Error("ran after the reset") })
		if err := c.Advance(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		c.Reset()
		if err := c.Advance(t.Context(), 5*time.Hour); err != nil {
			t.Fatal(err)
		}
		if c.Offset() != 5*time.Hour {
			t.Fatalf("offset %v", c.Offset())
		}
	})
}

func TestRunStartsTasksAsTimePasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clock.New(nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			c.Run(ctx)
			close(ended)
		}()
		started := time.Now()
		ran := make(chan time.Duration, 3)
		note := func(time.Time) { ran <- time.Since(started) }
		c.At(c.Now().Add(2*time.Second), note)
		c.At(c.Now(), note)
		if got := <-ran; got != 0 {
			t.Fatalf("the first ran after %v", got)
		}
		if got := <-ran; got != 2*time.Second {
			t.Fatalf("the second ran after %v", got)
		}
		c.At(c.Now().Add(time.Hour), note)
		if err := c.Advance(ctx, time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := <-ran; got != 2*time.Second {
			t.Fatalf("the third ran after %v", got)
		}
		cancel()
		<-ended
	})
}

func TestAdvanceWaitsForRunningTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clock.New(nil)
		ctx, cancel := context.WithCancel(t.Context())
		go c.Run(ctx)
		done := false
		c.At(c.Now(), func(time.Time) {
			<-time.After(3 * time.Second) // the bubble's time
			done = true
		})
		synctest.Wait()
		if err := c.Advance(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
		if !done {
			t.Fatal("the clock moved under a running task")
		}
		cancel()
		synctest.Wait()
	})
}

func TestDuration(t *testing.T) {
	t.Parallel()
	var d clock.Duration
	if err := json.Unmarshal([]byte(`"1h30m"`), &d); err != nil || d.Std() != 90*time.Minute {
		t.Fatalf("%v %v", d, err)
	}
	if text, err := json.Marshal(d); err != nil || string(text) != `"1h30m0s"` {
		t.Fatalf("%s %v", text, err)
	}
	for _, bad := range []string{"90", `"90"`, `"soon"`, "{}"} {
		if json.Unmarshal([]byte(bad), &d) == nil {
			t.Fatalf("%s was accepted", bad)
		}
	}
}
