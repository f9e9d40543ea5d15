package wechatpaysim

// refundSource says which funds a refund of the order takes its money from and how much is there: of an order for sharing what
// is frozen of it, and after its release the available balance (分账: 分账订单退款). The caller holds the lock.
func (p *Provider) refundSource(o *order, r refundRequest) (pot string, has int64) {
	if f := p.frozen[o.key()]; f != nil {
		if f.ReleasedAt.IsZero() {
			return potFrozen, f.Left
		}
		return potAvailable, p.balance(o.MchID, potAvailable)
	}
	pot = potOf(r.account())
	return pot, p.balance(o.MchID, pot)
}

// takeFrozen keeps what a refund takes from frozen money. The caller holds the lock.
func (p *Provider) takeFrozen(o *order, fen int64) {
	f := p.frozen[o.key()]
	f.Left -= fen
	p.putFrozen(f)
}

// returnFrozen takes back the money of a closed refund and returns the pot it belongs in: frozen again, unless the rest was
// released meanwhile. The caller holds the lock.
func (p *Provider) returnFrozen(o *order, fen int64) string {
	f := p.frozen[o.key()]
	if !f.ReleasedAt.IsZero() {
		return potAvailable
	}
	f.Left += fen
	p.putFrozen(f)
	return potFrozen
}
