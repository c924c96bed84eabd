package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// asset is one file of static with the tag of its content.
type asset struct {
	data []byte
	tag  string
	kind string
}

func loadAssets() (map[string]asset, error) {
	assets := map[string]asset{}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		data, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		kind := mime.TypeByExtension(path.Ext(e.Name()))
		switch path.Ext(e.Name()) { // not all machines have a table of types
		case ".css":
			kind = "text/css; charset=utf-8"
		case ".js":
			kind = "text/javascript; charset=utf-8"
		case ".svg":
			kind = "image/svg+xml"
		case ".txt":
			kind = "text/plain; charset=utf-8"
		}
		assets[e.Name()] = asset{data, hex.EncodeToString(sum[:8]), kind}
	}
	return assets, nil
}

// assetPath returns the address of a static file; it changes with the content,
// so that browsers may keep it for good.
func (s *Server) assetPath(name string) (string, error) {
	a, ok := s.assets[name]
	if !ok {
		return "", fmt.Errorf("static file %q does not exist", name)
	}
	return "/static/" + name + "?v=" + a.tag, nil
}

func (s *Server) static(w http.ResponseWriter, r *request) error {
	a, ok := s.assets[r.PathValue("file")]
	if !ok {
		return &problem{Status: http.StatusNotFound, Title: "Not found", Detail: "there is nothing at this address"}
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("ETag", `"`+a.tag+`"`)
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == a.tag {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r.Request, "", time.Time{}, bytes.NewReader(a.data))
	return nil
}

// loadPages parses every page together with the layout it stands in.
func loadPages(assetPath func(string) (string, error)) (map[string]*template.Template, error) {
	funcs := template.FuncMap{
		"asset": assetPath, "size": size, "count": count, "clock": clock, "stamp": stamp, "difflines": diffLines,
		"fileline": func(f appliance.Finding) string {
			return f.File + ":" + strconv.Itoa(f.Line) + ":" + strconv.Itoa(f.Column)
		},
		"tabs": func() []tab { return tabs },
	}
	layout, err := template.New("layout.html").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t, err := layout.Clone()
		if err == nil {
			_, err = t.ParseFS(templateFiles, file)
		}
		if err != nil {
			return nil, err
		}
		pages[name] = t
	}
	return pages, nil
}

// tab is one entry of the navigation.
type tab struct{ ID, Path, Text string }

var tabs = []tab{
	{"overview", "/", "Overview"}, {"lb", "/lb", "LB Layer7"}, {"network", "/network", "Network"},
	{"logs", "/logs", "Logs"}, {"setup", "/setup", "Setup"},
}

// frame is what the layout shows around every page.
type frame struct {
	Title, Tab string
	Name       string // host name
	User, CSRF string // "" without a login
	State      *appliance.State
	Flash      []flash
	Data       any
	Minutes    []int
}

// confirmMinutes are the times that a page offers for a confirmation.
var confirmMinutes = []int{1, 2, 5, 10, 30}

// render answers with a page of the session.
func (s *Server) render(w http.ResponseWriter, r *request, status int, page, tab, title string, data any) error {
	f := frame{Title: title, Tab: tab, Name: s.name(), Data: data, Minutes: confirmMinutes}
	if r.session != nil {
		f.User, f.CSRF = r.session.user, r.session.token
		f.State = s.stateOrNil(r.Context())
		if r.Header.Get(background) == "" {
			f.Flash = s.sessions.told(r.session)
		}
	}
	return s.execute(w, status, page, f)
}

// stateOrNil is for the banners: a page is worth showing without them.
func (s *Server) stateOrNil(ctx context.Context) *appliance.State {
	st, err := s.state(ctx)
	if err != nil {
		s.log.Warn("state of the configuration not known", "err", err)
		return nil
	}
	return &st
}

// renderAlone answers with a page that needs no session and no daemon.
func (s *Server) renderAlone(w http.ResponseWriter, status int, page string, data any) error {
	return s.execute(w, status, page, frame{Title: "Sluice", Name: s.name(), Data: data})
}

func (s *Server) execute(w http.ResponseWriter, status int, page string, f frame) error {
	var b bytes.Buffer
	if err := s.pages[page].ExecuteTemplate(&b, "layout.html", f); err != nil {
		return fmt.Errorf("render page %s: %w", page, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client went away
	return nil
}

// renderError shows a problem as a page of its own.
func (s *Server) renderError(w http.ResponseWriter, r *request, p *problem) {
	if err := s.render(w, r, p.Status, "error", "", p.Title, p); err != nil {
		s.log.Error("error page", "err", err)
		http.Error(w, p.Title, p.Status)
	}
}

// see sends the browser to a page after an action, which leaves a message there.
func (s *Server) see(w http.ResponseWriter, r *request, path, kind, text string) error {
	s.sessions.tell(r.session, kind, text)
	http.Redirect(w, r.Request, path, http.StatusSeeOther)
	return nil
}

// size prints a number of bytes with a binary unit.
func size(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if value /= 1024; value < 1024 {
			break
		}
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + unit
}

// count prints a number with its thousands parted by thin spaces.
func count(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "\u2009" + text[i:]
	}
	return text
}

// clock prints seconds as minutes:seconds.
func clock(seconds int) string { return fmt.Sprintf("%d:%02d", seconds/60, seconds%60) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// diffLine is one line of a unified difference with its class for the style.
type diffLine struct{ Class, Text string }

func diffLines(text string) []diffLine {
	var out []diffLine
	for line := range strings.Lines(text) {
		class := "same"
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			class = "file"
		case strings.HasPrefix(line, "@@"):
			class = "hunk"
		case strings.HasPrefix(line, "+"):
			class = "add"
		case strings.HasPrefix(line, "-"):
			class = "del"
		}
		out = append(out, diffLine{class, strings.TrimRight(line, "\n")})
	}
	return out
}
