package web

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/sluice-lb/sluice/ci/chromium"
)

// browser is a Chromium with one tab; what its console complains about fails the
// test.
type browser struct {
	ctx  context.Context
	base string

	mu         sync.Mutex
	complaints []string
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	ctx := chromium.Open(t)
	b := &browser{ctx: ctx, base: base}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			// A refused form is an error to the console, and what these tests want.
			if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.Text, "responded with a status of") {
				b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
			}
		case *page.EventJavascriptDialogOpening:
			b.complaints = append(b.complaints, "dialog: "+e.Message)
		}
	})
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, c := range b.complaints {
			t.Errorf("browser: %s", c)
		}
	})
	return b
}

// run makes the actions; a minute is for a machine that has much else to do.
func (b *browser) run(t *testing.T, what string, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var text string
		_ = chromedp.Run(b.ctx, chromedp.Evaluate(`document.body.innerText`, &text))
		t.Fatalf("%s: %v\n%s", what, err, text)
	}
}

func (b *browser) login(t *testing.T) {
	t.Helper()
	b.run(t, "log in", chromedp.Navigate(b.base+"/"), chromedp.WaitVisible(`input[name=password]`),
		chromedp.SendKeys(`input[name=password]`, testPassword), chromedp.Click(`.login button`), chromedp.WaitVisible(`nav a[aria-current]`))
}

// shoot keeps a picture of the whole page.
func (b *browser) shoot(t *testing.T, name string) {
	t.Helper()
	var png []byte
	b.run(t, "screenshot", chromedp.FullScreenshot(&png, 100))
	path := filepath.Join(t.ArtifactDir(), name+".png")
	if err := os.WriteFile(path, png, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("picture: %s", path)
}

const (
	editorHandle = `document.querySelector(".editor-host").view`
	editorText   = editorHandle + `.state.doc.toString()`
	shadow       = `document.querySelector(".editor-host").shadowRoot`
)

// valid waits for the verdict on a text without faults. What moves as it comes, such
// as the buttons below, is in its place then: a click goes to where a button is seen.
func valid() chromedp.Action { return chromium.Shows("#verdict.good", "Valid") }

// typeAt puts the caret at the end of a line, from 1, and types; with a line end
// before the text, on a new line.
func typeAt(line int, text string) chromedp.Action {
	begin := ""
	if rest, newLine := strings.CutPrefix(text, "\n"); newLine {
		begin, text = "\n   ", rest
	}
	return chromedp.Tasks{
		chromium.Sees(`document.querySelector(".editor-host")?.view !== undefined`),
		chromedp.Evaluate(fmt.Sprintf(`{
			const view = %s, at = view.state.doc.line(%d).to, begin = %q;
			view.dispatch({changes: {from: at, insert: begin}, selection: {anchor: at + begin.length}});
			view.focus();
		}`, editorHandle, line, begin), nil),
		chromedp.KeyEvent(text),
	}
}

// The steps that the product's documentation gives: open the tab LB Layer7, set
// "mode tcp" in both sections, apply; click the tab Setup; in its Configuration
// section, click Save.
func TestBrowserDocumentedSteps(t *testing.T) {
	r := newRig(t)
	b := newBrowser(t, r.http.URL)
	b.login(t)
	b.run(t, "open LB Layer7", chromedp.Click(`//nav/a[text()="LB Layer7"]`), chromedp.WaitVisible(`.editor-host`))
	b.run(t, "set mode tcp", typeAt(1, "\nmode tcp"), typeAt(5, "\nmode tcp"), valid())
	b.run(t, "apply", chromedp.Click(`button[value=apply]`), chromium.Shows(".flash.good", "Revision 1 is running"))
	if got := r.machine.runs("proxy.cfg"); strings.Count(got, "mode tcp") != 2 {
		t.Fatalf("after Apply runs:\n%s", got)
	}
	b.run(t, "unsaved is flagged", chromium.Shows(".banner.unsaved", "Unsaved changes"), chromedp.Click(`//nav/a[text()="Overview"]`),
		chromedp.WaitVisible(`.banner.unsaved a[href^="/setup"]`))
	b.run(t, "open Setup", chromedp.Click(`//nav/a[text()="Setup"]`), chromedp.WaitVisible(`#configuration`))
	b.run(t, "save", chromedp.Click(`//section[@id="configuration"]//button[text()="Save"]`),
		chromium.Shows(".flash.good", "Saved"), chromium.Sees(`!document.querySelector(".banner.unsaved")`))
	if st, err := r.machine.keeper.State(); err != nil || st.Saved.Number != 1 || st.Unsaved {
		t.Errorf("after Save: %+v, %v", st, err)
	}
}

// A mistake is underlined where it is, and Apply is refused with the old
// configuration running.
func TestBrowserMistake(t *testing.T) {
	r := newRig(t)
	b := newBrowser(t, r.http.URL)
	b.login(t)
	b.run(t, "type a mistake", chromedp.Navigate(b.base+"/lb"), typeAt(5, "\nbalanse roundrobin"),
		chromium.Sees(shadow+`.querySelector(".cm-lintRange-error")?.textContent === "balanse"`), chromium.Shows("#verdict.bad", "line 6"))
	b.shoot(t, "mistake")
	b.run(t, "apply", chromedp.Click(`button[value=apply]`), chromium.Shows(".problem", "nothing was changed"),
		chromium.Shows(".problem .place", "proxy.cfg:6:4"), chromium.Sees(editorText+`.includes("balanse")`),
		chromium.Sees(shadow+`.querySelector(".cm-lintRange-error") !== null`))
	b.shoot(t, "refused")
	if got := r.machine.runs("proxy.cfg"); got != example["proxy.cfg"] {
		t.Errorf("runs now:\n%s", got)
	}
}

func TestBrowserCompletion(t *testing.T) {
	r := newRig(t)
	b := newBrowser(t, r.http.URL)
	b.login(t)
	offers := func(label string) chromedp.Action {
		return chromium.Sees(`[...%s.querySelectorAll(".cm-completionLabel")].some(e => e.textContent === %q)`, shadow, label)
	}
	b.run(t, "a backend's keyword", chromedp.Navigate(b.base+"/lb"), typeAt(5, "\nfullc"), offers("fullconn"))
	b.shoot(t, "completion")
	b.run(t, "second words", typeAt(6, "\ntimeout conn"), offers("timeout connect"))
	b.run(t, "a server's option", typeAt(9, " wei"), offers("weight"))
}

// A timed apply shows its countdown on every page; Go back ends it.
func TestBrowserConfirmation(t *testing.T) {
	r := newRig(t)
	b := newBrowser(t, r.http.URL)
	b.login(t)
	apply := func() {
		b.run(t, "apply with confirmation", chromedp.Navigate(b.base+"/lb"), typeAt(5, "\nretries 2"), valid(),
			chromedp.SetValue(`select[name=minutes]`, "1"), chromedp.Click(`button[value=apply-confirm]`), chromium.Shows(".banner.pending", "Trial run"))
	}
	apply()
	var before string
	b.run(t, "the countdown runs", chromedp.Text(`.countdown`, &before))
	b.run(t, "it ticks", chromium.Sees(`document.querySelector(".countdown").textContent !== %q`, before))
	b.run(t, "on another page", chromedp.Click(`//nav/a[text()="Overview"]`), chromium.Shows(".banner.pending", "Trial run"))
	b.shoot(t, "pending")
	b.run(t, "go back", chromedp.Click(`//button[text()="Go back"]`), chromium.Shows(".flash.good", "Revision 0 is running again"))
	if got := r.machine.runs("proxy.cfg"); got != example["proxy.cfg"] {
		t.Errorf("after Go back runs:\n%s", got)
	}
	apply()
	b.run(t, "keep", chromedp.Click(`//button[text()="Keep"]`), chromium.Shows(".flash.good", "Confirmed"))
	if got := r.machine.runs("proxy.cfg"); !strings.Contains(got, "retries 2") {
		t.Errorf("after Keep runs:\n%s", got)
	}
}

// The second of two browsers gets the difference, and its own text back.
func TestBrowserConflict(t *testing.T) {
	r := newRig(t)
	b := newBrowser(t, r.http.URL)
	b.login(t)
	b.run(t, "open the editor", chromedp.Navigate(b.base+"/lb"), typeAt(5, "\nretries 2"), valid())
	other := r.admin(t)
	var res struct{ Outcome string }
	other.call("POST", "/api/v1/apply", map[string]any{"files": with("proxy.cfg", example["proxy.cfg"]+"   retries 7\n")}, &res, "If-Match", `"0"`)
	if res.Outcome != "done" {
		t.Fatalf("the first apply: %+v", res)
	}
	b.run(t, "apply", chromedp.Click(`button[value=apply]`), chromium.Shows(".problem", "Somebody else applied"), chromium.Shows(".problem .diff .add", "retries 7"),
		chromium.Sees(editorText+`.includes("retries 2")`))
	b.shoot(t, "conflict")
	if got := r.machine.runs("proxy.cfg"); !strings.Contains(got, "retries 7") {
		t.Errorf("runs now:\n%s", got)
	}
	b.run(t, "apply over it", valid(), chromedp.Click(`button[value=apply]`), chromium.Shows(".flash.good", "is running"))
	if got := r.machine.runs("proxy.cfg"); strings.Contains(got, "retries 7") || !strings.Contains(got, "retries 2") {
		t.Errorf("runs now:\n%s", got)
	}
}

// Figures and logs move without a reload.
func TestBrowserLive(t *testing.T) {
	r := newRig(t)
	b := newBrowser(t, r.http.URL)
	b.login(t)
	b.run(t, "overview", chromium.Shows(".address", "198.18.0.10:3306"), chromium.Shows(".figures", "42"), chromedp.Evaluate(`window.stays = true`, nil))
	r.machine.mu.Lock()
	r.machine.sessions = 4711
	r.machine.mu.Unlock()
	b.run(t, "new figures", chromium.Shows(".figures", "4\u2009711"), chromium.Sees(`window.stays`))
	b.run(t, "logs", chromedp.Navigate(b.base+"/logs"), chromium.Shows("#followstate", "live"))
	r.machine.follow <- "2026-05-04T10:00:02.000Z <i>a line that is new</i>"
	b.run(t, "new line", chromium.Shows("#log", "<i>a line that is new</i>"))
}

// Every page, as a desk and a phone show it. The pictures are for looking at;
// that no page is wider than its screen is checked.
func TestBrowserPictures(t *testing.T) {
	r := newRig(t)
	b := newBrowser(t, r.http.URL)
	b.run(t, "open", chromedp.Navigate(b.base+"/"), chromedp.WaitVisible(`.login`))
	b.shoot(t, "login")
	b.login(t)
	c := r.admin(t)
	draft := with("proxy.cfg", strings.Replace(example["proxy.cfg"], "leastconn", "roundrobin", 1))
	c.call("POST", "/api/v1/apply", map[string]any{"files": draft, "note": "other algorithm"}, nil, "If-Match", `"0"`).want(t, 200)
	draft["network/30-web.vip"] = "[VIP]\nDescription=Web\nAddress=198.18.0.20/32\nLink=10-lan.network\n"
	c.call("PUT", "/api/v1/config/edited", map[string]any{"files": draft}, nil, "If-Match", `"1"`).want(t, 200)
	pages := map[string]string{"overview": "/", "lb": "/lb", "network": "/network", "network-edit": "/network/edit?file=network/30-web.vip",
		"logs": "/logs", "setup": "/setup", "compare": "/setup/compare?from=0&to=running", "notfound": "/nothing"}
	screens := []struct {
		name          string
		width, height int64
		scheme        string
	}{{"desk", 1280, 900, "light"}, {"dark", 1280, 900, "dark"}, {"phone", 390, 844, "light"}}
	for _, s := range screens {
		b.run(t, "screen", chromedp.EmulateViewport(s.width, s.height),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.scheme}}))
		for name, path := range pages {
			var over bool
			b.run(t, name, chromedp.Navigate(b.base+path), chromedp.WaitVisible(`main`), chromium.Sees(`document.readyState === "complete"`),
				chromedp.Evaluate(`document.documentElement.scrollWidth > innerWidth`, &over))
			if strings.Contains(path, "lb") || strings.Contains(path, "edit") {
				b.run(t, name, chromium.Shows("#verdict", "Valid"))
			}
			if over {
				t.Errorf("%s is wider than the %s", name, s.name)
			}
			b.shoot(t, name+"-"+s.name)
		}
	}
	r.machine.mu.Lock()
	r.machine.password = map[string]string{}
	r.machine.mu.Unlock()
	b.run(t, "closed", chromedp.EmulateViewport(1280, 900), chromedp.Navigate(b.base+"/"), chromium.Shows(".login", "closed"))
	b.shoot(t, "closed")
}
