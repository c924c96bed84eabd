package web

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

// client is a browser without JavaScript.
type client struct {
	t    *testing.T
	base string
	http *http.Client
	csrf string
}

// reply is a response with its whole body.
type reply struct {
	*http.Response
	text string
}

func (r *rig) client(t *testing.T) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := *r.http.Client()
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{t: t, base: r.http.URL, http: &c}
}

// admin is a client that has logged in.
func (r *rig) admin(t *testing.T) *client {
	t.Helper()
	c := r.client(t)
	a := c.form("/login", url.Values{"user": {"admin"}, "password": {testPassword}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("login: %s\n%s", a.Status, a.text)
	}
	c.csrf = field(t, c.get("/setup").text, "csrf")
	return c
}

// field returns the value of the first hidden field with this name.
func field(t *testing.T, page, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `" (?:value|content)="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no field %q in:\n%s", name, page)
	}
	return html.UnescapeString(m[1])
}

func (c *client) do(method, path string, body io.Reader, header ...string) reply {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{resp, string(data)}
}

func (c *client) get(path string) reply { c.t.Helper(); return c.do(http.MethodGet, path, nil) }

// form posts a form with the session's token.
func (c *client) form(path string, v url.Values) reply {
	c.t.Helper()
	if c.csrf != "" {
		v.Set("csrf", c.csrf)
	}
	return c.do(http.MethodPost, path, strings.NewReader(v.Encode()), "Content-Type", "application/x-www-form-urlencoded")
}

// upload posts a file in a multipart form.
func (c *client) upload(path, name string, data []byte) reply {
	c.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("csrf", c.csrf); err != nil {
		c.t.Fatal(err)
	}
	f, err := w.CreateFormFile(name, "backup.tar.gz")
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return c.do(http.MethodPost, path, &b, "Content-Type", w.FormDataContentType())
}

// call uses the API with the session's cookie and token; out gets the body.
func (c *client) call(method, path string, in, out any, header ...string) reply {
	c.t.Helper()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			c.t.Fatal(err)
		}
		body = bytes.NewReader(data)
	}
	a := c.do(method, path, body, append([]string{"X-CSRF-Token", c.csrf}, header...)...)
	if out != nil {
		if err := json.Unmarshal([]byte(a.text), out); err != nil {
			c.t.Fatalf("%s %s: %s: %v\n%s", method, path, a.Status, err, a.text)
		}
	}
	return a
}

func (a reply) want(t *testing.T, status int, parts ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s = %s, want %d\n%s", a.Request.Method, a.Request.URL.Path, a.Status, status, a.text)
	}
	text := html.UnescapeString(a.text)
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s %s: %q is missing in:\n%s", a.Request.Method, a.Request.URL.Path, part, text)
		}
	}
}

// with is the example with one file replaced.
func with(name, text string) appliance.Files {
	files := maps.Clone(example)
	files[name] = text
	return files
}

// runs returns what a file of the machine says now.
func (m *fakeMachine) runs(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running[name]
}
