package wechatpaysim

import (
	"testing"
	"time"
)

// TestForgottenNotificationIsNotWithheld is a reset between a notification's time and what a fault does with it.
func TestForgottenNotificationIsNotWithheld(t *testing.T) {
	t.Parallel()
	p := &Provider{mu: stateLock{flush: func() {}}}
	p.withhold("forgotten", time.Time{})
	if len(p.notifications) != 0 {
		t.Error("a forgotten notification came back")
	}
}
