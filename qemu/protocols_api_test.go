package qemu

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/ctl"
)

// apiClient is a session of the appliance's REST API.
type apiClient struct {
	http  http.Client
	base  string
	token string
}

// openAPI waits until the API is there and logs in.
func openAPI(ctx context.Context, t *testing.T, ns *Netns) *apiClient {
	t.Helper()
	c := &apiClient{base: "https://" + ApplianceAddr.String() + ":4444/api/v1"}
	transport := &http.Transport{DialContext: ns.DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // its certificate is its own
	t.Cleanup(transport.CloseIdleConnections)
	c.http.Transport = transport
	var session struct{ Token string }
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.do(ctx, "POST", "/session", map[string]string{"user": "admin", "password": webPassword}, &session)
		if err == nil {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("log in at the REST API: %v", err)
		}
	}
	c.token = session.Token
	return c
}

// do sends a request and decodes the answer.
func (c *apiClient) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("If-Match", "*")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return json.Unmarshal(text, out)
}

// call is do for a request that has to succeed.
func (c *apiClient) call(ctx context.Context, t *testing.T, method, path string, in, out any) {
	t.Helper()
	if err := c.do(ctx, method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

// server returns the counters of a server.
func (c *apiClient) server(ctx context.Context, t *testing.T, section, name string) ctl.Stat {
	t.Helper()
	var stats []ctl.Stat
	c.call(ctx, t, "GET", "/stat", nil, &stats)
	for _, s := range stats {
		if s.Proxy == section && s.Service == name {
			return s
		}
	}
	t.Fatalf("the appliance has no server %s/%s", section, name)
	return ctl.Stat{}
}
