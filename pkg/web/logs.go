package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How many lines of a log are shown.
const (
	defaultLines = 200
	maxLines     = 5000
)

// logsView is the page of logs.
type logsView struct {
	Units    []unit
	Unit     string
	Lines    []string
	Count    int
	Problems []string
}

// lineCount reads the query's "lines".
func lineCount(r *request) (int, error) {
	text := r.URL.Query().Get("lines")
	if text == "" {
		return defaultLines, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLines {
		return 0, badRequest("lines %q: accepted are 1 to %d", text, maxLines)
	}
	return n, nil
}

func (s *Server) logsPage(w http.ResponseWriter, r *request) error {
	v := logsView{Unit: r.URL.Query().Get("unit")}
	var err error
	if v.Count, err = lineCount(r); err != nil {
		return err
	}
	if v.Units, err = s.units(r.Context()); err != nil {
		v.Problems = append(v.Problems, asProblem(err).Detail)
		return s.render(w, r, http.StatusOK, "logs", "logs", "Logs", v)
	}
	if v.Unit == "" && len(v.Units) > 0 {
		v.Unit = v.Units[0].Name
		for _, u := range v.Units {
			if u.Name == "proxyd.service" {
				v.Unit = u.Name
			}
		}
	}
	if v.Lines, err = s.logs(r.Context(), v.Unit, v.Count); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "logs", "logs", "Logs", v)
}

func (s *Server) apiUnits(w http.ResponseWriter, r *request) error {
	units, err := s.units(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, units)
}

func (s *Server) apiLogs(w http.ResponseWriter, r *request) error {
	n, err := lineCount(r)
	if err != nil {
		return err
	}
	lines, err := s.logs(r.Context(), r.PathValue("unit"), n)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Unit  string   `json:"unit"`
		Lines []string `json:"lines"`
	}{r.PathValue("unit"), lines})
}

// writeLimit is how long one event may take to leave; a reader that is gone
// without a word ends so.
const writeLimit = 30 * time.Second

// apiFollow sends a unit's log as server-sent events (HTML standard, section
// 9.2): the last lines first, then each as it is written. It ends with the
// client, with init, and with the session.
func (s *Server) apiFollow(w http.ResponseWriter, r *request) error {
	name := r.PathValue("unit")
	if !unitName.MatchString(name) {
		return badRequest("unit %q: not the name of a unit", name)
	}
	// A wrong name is told before the stream begins.
	if _, err := s.logs(r.Context(), name, 1); err != nil {
		return err
	}
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if err := out.Flush(); err != nil {
		return nil // the client went away
	}
	lines := &lineWriter{emit: func(line string) error {
		if !s.sessions.live(r.session) {
			return errNoLogin
		}
		if err := out.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", strings.ReplaceAll(line, "\r", " ")); err != nil {
			return err
		}
		return out.Flush()
	}}
	if err := s.daemons.Init.Stream(r.Context(), "follow logs "+name, lines); err != nil && r.Context().Err() == nil {
		s.log.Debug("log stream ended", "unit", name, "err", err)
	}
	return nil
}
