package wechatpay

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"net/http"
	"slices"
)

const (
	// billAlgorithm encrypts the files, whatever the suite: it is asked for by name.
	billAlgorithm     = "AEAD_AES_256_GCM"
	billNonceBytesMax = 64
	aesKeyBytes       = 32
)

// SubMerchantFundFlowBillRequest asks for the fund flow bill of the Client's sub-merchant (WeChat Pay APIv3, 服务商:
// 申请单个子商户资金账单).
type SubMerchantFundFlowBillRequest struct {
	BillDate    string // yyyy-MM-dd, a day in China
	AccountType string // BillAccountBasic and the others; required
	TarType     string // TarTypeGZIP; zero: plain text
}

// ApplySubMerchantFundFlowBill asks where the bill is. It needs a Client of [Client.ForSubMerchant], and a
// Config.Signer that is a [crypto.Decrypter] to download it. A bill over about 16 GB comes in several files, ordered by
// BillSequence: their texts put together are the bill, so only the first has the header and only the last the summary.
func (c *Client) ApplySubMerchantFundFlowBill(ctx context.Context, request SubMerchantFundFlowBillRequest) ([]BillFile, error) {
	const name = "apply sub-merchant fund flow bill"
	var v validation
	query := c.billQuery(&v, request.BillDate, request.TarType)
	if !c.isPartner() {
		v.add("sub_mchid", "is required: make a Client with ForSubMerchant")
	}
	if request.AccountType == "" {
		v.add("account_type", "is required")
	}
	v.billWord("account_type", request.AccountType)
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	query.Set("account_type", request.AccountType)
	query.Set("algorithm", billAlgorithm)

	var files []BillFile
	err := c.do(ctx, call{
		name: name, method: http.MethodGet, timeout: c.queryTimeout, target: "/v3/bill/sub-merchant-fundflowbill?" + query.Encode(),
		decode: func(body []byte) (err error) {
			files, err = decodeSealedBillFiles(body)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

// OpenSubMerchantFundFlowBill applies for the bill and opens it, with all its files in memory. Range over its rows.
func (c *Client) OpenSubMerchantFundFlowBill(ctx context.Context, request SubMerchantFundFlowBillRequest) (*FundFlowBill, error) {
	files, err := c.ApplySubMerchantFundFlowBill(ctx, request)
	if err != nil {
		return nil, err
	}
	texts := make([]io.Reader, len(files))
	for i, file := range files {
		text, err := c.DownloadBill(ctx, file)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return ReadFundFlowBill(io.MultiReader(texts...)), nil
}

func decodeSealedBillFiles(body []byte) ([]BillFile, error) {
	var answer struct {
		Count int        `json:"download_bill_count"`
		List  []BillFile `json:"download_bill_list"`
	}
	if err := decodeJSON(body, &answer); err != nil {
		return nil, err
	}
	if len(answer.List) == 0 || len(answer.List) != answer.Count {
		return nil, fmt.Errorf("%w: download_bill_list does not have download_bill_count files", ErrMalformed)
	}
	slices.SortFunc(answer.List, func(a, b BillFile) int { return a.BillSequence - b.BillSequence })
	for i := range answer.List {
		file := &answer.List[i]
		if _, _, err := file.check(); err != nil {
			return nil, err
		}
		if file.BillSequence != i+1 {
			return nil, fmt.Errorf("%w: a file of the bill is missing", ErrMalformed)
		}
		if file.EncryptKey == "" || file.Nonce == "" || len(file.Nonce) > billNonceBytesMax {
			return nil, fmt.Errorf("%w: encrypt_key and nonce are wanted", ErrMalformed)
		}
	}
	return answer.List, nil
}

// billSeal opens an encrypted file.
type billSeal struct {
	aead  cipher.AEAD
	nonce []byte
}

// openBillKey decrypts the key of a file. Its nonce has another length than those of notifications.
func (c *Client) openBillKey(file BillFile) (*billSeal, error) {
	if file.Nonce == "" || len(file.Nonce) > billNonceBytesMax {
		return nil, fmt.Errorf("%w: nonce must have 1 to %d bytes", ErrMalformed, billNonceBytesMax)
	}
	key, err := c.DecryptSensitive(file.EncryptKey)
	if err != nil {
		return nil, fmt.Errorf("encrypt_key: %w", err)
	}
	if len(key) != aesKeyBytes {
		return nil, fmt.Errorf("%w: encrypt_key must hold %d bytes", ErrMalformed, aesKeyBytes)
	}
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		return nil, fmt.Errorf("encrypt_key: %w", err) // unreachable: the length is right
	}
	aead, err := cipher.NewGCMWithNonceSize(block, len(file.Nonce))
	if err != nil {
		return nil, fmt.Errorf("nonce: %w", err) // unreachable: the length is not zero
	}
	return &billSeal{aead: aead, nonce: []byte(file.Nonce)}, nil
}

// open decrypts a whole file without associated data (WeChat Pay APIv3, 下载单个子商户资金账单: 解密账单). Nothing of it
// may be used before its end, where the tag is.
func (s *billSeal) open(file io.Reader, bytesMax int64) ([]byte, error) {
	var ciphertext bytes.Buffer
	if _, err := ciphertext.ReadFrom(io.LimitReader(file, bytesMax+1)); err != nil {
		return nil, fmt.Errorf("read bill: %w", err)
	}
	if int64(ciphertext.Len()) > bytesMax {
		return nil, fmt.Errorf("encrypted bill: %w: raise Config.SealedBillBytesMax if it is genuine", ErrBodyTooLarge)
	}
	sealed := ciphertext.Bytes()
	text, err := s.aead.Open(sealed[:0], s.nonce, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: bill of another key, or altered", ErrDecrypt)
	}
	return text, nil
}
