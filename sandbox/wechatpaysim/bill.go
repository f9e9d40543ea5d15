package wechatpaysim

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1" //nolint:gosec // the hash the provider prescribes for bills
	"encoding/hex"
	"errors"
	"slices"
	"time"
)

// When bills are made, on China's clock (WeChat Pay APIv3, 申请交易账单: 次日9点开始生成, 建议10点后获取). What happened after
// billFrozenAfter is not in the bill; before billReadyAfter it cannot be had.
const (
	billFrozenAfter = 33 * time.Hour // since the day began
	billReadyAfter  = 34 * time.Hour
	billMonthsKept  = 3
)

// billTables are what is kept of bills. The bills themselves follow from the books: each is made when it is asked for, of what the
// books held when it was frozen.
type billTables struct {
	differences []*difference           // oldest first, removed ones too
	downloads   map[string]billDownload // by token; a restart forgets them
}

func newBillTables() billTables { return billTables{downloads: map[string]billDownload{}} }

func billOperations() []operation {
	return []operation{
		{"bill_trade", "GET /v3/bill/tradebill", nil, (*Provider).applyTradeBill},
		{"bill_fund_flow", "GET /v3/bill/fundflowbill", nil, (*Provider).applyFundFlowBill},
		{"bill_sub_merchant_fund_flow", "GET /v3/bill/sub-merchant-fundflowbill", nil, (*Provider).applySubMerchantFundFlowBill},
		{"bill_profitsharing", "GET /v3/profitsharing/bills", nil, (*Provider).applyProfitSharingBill},
		{opBillDownload, "GET " + billDownloadPath, nil, (*Provider).downloadBill},
	}
}

// billDay is the beginning of a day in China.
type billDay struct{ time.Time }

func dayOf(t time.Time) billDay {
	t = t.In(chinaZone())
	return billDay{time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, chinaZone())}
}

func (d billDay) frozenAt() time.Time { return d.Add(billFrozenAfter) }

func (d billDay) text() string { return d.Format(time.DateOnly) }

// billQuery is what all applications for a bill have in common.
type billQuery struct {
	day  billDay
	gzip bool
}

// readBillQuery checks the parameters and whether a bill of the day can be had at all.
func (p *Provider) readBillQuery(c *call) (billQuery, *apiError) {
	date := c.query.Get("bill_date")
	day, err := time.ParseInLocation(time.DateOnly, date, chinaZone())
	if err != nil {
		return billQuery{}, billRefused("bill_date", date, "give a day as yyyy-MM-dd")
	}
	now := p.clock.Now()
	switch today := dayOf(now); {
	case day.After(today.Time):
		return billQuery{}, billRefused("bill_date", date, "the day has not come yet")
	case now.Before(day.Add(billReadyAfter)):
		return billQuery{}, statementCreating()
	case day.Before(today.AddDate(0, -billMonthsKept, 0)):
		return billQuery{}, noStatement()
	}
	q := billQuery{day: billDay{day}}
	switch tarType := c.query.Get("tar_type"); tarType {
	case "":
	case "GZIP":
		q.gzip = true
	default:
		return billQuery{}, billRefused("tar_type", tarType, "the only value is GZIP")
	}
	return q, nil
}

// billWord checks a parameter that has few values.
func billWord(c *call, name, fallback string, allowed ...string) (string, *apiError) {
	value := c.query.Get(name)
	if value == "" && fallback != "" {
		return fallback, nil
	}
	if slices.Contains(allowed, value) {
		return value, nil
	}
	return "", billRefused(name, value, "not a value of this parameter")
}

// billSubMerchant returns the sub-merchant the query is about; empty without one.
func (p *Provider) billSubMerchant(c *call) (string, *apiError) {
	subMchID := c.query.Get("sub_mchid")
	if subMchID != "" && !p.subMerchant(c.caller, subMchID) {
		return "", noAuth("服务商与子商户没有受理关系", "sub_mchid is no sub-merchant of the caller")
	}
	return subMchID, nil
}

// billAnswer is where a bill can be downloaded.
type billAnswer struct {
	HashType    string `json:"hash_type"`
	HashValue   string `json:"hash_value"`
	DownloadURL string `json:"download_url"`
}

// offerBill makes a bill ready to be downloaded by its caller; no rows are no bill. The caller holds the lock.
func (p *Provider) offerBill(c *call, q billQuery, sheet billSheet) (any, *apiError) {
	if len(sheet.rows) == 0 {
		return nil, noStatement()
	}
	plain := sheet.text(p.settings.Bills)
	file := plain
	if q.gzip {
		file = pack(plain)
	}
	return p.offer(c, plain, file), nil
}

// offer puts a file under a token. The hash is over the plain text, whatever the file is made of.
func (p *Provider) offer(c *call, plain, file []byte) billAnswer {
	sum := sha1.Sum(plain) //nolint:gosec // see the import
	return billAnswer{HashType: "SHA1", HashValue: hex.EncodeToString(sum[:]), DownloadURL: p.newDownload(c, file)}
}

// pack writes a gzip file.
func pack(plain []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(plain)
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // unreachable: the buffer takes everything
	}
	return packed.Bytes()
}
