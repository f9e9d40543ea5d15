package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-pay/gopay/pkg/xhttp"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
)

// TestMain is also the upstream and the tutorial app: the program starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && (os.Args[1] == upstreamCommand || os.Args[1] == tutorialCommand) {
		if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// It runs everything once and judges no time.
func TestOneRoundMeasuresEverything(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), []string{"-rounds", "1", "-slice", "1ms"}, strings.NewReader(""), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{libraryName, directName, officialTunedName, gopayTunedName, opSign, opVerify, opParse, opPrepay(64), opUnsigned(1), "new connections"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing about %q in\n%s", want, out.String())
		}
	}
}

func TestUsageIsAnError(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-rounds", "0"}, {"-slice", "0s"}, {"something"}, {"-gateway", "-open", "0"}} {
		if err := run(t.Context(), args, strings.NewReader(""), io.Discard); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}

type inMemory func(*http.Request) (*http.Response, error)

func (f inMemory) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Without a network the numbers of allocations are the same on every machine. The network's share, which everybody has, is
// not in them.
func TestCallsAllocateLittle(t *testing.T) { // not in parallel: it counts what the whole process allocates
	p, err := newParties()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := sign(p.provider, prepayAnswer)
	if err != nil {
		t.Fatal(err)
	}
	provider := inMemory(func(*http.Request) (*http.Response, error) { return answer.response(), nil })
	library, err := libraryClient(p.merchant, p, provider)
	if err != nil {
		t.Fatal(err)
	}
	official, err := officialClient(provider, option.WithWechatPayPublicKeyAuthCipher(mchID, serialNo, p.merchant, publicKeyID, &p.provider.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	httpClient := xhttp.NewClient()
	httpClient.HttpClient.Transport = provider
	gopay, err := gopayClient(p, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	count := func(call func(context.Context) error) float64 {
		return testing.AllocsPerRun(20, func() {
			if err := call(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
	ours := count(func(ctx context.Context) error { return prepayByLibrary(ctx, library) })
	theirs := count(func(ctx context.Context) error { return prepayByOfficial(ctx, official) })
	others := count(func(ctx context.Context) error { return prepayByGopay(ctx, gopay) })
	t.Logf("allocations of a call without a network: %.0f, wechatpay-go %.0f, gopay %.0f", ours, theirs, others)
	if ours > theirs*0.35 || ours > others*0.35 {
		t.Errorf("%.0f allocations, wechatpay-go has %.0f and gopay %.0f", ours, theirs, others)
	}
}

func TestNotificationsAllocateLittle(t *testing.T) { // not in parallel: it counts what the whole process allocates
	p, err := newParties()
	if err != nil {
		t.Fatal(err)
	}
	all, err := contenders(p, func(t *http.Transport) *http.Transport { return t })
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := notification()
	if err != nil {
		t.Fatal(err)
	}
	notified, err := sign(p.provider, sealed)
	if err != nil {
		t.Fatal(err)
	}
	counted := make(map[string]float64)
	for _, c := range all {
		if c.parse != nil {
			counted[c.name] = testing.AllocsPerRun(20, func() {
				if err := c.parse(notified); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	t.Logf("allocations of a notification: %v", counted)
	if counted[libraryName] > counted[officialName]*0.5 || counted[libraryName] > counted[gopayName]*0.7 {
		t.Errorf("%v", counted)
	}
}

func TestMedianAndRatio(t *testing.T) {
	t.Parallel()
	r := results{
		{"op", "a"}: {{time: 3 * time.Second}, {time: 1 * time.Second}, {time: 2 * time.Second}},
		{"op", "b"}: {{time: 1 * time.Second}, {time: 1 * time.Second}, {time: 4 * time.Second}},
	}
	if got := r.median("op", "a", sample.timeOf); got != 2e9 {
		t.Errorf("median: got %v", got)
	}
	if got := r.ratio("op", "a", "b", sample.timeOf); got != 1 {
		t.Errorf("ratio: got %v", got)
	}
	if got := median([]float64{4, 1}, func(f float64) float64 { return f }); got != 2.5 {
		t.Errorf("median of two: got %v", got)
	}
	for _, c := range []struct {
		target target
		got    float64
		want   string
	}{
		{target{limit: 1.1}, 1.05, "pass 1.050"},
		{target{limit: 1.1}, 1.1, "pass 1.100"},
		{target{limit: 1.1}, 1.2, "FAIL 1.200"},
		{target{limit: 0.03}, 0, "pass 0.000"},
		{target{limit: 1.1}, math.NaN(), "not measured"},
		{target{limit: 1.2, least: true}, 1.3, "pass 1.300"},
		{target{limit: 1.2, least: true}, 1.1, "FAIL 1.100"},
	} {
		if got := c.target.verdict(c.got); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
