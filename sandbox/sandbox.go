// Package sandbox is the payment providers, offline: WeChat Pay as a merchant's software sees it, on loopback, with real
// signatures and encryption, a clock that can be moved, a payer's phone, and failures on demand.
//
// [Open] makes or loads the identities and takes the addresses; [Sandbox.Serve] answers until its context ends. The protocol,
// the payer's pages and the control API are each on a port of their own and never share paths.
package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/chance"
	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/fault"
	"github.com/tongbao-pay/tongbao/sandbox/identity"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
	"github.com/tongbao-pay/tongbao/sandbox/phone"
	"github.com/tongbao-pay/tongbao/sandbox/record"
	"github.com/tongbao-pay/tongbao/sandbox/wechatpaysim"
)

// drainMax is how long Serve waits for requests under way when it ends.
const drainMax = 5 * time.Second

// Sandbox is safe for concurrent use. Make it with [Open] and end it with the context of [Sandbox.Serve], or with
// [Sandbox.Close] if it never served.
type Sandbox struct {
	config      Config
	credentials Credentials
	clock       *clock.Clock
	faults      *fault.Set
	journal     *journal.Journal
	log         *record.Log
	wechatpay   *wechatpaysim.Provider

	primary, backup, control, phone *door
	tls, mutualTLS                  *door    // nil: off
	lock                            *os.File // nil: in memory
	closing                         sync.Once
	closed                          error
}

// Open loads or creates the identities and the state and takes the addresses, which are then known; it does not answer yet.
func Open(config Config) (*Sandbox, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Sandbox{config: config, clock: clock.New(config.Real), journal: &journal.Journal{}}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", errors.Join(err, s.Close()))
	}
	return s, nil
}

func (s *Sandbox) open() error {
	if err := s.takeDirectory(); err != nil {
		return err
	}
	ids, err := s.identities()
	if err != nil {
		return err
	}
	if err := s.bind(); err != nil {
		return err
	}
	var records []record.Record
	if s.config.Dir != "" {
		if s.log, records, err = record.Open(filepath.Join(s.config.Dir, stateFile)); err != nil {
			return err
		}
	}
	if err := s.restoreClock(records); err != nil {
		return err
	}
	source := chance.New(s.config.Seed, uint64(len(records)))
	s.faults = fault.NewSet(fault.Catalog{wechatpaysim.Name: wechatpaysim.Effects()}, source)
	s.wechatpay, err = wechatpaysim.New(wechatpaysim.Config{
		Identity: ids.WeChatPay, CA: ids.CA, Clock: s.clock, Faults: s.faults, Journal: s.journal, Chance: source, Log: s.log, Records: records,
		PhoneURL: s.PhoneURL(), H5ToPhone: s.tls == nil, Hosts: s.setHosts, Logger: s.config.Logger,
	})
	if err != nil {
		return err
	}
	if err := s.handlers(ids.CA); err != nil {
		return err
	}
	if err := s.setHosts(s.wechatpay.Settings().Hosts); err != nil {
		return err
	}
	return s.describe(ids)
}

// identities reads those of the directory, or makes them.
func (s *Sandbox) identities() (identity.Identities, error) {
	dir := s.config.Dir
	if dir != "" {
		ids, err := readIdentities(dir)
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			if err != nil {
				err = fmt.Errorf("%w; restore the file, or move the directory away to start with new identities", err)
			}
			return ids, err
		}
	}
	ids, err := identity.Generate(s.clock.Real())
	if err != nil || dir == "" {
		return ids, err
	}
	files, err := keep(ids)
	if err != nil {
		return ids, err
	}
	return ids, writeFiles(dir, files)
}

func (s *Sandbox) bind() error {
	doors := []struct {
		name, address string
		door          **door
	}{
		{"the primary host", s.config.Listen, &s.primary},
		{"the backup host", s.config.Backup, &s.backup},
		{"the control API", s.config.Control, &s.control},
		{"the payer's phone", s.config.Phone, &s.phone},
		{"TLS", s.config.TLS, &s.tls},
		{"mutual TLS", s.config.MutualTLS, &s.mutualTLS},
	}
	for _, d := range doors {
		if d.address == "" {
			continue
		}
		var err error
		if *d.door, err = bind(d.name, d.address, s.config.Logger); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sandbox) handlers(ca identity.Certificate) error {
	pages, err := phone.New(s.wechatpay)
	if err != nil {
		return err
	}
	s.primary.handler = s.wechatpay.Host(wechatpaysim.Primary)
	s.backup.handler = s.wechatpay.Host(wechatpaysim.Backup)
	s.phone.handler = pages.Handler()
	s.control.handler = s.controlHandler()
	if s.tls == nil && s.mutualTLS == nil {
		return nil
	}
	config, err := s.tlsConfig(ca)
	if err != nil {
		return err
	}
	if s.tls != nil {
		s.tls.tls = config
		s.tls.handler = byHost(s.primary.handler, map[string]http.Handler{"api2.mch.weixin.qq.com": s.backup.handler, "wx.tenpay.com": s.phone.handler})
	}
	if s.mutualTLS != nil {
		s.mutualTLS.tls, s.mutualTLS.handler = config, s.primary.handler
	}
	return nil
}

// tlsConfig is the provider's: under one certificate for all its names, with a merchant's certificate where one is shown. Only
// APIv2's /secapi/ insists on it.
func (s *Sandbox) tlsConfig(ca identity.Certificate) (*tls.Config, error) {
	server, err := ca.IssueServer([]string{"localhost", "api.mch.weixin.qq.com", "api2.mch.weixin.qq.com", "wx.tenpay.com", "127.0.0.1"}, s.clock.Real())
	if err != nil {
		return nil, err
	}
	merchants := x509.NewCertPool()
	merchants.AddCert(ca.Cert)
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{server.Cert.Raw}, PrivateKey: server.Key}},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    merchants,
	}, nil
}

// byHost chooses the handler by the request's host name.
func byHost(fallback http.Handler, hosts map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			name = r.Host
		}
		if handler, ok := hosts[strings.ToLower(name)]; ok {
			handler.ServeHTTP(w, r)
			return
		}
		fallback.ServeHTTP(w, r)
	})
}

// setHosts opens and shuts the plain HTTP doors of the provider's hosts.
func (s *Sandbox) setHosts(hosts map[string]wechatpaysim.Host) error {
	for name, door := range map[string]*door{wechatpaysim.Primary: s.primary, wechatpaysim.Backup: s.backup} {
		if hosts[name].State == wechatpaysim.HostDown {
			door.shut()
			continue
		}
		if err := door.open(); err != nil {
			return err
		}
	}
	return nil
}

// describe fills in the credentials and writes them down.
func (s *Sandbox) describe(ids identity.Identities) error {
	files, err := keep(ids)
	if err != nil {
		return err
	}
	w := ids.WeChatPay
	s.credentials = Credentials{
		WeChatPay: WeChatPayCredentials{
			BaseURL: s.primary.url(), BackupURL: s.backup.url(), MchID: w.MchID, AppID: w.AppID, Name: w.Name, OpenID: w.OpenID,
			MerchantSerialNo: w.Certificate.SerialNo(), MerchantPrivateKeyFile: merchantKeyFile, MerchantCertificateFile: merchantCertificateFile,
			APIv3Key: w.APIv3Key, APIv2Key: w.APIv2Key, PlatformSerialNo: w.Platform.SerialNo(), PlatformCertificateFile: platformCertificateFile,
			PublicKeyID: w.PublicKeyID, PublicKeyFile: publicKeyFile, SubMerchants: subMerchants(w.Others),
		},
		ControlURL: s.control.url(), PhoneURL: s.PhoneURL(), CAFile: caFile, dir: s.config.Dir, files: files,
	}
	if s.tls != nil {
		s.credentials.TLSURL = "https://" + s.tls.address
	}
	if s.mutualTLS != nil {
		s.credentials.WeChatPay.MutualTLSURL = "https://" + s.mutualTLS.address
	}
	if s.config.Dir == "" {
		return nil
	}
	return writeCredentials(s.config.Dir, s.credentials)
}

func subMerchants(others []identity.Merchant) []SubMerchantCredentials {
	subs := make([]SubMerchantCredentials, len(others))
	for i, m := range others {
		certificate, key := merchantFiles(i + 1)
		subs[i] = SubMerchantCredentials{
			MchID: m.MchID, AppID: m.AppID, Name: m.Name, MerchantSerialNo: m.Certificate.SerialNo(), MerchantPrivateKeyFile: key,
			MerchantCertificateFile: certificate, APIv3Key: m.APIv3Key, APIv2Key: m.APIv2Key,
		}
	}
	return subs
}

// Serve answers until ctx ends; then it lets requests and notifications under way finish, for 5 seconds, and closes the sandbox.
// It serves once.
func (s *Sandbox) Serve(ctx context.Context) error {
	ticking, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() { s.clock.Run(ticking) })
	for _, d := range s.doors() {
		d.serve()
	}
	s.config.Logger.Info("the sandbox is ready", "wechatpay", s.URL(), "control", s.ControlURL(), "phone", s.PhoneURL())
	<-ctx.Done()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
	defer cancel()
	var doors sync.WaitGroup
	for _, d := range s.doors() {
		doors.Go(func() { d.drain(drain) })
	}
	doors.Wait()
	stop()
	group.Wait() // each notification under way has a timeout of its own
	return s.Close()
}

// Close gives back the addresses, the state file and the directory. Serve does it by itself.
func (s *Sandbox) Close() error {
	s.closing.Do(func() {
		for _, d := range s.doors() {
			d.drain(context.Background()) // nothing is under way: serving has ended or never began
		}
		if s.wechatpay != nil {
			s.wechatpay.Close()
		}
		s.closed = s.log.Close()
		if s.lock != nil {
			s.closed = errors.Join(s.closed, s.lock.Close())
		}
	})
	return s.closed
}

func (s *Sandbox) doors() []*door {
	var doors []*door
	for _, d := range []*door{s.primary, s.backup, s.control, s.phone, s.tls, s.mutualTLS} {
		if d != nil {
			doors = append(doors, d)
		}
	}
	return doors
}

// Credentials returns what a client must know, as credentials.json has it.
func (s *Sandbox) Credentials() Credentials { return s.credentials }

// URL is the base URL of the provider's primary host.
func (s *Sandbox) URL() string { return s.primary.url() }

// BackupURL is the base URL of the provider's backup host.
func (s *Sandbox) BackupURL() string { return s.backup.url() }

// MutualTLSURL is the base URL of the primary host over TLS that takes the merchant's certificate; empty: off.
func (s *Sandbox) MutualTLSURL() string { return s.credentials.WeChatPay.MutualTLSURL }

// ControlURL is the base URL of the control API.
func (s *Sandbox) ControlURL() string { return s.control.url() }

// PhoneURL is the base URL of the payer's pages, as a payer's browser reaches them.
func (s *Sandbox) PhoneURL() string {
	if s.config.Public != "" {
		return s.config.Public
	}
	return s.phone.url()
}

// PhoneURLFor is the address of the page that opens a code: a code_url, an h5_url, a prepay_id or a transfer's package_info. It is
// what stands in for scanning where there is only a browser.
func (s *Sandbox) PhoneURLFor(code string) string {
	return s.PhoneURL() + "/pay?code_url=" + url.QueryEscape(code)
}

// Now is the sandbox's present.
func (s *Sandbox) Now() time.Time { return s.clock.Now() }

// NextDue is when the sandbox will next do something by itself, such as repeat a notification; false if nothing waits.
func (s *Sandbox) NextDue() (time.Time, bool) { return s.clock.Next() }

// Settle does all that is due and waits until it is done. With a [Config.Real] that a test moves by hand, this is how the
// sandbox follows it.
func (s *Sandbox) Settle(ctx context.Context) error { return s.clock.Advance(ctx, time.Nanosecond) }

// WeChatPay is the provider itself, for tests in the same process.
func (s *Sandbox) WeChatPay() *wechatpaysim.Provider { return s.wechatpay }
