package web

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

const proxyFile = "proxy.cfg"

// editable are the files of the network page. confd has the last word on names.
var editable = regexp.MustCompile(`^(network/[A-Za-z0-9][A-Za-z0-9._-]{0,60}\.(network|vip)|hosts|hostname)$`)

// editorView is a file being edited, and what came of the last action.
type editorView struct {
	File     string
	Post     string // where the form goes
	Text     string
	Base     int  // the revision that the text was edited from
	New      bool // the file is not part of the running configuration
	Missing  bool // nor of the draft
	Findings []appliance.Finding
	Plan     []string
	Checked  bool // the draft was judged and found valid
	Problem  *problem
	Running  string // difference from running to the draft
	Saved    string // difference from saved to running
	Minutes  int
}

func (s *Server) proxyPage(w http.ResponseWriter, r *request) error {
	return s.showFile(w, r, proxyFile)
}

func (s *Server) filePage(w http.ResponseWriter, r *request) error {
	file := r.URL.Query().Get("file")
	if name := r.URL.Query().Get("name"); file == "" && name != "" {
		file = "network/" + name
	}
	if !editable.MatchString(file) {
		return badName(file)
	}
	return s.showFile(w, r, file)
}

func badName(file string) error {
	return badRequest("file %q: accepted are NAME.network and NAME.vip (letters, digits, dot, dash), hosts and hostname", file)
}

// showFile shows the draft's text of a file.
func (s *Server) showFile(w http.ResponseWriter, r *request, file string) error {
	edited, err := s.content(r.Context(), "edited")
	if err != nil {
		return err
	}
	running, err := s.content(r.Context(), "running")
	if err != nil {
		return err
	}
	v := editorView{File: file, Text: edited.Files[file], Base: edited.Revision, Minutes: 5}
	_, inRunning := running.Files[file]
	_, inDraft := edited.Files[file]
	v.New, v.Missing = !inRunning, !inDraft
	return s.renderEditor(w, r, http.StatusOK, v)
}

func (s *Server) renderEditor(w http.ResponseWriter, r *request, status int, v editorView) error {
	tab, title := "network", v.File
	v.Post = "/network/edit?file=" + url.QueryEscape(v.File)
	if v.File == proxyFile {
		tab, title, v.Post = "lb", "LB Layer7", "/lb"
	}
	var err error
	if v.Running, err = s.diff(r.Context(), "running", "edited"); err != nil {
		return err
	}
	if v.Saved, err = s.diff(r.Context(), "saved", "running"); err != nil {
		return err
	}
	return s.render(w, r, status, "editor", tab, title, v)
}

func (s *Server) editProxy(w http.ResponseWriter, r *request) error {
	return s.edit(w, r, proxyFile)
}

func (s *Server) editFile(w http.ResponseWriter, r *request) error {
	file := r.URL.Query().Get("file")
	if !editable.MatchString(file) {
		return badName(file)
	}
	return s.edit(w, r, file)
}

// edit is every button of the editor.
func (s *Server) edit(w http.ResponseWriter, r *request, file string) error {
	base, err := strconv.Atoi(r.PostFormValue("base"))
	if err != nil || base < 0 {
		return badRequest("base %q: the revision that was edited is needed", r.PostFormValue("base"))
	}
	edited, err := s.content(r.Context(), "edited")
	if err != nil {
		return err
	}
	// Forms send line ends as CR LF (HTML standard, form submission).
	text := strings.ReplaceAll(r.PostFormValue("text"), "\r\n", "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	files := maps.Clone(edited.Files)
	if files == nil {
		files = appliance.Files{}
	}
	files[file] = text
	v := editorView{File: file, Text: text, Base: base, Minutes: postedMinutes(r)}
	req := appliance.Request{User: r.session.user, Origin: "web", Base: base, Files: files}
	switch action := r.PostFormValue("action"); action {
	case "check":
		return s.checkDraft(w, r, v, req)
	case "delete":
		delete(files, file)
		return s.store(w, r, v, req)
	case "apply", "apply-confirm":
		return s.applyDraft(w, r, v, req, action)
	case "discard":
		return s.discardDraft(w, r)
	default:
		return badRequest("action %q: accepted are check, apply, apply-confirm, delete, discard", action)
	}
}

// checkDraft keeps the text as the draft and judges it.
func (s *Server) checkDraft(w http.ResponseWriter, r *request, v editorView, req appliance.Request) error {
	res, err := s.change(r.Context(), "edit", req)
	if err == nil {
		err = failure(res)
	}
	if err != nil {
		return s.showFailure(w, r, v, err)
	}
	rep, err := s.check(r.Context(), req.Files)
	if err != nil {
		return err
	}
	v.Findings, v.Plan, v.Checked = worstFirst(rep.Findings), rep.Plan, rep.Valid
	if !rep.Valid {
		v.Problem = &problem{Title: "Not valid", Detail: "the draft was kept; the running configuration is untouched"}
	}
	return s.renderEditor(w, r, http.StatusOK, v)
}

// store keeps the draft and goes back to the list of files.
func (s *Server) store(w http.ResponseWriter, r *request, v editorView, req appliance.Request) error {
	res, err := s.change(r.Context(), "edit", req)
	if err == nil {
		err = failure(res)
	}
	s.audit(r, "edit", err, "file", v.File)
	if err != nil {
		return s.showFailure(w, r, v, err)
	}
	return s.see(w, r, "/network", "note", v.File+" is deleted in the draft; apply the draft to make it so")
}

func (s *Server) applyDraft(w http.ResponseWriter, r *request, v editorView, req appliance.Request, action string) error {
	var err error
	if req.Confirm, err = confirmSeconds(r, action); err != nil {
		return err
	}
	res, err := s.apply(r, req)
	if err != nil {
		// What was typed stays as the draft, so that it is not lost with the page.
		_, _ = s.change(r.Context(), "edit", req) // a second failure tells nothing new
		return s.showFailure(w, r, v, err)
	}
	if err := s.settle(r); err != nil {
		return err
	}
	where := "/lb"
	if v.File != proxyFile {
		where = "/network"
	}
	return s.see(w, r, where, "good", applied(res, req))
}

// worstFirst puts the alerts before the warnings; each stay in the file's order.
func worstFirst(findings []appliance.Finding) []appliance.Finding {
	out := slices.Clone(findings)
	slices.SortStableFunc(out, func(a, b appliance.Finding) int {
		return strings.Compare(a.Severity, b.Severity) // "alert", "warning"
	})
	return out
}

// settle removes the draft once its content was applied: confd keeps it when the
// files came with the request.
func (s *Server) settle(r *request) error {
	st, err := s.state(r.Context())
	if err != nil || st.Edited.Time.IsZero() {
		return err
	}
	_, err = s.act(r, "discard", "discard", appliance.Request{Base: -1})
	return err
}

// apply lets confd apply, and notes it.
func (s *Server) apply(r *request, req appliance.Request) (appliance.Result, error) {
	// An apply that was begun is finished even when the browser goes away.
	ctx := context.WithoutCancel(r.Context())
	res, err := s.change(ctx, "apply", req)
	if err == nil {
		err = failure(res)
	}
	s.audit(r, "apply", err, "revision", res.Revision, "confirm", req.Confirm)
	return res, err
}

func applied(res appliance.Result, req appliance.Request) string {
	if req.Confirm > 0 {
		return fmt.Sprintf("Revision %d is running for a trial: confirm it in time, or the one before comes back", res.Revision)
	}
	return fmt.Sprintf("Revision %d is running", res.Revision)
}

// postedMinutes is the choice of minutes to show again.
func postedMinutes(r *request) int {
	if n, err := strconv.Atoi(r.PostFormValue("minutes")); err == nil && slices.Contains(confirmMinutes, n) {
		return n
	}
	return 5
}

// confirmSeconds reads the minutes of an apply with confirmation.
func confirmSeconds(r *request, action string) (int, error) {
	if action != "apply-confirm" {
		return 0, nil
	}
	minutes, err := strconv.Atoi(r.PostFormValue("minutes"))
	if err != nil || minutes < 1 || minutes > 60 {
		return 0, badRequest("minutes %q: accepted are 1 to 60", r.PostFormValue("minutes"))
	}
	return minutes * 60, nil
}

// showFailure shows what was typed together with why it was not done. After a
// conflict the form starts from what runs now: who has read the difference may
// apply over it.
func (s *Server) showFailure(w http.ResponseWriter, r *request, v editorView, err error) error {
	p := asProblem(err)
	if p.Outcome == "" {
		return err
	}
	p.Findings = worstFirst(p.Findings)
	v.Problem, v.Findings = p, p.Findings
	if p.Outcome == appliance.Conflict {
		st, err := s.state(r.Context())
		if err != nil {
			return err
		}
		v.Base = st.Running.Number
	}
	return s.renderEditor(w, r, p.Status, v)
}

func (s *Server) discardDraft(w http.ResponseWriter, r *request) error {
	if _, err := s.act(r, "discard", "discard", appliance.Request{Base: -1}); err != nil {
		return err
	}
	where := "/network"
	if r.URL.Path == "/lb" {
		where = "/lb"
	}
	return s.see(w, r, where, "note", "The draft is discarded: this is the running configuration")
}
