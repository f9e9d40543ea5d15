package wechatpaysim

import (
	"maps"
	"time"
)

// noncesMax is how many nonces are kept before outdated ones are dropped.
const noncesMax = 10_000

// seenNonce is a nonce_str as one merchant used it.
type seenNonce struct{ mchID, nonce string }

// refuseReplay refuses a nonce_str that the merchant used before, if the settings want that. Older than the clock window a
// request is refused anyway, so nothing is kept longer. Only well signed requests come here: nobody burns another's nonces.
func (p *Provider) refuseReplay(a authorization) *apiError {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.settings.RefuseNonceReplay {
		return nil
	}
	now := p.clock.Real()
	key := seenNonce{a.mchID, a.nonce}
	if seenAt, seen := p.nonces[key]; seen && now.Sub(seenAt) <= 2*skewMax {
		return signError("nonce_str", "the nonce_str was used before", nil)
	}
	if len(p.nonces) >= noncesMax {
		maps.DeleteFunc(p.nonces, func(_ seenNonce, at time.Time) bool { return now.Sub(at) > 2*skewMax })
	}
	p.nonces[key] = now
	return nil
}
