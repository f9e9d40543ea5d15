package wechatpaysim

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // the protocol's algorithm
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

// Values of sign_type (WeChat Pay APIv2, 签名算法).
const (
	v2MD5  = "MD5"
	v2HMAC = "HMAC-SHA256"
)

// v2Message is a message of APIv2: names and values, flat.
type v2Message map[string]string

// errV2Format is a body that is not a flat message in XML.
var errV2Format = errors.New("not one level of elements inside <xml>")

// readV2 reads a message. It takes no document types, no nesting and no name twice.
func readV2(body []byte) (v2Message, error) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	message := v2Message{}
	var name string
	var value strings.Builder
	for depth, ended := 0, false; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && ended {
			return message, nil
		}
		if err != nil {
			return nil, errV2Format
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			if ended || depth > 2 || depth == 1 && token.Name.Local != "xml" {
				return nil, errV2Format
			}
			name = token.Name.Local
			value.Reset()
		case xml.CharData:
			if depth == 2 {
				value.Write(token)
			}
		case xml.EndElement:
			if _, twice := message[name]; twice && depth == 2 {
				return nil, errV2Format
			}
			if depth == 2 {
				message[name] = value.String()
			}
			depth--
			ended = depth == 0
		case xml.Directive:
			return nil, errV2Format
		}
	}
}

// encode writes the message as the provider does: numbers plain, all else in CDATA sections.
func (m v2Message) encode(root string) []byte {
	var b bytes.Buffer
	b.WriteString("<" + root + ">")
	for _, name := range slices.Sorted(maps.Keys(m)) {
		value := "<![CDATA[" + strings.ReplaceAll(m[name], "]]>", "]]]]><![CDATA[>") + "]]>"
		if strings.HasSuffix(name, "_fee") || strings.HasSuffix(name, "_count") {
			value = m[name]
		}
		b.WriteString("<" + name + ">" + value + "</" + name + ">")
	}
	b.WriteString("</" + root + ">")
	return b.Bytes()
}

// sign is the signature over the message's fields that are not empty (WeChat Pay APIv2, 签名算法).
func (m v2Message) sign(signType, key string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name != "sign" && m[name] != "" {
			text.WriteString(name + "=" + m[name] + "&")
		}
	}
	text.WriteString("key=" + key)
	if signType == v2HMAC {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(text.String()))
		return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
	}
	sum := md5.Sum([]byte(text.String())) //nolint:gosec // the protocol's algorithm
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// v2Field is one parameter of a request.
type v2Field struct {
	name     string
	most     int // characters
	required bool
	number   bool // fen or a count
	own      bool // a merchant's own number of an order or a refund
}

func v2Text(name string, most int) v2Field { return v2Field{name: name, most: most} }
func v2Need(name string, most int) v2Field { return v2Field{name: name, most: most, required: true} }

// v2Own is a merchant's own number.
func v2Own(name string, most int) v2Field { return v2Field{name: name, most: most, own: true} }

func v2NeedOwn(name string, most int) v2Field {
	return v2Field{name: name, most: most, required: true, own: true}
}

func v2Amount(name string) v2Field {
	return v2Field{name: name, most: 10, required: true, number: true}
}

func v2Numbers(name string, most int) v2Field { return v2Field{name: name, most: most, number: true} }

// v2Common are the parameters of every request.
func v2Common() []v2Field {
	return []v2Field{
		v2Need("appid", 32), v2Need("mch_id", 32), v2Text("sub_appid", 32), v2Text("sub_mch_id", 32),
		v2Need("nonce_str", 32), v2Need("sign", 64), v2Text("sign_type", 32),
	}
}
