package config

import (
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/secret"
)

// field is one setting of a T.
type field[T any] struct {
	key      string // dots lead into groups
	fallback string // what holds where nothing is given, as it would be written
	required bool   // itself, or the field that is insteadOf it
	// insteadOf names the field that this one gives from a file. Only one of the two may be given.
	insteadOf string
	doc       string // whole sentences of Markdown
	example   string // for the example file; empty: the fallback
	at        func(*T) value
}

// products are the ones an account may have an appid for.
var products = []payment.Product{payment.Native, payment.JSAPI, payment.MiniProgram, payment.App, payment.H5}

func configFields() []field[Config] {
	return []field[Config]{
		{
			key: "listen", fallback: "127.0.0.1:8080",
			doc: "Where the API and the providers' door (`/notify`) listen. TLS is the business of the proxy in front.",
			at:  func(c *Config) value { return address(&c.Listen) },
		},
		{
			key: "admin_listen", fallback: "127.0.0.1:8081",
			doc: "Where `/metrics` ([the metrics](metrics.md)) and `/debug/pprof` listen. There is no authentication: keep it on loopback or a private network.",
			at:  func(c *Config) value { return address(&c.AdminListen) },
		},
		{
			key: "public_url", example: "https://pay.example.com",
			doc: "Where providers reach this gateway; they send notifications to it followed by `/notify/...`. It must be https, except for loopback addresses. Required when `listen` is not a loopback address; otherwise it follows from `listen`.",
			at:  func(c *Config) value { return origin(&c.PublicURL) },
		},
		{
			key: "database", fallback: "sqlite:data/tongbao.db",
			doc: "SQLite for one process, PostgreSQL for production and replicas.",
			at:  func(c *Config) value { return databaseValue{&c.Database, &c.databaseFile} },
		},
		{
			key: "database_file", insteadOf: "database", example: "/run/secrets/database",
			doc: "A file that holds `database`, because it contains a password.",
			at: func(c *Config) value {
				return fileValue{&c.databaseFile, databaseValue{&c.Database, &c.databaseFile}}
			},
		},
		{
			key: "master_key", example: "(44 characters)",
			doc: "The key that opens every secret in the database: 32 random bytes in base64. Make one with `openssl rand -base64 32` and keep a copy apart from the database. All replicas must have the same one.",
			at: func(c *Config) value {
				return secretValue{at: &c.MasterKey, how: "44 characters of base64", file: new(string), accept: func(text string) error {
					_, err := secret.LoadMasterKey(text)
					return err
				}}
			},
		},
		{
			key: "master_key_file", insteadOf: "master_key", example: "/etc/tongbao/master.key",
			doc: "A file that holds `master_key`, readable by the gateway's user alone (mode 0600). With SQLite the default is `master.key` beside the database, and the first run creates the file. With PostgreSQL either this or `master_key` must be given, and the file must exist.",
			at:  func(c *Config) value { return pathValue{&c.MasterKeyFile} },
		},
		{
			key: "redis_url", example: "rediss://redis.example.com:6379/0",
			doc: "A Redis that replicas share, for the sequence of trade numbers, replays of signed requests and rate limits. Optional: all it holds may be lost, and while it is down the gateway goes on without it and says so in the log, in `/readyz` and in `tongbao_redis_failures_total`. A user of it who may have some keys alone needs `tongbao:*` and `rate:tongbao:*`.",
			at: func(c *Config) value {
				return secretValue{at: &c.Redis, how: "`redis://...` or `rediss://...`", file: &c.redisFile, accept: redisURL}
			},
		},
		{
			key: "redis_url_file", insteadOf: "redis_url", example: "/run/secrets/redis_url",
			doc: "A file that holds `redis_url`, because it contains a password.",
			at: func(c *Config) value {
				return fileValue{&c.redisFile, secretValue{at: &c.Redis, file: &c.redisFile, accept: redisURL}}
			},
		},
		{
			key: "rate_limit", fallback: "5000",
			doc: "How many requests a second one API key may send, and twice as many at once; `0` is no limit. More are answered 429 `rate_limited`. Without `redis_url` each replica counts by itself.",
			at:  func(c *Config) value { return countValue{&c.RateLimit, rateLimitMax} },
		},
		{
			key: "migrate", fallback: MigrateAuto,
			doc: "When the database schema is brought up to date: `auto` at start, `manual` by `tongbao migrate up` alone.",
			at:  func(c *Config) value { return choice(&c.Migrate, MigrateAuto, MigrateManual) },
		},
		{
			key: "log.level", fallback: "info",
			doc: "The least important lines that are logged.",
			at:  func(c *Config) value { return choice(&c.Log.Level, "debug", "info", "warn", "error") },
		},
		{
			key: "log.format", fallback: "text",
			doc: "`text` for people, `json` for collectors. Logs go to standard error.",
			at:  func(c *Config) value { return choice(&c.Log.Format, "text", "json") },
		},
		{
			key: "telemetry.traces", fallback: TracesOff,
			doc: "`otlp` sends traces by OTLP over HTTP to where the standard variables say (`OTEL_EXPORTER_OTLP_ENDPOINT` and the like; default http://localhost:4318).",
			at:  func(c *Config) value { return choice(&c.Telemetry.Traces, TracesOff, TracesOTLP) },
		},
		{
			key: "telemetry.service_name", fallback: "tongbao",
			doc: "The name of the service in traces. `OTEL_SERVICE_NAME` goes before it.",
			at:  func(c *Config) value { return textValue{at: &c.Telemetry.ServiceName, how: "text"} },
		},
		{
			key: "webhooks.allow_private", fallback: "[]", example: `["10.0.0.0/8"]`,
			doc: "Networks that are not public and that apps may nevertheless have events delivered to. Endpoints given as an address in them may speak plain HTTP.",
			at:  func(c *Config) value { return networksValue{&c.Webhooks.AllowPrivate} },
		},
		{
			key: "webhooks.allow_http", fallback: "false",
			doc: "Whether every webhook endpoint may speak plain HTTP. Then events can be read on their way.",
			at:  func(c *Config) value { return boolValue{&c.Webhooks.AllowHTTP} },
		},
		{
			key: "stream.url", example: "tls://nats.example.com:4222",
			doc: "A NATS server with JetStream, or several separated by commas, that every event is published to beside the webhooks ([the event stream](event-stream.md)). A user and password, or a token, can be part of the URL. While it is down, events wait in the database, and nothing else waits.",
			at: func(c *Config) value {
				return secretValue{at: &c.Stream.URL, how: "`nats://...` or `tls://...`", file: &c.streamFile, accept: natsURL}
			},
		},
		{
			key: "stream.url_file", insteadOf: "stream.url", example: "/run/secrets/stream_url",
			doc: "A file that holds `stream.url`, because it contains a password.",
			at: func(c *Config) value {
				return fileValue{&c.streamFile, secretValue{at: &c.Stream.URL, file: &c.streamFile, accept: natsURL}}
			},
		},
		{
			key: "stream.credentials", example: "(the text of a credentials file)",
			doc: "The NATS credentials of the user that publishes, where its server wants such.",
			at: func(c *Config) value {
				return secretValue{at: &c.Stream.Credentials, how: "the text of a credentials file", file: &c.streamCredentialsFile, accept: natsCredentials}
			},
		},
		{
			key: "stream.credentials_file", insteadOf: "stream.credentials", example: "/run/secrets/tongbao.creds",
			doc: "The file that holds `stream.credentials`.",
			at: func(c *Config) value {
				return fileValue{&c.streamCredentialsFile, secretValue{at: &c.Stream.Credentials, file: &c.streamCredentialsFile, accept: natsCredentials}}
			},
		},
		{
			key: "stream.name", fallback: "tongbao",
			doc: "The stream in JetStream, created where there is none, and the beginning of every subject: `tongbao.shop.payment.succeeded`.",
			at:  func(c *Config) value { return name(&c.Stream.Name) },
		},
		{
			key: "retention.traffic_days", fallback: "90",
			doc: "How long notifications, delivered webhooks and their deliveries are kept. Those of an open payment or review, and webhooks that were given up, stay until that is done with.",
			at:  func(c *Config) value { return daysValue{&c.Retention.Traffic, 7} },
		},
		{
			key: "retention.history_days", fallback: "1825",
			doc: "How long events, and answers for repeated idempotency keys, are kept; an event that `stream.url` does not have yet stays longer. Payments, refunds, postings and reviews are kept for ever.",
			at:  func(c *Config) value { return daysValue{&c.Retention.History, 400} },
		},
		{
			key: "shutdown.delay", fallback: "3s",
			doc: "How long requests are still accepted after `/readyz` says no, so that load balancers notice.",
			at:  func(c *Config) value { return durationValue{&c.Shutdown.Delay, 5 * time.Minute} },
		},
		{
			key: "shutdown.timeout", fallback: "25s",
			doc: "How long requests and jobs may then take to finish. What is not finished runs again at the next start, or in another replica.",
			at:  func(c *Config) value { return durationValue{&c.Shutdown.Timeout, 10 * time.Minute} },
		},
	}
}

func appFields() []field[App] {
	return []field[App]{
		{
			key: "id", required: true, example: "shop",
			doc: "Identifies the app for ever.",
			at:  func(a *App) value { return name(&a.ID) },
		},
		{
			key: "name", example: "Demo shop",
			doc: "For people. Without one it is the id.",
			at:  func(a *App) value { return textValue{at: &a.Name, how: "text, up to 100 characters"} },
		},
		{
			key: "late_payment", fallback: string(payment.LateRefund),
			doc: "What happens to money that arrives after a payment ended without it: `refund` gives it back, `accept` lets the payment succeed after all, `review` leaves it to a person.",
			at: func(a *App) value {
				return choice(&a.LatePayment, string(payment.LateRefund), string(payment.LateAccept), string(payment.LateReview))
			},
		},
		{
			key: "require_signature", fallback: "false",
			doc: "Whether every request must be signed; then bearer keys are refused.",
			at:  func(a *App) value { return boolValue{&a.RequireSignature} },
		},
		{
			key: "disabled", fallback: "false",
			doc: "Whether the app's keys are refused.",
			at:  func(a *App) value { return boolValue{&a.Disabled} },
		},
	}
}

func accountFields() []field[Account] {
	return []field[Account]{
		{
			key: "id", required: true, example: "wechat-main",
			doc: "Identifies the account for ever, in `/notify/wechat/ID` too.",
			at:  func(a *Account) value { return name(&a.ID) },
		},
		{
			key: "channel", required: true, example: string(payment.WeChat),
			doc: "The provider.",
			at:  func(a *Account) value { return choice(&a.channel, string(payment.WeChat)) },
		},
		{
			key: "mchid", required: true, example: "1900000109",
			doc: "The merchant number (商户号).",
			at:  func(a *Account) value { return textValue{at: &a.wechat.MchID, how: "digits"} },
		},
		{
			key: "appid", example: "wx8888888888888888",
			doc: "The appid for every product that `appids` does not name. One of the two is required.",
			at:  func(a *Account) value { return textValue{at: &a.wechat.AppID, how: "text"} },
		},
		{
			key: "appids", example: "{miniprogram: wx9999999999999999}",
			doc: "Appids of single products: " + joined(products) + ".",
			at:  func(a *Account) value { return appIDsValue{&a.wechat.AppIDs} },
		},
		{
			key: "merchant_serial_no", required: true, example: "5157F09EFDC096DE15EBE81A47057A7232F1B8E1",
			doc: "The serial number of the merchant API certificate (商户API证书序列号).",
			at:  func(a *Account) value { return textValue{at: &a.wechat.MerchantSerialNo, how: "hexadecimal"} },
		},
		{
			key: "private_key", required: true,
			doc: "The merchant's private key, the content of apiclient_key.pem.",
			at: func(a *Account) value {
				return secretValue{at: &a.privateKey, how: "PEM", file: &a.privateKeyFile}
			},
		},
		{
			key: "private_key_file", insteadOf: "private_key", example: "apiclient_key.pem",
			doc: "The file that holds `private_key`.",
			at: func(a *Account) value {
				return fileValue{&a.privateKeyFile, secretValue{at: &a.privateKey, file: &a.privateKeyFile}}
			},
		},
		{
			key: "api_v3_key", required: true,
			doc: "The APIv3 key (APIv3密钥), by which notifications are decrypted.",
			at: func(a *Account) value {
				return secretValue{at: &a.apiV3Key, how: "32 characters", file: &a.apiV3KeyFile, accept: apiV3Key}
			},
		},
		{
			key: "api_v3_key_file", insteadOf: "api_v3_key", example: "api_v3_key.txt",
			doc: "The file that holds `api_v3_key`.",
			at: func(a *Account) value {
				return fileValue{&a.apiV3KeyFile, secretValue{at: &a.apiV3Key, file: &a.apiV3KeyFile, accept: apiV3Key}}
			},
		},
		{
			key: "public_key_id", example: "PUB_KEY_ID_0119000001092024000000000000000000",
			doc: "The id of the WeChat Pay public key (微信支付公钥ID), with its PUB_KEY_ID_. Needs `public_key` or `public_key_file`.",
			at:  func(a *Account) value { return textValue{at: &a.wechat.PublicKeyID, how: "PUB_KEY_ID_..."} },
		},
		{
			key: "public_key",
			doc: "The WeChat Pay public key (微信支付公钥), the content of pub_key.pem.",
			at: func(a *Account) value {
				return textValue{at: &a.wechat.PublicKey, how: "PEM", file: &a.publicKeyFile}
			},
		},
		{
			key: "public_key_file", insteadOf: "public_key", example: "pub_key.pem",
			doc: "The file that holds `public_key`.",
			at: func(a *Account) value {
				return fileValue{&a.publicKeyFile, textValue{at: &a.wechat.PublicKey}}
			},
		},
		{
			key: "platform_certificates", fallback: "false",
			doc: "Whether platform certificates (平台证书) are downloaded and refreshed: for merchants without a public key, and during the switch to one.",
			at:  func(a *Account) value { return boolValue{&a.wechat.PlatformCertificates} },
		},
		{
			key: "base_url", example: "http://127.0.0.1:9100",
			doc: "The provider's host, for the sandbox. Without it, the real one.",
			at:  func(a *Account) value { return origin(&a.wechat.BaseURL) },
		},
		{
			key: "backup_url", example: "http://127.0.0.1:9103",
			doc: "The provider's backup host, likewise.",
			at:  func(a *Account) value { return origin(&a.wechat.BackupURL) },
		},
		{
			key: "disabled", fallback: "false",
			doc: "Whether the account takes no new payments. Those it has are looked after.",
			at:  func(a *Account) value { return boolValue{&a.Disabled} },
		},
	}
}
