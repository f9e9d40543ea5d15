package main

import (
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/tongbao-pay/tongbao/sandbox"
)

// sandboxAccount is the sandbox's merchant as 'tongbao account add' reads an account. Files are named relative to its own.
type sandboxAccount struct {
	ID                   string `yaml:"id"`
	Channel              string `yaml:"channel"`
	MchID                string `yaml:"mchid"`
	AppID                string `yaml:"appid"`
	MerchantSerialNo     string `yaml:"merchant_serial_no"`
	PrivateKeyFile       string `yaml:"private_key_file"`
	APIv3Key             string `yaml:"api_v3_key"`
	PublicKeyID          string `yaml:"public_key_id"`
	PublicKeyFile        string `yaml:"public_key_file"`
	PlatformCertificates bool   `yaml:"platform_certificates"`
	BaseURL              string `yaml:"base_url"`
	BackupURL            string `yaml:"backup_url"`
}

// writeAccount writes the account beside the sandbox's credentials, in one step, and returns its path.
func writeAccount(c sandbox.Credentials) (path string, err error) {
	w := c.WeChatPay
	text, err := yaml.Marshal(sandboxAccount{
		ID: "wechat-sandbox", Channel: "wechat", MchID: w.MchID, AppID: w.AppID, MerchantSerialNo: w.MerchantSerialNo,
		PrivateKeyFile: w.MerchantPrivateKeyFile, APIv3Key: w.APIv3Key, PublicKeyID: w.PublicKeyID, PublicKeyFile: w.PublicKeyFile,
		PlatformCertificates: true, BaseURL: w.BaseURL, BackupURL: w.BackupURL,
	})
	if err != nil {
		return "", fmt.Errorf("write the gateway's account: %w", err)
	}
	path = c.Path("account.yaml")
	fresh := path + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return "", fmt.Errorf("write the gateway's account: %w", err)
	}
	return path, os.Rename(fresh, path)
}
