package web

import (
	"cmp"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/config"
)

// tagged sets the entity tag of a configuration: the number of its revision.
func tagged(w http.ResponseWriter, revision int) {
	w.Header().Set("ETag", `"`+strconv.Itoa(revision)+`"`)
}

// ifMatch returns the revision that a change starts from: If-Match carries the
// entity tag that the client read, "*" compares with nothing.
func ifMatch(r *request) (int, error) {
	text := strings.TrimSpace(r.Header.Get("If-Match"))
	if text == "" {
		return 0, &problem{Status: http.StatusPreconditionRequired, Title: "Precondition required",
			Detail: `If-Match is missing: send the ETag of /api/v1/state, or * to compare with nothing`}
	}
	if text == "*" {
		return -1, nil
	}
	n, err := strconv.Atoi(strings.Trim(text, `"`))
	if err != nil || n < 0 || !strings.HasPrefix(text, `"`) || !strings.HasSuffix(text, `"`) {
		return 0, badRequest(`If-Match %s: accepted is one entity tag, such as "7", or *`, text)
	}
	return n, nil
}

func (s *Server) apiState(w http.ResponseWriter, r *request) error {
	st, err := s.state(r.Context())
	if err != nil {
		return err
	}
	tagged(w, st.Running.Number)
	return writeJSON(w, http.StatusOK, st)
}

func (s *Server) apiRevisions(w http.ResponseWriter, r *request) error {
	revs, err := s.revisions(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, revs)
}

func (s *Server) apiContent(w http.ResponseWriter, r *request) error {
	c, err := s.content(r.Context(), cmp.Or(r.PathValue("which"), "edited"))
	if err != nil {
		return err
	}
	tagged(w, c.Revision)
	return writeJSON(w, http.StatusOK, c)
}

func (s *Server) apiDiff(w http.ResponseWriter, r *request) error {
	q := r.URL.Query()
	text, err := s.diff(r.Context(), q.Get("from"), q.Get("to"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Diff string `json:"diff"`
	}{text})
}

// changeBody is what the changing requests accept.
type changeBody struct {
	Files   appliance.Files `json:"files"`   // nil: the draft
	Note    string          `json:"note"`    // for the history
	Confirm int             `json:"confirm"` // seconds until it goes back unless confirmed; 0: never
}

func (s *Server) apiEdit(w http.ResponseWriter, r *request) error {
	var in struct {
		Files appliance.Files `json:"files"`
	}
	base, err := ifMatch(r)
	if err != nil {
		return err
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if in.Files == nil {
		return badRequest("files: all files of the configuration are needed")
	}
	res, err := s.act(r, "edit", "edit", appliance.Request{Base: base, Files: in.Files})
	return answer(w, res, err)
}

// answer sends how a changing command ended.
func answer(w http.ResponseWriter, res appliance.Result, err error) error {
	if err != nil {
		return err
	}
	tagged(w, res.Revision)
	return writeJSON(w, http.StatusOK, res)
}

func (s *Server) apiDiscard(w http.ResponseWriter, r *request) error {
	res, err := s.act(r, "discard", "discard", appliance.Request{Base: -1})
	return answer(w, res, err)
}

func (s *Server) apiCheck(w http.ResponseWriter, r *request) error {
	var in struct {
		Files appliance.Files `json:"files"`
		// Patch replaces single files of the draft for this check.
		Patch appliance.Files `json:"patch"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if in.Files == nil && in.Patch != nil {
		c, err := s.content(r.Context(), "edited")
		if err != nil {
			return err
		}
		in.Files = c.Files
	}
	for name, text := range in.Patch {
		in.Files[name] = text
	}
	rep, err := s.check(r.Context(), in.Files)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, rep)
}

func (s *Server) apiApply(w http.ResponseWriter, r *request) error {
	base, err := ifMatch(r)
	if err != nil {
		return err
	}
	var in changeBody
	if err := decode(r, &in); err != nil {
		return err
	}
	if in.Confirm < 0 || in.Confirm > 3600 {
		return badRequest("confirm %d: accepted are 0 to 3600 seconds", in.Confirm)
	}
	if len(in.Note) > maxNote {
		return badRequest("note: accepted are up to %d bytes", maxNote)
	}
	res, err := s.act(r, "apply", "apply", appliance.Request{Base: base, Files: in.Files, Note: in.Note, Confirm: in.Confirm})
	return answer(w, res, err)
}

func (s *Server) apiConfirm(w http.ResponseWriter, r *request) error {
	res, err := s.act(r, "confirm", "confirm", appliance.Request{Base: -1})
	return answer(w, res, err)
}

func (s *Server) apiSave(w http.ResponseWriter, r *request) error {
	var in struct {
		Note string `json:"note"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	res, err := s.save(r, in.Note)
	return answer(w, res, err)
}

func (s *Server) apiRollback(w http.ResponseWriter, r *request) error {
	var in struct {
		Revision *int `json:"revision"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if in.Revision == nil || *in.Revision < 0 {
		return badRequest("revision: the number of a revision is needed")
	}
	res, err := s.act(r, "rollback", "rollback "+strconv.Itoa(*in.Revision), appliance.Request{Base: -1})
	return answer(w, res, err)
}

func (s *Server) apiFactoryReset(w http.ResponseWriter, r *request) error {
	var in struct {
		Confirm string `json:"confirm"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	res, err := s.factoryReset(r, in.Confirm)
	return answer(w, res, err)
}

func (s *Server) apiRestore(w http.ResponseWriter, r *request) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return badRequest("body: the backup's bytes are needed")
	}
	res, err := s.restoreArchive(r, data)
	return answer(w, res, err)
}

func (s *Server) apiPassword(w http.ResponseWriter, r *request) error {
	var in struct{ Current, New string }
	if err := decode(r, &in); err != nil {
		return err
	}
	if err := s.changePassword(w, r, in.Current, in.New); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) apiPower(w http.ResponseWriter, r *request) error {
	var in struct{ Action string }
	if err := decode(r, &in); err != nil {
		return err
	}
	if err := s.power(r, in.Action); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// keyword is one entry of the editor's completion.
type keyword struct {
	Name  string   `json:"name"`
	Where []string `json:"where"`
	Args  string   `json:"args,omitempty"`
	Help  string   `json:"help"`
}

func (s *Server) apiKeywords(w http.ResponseWriter, r *request) error {
	var out []keyword
	for _, k := range config.Keywords() {
		if k.State == config.Done || k.State == config.NoEffect {
			out = append(out, keyword{k.Name, strings.Split(k.Where.String(), ", "), k.Args, k.Help})
		}
	}
	return writeJSON(w, http.StatusOK, out)
}
