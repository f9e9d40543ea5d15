package wechatpaysim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"path"
	"slices"
	"strings"
)

// uploadBytesMax bounds the body of an upload; settings say how large a file may be.
const uploadBytesMax = 16 << 20

// uploadForm is the body of an upload. Only meta is signed (WeChat Pay APIv3, 图片上传: 签名串的请求报文主体为 meta).
type uploadForm struct {
	meta        []byte
	fileName    string
	contentType string
	file        []byte
}

// readForm reads a body of two parts, meta and file; nil if it is none.
func readForm(contentType string, body []byte) *uploadForm {
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || media != "multipart/form-data" {
		return nil
	}
	reader := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
	form := &uploadForm{}
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return form.whole()
		}
		if err != nil {
			return nil
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil
		}
		switch part.FormName() {
		case "meta":
			form.meta = content
		case "file":
			form.fileName, form.contentType, form.file = part.FileName(), part.Header.Get("Content-Type"), content
		}
	}
}

// whole returns the form if it has both parts, else nil.
func (f *uploadForm) whole() *uploadForm {
	if f.meta == nil || f.file == nil {
		return nil
	}
	return f
}

// signed is what of the body the merchant signs: all of it, but of an upload meta alone.
func (c *call) signed() []byte {
	if c.form != nil {
		return c.form.meta
	}
	return c.body
}

// bodyMax bounds the operation's request body.
func (op operation) bodyMax() int64 {
	if op.isUpload() {
		return uploadBytesMax
	}
	return bodyBytesMax
}

func (op operation) isUpload() bool { return strings.HasPrefix(op.name, "upload_") }

// upload is one endpoint for files.
type upload struct {
	answer string   // name of what the answer holds
	kinds  []string // of files: image, pdf, video
}

func uploadOperations() []operation {
	taking := func(name, path string, u upload) operation {
		return operation{name, "POST " + path, nil, func(p *Provider, c *call) (any, *apiError) { return p.upload(u, c) }}
	}
	return []operation{
		taking("upload_image", "/v3/merchant/media/upload", upload{"media_id", []string{"image", "pdf"}}),
		taking("upload_video", "/v3/merchant/media/video_upload", upload{"media_id", []string{"video"}}),
		taking("upload_favor_image", "/v3/marketing/favor/media/image-upload", upload{"media_url", []string{"image"}}),
		taking("upload_service_image", "/v3/merchant-service/images/upload", upload{"media_id", []string{"image"}}),
	}
}

// upload takes a file and answers its id or address (WeChat Pay APIv3, 图片上传, 视频上传).
func (p *Provider) upload(u upload, c *call) (any, *apiError) {
	if c.form == nil {
		return nil, headerError("Content-Type", "an upload is multipart/form-data with the parts meta and file")
	}
	meta, err := decodeBody(c.form.meta)
	if err == nil {
		err = checkFields("", meta, []field{required(str("filename", 255)), required(str("sha256", 64))}, p.Settings().StrictFields)
	}
	if err != nil {
		return nil, err
	}
	if err := p.checkFile(u, c.form, meta); err != nil {
		return nil, err
	}
	id := p.chance.Alphanumeric(86)
	if u.answer == "media_url" {
		id = "https://wxpaylogo.qpic.cn/wxpaylogo/" + id + "/0"
	}
	return map[string]string{u.answer: id}, nil
}

// checkFile compares the file with what meta says, and with what the endpoint takes.
func (p *Provider) checkFile(u upload, form *uploadForm, meta map[string]any) *apiError {
	refuse := func(internal int, field, issue string) *apiError {
		return paramError(internal, fieldDetail{Field: field, Issue: issue, Location: "body"})
	}
	sum := sha256.Sum256(form.file)
	if digest, ok := meta["sha256"].(string); !ok || !strings.EqualFold(digest, hex.EncodeToString(sum[:])) {
		return refuse(internalIllegalParameter, "/sha256", "the digest is not that of the file")
	}
	name, _ := meta["filename"].(string)
	if name != form.fileName {
		return refuse(internalIllegalParameter, "/filename", "the name is not that of the file's part")
	}
	kind := fileKind(name)
	if !slices.Contains(u.kinds, kind) || !strings.HasPrefix(form.contentType, mediaOf(kind)) {
		return refuse(internalIllegalParameter, "/filename", "this kind of file is not taken here: want "+strings.Join(u.kinds, " or ")+", with its Content-Type")
	}
	settings := p.Settings()
	limit := map[string]int64{"image": settings.UploadImageMax, "pdf": settings.UploadPDFMax, "video": settings.UploadVideoMax}[kind]
	if size := int64(len(form.file)); size > limit {
		return refuse(internalOutOfRange, "/file", fmt.Sprintf("the file may have %d bytes, has %d", limit, size))
	}
	return nil
}

// fileKind tells what is in a file by its extension; empty: nothing the provider takes.
func fileKind(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".bmp", ".png":
		return "image"
	case ".pdf":
		return "pdf"
	case ".avi", ".wmv", ".mpeg", ".mp4", ".mov", ".mkv", ".flv", ".f4v", ".m4v", ".rmvb":
		return "video"
	}
	return ""
}

func mediaOf(kind string) string {
	if kind == "pdf" {
		return "application/pdf"
	}
	return kind + "/"
}
