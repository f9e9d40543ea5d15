package wechatpaysim

import (
	"net/http"
	"time"
)

// Values of a sharing order's state and of its receivers' result (WeChat Pay APIv3, 请求分账).
const (
	SharingProcessing = "PROCESSING"
	SharingFinished   = "FINISHED" // carried out: who got what, each receiver's result says
	PartPending       = "PENDING"
	PartSuccess       = "SUCCESS"
	PartClosed        = "CLOSED"
)

// Types of receivers.
const (
	receiverMerchant  = "MERCHANT_ID"
	receiverOpenID    = "PERSONAL_OPENID"
	receiverSubOpenID = "PERSONAL_SUB_OPENID" // 服务商
)

// The rules of sharing (WeChat Pay APIv3, 分账: 注意事项).
const (
	sharingHold         = 30 * 24 * time.Hour // then the provider releases what nobody shared
	sharingRequestsMax  = 50                  // per order
	sharingPartsMax     = 50                  // receivers per request
	sharingReceiversMax = 20_000              // per merchant
	sharingInterval     = time.Second         // between two requests of one order
	ratioWhole          = 10_000
)

const (
	postSharing        = "profitsharing"          // frozen money to a receiver
	postSharingRelease = "profitsharing_unfreeze" // frozen money to the merchant itself
	postSharingReturn  = "profitsharing_return"   // from a receiver back
)

const (
	recordFrozen        = Name + "/frozen"
	recordSharing       = Name + "/profitsharing"
	recordSharingReturn = Name + "/profitsharing_return"
	recordReceiver      = Name + "/profitsharing_receiver"
)

// frozenFunds is what lies frozen of one paid order. Of the merchant's frozen pot it is Left and Pending. Amounts are in fen.
type frozenFunds struct {
	SpMchID       string // of the order
	MchID         string // of the order
	OutTradeNo    string
	Left          int64 // neither shared nor asked for: unsplit_amount
	Pending       int64 // of the request that is being processed
	Shared        int64 // with receivers that got it
	Requests      int
	LastRequestAt time.Time
	Processing    string    // out_order_no of the request that is being processed; empty: none
	Ending        bool      // that request is the last one
	ReleasesAt    time.Time // by itself
	ReleasedAt    time.Time // zero: still frozen
}

func (f *frozenFunds) order() merchantNo { return merchantNo{f.SpMchID, f.MchID, f.OutTradeNo} }

// sharing is a sharing order, or the release of what is left of an order. Amounts are in fen.
type sharing struct {
	SpMchID       string // of the order
	MchID         string // of the order: whose money is shared
	OutOrderNo    string
	OrderID       string
	OutTradeNo    string
	TransactionID string
	Parameters    string // the first call's, for comparing repeats
	PublicKey     bool   // the first call named the public key
	Unfreeze      bool   // a release
	Ends          bool   // releases what it leaves

	State      string
	Outcome    string // how it will end; empty: by the control API
	Parts      []sharingPart
	CreatedAt  time.Time
	FinishesAt time.Time // zero: not by itself
}

func (s *sharing) key() merchantNo { return merchantNo{s.SpMchID, s.MchID, s.OutOrderNo} }

func (s *sharing) order() merchantNo { return merchantNo{s.SpMchID, s.MchID, s.OutTradeNo} }

// sum is what all parts together ask for.
func (s *sharing) sum() int64 {
	var sum int64
	for _, part := range s.Parts {
		sum += part.Amount
	}
	return sum
}

// sharingPart is one receiver's part.
type sharingPart struct {
	Type        string
	Account     string
	Amount      int64
	Description string
	DetailID    string
	Result      string
	FailReason  string
	FinishedAt  time.Time
	Returned    int64 // given back
	Returning   int64 // of returns that are being processed
	Returns     int
}

// sharingTables are the books of sharing.
type sharingTables struct {
	frozen         map[merchantNo]*frozenFunds      // by the order
	sharings       map[merchantNo]*sharing          // by out_order_no
	byOrderID      map[string]*sharing              // the provider's numbers of sharings
	sharingReturns map[merchantNo]*sharingReturn    // by out_return_no
	byReturnID     map[string]*sharingReturn        // the provider's numbers of returns
	receivers      map[receiverKey]*sharingReceiver // removed ones too
}

func newSharingTables() sharingTables {
	return sharingTables{
		frozen: map[merchantNo]*frozenFunds{}, sharings: map[merchantNo]*sharing{}, byOrderID: map[string]*sharing{},
		sharingReturns: map[merchantNo]*sharingReturn{}, byReturnID: map[string]*sharingReturn{}, receivers: map[receiverKey]*sharingReceiver{},
	}
}

func sharingOperations() []operation {
	const base = " /v3/profitsharing/"
	return []operation{
		{"profitsharing_receiver_add", "POST" + base + "receivers/add", receiverAddFields(), (*Provider).addReceiver},
		{"profitsharing_receiver_delete", "POST" + base + "receivers/delete", receiverDeleteFields(), (*Provider).deleteReceiver},
		{"profitsharing", "POST" + base + "orders", sharingFields(), (*Provider).createSharing},
		{"profitsharing_query", "GET" + base + "orders/{out_order_no}", nil, (*Provider).querySharing},
		{"profitsharing_unfreeze", "POST" + base + "orders/unfreeze", unfreezeFields(), (*Provider).unfreeze},
		{"profitsharing_return", "POST" + base + "return-orders", sharingReturnFields(), (*Provider).createSharingReturn},
		{"profitsharing_return_query", "GET" + base + "return-orders/{out_return_no}", nil, (*Provider).querySharingReturn},
		{"profitsharing_amounts", "GET" + base + "transactions/{transaction_id}/amounts", nil, (*Provider).unsplitAmount},
		{"profitsharing_ratio", "GET" + base + "merchant-configs/{sub_mchid}", nil, (*Provider).maxRatio},
	}
}

// sharingOwner says whose money a request is about, if the product is open to them: the caller's own, or that of the sub-merchant
// it names (服务商模式). The location is where it names it.
func (p *Provider) sharingOwner(c *call, subMchID, location string) (merchantNo, *apiError) {
	if !p.Settings().ProfitSharing.Enabled {
		return merchantNo{}, noAuth("商户未开通分账权限", "profit sharing is not enabled for the merchant")
	}
	return p.subOwner(c.caller, subMchID, location)
}

func notEnoughToShare(chinese, english string) *apiError {
	return &apiError{http.StatusForbidden, codeNotEnough, chinese, english, internalOther, nil}
}

// numbered returns the owner's number.
func (n merchantNo) numbered(no string) merchantNo {
	n.No = no
	return n
}

// sharedOrder finds the paid order of a transaction that its owner may share. The caller holds the lock.
func (p *Provider) sharedOrder(owner merchantNo, subMchID, transactionID string) (*order, *frozenFunds, *apiError) {
	o := p.byTransaction[transactionID]
	if o == nil || !o.visibleTo(owner.agent()) {
		return nil, nil, noResource("订单不存在", "the merchant has no paid order of this transaction_id")
	}
	if !o.ownedBy(owner) {
		return nil, nil, otherSubMerchant(subMchID)
	}
	f := p.frozen[o.key()]
	if f == nil {
		return nil, nil, invalidRequest(internalOrderInvalid, "非分账订单不支持分账", "the order was placed without settle_info.profit_sharing")
	}
	return o, f, nil
}

func (p *Provider) putFrozen(f *frozenFunds) { p.put(recordFrozen, f.order().String(), f) }

func (p *Provider) putSharing(s *sharing) { p.put(recordSharing, s.key().String(), s) }
