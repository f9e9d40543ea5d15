package storetest

import (
	"sync"
	"testing"
)

var numberTests = map[string]func(*testing.T, *bundle){
	"APlaceInASequenceIsGivenOnce":    aPlaceInASequenceIsGivenOnce,
	"EachMerchantHasItsOwnSequence":   eachMerchantHasItsOwnSequence,
	"AClaimIsKeptWhoeverDoesNotUseIt": aClaimIsKept,
}

func aPlaceInASequenceIsGivenOnce(t *testing.T, b *bundle) {
	const claims, count = 20, 7
	firsts := make([]int64, claims)
	var group sync.WaitGroup
	for i := range firsts {
		group.Go(func() {
			var err error
			if firsts[i], err = b.ClaimNumbers(t.Context(), "1900000109", count); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	given := map[int64]bool{}
	for _, first := range firsts {
		for i := range int64(count) {
			if given[first+i] {
				t.Errorf("%d was given twice", first+i)
			}
			given[first+i] = true
		}
	}
	for i := range int64(claims * count) {
		if !given[i] {
			t.Errorf("%d was never given", i)
		}
	}
}

func eachMerchantHasItsOwnSequence(t *testing.T, b *bundle) {
	must(b.ClaimNumbers(t.Context(), "1900000109", 10))(t)
	if first := must(b.ClaimNumbers(t.Context(), "1900000110", 10))(t); first != 0 {
		t.Errorf("another merchant begins at %d", first)
	}
}

func aClaimIsKept(t *testing.T, b *bundle) {
	must(b.ClaimNumbers(t.Context(), "1900000109", 10))(t)
	if first := must(b.ClaimNumbers(t.Context(), "1900000109", 1))(t); first != 10 {
		t.Errorf("the next place is %d, want 10", first)
	}
}
