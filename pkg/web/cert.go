package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The files of the certificate in its directory, and who signs what is made here.
const (
	certFile = "cert.pem"
	keyFile  = "key.pem"
	maker    = "Sluice appliance"
)

const (
	certLife  = 820 * 24 * time.Hour // browsers refuse more than 825 days
	certRenew = 30 * 24 * time.Hour  // before the end
)

// Certificate is the server's certificate. It is read from a directory or made
// there: ECDSA P-256, signed by itself. What was made here is made anew before it
// ends, and when the clock was wrong at first; a certificate that the
// administrator put there is left alone.
type Certificate struct {
	Dir   string              // "": memory only
	Names func() []string     // host names for a new certificate
	Addrs func() []netip.Addr // and addresses
	Now   func() time.Time
	Log   *slog.Logger

	mu   sync.Mutex // guards cert
	cert *tls.Certificate
}

// Get is tls.Config.GetCertificate.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cert == nil && c.Dir != "" {
		cert, err := tls.LoadX509KeyPair(filepath.Join(c.Dir, certFile), filepath.Join(c.Dir, keyFile))
		switch {
		case err == nil:
			c.cert = &cert
		case !errors.Is(err, fs.ErrNotExist):
			// Whoever put it there may want it back.
			path := filepath.Join(c.Dir, certFile)
			c.Log.Error("certificate not usable, set aside", "file", path+".unusable", "err", err)
			if err := os.Rename(path, path+".unusable"); err != nil {
				return nil, fmt.Errorf("set certificate aside: %w", err)
			}
		}
	}
	if c.cert != nil && !c.stale() {
		return c.cert, nil
	}
	return c.renew()
}

// stale reports whether the certificate was made here and does not hold now.
func (c *Certificate) stale() bool {
	leaf := c.cert.Leaf
	own := len(leaf.Issuer.Organization) == 1 && leaf.Issuer.Organization[0] == maker
	now := c.Now()
	return own && (now.Before(leaf.NotBefore) || now.After(leaf.NotAfter.Add(-certRenew)))
}

func (c *Certificate) renew() (*tls.Certificate, error) {
	certPEM, keyPEM, err := makeCertificate(c.Now(), c.Names(), c.Addrs())
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("use new certificate: %w", err)
	}
	c.cert = &cert
	if c.Dir == "" {
		return c.cert, nil
	}
	if err := storeCertificate(c.Dir, certPEM, keyPEM); err != nil {
		c.Log.Error("certificate not stored; the next start makes another", "err", err)
	}
	return c.cert, nil
}

// makeCertificate returns a certificate and its key as PEM.
func makeCertificate(now time.Time, names []string, addrs []netip.Addr) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("make serial number: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{maker}, CommonName: "sluice"},
		NotBefore:    now.Add(-24 * time.Hour), NotAfter: now.Add(certLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, DNSNames: names,
	}
	if len(names) > 0 {
		t.Subject.CommonName = names[0]
	}
	for _, a := range addrs {
		t.IPAddresses = append(t.IPAddresses, net.IP(a.AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

// storeCertificate writes the key first: after a power cut between the two, the
// pair does not match and the next start makes another.
func storeCertificate(dir string, certPEM, keyPEM []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{keyFile, keyPEM}, {certFile, certPEM}} {
		if err := writeFile(filepath.Join(dir, f.name), f.data); err != nil {
			return fmt.Errorf("store certificate: %w", err)
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// writeFile replaces path by data atomically, readable by the owner only.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // is gone after the rename
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
