package wechatpaysim

import (
	"encoding/json"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/record"
)

// Values of a transfer's state (WeChat Pay APIv3, 商家转账: 单据状态).
const (
	TransferAccepted    = "ACCEPTED"
	TransferProcessing  = "PROCESSING"
	TransferWaitConfirm = "WAIT_USER_CONFIRM"
	TransferTransfering = "TRANSFERING" // the provider's spelling
	TransferSuccess     = "SUCCESS"
	TransferFail        = "FAIL"
	TransferCanceling   = "CANCELING"
	TransferCancelled   = "CANCELLED"
)

// Reasons of a failure that the sandbox finds by itself. The others come when a test asks for them.
const (
	failOverdue   = "OVERDUE_CLOSE"
	failName      = "NAME_NOT_CORRECT"
	failUserLimit = "DAY_RECEIVED_QUOTA_EXCEED"
	failRefused   = "OTHER_FAIL_REASON_TYPE" // the user refused; no document names a reason of its own
)

// The rules of transfers (WeChat Pay APIv3, 商家转账: 发起转账, 查询转账单).
const (
	confirmWindow      = 24 * time.Hour      // for the user to confirm
	transferQueryLife  = 30 * 24 * time.Hour // older bills are not found
	nameRequiredFrom   = 200_000             // fen
	redPacketAmountMax = 20_000              // fen
)

const recordTransfer = Name + "/transfer"

// transfer is one row of the provider's books. Amounts are in fen.
type transfer struct {
	SpMchID        string
	MchID          string // who pays
	OutBillNo      string
	TransferBillNo string
	Parameters     string // the first call's, for comparing repeats
	AppID          string
	OpenID         string
	UserName       string // in the clear
	SceneID        string
	Perception     string
	Remark         string
	Style          string
	NotifyURL      string
	Amount         int64
	PublicKey      bool // the first call named the public key

	State          string
	FailReason     string
	Outcome        string // how TRANSFERING will end; empty: by the control API
	PackageInfo    string // empty before WAIT_USER_CONFIRM
	CreatedAt      time.Time
	UpdatedAt      time.Time
	ExpiresAt      time.Time // of the confirmation
	DueAt          time.Time // when the state changes by itself; zero: not
	NotificationID string
}

func (t *transfer) key() merchantNo { return merchantNo{t.SpMchID, t.MchID, t.OutBillNo} }

// agent is who is told about the transfer: the service provider where there is one.
func (t *transfer) agent() string {
	if t.SpMchID != "" {
		return t.SpMchID
	}
	return t.MchID
}

// holdsMoney reports that the amount is locked: neither the merchant's to use nor the user's.
func (t *transfer) holdsMoney() bool {
	return t.State == TransferWaitConfirm || t.State == TransferTransfering || t.State == TransferCanceling && t.PackageInfo != ""
}

func (t *transfer) short() bool { return t.State == TransferAccepted || t.State == TransferProcessing }

func (t *transfer) final() bool {
	return t.State == TransferSuccess || t.State == TransferFail || t.State == TransferCancelled
}

// transferTables are the provider's tables of transfers.
type transferTables struct {
	transfers      map[merchantNo]*transfer // by out_bill_no
	byTransferBill map[string]*transfer     // by transfer_bill_no
	byPackage      map[string]*transfer     // by package_info
}

func newTransferTables() transferTables {
	return transferTables{transfers: map[merchantNo]*transfer{}, byTransferBill: map[string]*transfer{}, byPackage: map[string]*transfer{}}
}

func (b *transferTables) rememberTransfer(t *transfer) {
	b.transfers[t.key()], b.byTransferBill[t.TransferBillNo] = t, t
	if t.PackageInfo != "" {
		b.byPackage[t.PackageInfo] = t
	}
}

// keepTransfer writes the transfer down. The caller holds the lock.
func (p *Provider) keepTransfer(t *transfer) {
	p.rememberTransfer(t)
	p.put(recordTransfer, t.key().String(), t)
}

func (p *Provider) restoreTransfer(r record.Record) error {
	var t transfer
	if err := json.Unmarshal(r.Value, &t); err != nil {
		return err
	}
	p.rememberTransfer(&t)
	return nil
}

// sumTransfers counts the rows anew: what users have, and what is locked. The caller holds the lock.
func (b *transferTables) sumTransfers() (transferred, transferring int64) {
	for _, t := range b.transfers {
		switch {
		case t.State == TransferSuccess:
			transferred += t.Amount
		case t.holdsMoney():
			transferring += t.Amount
		}
	}
	return transferred, transferring
}

// findTransferAnywhere finds a transfer by its number alone, as the control API does; of several the first merchant's own
// wins. The caller holds the lock.
func (p *Provider) findTransferAnywhere(outBillNo string) *transfer {
	for _, owner := range p.owners() {
		owner.No = outBillNo
		if t := p.transfers[owner]; t != nil {
			return t
		}
	}
	return nil
}
