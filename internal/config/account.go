package config

import (
	"encoding/json"
	"fmt"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/secret"
)

// Account is a merchant's account at a provider, with the keys that its files held when it was read. Whether keys,
// certificates and numbers belong together is found where the account is first used.
type Account struct {
	ID       string
	Disabled bool

	channel    string
	wechat     channel.WeChatSettings
	privateKey secret.String
	apiV3Key   secret.String

	privateKeyFile, apiV3KeyFile, publicKeyFile string // where keys were read from, for printing
}

// ChannelName is the provider.
func (a Account) ChannelName() payment.Channel { return payment.Channel(a.channel) }

// Channel returns the account as its channel's adapter reads it: [channel.WeChatSettings] and
// [channel.WeChatSecrets] in JSON. The secrets are in the clear: seal them, print them never.
func (a Account) Channel() (settings, secrets json.RawMessage, err error) {
	if a.ChannelName() != payment.WeChat {
		return nil, nil, fmt.Errorf("config: account %q has channel %q, which this version does not know; use %q", a.ID, a.channel, payment.WeChat)
	}
	if settings, err = json.Marshal(a.wechat); err != nil {
		return nil, nil, fmt.Errorf("config: encode account %q: %w", a.ID, err) // unreachable: texts alone
	}
	secrets, err = json.Marshal(channel.WeChatSecrets{PrivateKey: a.privateKey.Reveal(), APIv3Key: a.apiV3Key.Reveal()})
	if err != nil {
		return nil, nil, fmt.Errorf("config: encode account %q", a.ID) // unreachable likewise; a cause might quote a secret
	}
	return settings, secrets, nil
}
