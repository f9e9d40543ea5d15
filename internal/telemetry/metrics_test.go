package telemetry_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/job"
	"github.com/tongbao-pay/tongbao/internal/notify"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/stream"
	"github.com/tongbao-pay/tongbao/internal/telemetry"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

var (
	_ payment.Observer = (*telemetry.Metrics)(nil)
	_ channel.Observer = (*telemetry.Metrics)(nil)
	_ notify.Observer  = (*telemetry.Metrics)(nil)
	_ store.Observer   = (*telemetry.Metrics)(nil)
	_ stream.Observer  = (*telemetry.Metrics)(nil)
	_ webhook.Observer = (*telemetry.Metrics)(nil)
	_ http.Handler     = (*telemetry.Metrics)(nil)
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func scrape(t *testing.T, m http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// ours are the lines of our own metrics whose names begin so, without comments.
func ours(text, prefix string) []string {
	var lines []string
	scanner := bufio.NewScanner(strings.NewReader(text))
	for scanner.Scan() {
		if strings.HasPrefix(scanner.Text(), prefix) {
			lines = append(lines, scanner.Text())
		}
	}
	return lines
}

func full(now func() time.Time) *telemetry.Metrics {
	return telemetry.NewMetrics(everySource(now))
}

func everySource(now func() time.Time) telemetry.MetricsConfig {
	return telemetry.MetricsConfig{
		Version: "v1.2.3", Now: now,
		Jobs: func(context.Context) ([]job.Count, error) {
			return []job.Count{{Queue: "payments", State: "scheduled", Jobs: 3}, {Queue: "webhooks", State: "running", Jobs: 1}}, nil
		},
		Reviews: func(context.Context) (map[payment.ReviewKind]int64, error) {
			return map[payment.ReviewKind]int64{payment.ReviewLatePaid: 2}, nil
		},
		Breakers: func(context.Context) ([]channel.Breaker, error) {
			return []channel.Breaker{{Channel: payment.WeChat, Account: "main", State: channel.BreakerOpen}, {Channel: payment.WeChat, Account: "other"}}, nil
		},
		Redis:  func(context.Context) error { return errors.New("down") },
		Unsent: func(context.Context) (time.Time, error) { return noon.Add(-time.Minute), nil },
		Certificates: func(context.Context) []telemetry.Certificate {
			return []telemetry.Certificate{{Account: "main", Kind: "platform", Serial: "5157E0", NotAfter: noon.Add(time.Hour)}, {Account: "main", Kind: "platform", Serial: "OLD", NotAfter: noon.Add(-time.Minute)}}
		},
	}
}

// happen makes every metric have a value.
func happen(m *telemetry.Metrics) {
	ctx := context.Background()
	p := &payment.Payment{Channel: payment.WeChat, Attempts: []*payment.Attempt{{Product: payment.Native}}}
	for _, eventType := range payment.EventTypes {
		m.Committed(ctx, &payment.Change{Payment: p, Events: []payment.Event{{Type: eventType}}})
	}
	m.Committed(ctx, &payment.Change{Payment: p, Placed: true})
	m.Committed(ctx, &payment.Change{Events: []payment.Event{{Type: payment.EventReviewOpened}}})
	m.ProviderCall(ctx, payment.WeChat, "prepay", "done", 30*time.Millisecond)
	m.ProviderCall(ctx, payment.WeChat, "prepay", "unknown", 20*time.Second)
	m.Held(ctx, payment.WeChat, "prepay", "breaker")
	m.Notified(ctx, payment.WeChat, "applied", noon.Add(-2*time.Second))
	m.Notified(ctx, payment.WeChat, "applied", noon.Add(time.Second)) // the provider's clock is ahead
	m.Notified(ctx, payment.WeChat, "refused", time.Time{})
	m.NotificationsInFlight(1)
	m.Grouped(3)
	m.Pruned("notices", 7)
	m.Tried(ctx, webhook.Delivery{Success: true}, webhook.Delivered, 40*time.Millisecond)
	m.Tried(ctx, webhook.Delivery{}, webhook.Pending, time.Second)
	m.Tried(ctx, webhook.Delivery{}, webhook.Dead, 24*time.Hour)
	m.RequestLimited("key")
	m.RedisFailed("numbers")
	m.Streamed(20 * time.Millisecond)
	m.StreamFailed()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	atNoon := func() time.Time { return noon }

	t.Run("NamesAndValuesAreThoseOfTheContract", func(t *testing.T) {
		t.Parallel()
		m := full(atNoon)
		happen(m)
		text := scrape(t, m)
		var got []string
		for _, line := range ours(text, "tongbao_") {
			if !strings.Contains(line, "_bucket") && !strings.HasPrefix(line, "tongbao_build_info") {
				got = append(got, line)
			}
		}
		slices.Sort(got)
		want := []string{
			`tongbao_certificate_expiry_seconds{account="main",kind="platform",serial="5157E0"} 3600`,
			`tongbao_certificate_expiry_seconds{account="main",kind="platform",serial="OLD"} -60`,
			`tongbao_channel_breaker_state{account="main",channel="wechat"} 2`,
			`tongbao_channel_breaker_state{account="other",channel="wechat"} 0`,
			`tongbao_channel_held_total{channel="wechat",operation="prepay",reason="breaker"} 1`,
			`tongbao_channel_request_duration_seconds_count{channel="wechat",operation="prepay",outcome="done"} 1`,
			`tongbao_channel_request_duration_seconds_count{channel="wechat",operation="prepay",outcome="unknown"} 1`,
			`tongbao_channel_request_duration_seconds_sum{channel="wechat",operation="prepay",outcome="done"} 0.03`,
			`tongbao_channel_request_duration_seconds_sum{channel="wechat",operation="prepay",outcome="unknown"} 20`,
			`tongbao_commit_group_changes_count 1`,
			`tongbao_commit_group_changes_sum 3`,
			`tongbao_notifications_in_flight 1`,
			`tongbao_jobs{queue="payments",state="scheduled"} 3`,
			`tongbao_jobs{queue="webhooks",state="running"} 1`,
			`tongbao_notification_delay_seconds_count 2`,
			`tongbao_notification_delay_seconds_sum 2`,
			`tongbao_notifications_total{channel="wechat",result="applied"} 2`,
			`tongbao_notifications_total{channel="wechat",result="refused"} 1`,
			`tongbao_payments_total{channel="wechat",product="native",status="closed"} 1`,
			`tongbao_payments_total{channel="wechat",product="native",status="failed"} 1`,
			`tongbao_payments_total{channel="wechat",product="native",status="late_paid"} 1`,
			`tongbao_payments_total{channel="wechat",product="native",status="pending"} 1`,
			`tongbao_payments_total{channel="wechat",product="native",status="processing"} 1`,
			`tongbao_payments_total{channel="wechat",product="native",status="refunded"} 1`,
			`tongbao_payments_total{channel="wechat",product="native",status="succeeded"} 1`,
			`tongbao_pruned_rows_total{table="notices"} 7`,
			`tongbao_redis_failures_total{use="numbers"} 1`,
			`tongbao_redis_up 0`,
			`tongbao_refunds_total{channel="wechat",status="abnormal"} 1`,
			`tongbao_refunds_total{channel="wechat",status="closed"} 1`,
			`tongbao_refunds_total{channel="wechat",status="failed"} 1`,
			`tongbao_refunds_total{channel="wechat",status="pending"} 1`,
			`tongbao_refunds_total{channel="wechat",status="succeeded"} 1`,
			`tongbao_requests_limited_total{by="key"} 1`,
			`tongbao_reviews_open{kind="double_paid"} 0`,
			`tongbao_reviews_open{kind="late_paid"} 2`,
			`tongbao_reviews_open{kind="outcome_unknown"} 0`,
			`tongbao_reviews_open{kind="refund_abnormal"} 0`,
			`tongbao_reviews_open{kind="refund_stuck"} 0`,
			`tongbao_reviews_open{kind="report_mismatch"} 0`,
			`tongbao_reviews_open{kind="unknown_event"} 0`,
			`tongbao_reviews_open{kind="unknown_order"} 0`,
			`tongbao_reviews_open{kind="unrecognised_state"} 0`,
			`tongbao_scrape_failures_total{metric="tongbao_certificate_expiry_seconds"} 0`,
			`tongbao_scrape_failures_total{metric="tongbao_channel_breaker_state"} 0`,
			`tongbao_scrape_failures_total{metric="tongbao_jobs"} 0`,
			`tongbao_scrape_failures_total{metric="tongbao_redis_up"} 0`,
			`tongbao_scrape_failures_total{metric="tongbao_reviews_open"} 0`,
			`tongbao_scrape_failures_total{metric="tongbao_stream_lag_seconds"} 0`,
			`tongbao_stream_delay_seconds_count 1`,
			`tongbao_stream_delay_seconds_sum 0.02`,
			`tongbao_stream_failures_total 1`,
			`tongbao_stream_lag_seconds 60`,
			`tongbao_webhook_deliveries_total{result="failed"} 1`,
			`tongbao_webhook_deliveries_total{result="given_up"} 1`,
			`tongbao_webhook_deliveries_total{result="succeeded"} 1`,
			`tongbao_webhook_delay_seconds_count 1`,
			`tongbao_webhook_delay_seconds_sum 0.04`,
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for _, other := range []string{"go_goroutines ", "process_cpu_seconds_total ", `tongbao_build_info{commit=`, `version="v1.2.3"`} {
			if !strings.Contains(text, other) {
				t.Errorf("there is no %s", other)
			}
		}
	})

	t.Run("PrometheusFindsNothingToMend", func(t *testing.T) {
		t.Parallel()
		m := full(atNoon)
		happen(m)
		problems, err := promlint.New(strings.NewReader(scrape(t, m))).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	})

	t.Run("ManyPaymentsMakeNoMoreSeriesThanOne", func(t *testing.T) {
		t.Parallel()
		m := full(atNoon)
		happen(m)
		number := regexp.MustCompile(` \S+$`)
		series := func() []string {
			lines := ours(scrape(t, m), "tongbao_")
			for i := range lines {
				lines[i] = number.ReplaceAllString(lines[i], "")
			}
			return lines
		}
		before := series()
		for i := range 100 {
			id := fmt.Sprint(i)
			p := &payment.Payment{ID: id, AppID: id, OutTradeNo: id, Channel: payment.WeChat, Attempts: []*payment.Attempt{{Product: payment.Native, TradeNo: id}}}
			m.Committed(t.Context(), &payment.Change{Payment: p, Events: []payment.Event{{ID: id, Type: payment.EventPaymentSucceeded}}})
			m.Tried(t.Context(), webhook.Delivery{EndpointID: id, EventType: id, Error: id, StatusCode: i}, webhook.Pending, 0)
		}
		if diff := cmp.Diff(before, series()); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("WithoutSourcesTheRestIsThere", func(t *testing.T) {
		t.Parallel()
		text := scrape(t, telemetry.NewMetrics(telemetry.MetricsConfig{}))
		if strings.Contains(text, "tongbao_jobs") || !strings.Contains(text, "go_goroutines") {
			t.Error("got", text)
		}
	})

	t.Run("GivenUpWebhooksAreZeroBeforeTheFirst", func(t *testing.T) {
		t.Parallel()
		want := []string{`tongbao_webhook_deliveries_total{result="given_up"} 0`}
		if got := ours(scrape(t, telemetry.NewMetrics(telemetry.MetricsConfig{})), `tongbao_webhook_deliveries_total{result="given_up"}`); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q: growth from nothing is none to Prometheus", got, want)
		}
	})

	t.Run("TwoRegistriesDoNotMeet", func(t *testing.T) {
		t.Parallel()
		one, two := full(atNoon), full(atNoon)
		happen(one)
		if lines := ours(scrape(t, two), "tongbao_payments_total"); len(lines) != 0 {
			t.Errorf("the other registry counts %q", lines)
		}
	})
}

func TestScrapedMetrics(t *testing.T) {
	t.Parallel()

	t.Run("SourceIsReadOnceForScrapesThatAreClose", func(t *testing.T) {
		t.Parallel()
		now, reads := noon, 0
		m := telemetry.NewMetrics(telemetry.MetricsConfig{
			Now: func() time.Time { return now },
			Jobs: func(context.Context) ([]job.Count, error) {
				reads++
				return []job.Count{{Queue: "payments", State: "running", Jobs: int64(reads)}}, nil
			},
		})
		for _, step := range []struct {
			passes time.Duration
			want   string
		}{{0, "1"}, {4 * time.Second, "1"}, {2 * time.Second, "2"}} {
			now = now.Add(step.passes)
			want := []string{`tongbao_jobs{queue="payments",state="running"} ` + step.want}
			if got := ours(scrape(t, m), "tongbao_jobs"); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})

	t.Run("FailedSourceIsAbsentAndCountedAndTheRestIsThere", func(t *testing.T) {
		t.Parallel()
		m := telemetry.NewMetrics(telemetry.MetricsConfig{
			Jobs: func(context.Context) ([]job.Count, error) {
				return []job.Count{{Queue: "payments"}}, errors.New("connection refused")
			},
			Reviews: func(context.Context) (map[payment.ReviewKind]int64, error) {
				return map[payment.ReviewKind]int64{payment.ReviewStuck: 1}, nil
			},
		})
		scrape(t, m)
		text := scrape(t, m)
		if got := ours(text, "tongbao_jobs"); len(got) != 0 {
			t.Errorf("got %q", got)
		}
		for _, want := range []string{`tongbao_scrape_failures_total{metric="tongbao_jobs"} 1`, `tongbao_reviews_open{kind="outcome_unknown"} 1`} {
			if !strings.Contains(text, want) {
				t.Errorf("there is no %s", want)
			}
		}
	})

	t.Run("SlowSourceDoesNotKeepTheScrapeWaiting", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			m := telemetry.NewMetrics(telemetry.MetricsConfig{Reviews: func(ctx context.Context) (map[payment.ReviewKind]int64, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}})
			began := time.Now()
			text := scrape(t, m)
			if took := time.Since(began); took != 2*time.Second {
				t.Errorf("the scrape took %v", took)
			}
			if strings.Contains(text, "tongbao_reviews_open{") {
				t.Error("a gauge that was never read is shown")
			}
		})
	})

	t.Run("ScrapesAtOnceAgree", func(t *testing.T) {
		t.Parallel()
		m := full(time.Now)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				happen(m)
				m.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
			})
		}
		group.Wait()
		if got := ours(scrape(t, m), `tongbao_payments_total{channel="wechat",product="native",status="succeeded"}`); !slices.Equal(got, []string{`tongbao_payments_total{channel="wechat",product="native",status="succeeded"} 8`}) {
			t.Errorf("got %q", got)
		}
	})
}
