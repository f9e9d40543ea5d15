package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

const (
	hiddenPassword = "hunter2hunter2"
	hiddenAPIv3Key = "0123456789abcdef0123456789abcdef"
	hiddenPEM      = "-----BEGIN PRIVATE KEY-----\nMIIhidden\n-----END PRIVATE KEY-----"
	hiddenMaster   = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
)

// folder returns a folder with key files, and path of a file in it with the text.
func folder(t *testing.T, text string) (path string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"tongbao.yaml": text, "apiclient_key.pem": hiddenPEM + "\n", "api_v3_key.txt": hiddenAPIv3Key + "\n",
		"pub_key.pem": "-----BEGIN PUBLIC KEY-----\nMIIpublic\n-----END PUBLIC KEY-----\n", "master.key": hiddenMaster + "\n",
		"database": "postgres://tongbao:" + hiddenPassword + "@db:5432/tongbao\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "tongbao.yaml")
}

func load(t *testing.T, text string, environ ...string) config.Config {
	t.Helper()
	c, err := config.Load(folder(t, text), environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems are what Load says, without the folder's name.
func problems(t *testing.T, text string, environ ...string) []string {
	t.Helper()
	path := folder(t, text)
	_, err := config.Load(path, environ)
	return told(t, err, filepath.Dir(path)+"/")
}

func told(t *testing.T, err error, dir string) []string {
	t.Helper()
	failed, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("error %v is no *config.Error", err)
	}
	for _, hidden := range []string{hiddenPassword, hiddenAPIv3Key, hiddenMaster, "MIIhidden"} {
		if strings.Contains(err.Error(), hidden) {
			t.Errorf("the error quotes a secret: %v", err)
		}
	}
	texts := make([]string, len(failed.Problems))
	for i, p := range failed.Problems {
		texts[i] = strings.ReplaceAll(p.String(), dir, "")
		if !strings.Contains(err.Error(), p.String()) {
			t.Errorf("the error leaves out %q", p)
		}
	}
	return texts
}

const wechat = `
  - id: wechat-main
    channel: wechat
    mchid: 1900000109
    appid: wx8888888888888888
    appids: {miniprogram: wx9999999999999999}
    merchant_serial_no: 5157E09
    private_key_file: apiclient_key.pem
    api_v3_key_file: api_v3_key.txt
    public_key_id: PUB_KEY_ID_1
    public_key_file: pub_key.pem
`

func TestLoad(t *testing.T) {
	t.Parallel()

	t.Run("NothingGivenIsSQLiteOnLoopback", func(t *testing.T) {
		t.Parallel()
		c, err := config.Load("", nil)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{c.Listen, c.AdminListen, c.PublicURL, c.Database.Reveal(), c.MasterKeyFile, c.Migrate, c.Log.Level, c.Log.Format, c.Telemetry.Traces, c.Telemetry.ServiceName, c.Shutdown.Delay.String(), c.Shutdown.Timeout.String(), c.Retention.Traffic.String(), c.Retention.History.String()}
		want := []string{"127.0.0.1:8080", "127.0.0.1:8081", "", "sqlite:data/tongbao.db", filepath.Join("data", "master.key"), "auto", "info", "text", "off", "tongbao", "3s", "25s", "2160h0m0s", "43800h0m0s"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if !c.MasterKey.IsZero() || len(c.Webhooks.AllowPrivate) != 0 || c.Webhooks.AllowHTTP || len(c.Apps)+len(c.Accounts) != 0 {
			t.Errorf("more than the defaults: %v", c)
		}
	})

	t.Run("EmptyFileIsNothingGiven", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"", "# nothing\n", "---\n", "log:\napps:\naccounts: ~\n"} {
			if got := load(t, text).Log.Level; got != "info" {
				t.Errorf("%q: log level %q", text, got)
			}
		}
	})

	t.Run("FileGivesEverySetting", func(t *testing.T) {
		t.Parallel()
		c := load(t, `
listen: 0.0.0.0:80
admin_listen: localhost:81
public_url: https://pay.example.com
database_file: database
master_key_file: master.key
migrate: manual
log: {level: debug, format: json}
telemetry: {traces: otlp, service_name: pay}
webhooks: {allow_private: [10.0.0.0/8, "fd00::/8"], allow_http: true}
retention: {traffic_days: 7, history_days: 36500}
shutdown: {delay: 500ms, timeout: 1m}
apps:
  - {id: shop, name: Demo shop, late_payment: review, require_signature: true, disabled: true}
  - id: other
`)
		if c.Database.Reveal() != "postgres://tongbao:"+hiddenPassword+"@db:5432/tongbao" || filepath.Base(c.MasterKeyFile) != "master.key" {
			t.Errorf("database %q, master key file %q", c.Database, c.MasterKeyFile)
		}
		if c.Listen != "0.0.0.0:80" || c.PublicURL != "https://pay.example.com" || c.Migrate != config.MigrateManual {
			t.Errorf("got %v", c)
		}
		wantHooks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
		if !slices.Equal(c.Webhooks.AllowPrivate, wantHooks) || !c.Webhooks.AllowHTTP {
			t.Errorf("webhooks %v", c.Webhooks)
		}
		if c.Shutdown != (config.Shutdown{Delay: 500 * time.Millisecond, Timeout: time.Minute}) || c.Log != (config.Log{Level: "debug", Format: "json"}) {
			t.Errorf("shutdown %v, log %v", c.Shutdown, c.Log)
		}
		if c.Retention != (config.Retention{Traffic: 7 * 24 * time.Hour, History: 36_500 * 24 * time.Hour}) {
			t.Errorf("retention %v", c.Retention)
		}
		want := []config.App{
			{ID: "shop", Name: "Demo shop", LatePayment: "review", RequireSignature: true, Disabled: true},
			{ID: "other", LatePayment: "refund"},
		}
		if diff := cmp.Diff(want, c.Apps); diff != "" {
			t.Error(diff)
		}
		if s := c.Apps[0].Settings(); s.LatePolicy != payment.LateReview || s.Name != "Demo shop" || !s.RequireSignature || !s.Disabled {
			t.Errorf("settings %+v", s)
		}
	})

	t.Run("VariablesGoBeforeTheFile", func(t *testing.T) {
		t.Parallel()
		c := load(t, "log: {level: debug, format: json}\ndatabase_file: database\nmaster_key_file: gone.key\n",
			"TONGBAO_LOG_LEVEL=warn", "TONGBAO_DATABASE=sqlite:x/y.db", "TONGBAO_MASTER_KEY="+hiddenMaster, "TONGBAO_LISTEN=",
			"TONGBAO_WEBHOOKS_ALLOW_PRIVATE=10.0.0.0/8, 127.0.0.1/32", "PATH=/bin", "broken")
		if c.Log != (config.Log{Level: "warn", Format: "json"}) || c.Database.Reveal() != "sqlite:"+filepath.Join("x", "y.db") || c.Listen != "127.0.0.1:8080" {
			t.Errorf("got %v", c)
		}
		if c.MasterKey.Reveal() != hiddenMaster || c.MasterKeyFile != "" || len(c.Webhooks.AllowPrivate) != 2 {
			t.Errorf("got %v", c)
		}
	})

	t.Run("PathsAreBelowTheFilesFolder", func(t *testing.T) {
		t.Parallel()
		path := folder(t, "database: sqlite:books.db")
		c, err := config.Load(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(path)
		if got, _ := c.Database.SQLiteFile(); got != filepath.Join(dir, "books.db") || c.MasterKeyFile != filepath.Join(dir, "master.key") {
			t.Errorf("database %s, master key %s", got, c.MasterKeyFile)
		}
	})

	t.Run("AccountBecomesWhatItsChannelReads", func(t *testing.T) {
		t.Parallel()
		a := load(t, "accounts:"+wechat).Accounts[0]
		mustBeWeChat(t, a)
	})
}

func mustBeWeChat(t *testing.T, a config.Account) {
	t.Helper()
	settings, secrets, err := a.Channel()
	if err != nil {
		t.Fatal(err)
	}
	var gotSettings channel.WeChatSettings
	var gotSecrets channel.WeChatSecrets
	if err := errors.Join(json.Unmarshal(settings, &gotSettings), json.Unmarshal(secrets, &gotSecrets)); err != nil {
		t.Fatal(err)
	}
	want := channel.WeChatSettings{
		MchID: "1900000109", AppID: "wx8888888888888888", AppIDs: map[payment.Product]string{payment.MiniProgram: "wx9999999999999999"},
		MerchantSerialNo: "5157E09", PublicKeyID: "PUB_KEY_ID_1", PublicKey: "-----BEGIN PUBLIC KEY-----\nMIIpublic\n-----END PUBLIC KEY-----",
	}
	if diff := cmp.Diff(want, gotSettings); diff != "" {
		t.Error(diff)
	}
	if gotSecrets != (channel.WeChatSecrets{PrivateKey: hiddenPEM, APIv3Key: hiddenAPIv3Key}) {
		t.Error("the secrets are not those of the files")
	}
	if a.ID != "wechat-main" || a.ChannelName() != payment.WeChat {
		t.Errorf("account %q of channel %q", a.ID, a.ChannelName())
	}
}

func TestLoadAccount(t *testing.T) {
	t.Parallel()

	t.Run("ReadsOneEntry", func(t *testing.T) {
		t.Parallel()
		a, err := config.LoadAccount(folder(t, strings.ReplaceAll(strings.Replace(wechat, "-", " ", 1), "\n    ", "\n")))
		if err != nil {
			t.Fatal(err)
		}
		mustBeWeChat(t, a)
	})

	t.Run("TellsEverythingThatIsMissing", func(t *testing.T) {
		t.Parallel()
		path := folder(t, "id: a\nmachid: 1\nprivate_key_file: gone.pem\n")
		_, err := config.LoadAccount(path)
		got := strings.Join(told(t, err, filepath.Dir(path)+"/"), "\n")
		for _, want := range []string{
			"tongbao.yaml:2: machid: there is no such setting; did you mean mchid?", "mchid: is required", "channel: is required",
			"merchant_serial_no: is required", "api_v3_key: is required", "tongbao.yaml:3: private_key_file: open gone.pem", "appid: is required", "public_key_file: is required",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("it does not say %q:\n%s", want, got)
			}
		}
	})

	t.Run("EmptyFileIsRefused", func(t *testing.T) {
		t.Parallel()
		if _, err := config.LoadAccount(folder(t, "")); err == nil {
			t.Error("accepted")
		}
	})
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text    string
		environ []string
		want    []string // the beginnings, in order
	}{
		"EverythingAtOnceWithItsPlace": {
			text:    "lisen: 1\nlog:\n  level: loud\n  colour: red\nshutdown: {delay: 3}\nretention: {traffic_days: 6, history_days: 90d}\nwebhooks: {allow_http: yes, allow_private: [10.0.0.1/8, x]}\napps:\n  - id: Shop\n  - late_payment: keep\n",
			environ: []string{"TONGBAO_LOG_LEVL=info", "TONGBAO_MIGRATE=never"},
			want: []string{
				"tongbao.yaml:1: lisen: there is no such setting; did you mean listen?",
				"tongbao.yaml:4: log.colour: there is no such setting; see docs/configuration.md",
				"TONGBAO_LOG_LEVL: there is no such variable; did you mean TONGBAO_LOG_LEVEL?",
				`TONGBAO_MIGRATE: migrate: "never" is none of: auto, manual`,
				`tongbao.yaml:3: log.level: "loud" is none of: debug, info, warn, error`,
				`tongbao.yaml:7: webhooks.allow_private: "10.0.0.1/8" is no network`,
				`tongbao.yaml:7: webhooks.allow_private: "x" is no network`,
				`tongbao.yaml:7: webhooks.allow_http: "yes" must be true or false`,
				`tongbao.yaml:6: retention.traffic_days: "6" must be a number of days from 7 to 36500`,
				`tongbao.yaml:6: retention.history_days: "90d" must be a number of days from 400 to 36500`,
				`tongbao.yaml:5: shutdown.delay: "3" must be a duration from 0s to 5m with its unit`,
				`tongbao.yaml:9: apps[0].id: "Shop" is no name`,
				"tongbao.yaml:10: apps[1].id: is required",
				`tongbao.yaml:10: apps[1].late_payment: "keep" is none of: refund, accept, review`,
			},
		},
		"NameBelowTheWrongGroup": {text: "level: info", want: []string{"tongbao.yaml:1: level: there is no such setting"}},
		"DottedNameIsNoGroup":    {text: "log.level: info", want: []string{"tongbao.yaml:1: log.level: is written as a group"}},
		"GroupIsNoValue":         {text: "log: info", want: []string{"tongbao.yaml:1: log: must be a group of: level, format"}},
		"ValueIsNoGroup":         {text: "listen: {a: b}", want: []string{"tongbao.yaml:1: listen: must be one value"}},
		"ListIsNoValue":          {text: "apps: shop", want: []string{"tongbao.yaml:1: apps: must be a list"}},
		"EntryIsNoText":          {text: "apps: [shop]", want: []string{"tongbao.yaml:1: apps[0]: must be settings"}},
		"WholeFileIsAList":       {text: "- a", want: []string{"tongbao.yaml: must be settings"}},
		"GivenTwice":             {text: "listen: :1\nlisten: :2", want: []string{"tongbao.yaml:2: listen: is given twice", "public_url: is required because"}},
		"TwoDocuments":           {text: "listen: 127.0.0.1:1\n---\nlisten: :2", want: []string{"tongbao.yaml: has more than one document"}},
		"NoYAML":                 {text: "listen: [", want: []string{"tongbao.yaml: line"}},
		"NoYAMLWithASecret":      {text: "master_key: *" + hiddenMaster, want: []string{"tongbao.yaml: some line is not valid YAML"}},
		"Anchor":                 {text: "listen: &a x:1\nadmin_listen: *a", want: []string{"tongbao.yaml:1: anchors and aliases"}},
		"BothFormsOfASecret":     {text: "database: sqlite:a\ndatabase_file: database", want: []string{"tongbao.yaml:2: database_file: is given together with database"}},
		"BothVariablesOfASecret": {environ: []string{"TONGBAO_MASTER_KEY=" + hiddenMaster, "TONGBAO_MASTER_KEY_FILE=master.key"}, want: []string{"TONGBAO_MASTER_KEY_FILE: master_key_file: is given together"}},
		"MasterKeyTooShort":      {text: "master_key: " + hiddenPassword, want: []string{"tongbao.yaml:1: master_key: secret: a master key is 32 random bytes"}},
		"PostgreSQLWithoutKey":   {text: "database_file: database", want: []string{"master_key: is required with PostgreSQL, or master_key_file: every replica must have the same one. Make it once with `openssl rand -base64 32`"}},
		"PostgreSQLMakesNoKey":   {text: "database_file: database\nmaster_key_file: gone", want: []string{"tongbao.yaml:2: master_key_file: there is no file gone. With PostgreSQL"}},
		"DatabaseWithBadURL":     {text: "database: postgres://u:" + hiddenPassword + "%zz@db/x", want: []string{"tongbao.yaml:1: database: is not a valid postgres:// URL"}},
		"DatabaseOfOtherKind":    {text: "database: mysql://u:" + hiddenPassword + "@db/x", want: []string{"tongbao.yaml:1: database: must be sqlite:path/to/file.db or postgres://"}},
		"PublicPlainHTTP":        {text: "public_url: http://pay.example.com", want: []string{"tongbao.yaml:1: public_url: must be https://pay.example.com"}},
		"PublicURLWithSlash":     {text: "public_url: https://pay.example.com/", want: []string{"tongbao.yaml:1: public_url: must be scheme and host alone, without user, path, query or a slash at the end: https://pay.example.com"}},
		"PublicURLMissing":       {text: "listen: 0.0.0.0:8080", want: []string{"public_url: is required because listen is not a loopback address"}},
		"AddressTwice":           {text: "admin_listen: 127.0.0.1:8080", want: []string{"tongbao.yaml:1: admin_listen: is the same as listen"}},
		"AddressWithoutPort":     {text: "listen: localhost", want: []string{`tongbao.yaml:1: listen: "localhost" is no address`}},
		"AddressWithPortTooHigh": {text: "listen: localhost:70000", want: []string{`tongbao.yaml:1: listen: "localhost:70000" is no address`}},
		"IDTwice":                {text: "apps: [{id: a}, {id: b}, {id: a}]", want: []string{`tongbao.yaml:1: apps[2].id: "a" is the id of apps[0] already`}},
		"APIv3KeyTooShort":       {text: "accounts:" + strings.Replace(wechat, "api_v3_key_file: api_v3_key.txt", "api_v3_key: "+hiddenPassword, 1), want: []string{"tongbao.yaml:9: accounts[0].api_v3_key: has 14 bytes; an APIv3 key has 32"}},
		"AppIDOfNoProduct":       {text: "accounts:" + strings.Replace(wechat, "miniprogram", "minprogram", 1), want: []string{`tongbao.yaml:6: accounts[0].appids: "minprogram" is no product`}},
		"PublicKeyWithoutID":     {text: "accounts:" + strings.Replace(wechat, "    public_key_id: PUB_KEY_ID_1\n", "", 1), want: []string{"accounts[0].public_key_id: is required with a public key"}},
		"OtherChannel":           {text: "accounts:" + strings.Replace(wechat, "channel: wechat", "channel: alipay", 1), want: []string{`tongbao.yaml:3: accounts[0].channel: "alipay" is none of: wechat`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := problems(t, c.text, c.environ...)
			if len(got) != len(c.want) {
				t.Fatalf("%d problems, want %d:\n%s", len(got), len(c.want), strings.Join(got, "\n"))
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], want) && !strings.Contains(got[i], ": "+want) {
					t.Errorf("problem %d is\n%s\nwant\n%s", i, got[i], want)
				}
			}
		})
	}

	t.Run("NoSuchFile", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load(filepath.Join(t.TempDir(), "gone.yaml"), nil)
		if err == nil || !strings.Contains(err.Error(), "gone.yaml") {
			t.Errorf("error %v", err)
		}
	})

	t.Run("VariablesOfKubernetesAreNotOurs", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load("", []string{
			"TONGBAO_CONFIG=x", "TONGBAO_SERVICE_HOST=10.0.0.1", "TONGBAO_SERVICE_PORT=80", "TONGBAO_SERVICE_PORT_HTTP=80", "TONGBAO_PORT=tcp://10.0.0.1:80",
			"TONGBAO_PORT_80_TCP=tcp://10.0.0.1:80", "TONGBAO_PORT_80_TCP_ADDR=10.0.0.1", "TONGBAO_ADMIN_SERVICE_HOST=10.0.0.1",
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	text := "database: postgres://tongbao:" + hiddenPassword + "@db:5432/tongbao?sslpassword=" + hiddenPassword + "&sslmode=require\nmaster_key: " + hiddenMaster +
		"\napps: [{id: shop}]\naccounts:" + wechat +
		strings.NewReplacer("wechat-main", "wechat-two", "private_key_file: apiclient_key.pem", "private_key: MIIhidden", "api_v3_key_file: api_v3_key.txt", "api_v3_key: "+hiddenAPIv3Key).Replace(wechat)
	c := load(t, text)

	t.Run("NoPrinterShowsASecret", func(t *testing.T) {
		t.Parallel()
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "config", c, "database", c.Database, "account", c.Accounts[1])
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "config", c, "database", c.Database, "accounts", c.Accounts)
		encoded, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		printed := []string{c.Redacted(), log.String(), string(encoded), c.Database.String()}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			printed = append(printed, fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, c.Database), fmt.Sprintf(verb, c.Accounts), fmt.Sprintf(verb, struct{ c config.Config }{c}))
		}
		for _, p := range printed {
			for _, hidden := range []string{hiddenPassword, hiddenAPIv3Key, hiddenMaster, "MIIhidden"} {
				if strings.Contains(p, hidden) || strings.Contains(p, fmt.Sprintf("%x", hidden)) {
					t.Errorf("shows %q:\n%s", hidden, p)
				}
			}
		}
	})

	t.Run("ShowsWhatIsInEffect", func(t *testing.T) {
		t.Parallel()
		got := c.Redacted()
		for _, want := range []string{
			"listen: 127.0.0.1:8080\n", "database: postgres://tongbao:xxxxx@db:5432/tongbao?sslmode=require&sslpassword=xxxxx\n", "log:\n  level: info\n", "shutdown:\n  delay: 3s\n", "allow_private: []\n",
			"  - id: shop\n    late_payment: refund\n", `    mchid: "1900000109"`, "/apiclient_key.pem\n", `private_key: '[redacted]'`, "miniprogram: wx9999999999999999\n", `master_key: '[redacted]'`,
		} {
			if !strings.Contains(got, want) {
				t.Errorf("it does not show %q:\n%s", want, got)
			}
		}
	})

	t.Run("LoadedAgainItIsTheSame", func(t *testing.T) {
		t.Parallel()
		first := load(t, "listen: 127.0.0.1:0\nshutdown: {delay: 90s, timeout: 2m30s}\nwebhooks: {allow_private: [10.0.0.0/8]}\napps: [{id: shop, name: 'a: b #c'}]\naccounts:"+wechat)
		second, err := config.Load(folder(t, first.Redacted()), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first.Redacted(), second.Redacted()); diff != "" {
			t.Error(diff)
		}
		mustBeWeChat(t, second.Accounts[0])
	})
}

func TestDocuments(t *testing.T) {
	t.Parallel()

	t.Run("FilesInDocsAreFresh", func(t *testing.T) {
		t.Parallel()
		for name, want := range map[string]string{"configuration.md": config.Reference(), "tongbao.example.yaml": config.Example()} {
			got, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Errorf("docs/%s is stale: run `make generate`", name)
			}
		}
	})

	t.Run("ExampleAsItIsGivesTheDefaults", func(t *testing.T) {
		t.Parallel()
		path := folder(t, config.Example())
		got, err := config.Load(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := config.Load(folder(t, ""), nil)
		if err != nil {
			t.Fatal(err)
		}
		trim := regexp.MustCompile(`/\S*/`)
		if diff := cmp.Diff(trim.ReplaceAllString(want.Redacted(), ""), trim.ReplaceAllString(got.Redacted(), "")); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("ExampleWithEverythingSwitchedOnLoads", func(t *testing.T) {
		t.Parallel()
		text := regexp.MustCompile(`(?m)^#(\S| {2,}\S)`).ReplaceAllString(config.Example(), "$1")
		// One of each pair, and a key file that exists.
		text = regexp.MustCompile(`(?m)^(database_file|master_key|master_key_file|redis_url_file|  url_file|  credentials|  credentials_file): .*\n`).ReplaceAllString(text, "")
		c := load(t, text)
		if len(c.Apps) != 1 || len(c.Accounts) != 1 || c.PublicURL == "" || c.Apps[0].Name != "Demo shop" {
			t.Errorf("got %v", c)
		}
	})
}

func TestRedis(t *testing.T) {
	t.Parallel()
	t.Run("IsNoneByDefault", func(t *testing.T) {
		t.Parallel()
		if c := load(t, ""); !c.Redis.IsZero() || c.RateLimit != 5000 {
			t.Errorf("got %v", c)
		}
	})
	t.Run("IsReadFromAFileAndNeverShown", func(t *testing.T) {
		t.Parallel()
		path := folder(t, "redis_url_file: redis\nrate_limit: 7\n")
		url := "rediss://tongbao:" + hiddenPassword + "@redis:6379/0"
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "redis"), []byte(url+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.Redis.Reveal() != url || c.RateLimit != 7 {
			t.Errorf("got %v", c)
		}
		if strings.Contains(c.Redacted()+fmt.Sprintf("%+v", c), hiddenPassword) {
			t.Errorf("the password is shown: %s", c.Redacted())
		}
	})
	t.Run("IsExplainedWithoutQuotingIt", func(t *testing.T) {
		t.Parallel()
		for _, wrong := range []string{"redis:6379", "http://x:" + hiddenPassword + "@redis", "redis://", "redis://:" + hiddenPassword + "%zz@redis"} {
			all := problems(t, "redis_url: "+wrong+"\n")
			if len(all) != 1 || !strings.Contains(all[0], "redis://user:password@host:6379/0") {
				t.Errorf("%s: %q", wrong, all)
			}
		}
	})
	t.Run("ARateIsAWholeNumber", func(t *testing.T) {
		t.Parallel()
		for _, wrong := range []string{"-1", "1.5", "many", "1000001"} {
			if all := problems(t, "rate_limit: "+wrong+"\n"); len(all) != 1 || !strings.Contains(all[0], "a whole number from 0 to 1000000") {
				t.Errorf("%s: %q", wrong, all)
			}
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add("listen: 127.0.0.1:1\nlog: {level: info}\n", "TONGBAO_LISTEN=x")
	f.Add("apps:\n  - id: a\n"+"accounts:"+wechat, "TONGBAO_LOG_LEVEL=debug")
	f.Add("a: &a [*a]\n<<: *a\n", "TONGBAO_")
	f.Add("log:\n  level: [1, {2: 3}]\n? [x]\n: y\n", "=")
	path := filepath.Join(f.TempDir(), "tongbao.yaml")
	f.Fuzz(func(t *testing.T, text, variable string) {
		if strings.Contains(text, "file") || strings.Contains(variable, "FILE") {
			return // reads what it finds on this machine
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, []string{variable})
		if err != nil {
			if failed, ok := errors.AsType[*config.Error](err); !ok || len(failed.Problems) == 0 {
				t.Errorf("error without a problem: %v", err)
			}
			return
		}
		if c.Listen == "" || c.Database.Reveal() == "" || c.Redacted() == "" {
			t.Errorf("accepted without what is always there: %v", c)
		}
	})
}
