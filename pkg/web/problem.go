package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

// problem is an error for the reader: the body of an API error (RFC 9457) or the
// text of an error page.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// How a changing command ended; empty for other problems.
	Outcome  appliance.Outcome   `json:"outcome,omitempty"`
	Findings []appliance.Finding `json:"findings,omitempty"`
	Steps    []appliance.Step    `json:"steps,omitempty"`
	Diff     string              `json:"diff,omitempty"`

	cause error // for the log, never for the reader
}

// Error returns the detail and the cause.
func (p *problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %v", p.Detail, p.cause)
	}
	return p.Title + ": " + p.Detail
}

func (p *problem) Unwrap() error { return p.cause }

func badRequest(format string, args ...any) error {
	return &problem{Status: http.StatusBadRequest, Title: "Bad request", Detail: fmt.Sprintf(format, args...)}
}

// asProblem makes every error presentable; what is not a problem already is a
// fault of ours, whose text stays in the log.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return &problem{Status: http.StatusInternalServerError, Title: "Internal error",
		Detail: "the log of webd says more", cause: err}
}

// outcomes gives each way in which a change can end its HTTP status and title.
// A conflict is a failed precondition: the base revision is the entity tag.
var outcomes = map[appliance.Outcome]struct {
	status int
	title  string
}{
	appliance.Refused:         {http.StatusUnprocessableEntity, "Refused, nothing was changed"},
	appliance.Conflict:        {http.StatusPreconditionFailed, "Somebody else applied a configuration meanwhile"},
	appliance.FailedRestored:  {http.StatusInternalServerError, "Failed, the old configuration runs again"},
	appliance.CouldNotRestore: {http.StatusInternalServerError, "Failed, and the old configuration could not be restored"},
	appliance.CouldNotSave:    {http.StatusInsufficientStorage, "It runs, but could not be written to disk"},
}

// failure is nil for a change that was done, else the problem that it is.
func failure(res appliance.Result) error {
	if res.Outcome == appliance.Done {
		return nil
	}
	o, known := outcomes[res.Outcome]
	if !known {
		return fmt.Errorf("outcome %q is not known", res.Outcome)
	}
	return &problem{Status: o.status, Title: o.title, Detail: res.Message, Outcome: res.Outcome,
		Findings: res.Findings, Steps: res.Steps, Diff: res.Diff}
}

// writeProblem answers an API request with an error.
func writeProblem(w http.ResponseWriter, p *problem) {
	if p.Type == "" {
		q := *p
		q.Type = "about:blank"
		p = &q
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client went away
}

// writeJSON answers an API request.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the client went away
	return nil
}
