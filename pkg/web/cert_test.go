package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func newCertificate(dir string, now *time.Time) *Certificate {
	return &Certificate{Dir: dir, Names: func() []string { return []string{"lb1"} },
		Addrs: func() []netip.Addr {
			return []netip.Addr{netip.MustParseAddr("198.18.0.2"), netip.MustParseAddr("fd00:198:18::2")}
		},
		Now: func() time.Time { return *now }, Log: slog.New(slog.DiscardHandler)}
}

func TestCertificate(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	dir := filepath.Join(t.TempDir(), "tls")
	first, err := newCertificate(dir, &now).Get(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := first.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		t.Errorf("key: %T", first.PrivateKey)
	}
	for _, host := range []string{"lb1", "198.18.0.2", "fd00:198:18::2"} {
		if err := first.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if life := first.Leaf.NotAfter.Sub(first.Leaf.NotBefore); life > 825*24*time.Hour {
		t.Errorf("it lives %v, longer than browsers take", life)
	}
	// The next start has the same.
	again := newCertificate(dir, &now)
	second, err := again.Get(nil)
	if err != nil || !second.Leaf.Equal(first.Leaf) {
		t.Errorf("after a restart: another one, %v", err)
	}
	// Before it ends, and when the clock was wrong, it is made anew.
	for _, later := range []time.Duration{certLife - certRenew + time.Hour, -48 * time.Hour} {
		now = first.Leaf.NotBefore.Add(24 * time.Hour).Add(later)
		got, err := again.Get(nil)
		if err != nil || got.Leaf.Equal(first.Leaf) || got.Leaf.NotAfter.Before(now) || got.Leaf.NotBefore.After(now) {
			t.Errorf("%v later: %v to %v, %v", later, got.Leaf.NotBefore, got.Leaf.NotAfter, err)
		}
	}
}

func TestCertificateInMemory(t *testing.T) {
	now := time.Now()
	c := newCertificate("", &now)
	a, err := c.Get(nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := c.Get(nil); err != nil || a != b {
		t.Errorf("the second handshake gets another certificate: %v", err)
	}
}

// Files that are no pair are set aside, not lost.
func TestCertificateDamaged(t *testing.T) {
	now := time.Now()
	dir := t.TempDir()
	for _, name := range []string{certFile, keyFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := newCertificate(dir, &now).Get(nil); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, certFile+".unusable")); err != nil || string(kept) != "mine" {
		t.Errorf("the file that was there: %q, %v", kept, err)
	}
}
