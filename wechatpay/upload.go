package wechatpay

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path"
	"strings"
)

// uploadBytesMax bounds what is read of a file. The provider's limits are lower, differ between endpoints (2 to 7.5 MB)
// and change; it refuses what is too large for it.
const uploadBytesMax = 16 << 20

// File is a picture, video or document to upload.
type File struct {
	// Name is the file's name with its extension, such as "license.png"; at most 255 bytes, without a path. Required.
	Name string
	// ContentType is such as "image/png". Zero: by the extension of Name; needed for one that is not well known.
	ContentType string
	// Content is read once, to its end; at most 16 MiB. Required.
	Content io.Reader
}

// UploadImage uploads a picture or PDF for onboarding and other partner calls and returns its media_id (WeChat Pay
// APIv3, 图片上传). jpg, png and bmp may have 2 MB at least, 5 MB by newer pages; a PDF 7.5 MB. A repeat returns another id
// and does no harm.
func (c *Client) UploadImage(ctx context.Context, file File) (string, error) {
	return c.upload(ctx, "upload image", "/v3/merchant/media/upload", file)
}

// UploadVideo uploads a video, at most 5 MB, and returns its media_id (WeChat Pay APIv3, 视频上传).
func (c *Client) UploadVideo(ctx context.Context, file File) (string, error) {
	return c.upload(ctx, "upload video", "/v3/merchant/media/video_upload", file)
}

// UploadFavorImage uploads a picture for coupons, at most 2 MB, and returns its media_url (WeChat Pay APIv3, 代金券:
// 图片上传).
func (c *Client) UploadFavorImage(ctx context.Context, file File) (string, error) {
	return c.upload(ctx, "upload favor image", "/v3/marketing/favor/media/image-upload", file)
}

// UploadMerchantServiceImage uploads a picture for the answer to a complaint, at most 2 MB, and returns its media_id
// (WeChat Pay APIv3, 消费者投诉: 商户上传反馈图片).
func (c *Client) UploadMerchantServiceImage(ctx context.Context, file File) (string, error) {
	return c.upload(ctx, "upload merchant service image", "/v3/merchant-service/images/upload", file)
}

// upload sends file and returns its id or address, which endpoints call by different names.
func (c *Client) upload(ctx context.Context, name, target string, file File) (string, error) {
	var v validation
	file.validate(&v, "")
	if err := v.err(); err != nil {
		return "", failed(name, OutcomeRefused, err)
	}
	form, err := file.form(nil)
	if err != nil {
		return "", failed(name, OutcomeRefused, err)
	}
	var id string
	k := call{
		name: name, method: http.MethodPost, target: target, timeout: c.writeTimeout,
		decode: func(body []byte) error {
			var answer struct {
				MediaID  string `json:"media_id"`
				MediaURL string `json:"media_url"`
			}
			if err := decodeJSON(body, &answer); err != nil {
				return err
			}
			id = orDefault(answer.MediaID, answer.MediaURL)
			if id == "" {
				return fmt.Errorf("%w: answer holds no media_id or media_url", ErrMalformed)
			}
			return nil
		},
	}
	form.sendWith(&k)
	if err := c.do(ctx, k); err != nil {
		return "", err
	}
	return id, nil
}

// validate names mistakes with the prefix.
func (f *File) validate(v *validation, prefix string) {
	switch {
	case f.Name == "" || len(f.Name) > 255 || strings.ContainsFunc(f.Name, isForbiddenInFileName):
		v.add(prefix+"Name", "must be 1 to 255 bytes without path, quotes and control characters")
	case f.contentType() == "":
		v.add(prefix+"ContentType", "is needed for this extension")
	case strings.ContainsAny(f.ContentType, "\r\n"):
		v.add(prefix+"ContentType", "must be one line")
	}
	if f.Content == nil {
		v.add(prefix+"Content", "is required")
	}
}

func isForbiddenInFileName(r rune) bool {
	return r < ' ' || r == 0x7F || r == '/' || r == '\\' || r == '"' || r == 0xFFFD
}

// contentType is empty for an extension that is not well known. The provider says image/jpg.
func (f *File) contentType() string {
	if f.ContentType != "" {
		return f.ContentType
	}
	switch strings.ToLower(path.Ext(f.Name)) {
	case ".jpg", ".jpeg":
		return "image/jpg"
	case ".png":
		return "image/png"
	case ".bmp":
		return "image/bmp"
	case ".pdf":
		return "application/pdf"
	case ".mp4":
		return "video/mp4"
	}
	return ""
}

// form is an upload's body with the part of it that is signed.
type form struct {
	contentType string
	body        []byte
	meta        []byte
}

// sendWith makes the form the body of a call. Only meta is signed (WeChat Pay APIv3, 图片上传: 签名串的请求报文主体为 meta).
func (f *form) sendWith(k *call) {
	k.contentType, k.body, k.signed = f.contentType, f.body, f.meta
}

// form reads the file. The signature covers it by the digest in meta; nil meta: name and SHA-256, as most endpoints
// want it.
func (f *File) form(meta []byte) (*form, error) {
	return f.formWithin(meta, rand.Text())
}

func (f *File) formWithin(meta []byte, boundary string) (*form, error) {
	content, err := io.ReadAll(io.LimitReader(f.Content, uploadBytesMax+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the file: %w", err)
	case len(content) > uploadBytesMax:
		return nil, fmt.Errorf("file: %w: at most %d bytes", ErrBodyTooLarge, uploadBytesMax)
	case len(content) == 0:
		return nil, errors.New("the file is empty")
	}
	if meta == nil {
		sum := sha256.Sum256(content)
		meta, err = json.Marshal(struct {
			FileName string `json:"filename"`
			SHA256   string `json:"sha256"`
		}{f.Name, hex.EncodeToString(sum[:])})
		if err != nil {
			return nil, fmt.Errorf("encode meta: %w", err)
		}
	}

	var body bytes.Buffer
	body.Grow(len(content) + len(meta) + 1<<10)
	w := multipart.NewWriter(&body)
	if err := errors.Join(
		w.SetBoundary(boundary),
		writePart(w, `form-data; name="meta"`, contentTypeJSON, meta),
		writePart(w, `form-data; name="file"; filename="`+f.Name+`"`, f.contentType(), content),
		w.Close(),
	); err != nil {
		return nil, fmt.Errorf("encode upload: %w", err)
	}
	return &form{contentType: w.FormDataContentType(), body: body.Bytes(), meta: meta}, nil
}

func writePart(w *multipart.Writer, disposition, contentType string, content []byte) error {
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {disposition}, "Content-Type": {contentType},
	})
	if err != nil {
		return err
	}
	_, err = part.Write(content)
	return err
}
