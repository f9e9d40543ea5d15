// Package demo runs everything in one process: the sandbox, the gateway on SQLite, and a small shop that sells
// through it. Nothing is configured and nothing is fetched.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/demo/shop"
	"github.com/tongbao-pay/tongbao/internal/secret"
	"github.com/tongbao-pay/tongbao/internal/server"
	"github.com/tongbao-pay/tongbao/internal/webhook"
	"github.com/tongbao-pay/tongbao/sandbox"
)

// Config says where a demo lives. The zero value works.
type Config struct {
	Data    string // folder for identities and databases; empty: a temporary one that is removed at the end
	Listen  string // the gateway; empty: 127.0.0.1:8080, or a free port where that is taken
	Version string
	Logger  *slog.Logger // nil: discarded
	// FreePorts takes free ports everywhere, so that many demos can run side by side.
	FreePorts bool
}

// The addresses a person can remember; where one is taken, a free port serves.
const (
	gatewayAddress = "127.0.0.1:8080"
	adminAddress   = "127.0.0.1:8081"
	shopAddress    = "127.0.0.1:8088"
	anyPort        = "127.0.0.1:0"
)

const (
	appID     = "shop"
	accountID = "wechat-sandbox"
)

// Demo is sandbox, gateway and shop, wired together.
type Demo struct {
	config    Config
	temporary bool
	sandbox   *sandbox.Sandbox
	server    *server.Server
	apiKey    secret.String
	shop      *shop.Shop
	listener  net.Listener // the shop's
	http      *http.Server
}

// Open makes everything and takes the addresses; nothing answers before [Demo.Serve].
func Open(ctx context.Context, c Config) (_ *Demo, err error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Demo{config: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.config.Data == "" {
		d.temporary = true
		if d.config.Data, err = os.MkdirTemp("", "tongbao-demo-"); err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
	}
	if err := d.openSandbox(); err != nil {
		return nil, err
	}
	if err := d.openGateway(ctx); err != nil {
		return nil, err
	}
	if err := d.openShop(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Demo) openSandbox() (err error) {
	d.sandbox, err = sandbox.Open(sandbox.Config{
		Dir:    filepath.Join(d.config.Data, "sandbox"),
		Listen: d.address(sandbox.ListenDefault), Backup: d.address(sandbox.BackupDefault), Control: d.address(sandbox.ControlDefault), Phone: d.address(sandbox.PhoneDefault),
		Logger: d.config.Logger.With("part", "sandbox"),
	})
	return err
}

func (d *Demo) openGateway(ctx context.Context) error {
	if _, _, err := secret.LoadOrCreateMasterKeyFile(filepath.Join(d.config.Data, "master.key")); err != nil { // a demo's needs no backup, nor a warning
		return err
	}
	c, err := d.configure()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if d.server, err = server.Open(ctx, server.Options{Config: c, Version: d.config.Version, Logger: d.config.Logger.With("part", "gateway")}); err != nil {
		return err
	}
	_, d.apiKey, err = d.server.Access.CreateKey(ctx, appID, time.Time{})
	return err
}

// configure writes the gateway's configuration as a merchant would, and reads it. All of its values are from this
// program, and none needs more than YAML's plain quotes.
func (d *Demo) configure() (config.Config, error) {
	listen := d.config.Listen
	if listen == "" {
		listen = d.address(gatewayAddress)
	}
	provider := d.sandbox.Credentials()
	w := provider.WeChatPay
	file := filepath.Join(d.config.Data, "tongbao.yaml")
	text := fmt.Sprintf(configuration, listen, d.address(adminAddress), appID, accountID,
		w.MchID, w.AppID, w.MerchantSerialNo, provider.Path(w.MerchantPrivateKeyFile), w.APIv3Key, w.PublicKeyID, provider.Path(w.PublicKeyFile), w.BaseURL, w.BackupURL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return config.Config{}, err
	}
	return config.Load(file, nil)
}

const configuration = `listen: %q
admin_listen: %q
database: sqlite:tongbao.db
master_key_file: master.key
webhooks:
  allow_private: ["127.0.0.0/8"]
shutdown: {delay: 0s, timeout: 10s}
apps:
  - id: %q
    name: Demo shop
accounts:
  - id: %q
    channel: wechat
    mchid: %q
    appid: %q
    merchant_serial_no: %q
    private_key_file: %q
    api_v3_key: %q
    public_key_id: %q
    public_key_file: %q
    platform_certificates: true
    base_url: %q
    backup_url: %q
`

func (d *Demo) openShop(ctx context.Context) (err error) {
	if d.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", d.address(shopAddress)); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	webhookSecret, err := d.subscribe(ctx, d.ShopURL()+"/webhooks")
	if err != nil {
		return err
	}
	gateway, err := d.Client()
	if err != nil {
		return err
	}
	d.shop, err = shop.New(shop.Config{
		Gateway: gateway, WebhookSecret: webhookSecret, PhoneURL: d.sandbox.PhoneURLFor,
		DocsURL: d.server.URL() + "/docs", SandboxURL: d.sandbox.PhoneURL(), Logger: d.config.Logger.With("part", "shop"),
	})
	if err != nil {
		return err
	}
	d.http = &http.Server{Handler: d.shop, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	return nil
}

// subscribe makes url the app's only endpoint: an earlier run's addresses are gone.
func (d *Demo) subscribe(ctx context.Context, url string) (webhookSecret string, err error) {
	old, err := d.server.Webhooks.Endpoints(ctx, appID)
	if err != nil {
		return "", err
	}
	for _, e := range old {
		if err := d.server.Webhooks.DeleteEndpoint(ctx, appID, e.ID); err != nil {
			return "", err
		}
	}
	_, text, err := d.server.Webhooks.CreateEndpoint(ctx, appID, webhook.EndpointSettings{URL: &url})
	if err != nil {
		return "", err
	}
	return text.Reveal(), nil
}

// address is the wanted one, or a free port on loopback where that is taken.
func (d *Demo) address(wanted string) string {
	if d.config.FreePorts {
		return anyPort
	}
	l, err := net.Listen("tcp", wanted)
	if err != nil {
		return anyPort
	}
	_ = l.Close() // it was only a question
	return wanted
}

// GatewayURL is the API's address.
func (d *Demo) GatewayURL() string { return d.server.URL() }

// ShopURL is the shop's address.
func (d *Demo) ShopURL() string { return "http://" + d.listener.Addr().String() }

// PhoneURL is the payer's phone.
func (d *Demo) PhoneURL() string { return d.sandbox.PhoneURL() }

// ControlURL is the sandbox's control API.
func (d *Demo) ControlURL() string { return d.sandbox.ControlURL() }

// APIKey is the shop's key.
func (d *Demo) APIKey() secret.String { return d.apiKey }

// Client calls the gateway as the shop does.
func (d *Demo) Client() (*client.Client, error) {
	return client.New(client.Config{BaseURL: d.GatewayURL(), APIKey: client.Secret(d.apiKey.Reveal())})
}

// Serve runs everything until ctx ends, then stops it in the order in which nobody misses anybody: the shop, the
// gateway, the sandbox.
func (d *Demo) Serve(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	sandboxCtx, stopSandbox := context.WithCancel(lasting)
	defer stopSandbox()
	gatewayCtx, stopGateway := context.WithCancel(lasting)
	defer stopGateway()
	sandboxDone, gatewayDone, shopDone := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { sandboxDone <- d.sandbox.Serve(sandboxCtx) }()
	go func() { gatewayDone <- d.server.Serve(gatewayCtx) }()
	go func() { shopDone <- d.http.Serve(d.listener) }()

	var err error
	select {
	case <-ctx.Done():
	case err = <-sandboxDone:
		sandboxDone <- nil
	case err = <-gatewayDone:
		gatewayDone <- nil
	case err = <-shopDone:
		shopDone <- nil
	}
	d.shop.Close()
	err = errors.Join(err, d.closeShop(lasting))
	if closed := <-shopDone; !errors.Is(closed, http.ErrServerClosed) {
		err = errors.Join(err, closed)
	}
	stopGateway()
	err = errors.Join(err, <-gatewayDone)
	stopSandbox()
	return errors.Join(err, <-sandboxDone, d.clean())
}

// closeShop lets requests under way finish, for a second: a connection that was opened and never used would make
// the server wait for five.
func (d *Demo) closeShop(ctx context.Context) error {
	draining, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if d.http.Shutdown(draining) == nil {
		return nil
	}
	return d.http.Close()
}

// Close releases everything a demo that does not serve holds.
func (d *Demo) Close() error {
	var errs []error
	if d.listener != nil {
		errs = append(errs, d.listener.Close())
	}
	if d.server != nil {
		errs = append(errs, d.server.Close())
	}
	if d.sandbox != nil {
		errs = append(errs, d.sandbox.Close())
	}
	return errors.Join(append(errs, d.clean())...)
}

func (d *Demo) clean() error {
	if !d.temporary {
		return nil
	}
	return os.RemoveAll(d.config.Data)
}
