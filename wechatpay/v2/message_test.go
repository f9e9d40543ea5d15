package wechatpayv2

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

func TestMessagesTheProviderSends(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want Fields
	}{
		"sections":            {"<xml><a><![CDATA[1]]></a>\n  <b><![CDATA[<2>&]]></b></xml>", Fields{"a": "1", "b": "<2>&"}},
		"plain text":          {"<xml><return_code>SUCCESS</return_code></xml>", Fields{"return_code": "SUCCESS"}},
		"characters":          {"<xml><a>&lt;&gt;&amp;&quot;&apos;&#65;&#x4e2d;</a></xml>", Fields{"a": `<>&"'A中`}},
		"text and sections":   {"<xml><a>x<![CDATA[y]]>z</a></xml>", Fields{"a": "xyz"}},
		"empty in four ways":  {"<xml><a/><b></b><c><![CDATA[]]></c></xml>", Fields{"a": "", "b": "", "c": ""}},
		"declaration":         {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xml><a>1</a></xml>\n", Fields{"a": "1"}},
		"byte order mark":     {"\ufeff<xml><a>1</a></xml>", Fields{"a": "1"}},
		"line ends":           {"<xml>\r\n<a>1</a>\r\n</xml>\r\n", Fields{"a": "1"}},
		"a type in a section": {"<xml><a><![CDATA[<!DOCTYPE x>&e;]]></a></xml>", Fields{"a": "<!DOCTYPE x>&e;"}},
		"nothing":             {"<xml></xml>", Fields{}},
	} {
		got, err := decode([]byte(c.text), "xml")
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"document type":            `<!DOCTYPE xml><xml><a>1</a></xml>`,
		"external entity":          `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><a>&e;</a></xml>`,
		"growing entities":         `<!DOCTYPE a [<!ENTITY e "1"><!ENTITY f "&e;&e;">]><xml><a>&f;</a></xml>`,
		"undefined entity":         `<xml><a>&e;</a></xml>`,
		"entity without end":       `<xml><a>&amp</a></xml>`,
		"reference to no rune":     `<xml><a>&#xD800;</a></xml>`,
		"reference to a control":   `<xml><a>&#0;</a></xml>`,
		"reference without digits": `<xml><a>&#;</a></xml>`,
		"signed reference":         `<xml><a>&#+65;</a></xml>`,
		"type inside":              `<xml><!DOCTYPE a><a>1</a></xml>`,
		"instruction":              `<xml><?php x ?><a>1</a></xml>`,
		"stylesheet":               `<?xml-stylesheet href="x"?><xml><a>1</a></xml>`,
		"second declaration":       `<?xml version="1.0"?><?xml version="1.0"?><xml></xml>`,
		"declaration without end":  `<?xml version="1.0"`,
		"comment":                  `<xml><!-- x --><a>1</a></xml>`,
		"nested":                   `<xml><a><b>1</b></a></xml>`,
		"twice":                    `<xml><total_fee>1</total_fee><total_fee>100</total_fee></xml>`,
		"attribute":                `<xml><a x="1">1</a></xml>`,
		"name space":               `<xml xmlns="x"><a>1</a></xml>`,
		"prefix":                   `<xml><x:a>1</x:a></xml>`,
		"another root":             `<root><a>1</a></root>`,
		"something after":          `<xml></xml><xml></xml>`,
		"no end":                   `<xml><a>1</a>`,
		"wrong end":                `<xml><a>1</b></xml>`,
		"text between":             `<xml>x<a>1</a></xml>`,
		"section without end":      `<xml><a><![CDATA[1</a></xml>`,
		"end without section":      `<xml><a>1]]></a></xml>`,
		"control character":        "<xml><a>\x01</a></xml>",
		"not UTF-8":                "<xml><a>\xff</a></xml>",
		"long name":                "<xml><" + strings.Repeat("a", 65) + ">1</" + strings.Repeat("a", 65) + "></xml>",
		"long value":               "<xml><a>" + strings.Repeat("a", valueBytesMax+1) + "</a></xml>",
		"long value in pieces":     "<xml><a>" + strings.Repeat("<![CDATA["+strings.Repeat("a", 1000)+"]]>", 70) + "</a></xml>",
		"too many fields":          "<xml>" + manyFields(fieldsMax+1) + "</xml>",
		"empty":                    "",
		"page of a proxy":          "<html><body>502</body></html>",
		"JSON":                     `{"return_code":"SUCCESS"}`,
	} {
		if got, err := decode([]byte(text), "xml"); !errors.Is(err, wechatpay.ErrMalformed) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	if _, err := decode(make([]byte, messageBytesMax+1), "xml"); !errors.Is(err, wechatpay.ErrBodyTooLarge) {
		t.Errorf("too large: got %v", err)
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		name := "a" + strings.Repeat("b", i%40) + strings.Repeat("c", i/40)
		b.WriteString("<" + name + ">1</" + name + ">")
	}
	return b.String()
}

func TestRequestsAreReadBackByAnyReader(t *testing.T) {
	t.Parallel()
	want := Fields{"body": "一杯<茶> & 'b' \"c\"]]>\r\nd", "attach": "", "total_fee": "1"}
	got := readXML(t, want.encode())
	delete(want, "attach")
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzMessage(f *testing.F) {
	v := readVectors(f)
	f.Add([]byte(v.Payment.XML))
	f.Add([]byte(v.Refund.XML))
	f.Add([]byte(`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><a>&e;</a></xml>`))
	f.Add([]byte("<xml><a>x<![CDATA[y]]>&#x4e2d;</a><b/></xml>"))
	f.Fuzz(func(t *testing.T, message []byte) {
		first, err := decode(message, "xml")
		if err != nil {
			if !errors.Is(err, wechatpay.ErrMalformed) && !errors.Is(err, wechatpay.ErrBodyTooLarge) {
				t.Errorf("got %v", err)
			}
			return
		}
		// What was accepted is what another reader finds, but for line ends, which that one changes.
		again, err := decode(first.encode(), "xml")
		if err != nil {
			t.Fatalf("%q: %v", first, err)
		}
		other := readXML(t, first.encode())
		for name, value := range first {
			if again[name] != value || other[name] != value {
				t.Errorf("%s: %q became %q, and %q elsewhere", name, value, again[name], other[name])
			}
		}
	})
}

func FuzzNotification(f *testing.F) {
	client := newClient(f, testConfig(newProvider(f, nil)))
	v := readVectors(f)
	f.Add([]byte(v.Payment.XML))
	f.Add([]byte(v.Refund.XML))
	f.Add([]byte(strings.Replace(v.Payment.XML, "<total_fee>100<", "<total_fee>1<", 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := client.parseNotification(body)
		if err != nil {
			for _, sentinel := range []error{wechatpay.ErrMalformed, wechatpay.ErrSignature, wechatpay.ErrDecrypt, wechatpay.ErrBodyTooLarge} {
				if errors.Is(err, sentinel) {
					return
				}
			}
			t.Errorf("got %v, none of the package's errors", err)
			return
		}
		if order, ok := n.Order(); ok && (order.OutTradeNo != "VEC20240601000002" || order.TotalFee != 100) {
			t.Errorf("a forgery was accepted: %+v", order)
		}
	})
}
