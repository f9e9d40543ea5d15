package sandbox_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

const imagePath = "/v3/merchant/media/upload"

// uploaded is a file on its way; its zero fields are made to fit.
type uploaded struct {
	name, contentType, meta string
	content                 []byte
	signed                  string // what is signed instead of meta
	body                    string // what is sent instead of a form
}

func (m *merchant) upload(path string, u uploaded) answer {
	m.t.Helper()
	sum := sha256.Sum256(u.content)
	if u.meta == "" {
		u.meta = fmt.Sprintf(`{"filename":%q,"sha256":%q}`, u.name, hex.EncodeToString(sum[:]))
	}
	if u.signed == "" {
		u.signed = u.meta
	}
	r := m.request("POST", path, []byte(u.signed))
	body := "--edge\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n" + u.meta +
		"\r\n--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + u.name + "\"\r\nContent-Type: " + u.contentType +
		"\r\n\r\n" + string(u.content) + "\r\n--edge--\r\n"
	if u.body != "" {
		body = u.body
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=edge")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	response, err := m.client.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, content, m.verify(response.Header, content)}
}

func TestUploads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	picture := uploaded{name: "店面.png", contentType: "image/png", content: []byte("\x89PNG\r\n--edg and more")}
	video := uploaded{name: "a.mp4", contentType: "video/mp4", content: []byte("video")}
	for _, c := range []struct {
		path, field string
		file        uploaded
	}{
		{imagePath, "media_id", picture},
		{imagePath, "media_id", uploaded{name: "a.JPG", contentType: "image/jpg", content: []byte("x")}},
		{imagePath, "media_id", uploaded{name: "a.pdf", contentType: "application/pdf", content: []byte("%PDF")}},
		{"/v3/merchant/media/video_upload", "media_id", video},
		{"/v3/marketing/favor/media/image-upload", "media_url", picture},
		{"/v3/merchant-service/images/upload", "media_id", picture},
	} {
		a := b.merchant.upload(c.path, c.file)
		if a.status != 200 || a.text(c.field) == "" || a.verified != nil {
			t.Errorf("%s of %s: %d %s, %v", c.path, c.file.name, a.status, a.body, a.verified)
		}
	}
	for _, c := range []struct {
		name, path string
		file       uploaded
		status     int
		code       string
	}{
		{"VideoAsPicture", imagePath, video, 400, "PARAM_ERROR"},
		{"PictureAsVideo", "/v3/merchant/media/video_upload", picture, 400, "PARAM_ERROR"},
		{"PDFAsCouponPicture", "/v3/marketing/favor/media/image-upload", uploaded{name: "a.pdf", contentType: "application/pdf", content: []byte("x")}, 400, "PARAM_ERROR"},
		{"OtherContentType", imagePath, uploaded{name: "a.png", contentType: "text/html", content: []byte("x")}, 400, "PARAM_ERROR"},
		{"DigestOfAnotherFile", imagePath, uploaded{name: "a.png", contentType: "image/png", content: []byte("x"), meta: `{"filename":"a.png","sha256":"` + strings.Repeat("0", 64) + `"}`}, 400, "PARAM_ERROR"},
		{"NoDigest", imagePath, uploaded{name: "a.png", contentType: "image/png", content: []byte("x"), meta: `{"filename":"a.png"}`}, 400, "PARAM_ERROR"},
		{"MetaThatIsNoJSON", imagePath, uploaded{name: "a.png", contentType: "image/png", content: []byte("x"), meta: `filename=a.png`}, 400, "PARAM_ERROR"},
		{"AnotherName", imagePath, uploaded{name: "a.png", contentType: "image/png", content: []byte("x"), meta: `{"filename":"b.png","sha256":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}`}, 400, "PARAM_ERROR"},
		{"WholeBodySigned", imagePath, uploaded{name: "a.png", contentType: "image/png", content: []byte("x"), signed: "the whole body"}, 401, "SIGN_ERROR"},
		{"NoForm", imagePath, uploaded{signed: "{}", body: "{}"}, 400, "INVALID_REQUEST"},
	} {
		if a := b.merchant.upload(c.path, c.file); a.status != c.status || a.text("code") != c.code {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
}

func TestUploadSizes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := func(name, contentType string, size int) uploaded {
		return uploaded{name: name, contentType: contentType, content: bytes.Repeat([]byte("x"), size)}
	}
	size := func(name, contentType, path string, least, most int) {
		t.Helper()
		want(t, name, b.merchant.upload(path, file(name, contentType, least)).status, http.StatusOK)
		want(t, name+" too large", b.merchant.upload(path, file(name, contentType, most)).text("code"), "PARAM_ERROR")
	}
	const mib = 1 << 20
	size("a.png", "image/png", imagePath, 2*mib, 2*mib+1)
	size("a.pdf", "application/pdf", imagePath, 7*mib+mib/2, 7*mib+mib/2+1)
	size("a.mp4", "video/mp4", "/v3/merchant/media/video_upload", 5*mib, 5*mib+1)
	b.settings(object{"upload_image_max": 5 * mib, "upload_pdf_max": 0, "upload_video_max": 10})
	size("a.png", "image/png", imagePath, 5*mib, 5*mib+1)
	size("a.mp4", "video/mp4", "/v3/merchant/media/video_upload", 10, 11)
	want(t, "PDF", b.merchant.upload(imagePath, file("a.pdf", "application/pdf", 1)).text("code"), "PARAM_ERROR")
	want(t, "endless", b.merchant.upload(imagePath, file("a.png", "image/png", 17*mib)).text("code"), "PARAM_ERROR")
	status, why := b.control("POST", "/wechatpay/settings", object{"upload_image_max": 0})
	want(t, "setting", status, 400)
	want(t, "field", why["field"], "upload_image_max")
}

// The journal keeps what was signed, not the file.
func TestUploadsInTheJournal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.merchant.upload(imagePath, uploaded{name: "a.png", contentType: "image/png", content: []byte("the picture")})
	entries := b.journal("operation=upload_image")
	if len(entries) != 1 || !json.Valid([]byte(entries[0]["request"].(string))) || strings.Contains(entries[0]["request"].(string), "the picture") {
		t.Errorf("got %v", entries)
	}
}
