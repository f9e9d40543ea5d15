package channel

import "testing"

func TestH5GoesBackToTheAppsPage(t *testing.T) {
	t.Parallel()
	const cashier = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx1&package=2"
	for returnURL, want := range map[string]string{
		"":                              cashier,
		"https://shop.example/done?x=1": cashier + "&redirect_url=https%3A%2F%2Fshop.example%2Fdone%3Fx%3D1",
	} {
		if got := withReturn(cashier, returnURL); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
