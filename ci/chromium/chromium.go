// Package chromium drives Chromium over pages, for tests. It must not know what the
// pages are.
package chromium

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Open starts Chromium, which takes any certificate, with one tab, and returns the
// tab's context; both end with the test. Without Chromium the test is skipped, or
// fails where nothing may be left out (SLUICE_FULL=1).
func Open(t testing.TB) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("SLUICE_FULL") == "1" {
			t.Fatalf("find chromium: %v (Debian package chromium)", err)
		}
		t.Skip("chromium is not installed")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute), chromedp.WindowSize(1280, 900),
		chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Logf("close the browser: %v", err)
		}
	})
	if err := chromedp.Run(ctx); err != nil { // starts it
		t.Fatalf("start chromium: %v", err)
	}
	return ctx
}

// Sees waits until an expression of JavaScript is true, also across pages; format and
// args are those of fmt.Sprintf.
func Sees(format string, args ...any) chromedp.Action {
	expression := fmt.Sprintf(format, args...)
	return chromedp.ActionFunc(func(ctx context.Context) error {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			var is bool
			err := chromedp.Evaluate("Boolean("+expression+")", &is).Do(ctx)
			if err == nil && is {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s is not true: %w", expression, errors.Join(ctx.Err(), err))
			case <-tick.C:
			}
		}
	})
}

// Shows waits until the first element of a selector holds some text.
func Shows(selector, part string) chromedp.Action {
	return Sees(`document.querySelector(%q)?.textContent.includes(%q)`, selector, part)
}
