package journeys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/server"
)

// secrets are what must stay hidden, by name, in every form in which it could show.
type secrets map[string][]string

func (s secrets) add(name, text string) {
	s[name] = append(s[name], text)
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_")); err == nil && len(raw) >= 16 {
		s[name] = append(s[name], string(raw), hex.EncodeToString(raw))
	}
	s[name] = append(s[name], hex.EncodeToString([]byte(text)), base64.StdEncoding.EncodeToString([]byte(text)))
}

// absent reports every secret that where contains.
func (s secrets) absent(t *testing.T, where string, content []byte) {
	t.Helper()
	if len(content) == 0 {
		t.Errorf("%s: nothing to look at", where)
	}
	for name, forms := range s {
		for _, form := range forms {
			if bytes.Contains(content, []byte(form)) {
				t.Errorf("%s shows the %s", where, name)
			}
		}
	}
}

func TestSecretsAreNowhereInTheClear(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		log := &lines{}
		w := open(t, e, func(o *server.Options) {
			o.Logger = server.NewLogger(log, config.Log{Level: "debug", Format: "json"})
		})
		recorded := &tape{}
		keyID, secret := w.key(shopApp)
		traced := &http.Client{Transport: otelhttp.NewTransport(recorded)}
		app := w.newClient(client.Config{APIKey: secret, Tries: 1, HTTPClient: traced})
		signed := w.newClient(client.Config{KeyID: keyID, APIKey: secret, Tries: 1, HTTPClient: traced})
		hidden := w.secrets(secret)
		ctx, span := otel.Tracer("journey").Start(t.Context(), checkout)
		w.visitsEverything(ctx, app, signed)
		span.End()

		w.metric(`tongbao_notifications_total{channel="wechat",result="refused"}`, 1)
		hidden.absent(t, "the API", []byte(recorded.answer))
		hidden.absent(t, "the metrics", []byte(fmt.Sprint(w.gateway.metrics(t))))
		all, _ := w.inbox.all()
		for _, webhook := range all {
			hidden.absent(t, "webhook "+webhook.Type, []byte(fmt.Sprint(webhook.header, string(webhook.Data.Object))))
		}
		hidden.absent(t, "the traces", []byte(fmt.Sprintf("%+v", spans.GetSpans())))
		hidden.absent(t, "the database", w.database())
		w.gateway.stop()
		hidden.absent(t, "the log", []byte(log.String()))
		hidden.absent(t, "the configuration", []byte(fmt.Sprintf("%v %+v %#v", w.config, w.config, w.config)))
	})
}

// secrets are those of the world, with the API key that the journey uses.
func (w *world) secrets(apiKey client.Secret) secrets {
	w.t.Helper()
	credentials := w.sandbox.Credentials()
	hidden := secrets{}
	hidden.add("API key", string(apiKey))
	hidden.add("APIv3 key", credentials.WeChatPay.APIv3Key)
	hidden.add("webhook secret", w.inbox.secret)
	master, err := os.ReadFile(w.config.MasterKeyFile)
	if err != nil {
		w.t.Fatal(err)
	}
	hidden.add("master key", strings.TrimSpace(string(master)))
	for line := range strings.Lines(string(credentials.PEM(credentials.WeChatPay.MerchantPrivateKeyFile))) {
		if line = strings.TrimSpace(line); len(line) >= 32 && !strings.HasPrefix(line, "---") {
			hidden["merchant's private key"] = append(hidden["merchant's private key"], line)
		}
	}
	return hidden
}

// visitsEverything makes a journey with mistakes of every kind: those are what logs and problems tell of.
func (w *world) visitsEverything(ctx context.Context, app, signed *client.Client) {
	w.t.Helper()
	p, err := app.CreatePayment(ctx, order(1000))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := signed.Payment(ctx, p.ID); err != nil {
		w.t.Fatal(err)
	}
	w.provider.fault(object{"operation": "notify/payment", "effect": "bad_signature", "times": 1})
	w.provider.pays(p.TradeNo)
	w.notified(p.TradeNo, 1)
	w.provider.advance(refundSettles)
	w.inbox.wait(client.EventPaymentSucceeded, p.ID)
	w.settled(w.refund(p, 400))
	mistakes := []func() error{
		func() error { _, err := app.CreatePayment(ctx, client.CreatePayment{OutTradeNo: "?"}); return err },
		func() error { _, err := app.Payment(ctx, "pay_nobody"); return err },
		func() error { _, err := app.ClosePayment(ctx, p.ID); return err },
		func() error {
			_, err := app.CreateRefund(ctx, client.CreateRefund{PaymentID: p.ID, OutRefundNo: number("refund"), Amount: 601})
			return err
		},
		func() error {
			w.provider.fault(object{"operation": "prepay", "effect": "status", "status": 403, "code": "NO_AUTH", "times": 1})
			_, err := app.CreatePayment(ctx, order(100))
			return err
		},
		func() error {
			_, err := w.newClient(client.Config{APIKey: "sk_" + client.Secret(strings.Repeat("x", 43)), Tries: 1}).Payment(ctx, p.ID)
			return err
		},
	}
	for i, mistake := range mistakes {
		if mistake() == nil {
			w.t.Errorf("mistake %d was taken", i)
		}
	}
	w.provider.fault(object{"operation": "prepay", "effect": "lose_answer", "times": lost})
	if _, err := app.CreatePayment(ctx, order(100)); err != nil {
		w.t.Error(err)
	}
	w.reconcile()
}

// database is all that the database keeps: the file's bytes, or the text of every row of every table.
func (w *world) database() []byte {
	w.t.Helper()
	if path, ok := w.config.Database.SQLiteFile(); ok {
		if _, err := w.store.SQLite().ExecContext(w.t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			w.t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		if !bytes.Contains(content, []byte(shopApp)) {
			w.t.Error("the file does not contain what was checkpointed")
		}
		return content
	}
	content, err := w.dump(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return content
}

func (w *world) dump(ctx context.Context) (content []byte, err error) {
	pool := w.store.Postgres()
	rows, err := pool.Query(ctx, `SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	for _, table := range tables {
		rows, err := pool.Query(ctx, `SELECT CAST(t AS text) FROM `+table+` t`)
		if err != nil {
			return nil, err
		}
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		content = fmt.Appendf(content, "%s\n%s\n", table, strings.Join(texts, "\n"))
	}
	return content, nil
}
