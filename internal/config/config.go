// Package config reads the gateway's configuration: one YAML file and TONGBAO_* variables over it. What is not
// understood is an error, never ignored; all errors are told at once, each with its place and what to do. The tables
// in fields.go are the only description of the settings: reading, printing, the reference and the example follow
// from them.
package config

import (
	"net/netip"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/secret"
)

// Config is a whole, checked configuration. Printing it in any way shows no secret; [Config.Redacted] prints it well.
type Config struct {
	Listen      string // host:port of the API and the providers' door
	AdminListen string // host:port of metrics and profiles
	// PublicURL is where providers reach /notify, without a slash at its end. Empty means that Listen is a loopback
	// address and the URL follows from it.
	PublicURL string
	Database  Database
	// MasterKey is empty where MasterKeyFile holds it. One of the two is always given.
	MasterKey secret.String
	// MasterKeyFile may not exist yet with SQLite, where the first run creates it; with PostgreSQL it exists.
	MasterKeyFile string
	Redis         secret.String // the URL; empty: there is none
	RateLimit     int           // requests per second of one API key; 0: as many as come
	Migrate       string        // [MigrateAuto] or [MigrateManual]
	Log           Log
	Telemetry     Telemetry
	Webhooks      Webhooks
	Stream        Stream
	Retention     Retention
	Shutdown      Shutdown
	Apps          []App
	Accounts      []Account

	// Where these were read from, if from a file:
	databaseFile, redisFile, streamFile, streamCredentialsFile string
}

// When the database schema is brought up to date.
const (
	MigrateAuto   = "auto"   // at the start of every command that needs the database
	MigrateManual = "manual" // by `tongbao migrate up` alone; until then the gateway does not start
)

// Log says what is logged and how. The zero value is info and text.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // text or json
}

// Telemetry says where traces go.
type Telemetry struct {
	Traces      string // [TracesOff] or [TracesOTLP]
	ServiceName string
}

// Where traces go.
const (
	TracesOff  = "off"
	TracesOTLP = "otlp" // OTLP over HTTP, to where the standard OTEL_* variables say
)

// Webhooks says where apps may have their events delivered.
type Webhooks struct {
	AllowPrivate []netip.Prefix // networks that are not public and allowed all the same
	AllowHTTP    bool           // plain HTTP to every endpoint
}

// Stream says where events are published beside the webhooks.
type Stream struct {
	URL         secret.String // of NATS; empty: there is no stream
	Credentials secret.String // the content of a file of NATS credentials; empty: none
	Name        string        // of the stream in JetStream, and the beginning of every subject
}

// Retention says how long rows are kept that nobody waits for any more, in whole days.
type Retention struct {
	Traffic time.Duration // notifications, delivered webhooks and their deliveries
	History time.Duration // events, and answers of idempotency keys
}

// Shutdown bounds a graceful stop: readiness goes false, Delay passes, then requests and jobs drain within Timeout.
type Shutdown struct {
	Delay   time.Duration
	Timeout time.Duration
}

// App is an app that the configuration declares; it is created or brought to these settings at start.
type App struct {
	ID               string
	Name             string
	LatePayment      string // a [payment.LatePolicy]
	RequireSignature bool
	Disabled         bool
}

// Settings is what the app is to be.
func (a App) Settings() access.AppSettings {
	return access.AppSettings{
		Name: a.Name, LatePolicy: payment.LatePolicy(a.LatePayment),
		RequireSignature: a.RequireSignature, Disabled: a.Disabled,
	}
}
