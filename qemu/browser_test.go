package qemu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/sluice-lb/sluice/ci/chromium"
)

// browser is a Chromium with one tab, outside the lab: it reaches the appliance
// through a relay on loopback.
type browser struct {
	ctx  context.Context
	base string // https://127.0.0.1:PORT
}

// openBrowser starts Chromium and relays it to the appliance's web pages.
func openBrowser(t *testing.T, client *Netns) *browser {
	t.Helper()
	l, err := ListenLoopback(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	stop := Forward(l, client.DialContext, ApplianceAddr.String()+":4444")
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stop the relay: %v", err)
		}
	})
	return &browser{ctx: chromium.Open(t), base: "https://" + l.Addr().String()}
}

// run does one step of a story; what the page shows explains a failure.
func (b *browser) run(t *testing.T, what string, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var text string
		_ = chromedp.Run(b.ctx, chromedp.Evaluate(`location + "\n" + document.body.innerText`, &text)) // explains only
		b.shoot(t, "failed")
		t.Fatalf("%s: %v\n%s", what, err, text)
	}
}

// press clicks an element from within the page, which may still be loading: the
// driver's own node numbers do not outlive that.
func press(selector string) chromedp.Action {
	return chromedp.Tasks{
		chromium.Sees(`document.readyState === "complete" && document.querySelector(%q) !== null`, selector),
		chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).click()`, selector), nil),
	}
}

// tab clicks a tab of the navigation and waits for the new page, also where the
// tab is the one that is shown: the mark is the old page's only.
func tab(name string) chromedp.Action {
	return chromedp.Tasks{
		chromedp.Evaluate(`window.left = true`, nil), chromedp.Click(fmt.Sprintf(`//nav/a[text()=%q]`, name)),
		chromium.Sees(`!window.left && document.querySelector("nav a[aria-current]")?.textContent.includes(%q)`, name),
	}
}

// login opens the pages, as soon as they are served, and logs in.
func (b *browser) login(t *testing.T, password string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		var there bool
		err := chromedp.Run(ctx, chromedp.Navigate(b.base+"/"), chromedp.Evaluate(`document.querySelector("input[name=password]") !== null`, &there))
		if err == nil && there {
			break
		}
		select {
		case <-tick.C: // webd starts after the proxy
		case <-ctx.Done():
			b.shoot(t, "failed")
			t.Fatalf("no login page: %v", err)
		}
	}
	b.run(t, "log in", chromedp.SendKeys(`input[name=password]`, password), chromedp.Click(`.login button`), chromium.Shows("nav a[aria-current]", "Overview"))
}

const (
	editorHandle = `document.querySelector(".editor-host").view`
	editorReady  = `document.querySelector(".editor-host")?.view !== undefined`
)

// typeLine opens a new line in the editor below one that holds some text, counted
// from 1, and types.
func typeLine(below string, occurrence int, text string) chromedp.Action {
	return chromedp.Tasks{
		chromium.Sees(editorReady),
		chromedp.Evaluate(fmt.Sprintf(`{
			const view = %s, begin = "\n   ";
			let at = -1;
			for (let i = 0; i < %d; i++) at = view.state.doc.toString().indexOf(%q, at + 1);
			at = view.state.doc.lineAt(at).to;
			view.dispatch({changes: {from: at, insert: begin}, selection: {anchor: at + begin.length}});
			view.focus();
		}`, editorHandle, occurrence, below), nil),
		chromedp.KeyEvent(text),
	}
}

// setText replaces what is in the editor.
func setText(text string) chromedp.Action {
	return chromedp.Tasks{
		chromium.Sees(editorReady),
		chromedp.Evaluate(fmt.Sprintf(`%[1]s.dispatch({changes: {from: 0, to: %[1]s.state.doc.length, insert: %[2]q}})`, editorHandle, text), nil),
	}
}

// shoot keeps a picture of the whole page in the run's output.
func (b *browser) shoot(t *testing.T, name string) {
	t.Helper()
	var png []byte
	if err := chromedp.Run(b.ctx, chromedp.FullScreenshot(&png, 100)); err != nil {
		t.Errorf("picture %s: %v", name, err)
		return
	}
	path := filepath.Join(t.ArtifactDir(), strings.ReplaceAll(name, " ", "-")+".png")
	if err := os.WriteFile(path, png, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("picture: %s", path)
}
