package wechatpaysim

import (
	"net/url"
	"time"
)

// Values of a bill's error_code.
const (
	v2BillParameter = "20001"
	v2NoBill        = "20002"
	v2BillCreating  = "20003"
)

func v2BillOperations() []v2Operation {
	return []v2Operation{{
		"v2_downloadbill", "/pay/downloadbill", false, "",
		[]v2Field{v2Need("bill_date", 8), v2Text("bill_type", 16), v2Text("tar_type", 8)},
		(*Provider).downloadBillV2,
	}}
}

// downloadBillV2 answers the bill itself, or a refusal that is never signed (WeChat Pay APIv2, 下载交易账单).
func (p *Provider) downloadBillV2(c *v2Call) (v2Message, *v2Error) {
	refuse := func(code, text string) (v2Message, *v2Error) {
		return v2Message{"error_code": code}, notTaken(text)
	}
	day, err := time.Parse("20060102", c.message["bill_date"])
	if err != nil {
		return refuse(v2BillParameter, "invalid bill_date")
	}
	asked := url.Values{"bill_date": {day.Format(time.DateOnly)}}
	for name, value := range map[string]string{
		"bill_type": c.message["bill_type"], "tar_type": c.message["tar_type"], "sub_mchid": c.message["sub_mch_id"],
	} {
		if value != "" {
			asked.Set(name, value)
		}
	}
	q, sheet, refused := p.tradeBill(&call{caller: c.merchant.MchID, query: asked})
	switch {
	case refused != nil && refused.code == codeStatementCreating:
		return refuse(v2BillCreating, "Bill Creating")
	case refused != nil && refused.code == codeNoStatement, refused == nil && len(sheet.rows) == 0:
		return refuse(v2NoBill, "No Bill Exist")
	case refused != nil:
		return refuse(v2BillParameter, refused.english)
	}
	c.file = sheet.text(p.Settings().Bills)
	if q.gzip {
		c.file = pack(c.file)
	}
	return nil, nil
}
