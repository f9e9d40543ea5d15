// Package fault holds the failures a test has asked for and deals them out to the providers.
package fault

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/chance"
	"github.com/tongbao-pay/tongbao/sandbox/clock"
)

// An Effect is what goes wrong. Which effects an operation knows is said by the [Catalog].
type Effect string

// Effects on calls to a provider, and, where it makes sense, on its notifications.
const (
	Delay          Effect = "delay"           // nothing but time
	Refuse         Effect = "refuse"          // connection reset before the request is looked at
	LoseRequest    Effect = "lose_request"    // dropped before it is executed
	LoseAnswer     Effect = "lose_answer"     // executed, then the connection is cut
	Status         Effect = "status"          // an error answer, executed or not
	RateLimit      Effect = "rate_limit"      // too many requests, not executed
	BadSignature   Effect = "bad_signature"   // signature over other bytes
	Probe          Effect = "probe"           // the provider's own test of the receiver's verification
	StaleTimestamp Effect = "stale_timestamp" // well signed, but ten minutes ago
	UnknownSerial  Effect = "unknown_serial"  // names a key nobody knows
	Truncate       Effect = "truncate"        // executed, the answer breaks off in the middle
	HTML           Effect = "html"            // a web page where JSON is due, executed or not
)

// Effects on notifications only.
const (
	Duplicate   Effect = "duplicate"    // the same notification several times at once
	Reorder     Effect = "reorder"      // held back until another notification has been sent
	Withhold    Effect = "withhold"     // never sent
	Corrupt     Effect = "corrupt"      // well signed, the ciphertext is damaged
	WrongAmount Effect = "wrong_amount" // well signed, another amount
	WrongMchID  Effect = "wrong_mchid"  // well signed, another merchant
	WrongAppID  Effect = "wrong_appid"  // well signed, another app
	OtherKey    Effect = "other_key"    // well signed, encrypted under another merchant's key
)

// Limits of a [Rule].
const (
	DelayMax  = 24 * time.Hour
	CopiesMax = 1000
	RulesMax  = 1000
)

// Match narrows a rule down; its zero value matches everything.
type Match struct {
	OutTradeNo string `json:"out_trade_no,omitempty"`
}

// Rule is one failure to happen.
type Rule struct {
	ID          string         `json:"id"`
	Provider    string         `json:"provider"`
	Operation   string         `json:"operation"`             // a name of the catalog, "notify/*" or "*"
	Effect      Effect         `json:"effect"`                //
	Times       int            `json:"times,omitempty"`       // how often it happens; 0: until the rule is deleted
	Probability *float64       `json:"probability,omitempty"` // of happening when it could, 0 to 1; absent: 1
	Delay       clock.Duration `json:"delay,omitempty"`       // waits first, with every effect; calls wait in real time, notifications on the sandbox's clock
	Status      int            `json:"status,omitempty"`      // [Status], [HTML]: the HTTP status; 0: 500, or 200 for a page
	Code        string         `json:"code,omitempty"`        // [Status]: the provider's error code; empty: the one that goes with the status
	Executed    bool           `json:"executed,omitempty"`    // [Status], [HTML]: whether the request takes effect all the same
	Copies      int            `json:"copies,omitempty"`      // [Duplicate]: how many are sent at once; 0: 2
	Match       Match          `json:"match"`
	Used        int            `json:"used"` // how often it has happened
}

// Catalog says which effects each operation of each provider knows.
type Catalog map[string]map[string][]Effect

// Invalid is a rule that cannot work.
type Invalid struct {
	Field, Reason string
	Allowed       []string
}

func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }

// Set is safe for concurrent use. Rules live in memory: a restarted sandbox behaves well.
type Set struct {
	catalog Catalog
	chance  *chance.Source

	mu    sync.Mutex
	last  int
	rules []*Rule
}

// NewSet returns an empty set for the operations of the catalog.
func NewSet(catalog Catalog, source *chance.Source) *Set {
	return &Set{catalog: catalog, chance: source}
}

// Add checks the rule, numbers it and puts it behind those that are there. The error is an [*Invalid].
func (s *Set) Add(r Rule) (Rule, error) {
	if err := s.check(r); err != nil {
		return Rule{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rules) >= RulesMax {
		return Rule{}, &Invalid{Field: "faults", Reason: "there are 1000 rules already; delete some first"}
	}
	s.last++
	r.ID, r.Used = "flt_"+strconv.Itoa(s.last), 0
	s.rules = append(s.rules, &r)
	return r, nil
}

func (s *Set) check(r Rule) error {
	operations, known := s.catalog[r.Provider]
	if !known {
		return &Invalid{"provider", "name a provider of this sandbox", slices.Sorted(maps.Keys(s.catalog))}
	}
	names := slices.Sorted(maps.Keys(operations))
	effects := map[string]bool{}
	for _, name := range names {
		if !covers(r.Operation, name) {
			continue
		}
		for _, e := range operations[name] {
			effects[string(e)] = true
		}
	}
	if len(effects) == 0 {
		return &Invalid{"operation", "name an operation of the provider", append(names, "notify/*", "*")}
	}
	if !effects[string(r.Effect)] {
		return &Invalid{"effect", fmt.Sprintf("%q has no such effect", r.Operation), slices.Sorted(maps.Keys(effects))}
	}
	switch {
	case r.Times < 0:
		return &Invalid{Field: "times", Reason: "0 means until deleted; otherwise a positive number"}
	case r.Probability != nil && (*r.Probability < 0 || *r.Probability > 1):
		return &Invalid{Field: "probability", Reason: "give a number from 0 to 1"}
	case r.Delay < 0 || r.Delay.Std() > DelayMax:
		return &Invalid{Field: "delay", Reason: "give 0s to 24h"}
	case r.Effect == Delay && r.Delay == 0:
		return &Invalid{Field: "delay", Reason: `say how long, such as "2s"`}
	case r.Status != 0 && (r.Status < 200 || r.Status > 599):
		return &Invalid{Field: "status", Reason: "give an HTTP status from 200 to 599"}
	case r.Effect == Status && r.Status != 0 && r.Status < 400:
		return &Invalid{Field: "status", Reason: "the effect status is an error answer; give 400 to 599"}
	case r.Copies < 0 || r.Copies > CopiesMax || r.Copies == 1:
		return &Invalid{Field: "copies", Reason: "give 2 to 1000"}
	}
	return nil
}

// covers reports whether the rule's pattern names the operation: itself, "*", or a prefix before "*".
func covers(pattern, operation string) bool {
	if prefix, wild := strings.CutSuffix(pattern, "*"); wild {
		return strings.HasPrefix(operation, prefix)
	}
	return pattern == operation
}

// Take returns the first rule that applies to this call and has uses left, and counts the use.
func (s *Set) Take(provider, operation, outTradeNo string) (Rule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if r.Provider != provider || !covers(r.Operation, operation) ||
			!slices.Contains(s.catalog[provider][operation], r.Effect) ||
			(r.Times > 0 && r.Used >= r.Times) ||
			(r.Match.OutTradeNo != "" && r.Match.OutTradeNo != outTradeNo) ||
			(r.Probability != nil && !s.chance.Happens(*r.Probability)) {
			continue
		}
		r.Used++
		return *r, true
	}
	return Rule{}, false
}

// List returns the rules in the order they were added, used-up ones included.
func (s *Set) List() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	rules := make([]Rule, len(s.rules))
	for i, r := range s.rules {
		rules[i] = *r
	}
	return rules
}

// Delete removes the rule and reports whether it was there.
func (s *Set) Delete(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.rules)
	s.rules = slices.DeleteFunc(s.rules, func(r *Rule) bool { return r.ID == id })
	return len(s.rules) < before
}

// Clear removes all rules.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}
