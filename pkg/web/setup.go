package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

// setupView is the page of the configuration's life, users and power.
type setupView struct {
	Revisions []appliance.Revision // newest first
	Problem   *problem
}

// number reads a form's or query's revision number.
func number(r *request, name string) (int, error) {
	n, err := strconv.Atoi(r.FormValue(name))
	if err != nil || n < 0 {
		return 0, badRequest("%s %q: a revision's number is needed", name, r.FormValue(name))
	}
	return n, nil
}

func (s *Server) setupPage(w http.ResponseWriter, r *request) error {
	return s.showSetup(w, r, http.StatusOK, nil)
}

func (s *Server) showSetup(w http.ResponseWriter, r *request, status int, p *problem) error {
	revs, err := s.revisions(r.Context())
	if err != nil {
		return err
	}
	return s.render(w, r, status, "setup", "setup", "Setup", setupView{revs, p})
}

// ended goes back to the setup page after an action, with a message or with what
// went wrong.
func (s *Server) ended(w http.ResponseWriter, r *request, err error, message string) error {
	if err == nil {
		return s.see(w, r, "/setup", "good", message)
	}
	p := asProblem(err)
	if p.Status == http.StatusServiceUnavailable {
		return err
	}
	return s.showSetup(w, r, p.Status, p)
}

// act runs a changing command to its end, whatever becomes of the browser, and
// notes it.
func (s *Server) act(r *request, action, command string, req appliance.Request) (appliance.Result, error) {
	req.User = r.session.user
	if req.Origin == "" {
		req.Origin = "web"
		if r.route.api() {
			req.Origin = "api"
		}
	}
	res, err := s.change(context.WithoutCancel(r.Context()), command, req)
	if err == nil {
		err = failure(res)
	}
	s.audit(r, action, err, "revision", res.Revision)
	return res, err
}

const maxNote = 200

func (s *Server) save(r *request, note string) (appliance.Result, error) {
	if len(note) > maxNote {
		return appliance.Result{}, badRequest("note: accepted are up to %d bytes", maxNote)
	}
	return s.act(r, "save", "save", appliance.Request{Base: -1, Note: note})
}

func (s *Server) savePost(w http.ResponseWriter, r *request) error {
	res, err := s.save(r, r.PostFormValue("note"))
	return s.ended(w, r, err, fmt.Sprintf("Saved: a reboot starts with revision %d", res.Revision))
}

func (s *Server) revertPost(w http.ResponseWriter, r *request) error {
	st, err := s.state(r.Context())
	if err != nil {
		return err
	}
	_, err = s.act(r, "revert", "rollback "+strconv.Itoa(st.Saved.Number), appliance.Request{Base: -1, Note: "reverted to saved"})
	return s.ended(w, r, err, "The saved configuration is running again")
}

func (s *Server) rollbackPost(w http.ResponseWriter, r *request) error {
	n, err := number(r, "revision")
	if err != nil {
		return err
	}
	_, err = s.act(r, "rollback", "rollback "+strconv.Itoa(n), appliance.Request{Base: -1})
	return s.ended(w, r, err, fmt.Sprintf("Revision %d is running again; it is not saved yet", n))
}

func (s *Server) restorePost(w http.ResponseWriter, r *request) error {
	file, _, err := r.FormFile("archive")
	if err != nil {
		return s.ended(w, r, badRequest("choose the file of a backup first"), "")
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	_, err = s.restoreArchive(r, data)
	return s.ended(w, r, err, "The backup is the draft now: look at it on the pages LB Layer7 and Network, then apply")
}

func (s *Server) restoreArchive(r *request, data []byte) (appliance.Result, error) {
	res, err := s.restore(context.WithoutCancel(r.Context()), data,
		appliance.Request{User: r.session.user, Origin: "restore", Base: -1})
	if err == nil {
		err = failure(res)
	}
	s.audit(r, "restore", err, "bytes", len(data))
	return res, err
}

// resetWord has to be typed before everything is thrown away.
const resetWord = "factory reset"

func (s *Server) factoryReset(r *request, word string) (appliance.Result, error) {
	if word != resetWord {
		return appliance.Result{}, &problem{Status: http.StatusUnprocessableEntity, Title: "Refused",
			Detail: fmt.Sprintf("type %q to go back to the factory's configuration", resetWord)}
	}
	return s.act(r, "factory-reset", "factory-reset", appliance.Request{Base: -1, Origin: "factory"})
}

func (s *Server) factoryPost(w http.ResponseWriter, r *request) error {
	_, err := s.factoryReset(r, r.PostFormValue("confirm"))
	return s.ended(w, r, err, "The factory's configuration is running")
}

func (s *Server) passwordPost(w http.ResponseWriter, r *request) error {
	err := func() error {
		if r.PostFormValue("new") != r.PostFormValue("again") {
			return &problem{Status: http.StatusUnprocessableEntity, Title: "Refused", Detail: "the new passwords differ"}
		}
		return s.changePassword(w, r, r.PostFormValue("current"), r.PostFormValue("new"))
	}()
	return s.ended(w, r, err, "The password is changed; your other sessions have ended")
}

// power switches the machine off or starts it again.
func (s *Server) power(r *request, action string) error {
	if action != "reboot" && action != "poweroff" {
		return badRequest("action %q: accepted are reboot and poweroff", action)
	}
	_, err := s.daemons.Init.Call(context.WithoutCancel(r.Context()), action, nil)
	if err != nil {
		err = unavailable("init", err)
	}
	s.audit(r, action, err)
	return err
}

func (s *Server) powerPost(w http.ResponseWriter, r *request) error {
	if r.PostFormValue("sure") != "yes" {
		return s.ended(w, r, &problem{Status: http.StatusUnprocessableEntity, Title: "Refused",
			Detail: "tick the box beside the button first"}, "")
	}
	action := r.PostFormValue("action")
	if err := s.power(r, action); err != nil {
		return s.ended(w, r, err, "")
	}
	return s.renderAlone(w, http.StatusOK, "power", action)
}

// compareView is the difference of two revisions.
type compareView struct {
	From, To string
	Diff     string
}

func (s *Server) comparePage(w http.ResponseWriter, r *request) error {
	v := compareView{From: r.URL.Query().Get("from"), To: r.URL.Query().Get("to")}
	var err error
	if v.Diff, err = s.diff(r.Context(), v.From, v.To); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "compare", "setup", "Compare", v)
}

// getBackup sends everything that Restore takes back as a file.
func (s *Server) getBackup(w http.ResponseWriter, r *request) error {
	data, err := s.backup(r.Context())
	s.audit(r, "backup", err)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q",
		"sluice-"+s.now().UTC().Format("20060102-150405")+".tar.gz"))
	_, _ = w.Write(data) // the client went away
	return nil
}

func (s *Server) keepPost(w http.ResponseWriter, r *request) error {
	if _, err := s.act(r, "confirm", "confirm", appliance.Request{Base: -1}); err != nil {
		return err
	}
	return s.see(w, r, "/setup", "good", "Confirmed: the configuration stays. Save it to keep it after a reboot")
}

func (s *Server) backPost(w http.ResponseWriter, r *request) error {
	st, err := s.state(r.Context())
	if err != nil {
		return err
	}
	if st.Pending == nil {
		return s.see(w, r, "/setup", "note", "Nothing waits for a confirmation any more")
	}
	back := st.Pending.Back
	if _, err := s.act(r, "go back", "rollback "+strconv.Itoa(back), appliance.Request{Base: -1}); err != nil {
		return err
	}
	return s.see(w, r, "/setup", "good", fmt.Sprintf("Revision %d is running again", back))
}
