package web

import (
	"net/http"
	"slices"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

// networkView is the page of links and network files.
type networkView struct {
	Network  network
	Problems []string
	Files    []fileRow
	Changed  bool // the draft differs from what runs
	Base     int
	Running  string // difference from running to the draft
	Report   appliance.Report
	Problem  *problem
	Minutes  int
}

// fileRow is one network file and what the draft does to it.
type fileRow struct {
	Name   string
	Change string // "new", "changed", "deleted" or ""
}

func (s *Server) networkPage(w http.ResponseWriter, r *request) error {
	return s.showNetwork(w, r, http.StatusOK, networkView{Minutes: 5})
}

func (s *Server) showNetwork(w http.ResponseWriter, r *request, status int, v networkView) error {
	ctx := r.Context()
	var err error
	if v.Network, err = s.network(ctx); err != nil {
		v.Problems = append(v.Problems, asProblem(err).Detail)
	}
	edited, err := s.content(ctx, "edited")
	if err != nil {
		return err
	}
	running, err := s.content(ctx, "running")
	if err != nil {
		return err
	}
	v.Files = fileRows(running.Files, edited.Files)
	v.Changed = slices.ContainsFunc(v.Files, func(f fileRow) bool { return f.Change != "" }) ||
		running.Files[proxyFile] != edited.Files[proxyFile]
	if v.Base == 0 {
		v.Base = edited.Revision
	}
	if v.Changed {
		if v.Running, err = s.diff(ctx, "running", "edited"); err != nil {
			return err
		}
		if v.Report, err = s.check(ctx, nil); err != nil {
			v.Problems = append(v.Problems, asProblem(err).Detail)
		}
	}
	return s.render(w, r, status, "network", "network", "Network", v)
}

// fileRows lists the files of both configurations, without the proxy's.
func fileRows(running, edited appliance.Files) []fileRow {
	var rows []fileRow
	for name, text := range edited {
		old, known := running[name]
		row := fileRow{Name: name}
		switch {
		case !known:
			row.Change = "new"
		case old != text:
			row.Change = "changed"
		}
		rows = append(rows, row)
	}
	for name := range running {
		if _, kept := edited[name]; !kept {
			rows = append(rows, fileRow{name, "deleted"})
		}
	}
	rows = slices.DeleteFunc(rows, func(f fileRow) bool { return f.Name == proxyFile })
	slices.SortFunc(rows, func(a, b fileRow) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return rows
}

// draft returns the edited files, or nil if nothing was edited.
func (s *Server) draft(r *request) (appliance.Files, error) {
	st, err := s.state(r.Context())
	if err != nil || st.Edited.Time.IsZero() {
		return nil, err
	}
	edited, err := s.content(r.Context(), "edited")
	return edited.Files, err
}

// networkAction applies or discards the draft as a whole.
func (s *Server) networkAction(w http.ResponseWriter, r *request) error {
	action := r.PostFormValue("action")
	switch action {
	case "discard":
		return s.discardDraft(w, r)
	case "apply", "apply-confirm":
	default:
		return badRequest("action %q: accepted are apply, apply-confirm, discard", action)
	}
	base, err := number(r, "base")
	if err != nil {
		return err
	}
	seconds, err := confirmSeconds(r, action)
	if err != nil {
		return err
	}
	// The draft's files go with the request: for the draft itself its own base would
	// count, and who has seen a conflict's difference could never insist.
	files, err := s.draft(r)
	if err != nil {
		return err
	}
	req := appliance.Request{User: r.session.user, Origin: "web", Base: base, Confirm: seconds, Files: files}
	res, err := s.apply(r, req)
	if err == nil {
		if err := s.settle(r); err != nil {
			return err
		}
		return s.see(w, r, "/network", "good", applied(res, req))
	}
	p := asProblem(err)
	if p.Outcome == "" {
		return err
	}
	v := networkView{Problem: p, Minutes: postedMinutes(r)}
	if p.Outcome == appliance.Conflict {
		st, err := s.state(r.Context())
		if err != nil {
			return err
		}
		v.Base = st.Running.Number
	}
	return s.showNetwork(w, r, p.Status, v)
}
