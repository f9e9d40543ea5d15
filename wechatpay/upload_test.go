package wechatpay

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestVectorsUpload(t *testing.T) {
	t.Parallel()
	var vector struct {
		Upload struct {
			Method, URL, Signature string
			NonceStr               string `json:"nonce_str"`
			File                   []byte `json:"file_base64"`
			Meta                   string `json:"meta_json"`
			SignString             string `json:"sign_string"`
			ContentType            string `json:"content_type"`
			Body                   []byte `json:"multipart_body_base64"`
		} `json:"v3_upload_signature"`
	}
	if err := json.Unmarshal(readFile(t, "wechatpay.json"), &vector); err != nil {
		t.Fatal(err)
	}
	want := vector.Upload
	file := File{Name: "license.png", Content: bytes.NewReader(want.File)}
	form, err := file.formWithin(nil, "vectorboundary")
	if err != nil {
		t.Fatal(err)
	}
	if string(form.meta) != want.Meta || form.contentType != want.ContentType || !bytes.Equal(form.body, want.Body) {
		t.Errorf("got %s %s\n%q\nwant\n%q", form.meta, form.contentType, form.body, want.Body)
	}
	header, err := vectorClient(t).merchant.authorization(want.Method, want.URL, form.meta, vectorClock().Unix(), want.NonceStr)
	if err != nil || !strings.Contains(header, `signature="`+want.Signature+`"`) {
		t.Errorf("got %s, %v", header, err)
	}
	if !strings.HasSuffix(want.SignString, "\n"+want.Meta+"\n") {
		t.Error("vector contradicts itself")
	}
}

func TestUploadsOnTheWire(t *testing.T) {
	t.Parallel()
	picture := []byte("\x89PNG and more")
	sum := sha256.Sum256(picture)
	for _, c := range []struct {
		name, target, answer, want string
		upload                     func(*Client, File) (string, error)
	}{
		{"UploadImage", "/v3/merchant/media/upload", `{"media_id":"M1"}`, "M1", func(c *Client, f File) (string, error) { return c.UploadImage(t.Context(), f) }},
		{"UploadVideo", "/v3/merchant/media/video_upload", `{"media_id":"M1"}`, "M1", func(c *Client, f File) (string, error) { return c.UploadVideo(t.Context(), f) }},
		{"UploadFavorImage", "/v3/marketing/favor/media/image-upload", `{"media_url":"https://x.example/y"}`, "https://x.example/y", func(c *Client, f File) (string, error) {
			return c.UploadFavorImage(t.Context(), f)
		}},
		{"UploadMerchantServiceImage", "/v3/merchant-service/images/upload", `{"media_id":"M1"}`, "M1", func(c *Client, f File) (string, error) {
			return c.UploadMerchantServiceImage(t.Context(), f)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// The first answer is lost; the file, which can be read but once, is sent whole again.
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, n int) {
				if n == 1 {
					refuse(w, 500, CodeSystemError)
					return
				}
				p.reply(w, 200, c.answer)
			})
			got, err := c.upload(clientOf(t, p), File{Name: "店面.png", Content: iotest.OneByteReader(bytes.NewReader(picture))})
			if err != nil || got != c.want {
				t.Fatalf("got %q, %v", got, err)
			}
			requests := p.received()
			if len(requests) != 2 || requests[1].RequestURI != c.target || !bytes.Equal(requests[0].body, requests[1].body) {
				t.Fatalf("got %d requests, %s", len(requests), requests[0].RequestURI)
			}
			want := sentForm{`{"filename":"店面.png","sha256":"` + hex.EncodeToString(sum[:]) + `"}`, "店面.png", "image/png", string(picture)}
			if got := readForm(t, requests[1]); got != want {
				t.Errorf("got %q", got)
			}
		})
	}
}

// sentForm is an upload as it was sent.
type sentForm struct {
	meta, name, contentType, content string
}

func readForm(t *testing.T, r receivedRequest) (f sentForm) {
	t.Helper()
	_, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	reader := multipart.NewReader(bytes.NewReader(r.body), parameters["boundary"])
	for _, want := range []string{"meta", "file"} {
		part, err := reader.NextPart()
		if err != nil || part.FormName() != want {
			t.Fatalf("part %s: got %v", want, err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		if want == "meta" {
			f.meta = string(text)
			continue
		}
		f.name, f.contentType, f.content = part.FileName(), part.Header.Get("Content-Type"), string(text)
	}
	if _, err := reader.NextPart(); !errors.Is(err, io.EOF) {
		t.Errorf("more parts: %v", err)
	}
	return f
}

// Some uploads describe the file otherwise.
func TestDoUploadsWithMetaOfTheCaller(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		p.reply(w, 200, `{"fapiao_media_id":"F1"}`)
	})
	var answer struct {
		ID string `json:"fapiao_media_id"`
	}
	err := clientOf(t, p).Do(t.Context(), Request{
		Method: "POST", Path: "/v3/new-tax-control-fapiao/fapiao-applications/upload-fapiao-file",
		Body: json.RawMessage(`{"file_type":"PDF","digest_alogrithm":"SM3","digest":"00"}`),
		File: &File{Name: "fapiao.pdf", Content: strings.NewReader("%PDF")},
	}, &answer)
	if err != nil || answer.ID != "F1" {
		t.Fatalf("got %+v, %v", answer, err)
	}
	want := sentForm{`{"file_type":"PDF","digest_alogrithm":"SM3","digest":"00"}`, "fapiao.pdf", "application/pdf", "%PDF"}
	if got := readForm(t, p.received()[0]); got != want {
		t.Errorf("got %q", got)
	}
}

func TestUploadMistakesSendNothing(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(*provider, http.ResponseWriter, receivedRequest, int) {})
	client := clientOf(t, p)
	content := func() io.Reader { return strings.NewReader("x") }
	broken := errors.New("disk is away")
	for _, c := range []struct {
		name, field string
		is          error
		file        File
	}{
		{"NoName", "Name", nil, File{Content: content()}},
		{"NameWithPath", "Name", nil, File{Name: "../a.png", Content: content()}},
		{"NameWithQuote", "Name", nil, File{Name: `a".png`, Content: content()}},
		{"NameWithNewline", "Name", nil, File{Name: "a\r\n.png", Content: content()}},
		{"NameThatIsNoUTF8", "Name", nil, File{Name: "\xff.png", Content: content()}},
		{"UnknownExtension", "ContentType", nil, File{Name: "a.xyz", Content: content()}},
		{"ContentTypeOfTwoLines", "ContentType", nil, File{Name: "a.xyz", ContentType: "a/b\r\nX: y", Content: content()}},
		{"NoContent", "Content", nil, File{Name: "a.png"}},
		{"EmptyContent", "", nil, File{Name: "a.png", Content: strings.NewReader("")}},
		{"ContentThatBreaks", "", broken, File{Name: "a.png", Content: iotest.ErrReader(broken)}},
		{"EndlessContent", "", ErrBodyTooLarge, File{Name: "a.png", Content: endless{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := client.UploadImage(t.Context(), c.file)
			if fields := strings.Join(fieldsOf(err), " "); fields != c.field || OutcomeOf(err) != OutcomeRefused || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v (%s)", err, OutcomeOf(err))
			}
		})
	}
	t.Cleanup(func() {
		if got := len(p.received()); got != 0 {
			t.Errorf("%d requests were sent", got)
		}
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestUploadAnswerWithoutIDIsUnknown(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, `{}`) })
	_, err := clientOf(t, p).UploadVideo(t.Context(), File{Name: "a.mov", ContentType: "video/quicktime", Content: base64.NewDecoder(base64.StdEncoding, strings.NewReader("AAAA"))})
	if !errors.Is(err, ErrMalformed) || OutcomeOf(err) != OutcomeUnknown {
		t.Errorf("got %v", err)
	}
}
