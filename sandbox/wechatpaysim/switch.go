package wechatpaysim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
	"github.com/tongbao-pay/tongbao/sandbox/record"
)

// Steps of the switch from the platform certificate to the public key.
const (
	stepApply  = "apply"  // 申请微信支付公钥
	stepStart  = "start"  // 开始切换
	stepStop   = "stop"   // 停止切换
	stepRetire = "retire" // 作废平台证书
)

// switchWindow is what the progress is counted over, and switchDays how long the ramp of notifications takes.
const (
	switchWindow = 7 * 24 * time.Hour
	switchDays   = 7
)

// Switch is where the merchant stands in the switch from the platform certificate to the WeChat Pay public key, as the merchant
// console shows it (WeChat Pay APIv3, 平台证书切换微信支付公钥).
type Switch struct {
	VerifyMode          string          `json:"verify_mode"`             // as in the settings
	PublicKeyID         string          `json:"public_key_id,omitempty"` // empty until a key was applied for
	StartedAt           time.Time       `json:"started_at,omitzero"`     // sandbox clock
	Day                 int             `json:"day,omitempty"`           // of the switch, from 1
	NotificationPercent float64         `json:"notification_percent"`    // share that is signed with the public key today
	Progress            *SwitchProgress `json:"progress,omitempty"`      // while a switch runs
	Replacing           bool            `json:"replacing"`               // a replacement of the platform certificate is under way
	Steps               []SwitchStep    `json:"steps"`                   // all of them, and what is in the way of each
}

// SwitchProgress is the share of calls that used the public key, over the last 7 days of the switch, refreshed every full hour.
type SwitchProgress struct {
	RefreshedAt   time.Time  `json:"refreshed_at"` // sandbox clock
	Answers       KeyedShare `json:"answers"`
	Notifications KeyedShare `json:"notifications"`
}

// KeyedShare is a count and what it means.
type KeyedShare struct {
	KeyedCount
	Percent float64 `json:"percent"` // 0 without any
}

// SwitchStep is one action; an empty Blocked means that it can be taken now.
type SwitchStep struct {
	Action  string `json:"action"`
	Blocked string `json:"blocked,omitempty"`
}

// switchHour is what was signed in one hour of the switch.
type switchHour struct {
	StartedAt, Hour   time.Time // of the switch; full hour, both on the sandbox's clock
	Answers, Notified KeyedCount
}

// KeyedCount counts signatures and those among them by the public key.
type KeyedCount struct {
	Signed      int `json:"signed"`
	ByPublicKey int `json:"by_public_key"`
}

func (c *KeyedCount) add(more KeyedCount) {
	c.Signed += more.Signed
	c.ByPublicKey += more.ByPublicKey
}

// ramping reports whether a switch runs: the settings alone can also hold the state in which a request's own wish decides.
func (s Settings) ramping() bool { return s.VerifyMode == Switching && s.SwitchDay > 0 }

// day is the day of the switch, from 1.
func (s Settings) day(now time.Time) int { return 1 + int(now.Sub(s.SwitchStartedAt)/(24*time.Hour)) }

// countSigned counts a signature of a running switch. The caller holds the lock.
func (p *Provider) countSigned(key signingKey, notification bool) {
	if !p.settings.ramping() {
		return
	}
	hour, started := p.clock.Now().Truncate(time.Hour), p.settings.SwitchStartedAt
	last := len(p.switchHours) - 1
	if last < 0 || !p.switchHours[last].Hour.Equal(hour) || !p.switchHours[last].StartedAt.Equal(started) {
		p.switchHours = append(p.switchHours, switchHour{StartedAt: started, Hour: hour})
		last++
	}
	one := KeyedCount{Signed: 1}
	if key.serial == p.identity.PublicKeyID {
		one.ByPublicKey = 1
	}
	if notification {
		p.switchHours[last].Notified.add(one)
	} else {
		p.switchHours[last].Answers.add(one)
	}
	p.put(recordSwitchHour, started.Format(time.RFC3339Nano)+" "+hour.Format(time.RFC3339), p.switchHours[last])
}

// progress adds up the full hours of the window. The caller holds the lock.
func (p *Provider) progress(now time.Time) *SwitchProgress {
	refreshed := now.Truncate(time.Hour)
	made := &SwitchProgress{RefreshedAt: refreshed}
	for _, h := range p.switchHours {
		ofThis := h.StartedAt.Equal(p.settings.SwitchStartedAt)
		if ofThis && h.Hour.Before(refreshed) && !h.Hour.Before(refreshed.Add(-switchWindow)) {
			made.Answers.add(h.Answers)
			made.Notifications.add(h.Notified)
		}
	}
	for _, share := range []*KeyedShare{&made.Answers, &made.Notifications} {
		if share.Signed > 0 {
			share.Percent = 100 * float64(share.ByPublicKey) / float64(share.Signed)
		}
	}
	return made
}

// replacing reports whether two platform certificates are in force. The caller holds the lock.
func (p *Provider) replacing(now time.Time) bool { return len(p.published(now)) > 1 }

// switchState is the switch as it stands. The caller holds the lock.
func (p *Provider) switchState() Switch {
	now := p.clock.Now()
	state := Switch{VerifyMode: p.settings.VerifyMode, Replacing: p.replacing(now)}
	if state.VerifyMode != CertOnly {
		state.PublicKeyID = p.identity.PublicKeyID
	}
	if state.VerifyMode == PubkeyOnly {
		state.NotificationPercent = 100
	}
	if p.settings.ramping() {
		state.StartedAt, state.Day = p.settings.SwitchStartedAt, p.settings.day(now)
		state.NotificationPercent = rampPercent(state.Day)
		state.Progress = p.progress(now)
	}
	for _, action := range []string{stepApply, stepStart, stepStop, stepRetire} {
		state.Steps = append(state.Steps, SwitchStep{action, p.blocked(action, state)})
	}
	return state
}

// blocked says why the action cannot be taken now; empty if it can. The caller holds the lock.
func (p *Provider) blocked(action string, state Switch) string {
	switch action {
	case stepApply:
		if state.VerifyMode != CertOnly {
			return "the merchant has the public key"
		}
	case stepStart:
		switch {
		case state.VerifyMode == CertOnly:
			return "apply for the public key first"
		case state.VerifyMode == PubkeyOnly:
			return "the platform certificate is retired"
		case p.settings.ramping():
			return "the switch is running"
		case state.Replacing:
			return "a replacement of the platform certificate is under way; the two exclude each other: let it end (POST /clock/advance)"
		}
	case stepStop:
		if state.VerifyMode != Switching {
			return "no switch is running"
		}
	case stepRetire:
		return p.blockedRetirement(state)
	}
	return ""
}

func (p *Provider) blockedRetirement(state Switch) string {
	switch {
	case state.Progress == nil:
		return "no switch is running"
	case state.Day < switchDays:
		return fmt.Sprintf("notifications reach 100 %% on day %d; it is day %d", switchDays, state.Day)
	case state.Progress.Answers.Signed == 0:
		return "no call of the last 7 days used the public key: name it in Wechatpay-Serial"
	case state.Progress.Answers.Percent < 100:
		return fmt.Sprintf("%.2f %% of the answers of the last 7 days used the public key; name it in Wechatpay-Serial of every call", state.Progress.Answers.Percent)
	case state.Progress.Notifications.Signed > 0 && state.Progress.Notifications.Percent < 100:
		return fmt.Sprintf("%.2f %% of the notifications of the last 7 days used the public key", state.Progress.Notifications.Percent)
	}
	return ""
}

func (p *Provider) getSwitch(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	state := p.switchState()
	p.mu.Unlock()
	control.Write(w, http.StatusOK, state)
}

// postSwitch takes one step, as an administrator does in the merchant console.
func (p *Provider) postSwitch(w http.ResponseWriter, r *http.Request) {
	var step struct {
		Action string `json:"action"`
	}
	if !control.Read(w, r, &step) {
		return
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	state, problem := p.takeStep(step.Action)
	if problem != nil {
		status := http.StatusConflict
		if problem.Allowed != nil {
			status = http.StatusBadRequest
		}
		control.Refuse(w, status, *problem)
		return
	}
	control.Write(w, http.StatusOK, state)
}

func (p *Provider) takeStep(action string) (Switch, *control.Problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.settings.clone()
	switch action {
	case stepApply:
		s.VerifyMode = NotStarted
	case stepStart:
		s.VerifyMode, s.SwitchDay, s.SwitchStartedAt = Switching, 1, p.clock.Now()
	case stepStop:
		s.VerifyMode, s.SwitchDay, s.SwitchStartedAt = NotStarted, 0, time.Time{}
	case stepRetire:
		s.VerifyMode, s.SwitchDay, s.SwitchStartedAt = PubkeyOnly, 0, time.Time{}
	default:
		return Switch{}, &control.Problem{
			Error: fmt.Sprintf("%q is not a step of the switch", action), Field: "action",
			Allowed: []string{stepApply, stepStart, stepStop, stepRetire},
		}
	}
	if reason := p.blocked(action, p.switchState()); reason != "" {
		return Switch{}, &control.Problem{Error: reason, Field: "action"}
	}
	p.settings = s
	p.put(recordSettings, "", s)
	return p.switchState(), nil
}

func (p *Provider) restoreSwitchHour(r record.Record) error {
	var h switchHour
	if err := json.Unmarshal(r.Value, &h); err != nil {
		return err
	}
	p.switchHours = append(p.switchHours, h)
	return nil
}
