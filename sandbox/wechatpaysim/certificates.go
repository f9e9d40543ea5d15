package wechatpaysim

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/control"
	"github.com/tongbao-pay/tongbao/sandbox/identity"
)

type certificateList struct {
	Data []certificateItem `json:"data"`
}

type certificateItem struct {
	SerialNo           string    `json:"serial_no"`
	EffectiveTime      string    `json:"effective_time"`
	ExpireTime         string    `json:"expire_time"`
	EncryptCertificate encrypted `json:"encrypt_certificate"`
}

// certificates answers the platform certificates in force, each encrypted under the APIv3 key
// (WeChat Pay APIv3, 下载平台证书).
func (p *Provider) certificates(c *call) (any, *apiError) {
	switch c.query.Get("algorithm_type") {
	case "", "RSA", "ALL":
	case "SM2":
		return nil, noResource("平台证书不存在", "there are no SM2 certificates")
	default:
		return nil, paramError(internalIllegalParameter, fieldDetail{Field: "algorithm_type", Value: c.query.Get("algorithm_type"), Issue: "the value must be one of RSA, SM2, ALL", Location: "query"})
	}
	p.mu.Lock()
	keys, mode := p.published(p.clock.Now()), p.settings.VerifyMode
	p.mu.Unlock()
	if mode == PubkeyOnly {
		return nil, p.noCertificates()
	}
	merchant, _ := p.merchant(c.caller)
	list := certificateList{Data: []certificateItem{}}
	for _, k := range keys {
		sealed, err := p.seal(merchant.APIv3Key, identity.EncodeCertificate(k.Cert), "certificate")
		if err != nil {
			p.logger.Error("encrypt a certificate", "error", err)
			return nil, systemError()
		}
		list.Data = append(list.Data, certificateItem{k.SerialNo(), chinaTime(k.Cert.NotBefore), chinaTime(k.Cert.NotAfter), sealed})
	}
	return list, nil
}

// Rotation is the answer of the control API: the certificates after a rotation was started.
type Rotation struct {
	SerialNo       string    `json:"serial_no"` // the new certificate's
	OldSerialNo    string    `json:"old_serial_no"`
	SignsFrom      time.Time `json:"signs_from"`       // sandbox clock, as below
	SignsAloneFrom time.Time `json:"signs_alone_from"` // a growing share of answers and notifications until then
	OldDropsAt     time.Time `json:"old_drops_at"`
}

// postRotate publishes a new platform certificate at once; it signs and the old ones go later, so that both are valid in between.
// Without a body the notice is a day. The older text of APIv3 publishes ten days before the end and signs more and more with the
// new certificate in the last five: sign_after 120h, sign_over 120h, drop_old_after 240h.
func (p *Provider) postRotate(w http.ResponseWriter, r *http.Request) {
	plan := struct {
		SignAfter    clock.Duration `json:"sign_after"`
		SignOver     clock.Duration `json:"sign_over"`
		DropOldAfter clock.Duration `json:"drop_old_after"`
	}{SignAfter: clock.Duration(24 * time.Hour), DropOldAfter: clock.Duration(120 * time.Hour)}
	if !control.Read(w, r, &plan) {
		return
	}
	if plan.SignAfter < 0 || plan.DropOldAfter <= plan.SignAfter || plan.DropOldAfter.Std() > clock.AdvanceMax {
		control.Refuse(w, http.StatusBadRequest, control.Problem{Error: "sign_after is 0s or more, and drop_old_after is longer than it: the certificates must overlap", Field: "drop_old_after"})
		return
	}
	if plan.SignOver < 0 || plan.SignAfter+plan.SignOver > plan.DropOldAfter {
		control.Refuse(w, http.StatusBadRequest, control.Problem{Error: "sign_over is 0s or more, and ends when the old certificate goes at the latest", Field: "sign_over"})
		return
	}
	rotation, err := p.rotate(plan.SignAfter.Std(), plan.SignOver.Std(), plan.DropOldAfter.Std())
	if errors.Is(err, errSwitchRuns) {
		control.Refuse(w, http.StatusConflict, control.Problem{Error: err.Error()})
		return
	}
	if err != nil {
		p.logger.Error("rotate the platform certificate", "error", err)
		control.Refuse(w, http.StatusInternalServerError, control.Problem{Error: "the new certificate could not be made; see the sandbox's log"})
		return
	}
	control.Write(w, http.StatusOK, rotation)
}

// errSwitchRuns: the provider does not replace a certificate that a merchant is leaving.
var errSwitchRuns = errors.New("the switch to the public key is running, and the two exclude each other: stop it (POST /wechatpay/switch) or end it")

func (p *Provider) rotate(signAfter, signOver, dropOldAfter time.Duration) (Rotation, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return Rotation{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settings.ramping() {
		return Rotation{}, errSwitchRuns
	}
	newest := p.platform[len(p.platform)-1]
	since := p.clock.Real().Truncate(time.Second) // merchants compare it with their own clocks
	if !since.After(newest.Cert.NotBefore) {
		since = newest.Cert.NotBefore.Add(time.Second) // the newest must be known by its date
	}
	cert, err := p.ca.IssuePlatform(key, since)
	if err != nil {
		return Rotation{}, err
	}
	now := p.clock.Now()
	signs := now.Add(signAfter)
	made := platformKey{Certificate: cert, publishedAt: now, signsFrom: signs, signsAloneFrom: signs.Add(signOver)}
	for i := range p.platform {
		if drop := now.Add(dropOldAfter); p.platform[i].dropAt.IsZero() || drop.Before(p.platform[i].dropAt) {
			p.platform[i].dropAt = drop
		}
		p.putPlatformKey(p.platform[i])
	}
	p.platform = append(p.platform, made)
	p.putPlatformKey(made)
	return Rotation{made.SerialNo(), newest.SerialNo(), made.signsFrom, made.signsAloneFrom, now.Add(dropOldAfter)}, nil
}
