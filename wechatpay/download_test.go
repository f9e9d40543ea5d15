package wechatpay

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func receiptAt(hashType, hashValue string) FileLink {
	return FileLink{DownloadURL: "https://api.mch.weixin.qq.com/v3/billdownload/file?token=a%2Fb", HashType: hashType, HashValue: hashValue}
}

func TestFileComesAsItIsAndIsChecked(t *testing.T) {
	t.Parallel()
	const content = "%PDF-1.7 a receipt"
	sum := sha256.Sum256([]byte(content))
	right := hex.EncodeToString(sum[:])
	for _, c := range []struct {
		name string
		link FileLink
		sent string
		is   error
	}{
		{"WithItsHash", receiptAt("sha256", right), content, nil},
		{"WithoutAHash", receiptAt("", ""), content, nil},
		{"Altered", receiptAt("SHA256", right), content + "!", ErrFileHash},
		{"Cut", receiptAt("SHA256", right), content[:5], ErrFileHash},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) { _, _ = io.WriteString(w, c.sent) })
			file, err := clientOf(t, p).DownloadFile(t.Context(), c.link)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			got, err := io.ReadAll(file)
			if string(got) != c.sent || !errors.Is(err, c.is) || (err == nil) != (c.is == nil) {
				t.Errorf("got %q, %v", got, err)
			}
			request := p.received()[0]
			if request.RequestURI != "/v3/billdownload/file?token=a%2Fb" || !strings.HasPrefix(request.Header.Get("Authorization"), signatureScheme) {
				t.Errorf("asked for %s by %s", request.RequestURI, request.Header.Get("Authorization"))
			}
		})
	}
}

func TestFileLinkMistakesSendNothing(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	for field, link := range map[string]FileLink{
		"DownloadURL": {DownloadURL: "/v3/billdownload/file"},
		"HashType":    receiptAt("MD5", "00"),
		"HashValue":   receiptAt("SHA1", "00"),
	} {
		_, err := client.DownloadFile(t.Context(), link)
		if fields := fieldsOf(err); len(fields) != 1 || fields[0] != field || OutcomeOf(err) != OutcomeRefused {
			t.Errorf("got %v, want %s", err, field)
		}
	}
}
