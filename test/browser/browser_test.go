// Package browser_test uses the demo as a person does: in a real browser.
package browser_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/tongbao-pay/tongbao/internal/demo"
)

const (
	// journeyTime bounds one journey, the browser's start included.
	journeyTime = 60 * time.Second
	// stepTime bounds one thing that must happen in it.
	stepTime = 20 * time.Second
)

// browser is one tab of a headless Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps its tab in the context
}

// openBrowser starts Chromium with an empty profile. The test fails when there is none, for what it proves is proven
// nowhere else.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true), chromedp.Flag("lang", "zh-CN"),
		chromedp.Flag("force-prefers-reduced-motion", true), // pictures show how a page ends, not how it gets there
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox does not run as root
	}
	bounded, cancel := context.WithTimeout(t.Context(), journeyTime)
	t.Cleanup(cancel)
	allocator, stop := chromedp.NewExecAllocator(bounded, options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	b := &browser{t: t, ctx: ctx}
	b.watch()
	return b
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless_shell", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("this test needs Chromium: on Debian, apt-get install -y chromium fonts-noto-cjk; elsewhere install Chromium or Chrome and put it on PATH")
	return ""
}

// startDemo serves a demo of its own on free ports until the function it returns is called, which answers how it ended.
func startDemo(t *testing.T) (*demo.Demo, func() error) {
	t.Helper()
	d, err := demo.Open(t.Context(), demo.Config{Data: t.TempDir(), FreePorts: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx) }()
	stop := func() error {
		cancel()
		err := <-served
		served <- err
		return err
	}
	t.Cleanup(func() { _ = stop() }) // the test looked at it where it matters
	return d, stop
}

// watch fails the test when a page breaks its own policy or throws.
func (b *browser) watch() {
	b.t.Helper()
	err := chromedp.Listen(b.ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.t.Errorf("a script failed: %s", e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			if e.Entry.Source == log.EntrySourceSecurity {
				b.t.Errorf("the browser refused something: %s", e.Entry.Text)
			}
		}
	})
	if err != nil {
		b.t.Fatalf("start Chromium: %v", err)
	}
}

// front shows the tab: one behind another draws nothing.
func (b *browser) front() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, page.BringToFront, cdp.Empty{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTime)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.shot("failed")
		b.t.Fatal(err)
	}
}

// read runs an action that answers something.
func read[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTime)
	defer cancel()
	answer, err := chromedp.Run(ctx, action)
	if err != nil {
		b.shot("failed")
		b.t.Fatal(err)
	}
	return answer
}

// shot keeps a picture of the whole page among the test's artifacts (go test -artifacts keeps them).
func (b *browser) shot(name string) {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Errorf("no picture %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), picture, 0o600); err != nil {
		b.t.Error(err)
	}
}
