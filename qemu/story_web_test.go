package qemu

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/sluice-lb/sluice/ci/chromium"
)

const webPassword = "correct horse battery"

// plain is the factory's example before the documentation's steps: without "mode
// tcp".
var plain = strings.ReplaceAll(factory, "   mode tcp\n", "")

// TestWeb walks the product's documentation in a browser: open the tab LB Layer7,
// set "mode tcp" in both the frontend and the backend section, apply; click the
// tab Setup; in its Configuration section, click Save. MySQL flows after Apply,
// and after a reboot.
func TestWeb(t *testing.T) {
	full(t)
	a := bootAppliance(t, BIOS, false)
	b := openBrowser(t, a.client)
	closedUntilPassword(t, a, b)
	b.login(t, webPassword)
	b.run(t, "save a configuration without mode tcp", tab("LB Layer7"), setText(plain), chromedp.Click(`button[value=apply]`),
		chromium.Shows(".flash.good", "is running"), tab("Setup"), chromedp.Click(`//section[@id="configuration"]//button[text()="Save"]`), chromium.Shows(".flash.good", "Saved"))

	b.run(t, "open LB Layer7", tab("LB Layer7"))
	b.run(t, "set mode tcp", typeLine("frontend mysql", 1, "mode tcp"), typeLine("backend mysql_servers", 2, "mode tcp"), chromium.Shows("#verdict.good", "Valid"))
	b.run(t, "apply", chromedp.Click(`button[value=apply]`), chromium.Shows(".flash.good", "is running"), chromium.Shows(".banner.unsaved", "Unsaved changes"))
	b.shoot(t, "applied")
	a.wantModes(t, 2)
	a.wantMySQL(t)
	webMistake(t, a, b)
	webConfirmation(t, a, b)
	webConflict(t, a, b)
	b.run(t, "save", tab("Setup"), chromedp.Click(`//section[@id="configuration"]//button[text()="Save"]`),
		chromium.Shows(".flash.good", "Saved"), chromium.Sees(`!document.querySelector(".banner.unsaved")`))
	for _, name := range []string{"Overview", "LB Layer7", "Network", "Logs", "Setup"} {
		b.run(t, name, tab(name), chromium.Sees(`document.readyState === "complete"`))
		b.shoot(t, name)
	}
	webReboot(t, a, b)
}

// closedUntilPassword looks at the closed page and sets the password on the
// console.
func closedUntilPassword(t *testing.T, a *appliance, b *browser) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	open := chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			err := chromedp.Navigate(b.base + "/").Do(ctx)
			if err == nil || ctx.Err() != nil {
				return err
			}
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond): // nothing tells that webd is up
			}
		}
	})
	if err := chromedp.Run(ctx, open); err != nil {
		t.Fatalf("open the pages: %v", err)
	}
	b.run(t, "closed", chromium.Shows(".login", "These pages are closed"))
	b.shoot(t, "closed")
	a.mustSh(t, "printf '"+webPassword+"\\n' | sluice password")
}

// wantModes checks how often the running file says "mode tcp".
func (a *appliance) wantModes(t *testing.T, want int) {
	t.Helper()
	if got := a.mustSh(t, "cat /etc/sluice/proxy.cfg"); strings.Count(got, "mode tcp") != want {
		t.Errorf("runs now, with %d times mode tcp wanted:\n%s", want, got)
	}
}

// wantMySQL asks a server through the VIP.
func (a *appliance) wantMySQL(t *testing.T) {
	t.Helper()
	var one int
	ctx := testContext(t, 20*time.Second)
	if err := a.db.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		t.Errorf("MySQL through the VIP: %v", err)
	}
}

// webMistake makes a mistake: it is underlined at its line, and Apply is refused
// with the old configuration running.
func webMistake(t *testing.T, a *appliance, b *browser) {
	t.Helper()
	b.run(t, "a mistake is underlined", tab("LB Layer7"), typeLine("balance", 1, "balanse roundrobin"),
		chromium.Sees(`document.querySelector(".editor-host").shadowRoot.querySelector(".cm-lintRange-error")?.textContent === "balanse"`),
		chromium.Shows("#verdict.bad", "line 8"))
	b.shoot(t, "mistake")
	b.run(t, "apply is refused", chromedp.Click(`button[value=apply]`), chromium.Shows(".problem", "nothing was changed"), chromium.Shows(".problem .place", "proxy.cfg:8:4"))
	a.wantModes(t, 2)
	a.wantMySQL(t)
	b.run(t, "discard", chromedp.Click(`button[value=discard]`), chromium.Shows(".flash.note", "discarded"))
}

// webConfirmation applies for a trial; nobody confirms, and it goes back.
func webConfirmation(t *testing.T, a *appliance, b *browser) {
	t.Helper()
	b.run(t, "apply with confirmation", tab("LB Layer7"), setText(plain), chromedp.SetValue(`select[name=minutes]`, "1"),
		chromedp.Click(`button[value=apply-confirm]`), chromium.Shows(".banner.pending", "Trial run"))
	b.shoot(t, "pending")
	a.wantModes(t, 0)
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, chromium.Sees(`!document.querySelector(".banner.pending")`)); err != nil {
		t.Fatalf("the trial does not end: %v", err)
	}
	a.wantModes(t, 2)
	a.wantMySQL(t)
}

// webConflict lets two browsers edit the same revision: the second to apply gets
// the difference, keeps its text, and may put it over the other's.
func webConflict(t *testing.T, a *appliance, first *browser) {
	t.Helper()
	second := openBrowser(t, a.client)
	second.login(t, webPassword)
	second.run(t, "edit in the second browser", tab("LB Layer7"), typeLine("balance", 1, "retries 2"))
	first.run(t, "apply in the first browser", tab("LB Layer7"), typeLine("balance", 1, "retries 7"),
		chromedp.Click(`button[value=apply]`), chromium.Shows(".flash.good", "is running"))
	second.run(t, "apply in the second browser", chromedp.Click(`button[value=apply]`), chromium.Shows(".problem", "Somebody else applied"),
		chromium.Shows(".problem .diff .add", "retries 7"), chromium.Sees(editorHandle+`.state.doc.toString().includes("retries 2")`))
	second.shoot(t, "conflict")
	if got := a.mustSh(t, "cat /etc/sluice/proxy.cfg"); !strings.Contains(got, "retries 7") {
		t.Errorf("the refused browser changed what runs:\n%s", got)
	}
	second.run(t, "apply over it", chromedp.Click(`button[value=apply]`), chromium.Shows(".flash.good", "is running"))
	if got := a.mustSh(t, "cat /etc/sluice/proxy.cfg"); !strings.Contains(got, "retries 2") || strings.Contains(got, "retries 7") {
		t.Errorf("after the second browser insisted runs:\n%s", got)
	}
	a.wantMySQL(t)
}

// webReboot reboots over the page; what was saved runs again.
func webReboot(t *testing.T, a *appliance, b *browser) {
	t.Helper()
	ctx := testContext(t, bootTimeout)
	b.run(t, "reboot", tab("Setup"), press(`input[name=sure]`), press(`button[value=reboot]`), chromium.Shows(".login", "starts again"))
	if _, err := a.vm.Console.Expect(ctx, initStarted, bootTimeout); err != nil {
		t.Fatal(err)
	}
	if err := AwaitGreeting(ctx, a.client.DialContext, vipAddr); err != nil {
		t.Fatalf("MySQL after the reboot: %v", err)
	}
	a.enterShell(ctx, t)
	a.wantModes(t, 2)
	a.wantMySQL(t)
	b.login(t, webPassword)
	b.run(t, "nothing is unsaved", chromium.Sees(`!document.querySelector(".banner.unsaved")`))
}
