package main

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// notice is a notification of a paid order, sealed and signed beforehand.
type notice struct {
	mchID  string
	signed *signed
}

// notices pays the orders.
func notices(p *parties, orders []placed) ([]notice, error) {
	all := make([]notice, len(orders))
	errs := make([]error, len(orders))
	var next atomic.Int64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(orders); i = int(next.Add(1)) - 1 {
				all[i], errs[i] = paidNotice(p, orders[i])
			}
		})
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("pay order %s: %w", orders[i].OutTradeNo, err)
		}
	}
	return all, nil
}

func paidNotice(p *parties, o placed) (notice, error) {
	text := strings.NewReplacer(
		"2018-06-08T10:34:56+08:00", time.Now().Format(time.RFC3339),
		`"mchid":"`+mchID, `"mchid":"`+o.MchID,
		`"out_trade_no":"`+outTradeNo, `"out_trade_no":"`+o.OutTradeNo,
		`"transaction_id":"`+outTradeNo, `"transaction_id":"`+o.MchID[6:]+o.OutTradeNo[max(len(o.OutTradeNo)-26, 0):],
	).Replace(transaction)
	body, err := seal(text, "EV-"+o.MchID+o.OutTradeNo)
	if err != nil {
		return notice{}, err
	}
	made, err := sign(p.provider, body)
	return notice{mchID: o.MchID, signed: made}, err
}
