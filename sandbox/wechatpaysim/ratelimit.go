package wechatpaysim

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// bucketsMax is how many buckets are kept before full ones, which say nothing, are dropped.
const bucketsMax = 10_000

// RateLimiting are the knobs of the limits on calls.
type RateLimiting struct {
	RateLimits    bool   `json:"rate_limits"`     // refuse calls over the limits
	RateLimitCode string `json:"rate_limit_code"` // FREQUENCY_LIMITED, RATELIMIT_EXCEEDED
	// RateLimitPerSecond is how many calls of each kind are served in a second of the sandbox's clock, as published; 0: any number.
	RateLimitPerSecond map[string]float64 `json:"rate_limit_per_second"`
}

func defaultRateLimiting() RateLimiting {
	return RateLimiting{RateLimitCode: codeFrequency, RateLimitPerSecond: publishedRates()}
}

func (r RateLimiting) problems(
	oneOf func(field, value string, allowed ...string) *control.Problem,
	within func(field string, value, least, most float64, unit string) *control.Problem,
) []*control.Problem {
	problems := []*control.Problem{oneOf("rate_limit_code", r.RateLimitCode, codeFrequency, codeRateLimit)}
	known := slices.Sorted(maps.Keys(publishedRates()))
	for _, name := range slices.Sorted(maps.Keys(r.RateLimitPerSecond)) {
		problems = append(problems,
			oneOf("rate_limit_per_second", name, known...),
			within("rate_limit_per_second."+name, r.RateLimitPerSecond[name], 0, 1e6, ""))
	}
	return problems
}

// rateLimit is one published limit on calls (WeChat Pay APIv3, 频率限制).
type rateLimit struct {
	name       string // in [RateLimiting.RateLimitPerSecond]
	perSecond  float64
	operations []string
	scope      func(*call) string // who shares a bucket
	// failing: only calls that fail take from the bucket, and while it is empty all of them are refused.
	failing bool
}

// rateLimits are the published limits, for operations of the routing table. A call must be within all that name its operation.
// Two more belong to one order and always hold: a minute between refunds, a second between sharings.
func rateLimits() []rateLimit {
	merchant := func(c *call) string { return c.caller }
	return []rateLimit{
		{name: "prepay", perSecond: 500, operations: []string{"prepay", "combine_prepay"}, scope: merchant},
		{name: "codepay", perSecond: 33, operations: []string{"codepay"}, scope: merchant},
		{name: "refund", perSecond: 150, operations: []string{"refund"}, scope: merchant},
		{name: "refund_failing", perSecond: 6, operations: []string{"refund"}, scope: merchant, failing: true},
		{name: "refund_query", perSecond: 300, operations: []string{"refund_query"}, scope: merchant},
		{name: "refund_abnormal", perSecond: 150, operations: []string{"refund_abnormal"}, scope: merchant},
		{name: "profitsharing", perSecond: 300, operations: []string{"profitsharing"}, scope: merchant},
		{name: "profitsharing_payer", perSecond: 30, operations: []string{"profitsharing"}, scope: (*call).payingMerchant},
		{name: "profitsharing_query", perSecond: 500, operations: []string{"profitsharing_query"}, scope: merchant},
		{name: "profitsharing_return", perSecond: 100, operations: []string{"profitsharing_return"}, scope: merchant},
		{name: "transfer", perSecond: 100, operations: []string{"transfer"}, scope: merchant},
		{name: "transfer_query", perSecond: 100, operations: []string{"transfer_query"}, scope: merchant},
		{name: "transfer_cancel", perSecond: 100, operations: []string{"transfer_cancel"}, scope: merchant},
		{name: "certificates", perSecond: 1000, operations: []string{"certificates"}, scope: merchant},
	}
}

func publishedRates() map[string]float64 {
	rates := map[string]float64{}
	for _, l := range rateLimits() {
		rates[l.name] = l.perSecond
	}
	return rates
}

// payingMerchant is whose money a sharing order divides.
func (c *call) payingMerchant() string {
	var body struct {
		SubMchID string `json:"sub_mchid"`
	}
	if json.Unmarshal(c.body, &body) != nil || body.SubMchID == "" {
		return c.caller
	}
	return body.SubMchID
}

// bucket holds up to one second's worth of calls.
type bucket struct {
	tokens float64
	at     time.Time // of the last look, on the sandbox's clock
}

type bucketKey struct{ limit, scope string }

// limiter holds the buckets; one that was never used is full.
type limiter struct {
	limits  map[string][]rateLimit // by operation
	buckets map[bucketKey]*bucket
}

func newLimiter() limiter {
	l := limiter{limits: map[string][]rateLimit{}, buckets: map[bucketKey]*bucket{}}
	for _, limit := range rateLimits() {
		for _, operation := range limit.operations {
			l.limits[operation] = append(l.limits[operation], limit)
		}
	}
	return l
}

// bucket returns the bucket as it is now.
func (l *limiter) bucket(key bucketKey, perSecond float64, now time.Time) *bucket {
	capacity := max(perSecond, 1)
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= bucketsMax {
			l.dropFull(now)
		}
		b = &bucket{tokens: capacity, at: now}
		l.buckets[key] = b
	}
	b.tokens = min(capacity, b.tokens+max(now.Sub(b.at).Seconds(), 0)*perSecond)
	b.at = now
	return b
}

// dropFull forgets buckets that nobody has touched for as long as the slowest takes to fill.
func (l *limiter) dropFull(now time.Time) {
	maps.DeleteFunc(l.buckets, func(_ bucketKey, b *bucket) bool { return now.Sub(b.at) > time.Minute })
}

// throttle takes a token of every limit on the operation, or none and refuses the call.
func (p *Provider) throttle(operation string, c *call) *apiError {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.settings.RateLimits {
		return nil
	}
	now := p.clock.Now()
	var taken []*bucket
	for _, limit := range p.limits[operation] {
		rate := p.settings.RateLimitPerSecond[limit.name]
		if rate == 0 {
			continue
		}
		b := p.bucket(bucketKey{limit.name, limit.scope(c)}, rate, now)
		if b.tokens < 1 {
			return p.frequencyLimited()
		}
		if !limit.failing {
			taken = append(taken, b)
		}
	}
	for _, b := range taken {
		b.tokens--
	}
	return nil
}

// countFailure takes a token of the limits on failing calls of the operation.
func (p *Provider) countFailure(operation string, c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.settings.RateLimits {
		return
	}
	for _, limit := range p.limits[operation] {
		if rate := p.settings.RateLimitPerSecond[limit.name]; limit.failing && rate > 0 {
			p.bucket(bucketKey{limit.name, limit.scope(c)}, rate, p.clock.Now()).tokens--
		}
	}
}

// frequencyLimited is the refusal in the code that the settings ask for. The caller holds the lock.
func (p *Provider) frequencyLimited() *apiError {
	e := frequencyLimited()
	e.code = p.settings.RateLimitCode
	return e
}
