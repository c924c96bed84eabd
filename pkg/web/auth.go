package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// Lengths of passwords that are passed on, in bytes.
const (
	minPassword = 8
	maxPassword = 256
)

// next returns the query that leads back to where a login was asked for.
func next(r *http.Request) string {
	if r.URL.Path == "/" {
		return ""
	}
	return "?next=" + url.QueryEscape(r.URL.RequestURI())
}

// target returns where to go after a login: a path of this server only.
func target(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") ||
		strings.ContainsRune(next, '\\') {
		return "/"
	}
	return u.RequestURI()
}

func (s *Server) loginPage(w http.ResponseWriter, r *request) error {
	if r.session != nil {
		http.Redirect(w, r.Request, target(r.URL.Query().Get("next")), http.StatusSeeOther)
		return nil
	}
	return s.renderAlone(w, http.StatusOK, "login", loginView{Next: r.URL.Query().Get("next"), User: "admin"})
}

type loginView struct {
	User, Next, Problem string
}

func (s *Server) login(w http.ResponseWriter, r *request) error {
	user := r.PostFormValue("user")
	_, id, err := s.authenticate(w, r, user, r.PostFormValue("password"))
	if p := (*problem)(nil); errors.As(err, &p) && p.Status < 500 {
		return s.renderAlone(w, p.Status, "login", loginView{User: user, Next: r.PostFormValue("next"), Problem: p.Detail})
	}
	if err != nil {
		return err
	}
	setCookie(w, id)
	http.Redirect(w, r.Request, target(r.PostFormValue("next")), http.StatusSeeOther)
	return nil
}

func setCookie(w http.ResponseWriter, id string) {
	c := &http.Cookie{Name: cookieName, Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if id == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// authenticate checks a password and begins a session.
func (s *Server) authenticate(w http.ResponseWriter, r *request, user, password string) (*session, string, error) {
	err := s.judge(w, r, user, password)
	if !userName.MatchString(user) {
		user = "-" // what is typed by mistake here is often a password
	}
	s.audit(r, "login", err, "as", user)
	if err != nil {
		return nil, "", err
	}
	ses, id := s.sessions.start(user)
	return ses, id, nil
}

var errPassword = &problem{Status: http.StatusUnauthorized, Title: "Login failed", Detail: "user name or password is wrong"}

// judge asks the guard and then confd about a password.
func (s *Server) judge(w http.ResponseWriter, r *request, user, password string) error {
	addr := clientAddr(r.Request)
	if wait := s.guard.attempt(addr, user); wait > 0 {
		seconds := int(math.Ceil(wait.Seconds()))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return &problem{Status: http.StatusTooManyRequests, Title: "Too many failed logins",
			Detail: fmt.Sprintf("too many failed logins; the next attempt is possible in %s", time.Duration(seconds)*time.Second)}
	}
	if !userName.MatchString(user) || password == "" || len(password) > maxPassword || strings.ContainsAny(password, "\r\n\x00") {
		return errPassword
	}
	ok, err := s.passwordRight(r.Context(), user, password)
	if err != nil {
		return err
	}
	if !ok {
		return errPassword
	}
	s.guard.success(addr, user)
	return nil
}

// passwordRight lets confd compare a password with the stored hash.
func (s *Server) passwordRight(ctx context.Context, user, password string) (bool, error) {
	select {
	case s.checking <- struct{}{}:
		defer func() { <-s.checking }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	answer, err := s.daemons.Conf.Call(ctx, "check password "+user, []byte(password))
	if refused := (*ctl.CommandError)(nil); errors.As(err, &refused) {
		return false, nil
	}
	if err != nil {
		return false, unavailable("confd", err)
	}
	var res appliance.Result
	if err := json.Unmarshal([]byte(answer), &res); err != nil {
		return false, unavailable("confd", fmt.Errorf("answer of \"check password\": %w", err))
	}
	return res.Outcome == appliance.Done, nil
}

func (s *Server) logout(w http.ResponseWriter, r *request) error {
	s.sessions.end(r.session)
	s.audit(r, "logout", nil)
	setCookie(w, "")
	http.Redirect(w, r.Request, "/login", http.StatusSeeOther)
	return nil
}

// changePassword sets the session's user's password after the current one was
// shown, and ends the user's other sessions.
func (s *Server) changePassword(w http.ResponseWriter, r *request, current, wanted string) error {
	err := func() error {
		if len(wanted) < minPassword || len(wanted) > maxPassword || strings.ContainsAny(wanted, "\r\n\x00") {
			return &problem{Status: http.StatusUnprocessableEntity, Title: "Refused",
				Detail: fmt.Sprintf("a password of %d to %d bytes on one line is needed", minPassword, maxPassword)}
		}
		err := s.judge(w, r, r.session.user, current)
		if err == errPassword {
			return &problem{Status: http.StatusForbidden, Title: "Refused", Detail: "the current password is wrong"}
		}
		if err != nil {
			return err
		}
		var res appliance.Result
		if err := s.ask(r.Context(), "set password "+r.session.user, []byte(wanted), &res); err != nil {
			return err
		}
		if err := failure(res); err != nil {
			return err
		}
		s.sessions.endOthers(r.session.user, r.session)
		return nil
	}()
	s.audit(r, "password", err)
	return err
}

// Sessions of the API.

// loginAnswer tells an API client its session.
type loginAnswer struct {
	User    string    `json:"user"`
	Token   string    `json:"token,omitempty"` // for "Authorization: Bearer"
	CSRF    string    `json:"csrf"`            // for X-CSRF-Token, with the cookie
	Expires time.Time `json:"expires"`         // unless it is used again
}

func (s *Server) apiLogin(w http.ResponseWriter, r *request) error {
	var in struct{ User, Password string }
	if err := decode(r, &in); err != nil {
		return err
	}
	ses, id, err := s.authenticate(w, r, in.User, in.Password)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, loginAnswer{ses.user, id, ses.token, s.sessions.expires(ses)})
}

func (s *Server) apiSession(w http.ResponseWriter, r *request) error {
	return writeJSON(w, http.StatusOK, loginAnswer{User: r.session.user, CSRF: r.session.token, Expires: s.sessions.expires(r.session)})
}

func (s *Server) apiLogout(w http.ResponseWriter, r *request) error {
	s.sessions.end(r.session)
	s.audit(r, "logout", nil)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// decode reads a JSON body; unknown members and anything after it are faults.
func decode(r *request, out any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(out); err != nil {
		return badRequest("body: %v", err)
	}
	if dec.More() {
		return badRequest("body: one JSON object is accepted")
	}
	return nil
}
