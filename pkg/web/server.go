package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Options are what a Server needs besides the daemons.
type Options struct {
	Log  *slog.Logger     // faults, and one "audit" line for each change and login
	Now  func() time.Time // nil: time.Now
	Name func() string    // the host name shown on the pages; nil: "sluice"
}

// Server answers the pages and the API. It is an http.Handler and safe for
// concurrent use.
type Server struct {
	daemons  Daemons
	log      *slog.Logger
	now      func() time.Time
	name     func() string
	sessions *sessions
	guard    *guard
	origins  *http.CrossOriginProtection
	pages    map[string]*template.Template
	assets   map[string]asset
	mux      *http.ServeMux
	// checking has room for the password checks that may run at a time: they are
	// costly on purpose.
	checking chan struct{}
}

// New returns a server that asks these daemons.
func New(d Daemons, opts Options) (*Server, error) {
	s := &Server{daemons: d, log: opts.Log, now: opts.Now, name: opts.Name,
		origins: http.NewCrossOriginProtection(), mux: http.NewServeMux(), checking: make(chan struct{}, 2)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.name == nil {
		s.name = func() string { return "sluice" }
	}
	s.sessions, s.guard = newSessions(s.now), newGuard(s.now)
	var err error
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if s.pages, err = loadPages(s.assetPath); err != nil {
		return nil, err
	}
	s.register(routes())
	return s, nil
}

// register enters the routes: one mux pattern for each path, which also answers
// for the methods that the path does not have.
func (s *Server) register(table []route) {
	byPath := map[string]map[string]*route{}
	for i := range table {
		r := &table[i]
		if byPath[r.path] == nil {
			byPath[r.path] = map[string]*route{}
		}
		byPath[r.path][r.method] = r
	}
	for path, methods := range byPath {
		s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { s.dispatch(w, r, path, methods) })
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		none := &route{method: r.Method, path: r.URL.Path, public: true}
		s.fail(w, &request{Request: r, route: none, session: s.sessionOf(r, false)},
			&problem{Status: http.StatusNotFound, Title: "Not found", Detail: "there is nothing at this address"})
	})
}

func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, path string, methods map[string]*route) {
	method := r.Method
	if method == http.MethodHead && methods[http.MethodHead] == nil {
		method = http.MethodGet
	}
	if rt := methods[method]; rt != nil {
		s.serve(w, &request{Request: r, route: rt})
		return
	}
	var allow []string
	for m := range methods {
		allow = append(allow, m)
	}
	slices.Sort(allow)
	w.Header().Set("Allow", strings.Join(allow, ", "))
	none := &route{method: r.Method, path: path, public: true}
	s.fail(w, &request{Request: r, route: none, session: s.sessionOf(r, false)},
		&problem{Status: http.StatusMethodNotAllowed, Title: "Method not allowed",
			Detail: fmt.Sprintf("accepted here: %s", strings.Join(allow, ", "))})
}

// ServeHTTP sets the headers that protect every answer and finds the route.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

// request is a request on its way through serve.
type request struct {
	*http.Request
	route   *route
	session *session // nil without a login
	bearer  bool     // the session came as a bearer token
}

// background is how scripts mark requests that nobody asked for; they do not
// keep a session alive.
const background = "X-Sluice-Background"

// serve runs a route after everything that stands before it: the password is
// set, the session, the body's size, the token.
func (s *Server) serve(w http.ResponseWriter, r *request) {
	if err := s.admit(w, r); err != nil {
		s.fail(w, r, err)
		return
	}
	if err := r.route.run(s, w, r); err != nil {
		s.fail(w, r, err)
	}
}

func (s *Server) admit(w http.ResponseWriter, r *request) error {
	if !r.route.closed {
		if err := s.open(r.Context()); err != nil {
			return err
		}
	}
	r.session = s.sessionOf(r.Request, r.Header.Get(background) == "")
	_, r.bearer = bearer(r.Request)
	if r.session == nil && !r.route.public {
		return errNoLogin
	}
	if err := s.origins.Check(r.Request); err != nil {
		return &problem{Status: http.StatusForbidden, Title: "Refused", Detail: "the request comes from another site", cause: err}
	}
	if err := takeBody(w, r); err != nil {
		return err
	}
	return checkToken(r)
}

// errNoLogin becomes the login page, or 401 for the API.
var errNoLogin = &problem{Status: http.StatusUnauthorized, Title: "Not logged in",
	Detail: "log in first: the session is missing or has ended"}

// errClosed becomes the page that says how to set the first password.
var errClosed = &problem{Status: http.StatusServiceUnavailable, Title: "No password is set yet",
	Detail: "log in on the appliance's console and set the administrator's password; the web pages open then"}

// open asks whether a password is set.
func (s *Server) open(ctx context.Context) error {
	var st setup
	if err := s.ask(ctx, "show setup", nil, &st); err != nil {
		return err
	}
	if !st.PasswordSet {
		return errClosed
	}
	return nil
}

// sessionOf finds the session of a request's cookie or bearer token.
func (s *Server) sessionOf(r *http.Request, touch bool) *session {
	if id, ok := bearer(r); ok {
		return s.sessions.find(id, touch)
	}
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	return s.sessions.find(c.Value, touch)
}

func bearer(r *http.Request) (id string, ok bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// takeBody reads the body into memory, up to the route's limit.
func takeBody(w http.ResponseWriter, r *request) error {
	limit := r.route.limit
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &problem{Status: http.StatusRequestEntityTooLarge, Title: "Too large",
			Detail: fmt.Sprintf("the request's body may have at most %d bytes here", limit)}
	case err != nil:
		return badRequest("the request's body could not be read")
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	kind := r.Header.Get("Content-Type")
	if !r.route.api() && limit > 0 {
		if strings.HasPrefix(kind, "multipart/form-data") {
			err = r.ParseMultipartForm(limit)
		} else {
			err = r.ParseForm()
		}
		if err != nil {
			return badRequest("the form could not be read")
		}
	}
	return nil
}

// checkToken lets a changing request of a session pass when it proves to come
// from a page of that session.
func checkToken(r *request) error {
	if !r.route.changes() || r.route.public || r.bearer {
		return nil
	}
	token := r.Header.Get("X-CSRF-Token")
	if token == "" && !r.route.api() {
		token = r.PostFormValue("csrf")
	}
	if !r.session.matches(token) {
		return &problem{Status: http.StatusForbidden, Title: "Refused",
			Detail: "the request's token is missing or belongs to another session; load the page again"}
	}
	return nil
}

// fail answers with an error, in the form that the route speaks.
func (s *Server) fail(w http.ResponseWriter, r *request, err error) {
	p := asProblem(err)
	if p.Status >= 500 && p != errClosed {
		s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	switch {
	case r.Context().Err() != nil:
		return // nobody reads an answer any more
	case r.route.api():
		writeProblem(w, p)
	case p == errNoLogin && r.Method == http.MethodGet && r.Header.Get(background) == "":
		http.Redirect(w, r.Request, "/login"+next(r.Request), http.StatusSeeOther)
	case p == errClosed:
		s.renderAlone(w, p.Status, "closed", nil)
	default:
		s.renderError(w, r, p)
	}
}

// audit notes who did what, and how it ended.
func (s *Server) audit(r *request, action string, err error, args ...any) {
	user := ""
	if r.session != nil {
		user = r.session.user
	}
	result := "done"
	if err != nil {
		result = asProblem(err).Title
	}
	s.log.Info("audit", append([]any{"user", user, "from", clientAddr(r.Request), "action", action, "result", result}, args...)...)
}

// clientAddr returns the address at the other end of the connection; it is the
// zero Addr when that has none.
func clientAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
