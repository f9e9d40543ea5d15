package wechatpaysim

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"slices"
)

// sealedBills are where the encrypted files of a bill can be downloaded.
type sealedBills struct {
	Count int          `json:"download_bill_count"`
	List  []sealedBill `json:"download_bill_list"`
}

type sealedBill struct {
	BillSequence int `json:"bill_sequence"`
	billAnswer
	EncryptKey string `json:"encrypt_key"`
	Nonce      string `json:"nonce"`
}

// applySubMerchantFundFlowBill offers a sub-merchant's fund flow bill to its service provider, encrypted under a fresh key that is
// encrypted for him (WeChat Pay APIv3, 服务商: 申请单个子商户资金账单).
func (p *Provider) applySubMerchantFundFlowBill(c *call) (any, *apiError) {
	q, err := p.readBillQuery(c)
	if err != nil {
		return nil, err
	}
	subMchID, err := p.billSubMerchant(c)
	if err != nil {
		return nil, err
	}
	if subMchID == "" {
		return nil, billRefused("sub_mchid", "", "the parameter is required")
	}
	accountType, err := billWord(c, "account_type", "", billBasic, billOperation, billFees, billDeposit)
	if err != nil {
		return nil, err
	}
	if _, err := billWord(c, "algorithm", "", "AEAD_AES_256_GCM"); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	sheet := p.fundSheet(q.day, subMchID, accountType)
	if len(sheet.rows) == 0 {
		return nil, noStatement()
	}
	var answer sealedBills
	for _, plain := range p.billFiles(sheet) {
		bill, failure := p.sealBill(c, q, plain)
		if failure != nil {
			p.logger.Error("encrypt a bill", "error", failure)
			return nil, systemError()
		}
		answer.Count++
		bill.BillSequence = answer.Count
		answer.List = append(answer.List, bill)
	}
	return answer, nil
}

// billFiles cuts the text of a bill at the ends of lines. All files together are the text, so only the first has the header. The
// caller holds the lock.
func (p *Provider) billFiles(sheet billSheet) [][]byte {
	text := sheet.text(p.settings.Bills)
	if p.settings.Bills.FileRows == 0 {
		return [][]byte{text}
	}
	var files [][]byte
	lines, start := 0, 0
	for i, b := range text {
		if b != '\n' {
			continue
		}
		if lines++; lines%p.settings.Bills.FileRows == 0 && i+1 < len(text) {
			files = append(files, text[start:i+1])
			start = i + 1
		}
	}
	return append(files, text[start:])
}

// sealBill compresses first and encrypts then (下载单个子商户资金账单: 先解密, 再解压). The caller holds the lock.
func (p *Provider) sealBill(c *call, q billQuery, plain []byte) (sealedBill, error) {
	const keyBytes, nonceBytes = 32, 16 // the provider's nonces of bills are longer than those of notifications
	key, nonce := p.chance.Alphanumeric(keyBytes), p.chance.Alphanumeric(nonceBytes)
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		return sealedBill{}, fmt.Errorf("bill key: %w", err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, nonceBytes)
	if err != nil {
		return sealedBill{}, fmt.Errorf("bill nonce: %w", err)
	}
	encryptKey, err := p.sealField(c.caller, key)
	if err != nil {
		return sealedBill{}, err
	}
	file := slices.Clone(plain)
	if q.gzip {
		file = pack(plain)
	}
	sealed := gcm.Seal(nil, []byte(nonce), file, nil)
	return sealedBill{billAnswer: p.offer(c, plain, sealed), EncryptKey: encryptKey, Nonce: nonce}, nil
}
