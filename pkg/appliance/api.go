package appliance

import "time"

// Files is the content of a configuration by path relative to /etc/sluice (the
// host name and the hosts table are part of it): "proxy.cfg",
// "network/10-lan.network", "network/20-mysql.vip", "hosts", "hostname".
type Files map[string]string

// Revision describes one immutable configuration. Number 0 is the factory's.
type Revision struct {
	Number int       `json:"number"`
	Time   time.Time `json:"time"`
	User   string    `json:"user"`   // who applied it
	Origin string    `json:"origin"` // "console", "web", "api", "restore", "rollback", "factory"
	Note   string    `json:"note"`
	Base   int       `json:"base"` // the revision it was edited from
	Good   bool      `json:"good"` // was applied, confirmed and stayed up
}

// State is what is always visible: the three states of the configuration.
type State struct {
	Running Revision `json:"running"`
	Saved   Revision `json:"saved"` // what a reboot returns to
	Edited  Edited   `json:"edited"`
	// Unsaved is set while running and saved differ in content.
	Unsaved bool `json:"unsaved"`
	// Pending is a timed apply that waits for its confirmation, or nil.
	Pending *Pending `json:"pending,omitempty"`
	// Persistent is false while there is no data partition: nothing survives a
	// reboot, and Problem says why.
	Persistent bool   `json:"persistent"`
	Problem    string `json:"problem,omitempty"`
}

// Edited is the candidate that edit commands and pages work on.
type Edited struct {
	Base    int       `json:"base"`    // revision that was running when the edit began
	Changed bool      `json:"changed"` // differs from the running configuration
	Stale   bool      `json:"stale"`   // another revision was applied meanwhile
	Time    time.Time `json:"time"`
	User    string    `json:"user"`
}

// Pending is an apply that goes back by itself unless confirmed.
type Pending struct {
	Revision int       `json:"revision"` // running now
	Back     int       `json:"back"`     // returned to at the deadline
	Deadline time.Time `json:"deadline"`
	Seconds  int       `json:"seconds"` // left
	User     string    `json:"user"`
}

// Content is a configuration with its identity.
type Content struct {
	Revision int   `json:"revision"` // base, for the edited one; -1 for none
	Files    Files `json:"files"`
}

// Finding is one diagnostic of a check, by "proxyd -c" or "netd -c".
type Finding struct {
	File     string `json:"file"` // relative, as in Files
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"` // "alert" or "warning"
	Message  string `json:"message"`  // with what is accepted and the suggestion
}

// Report is the answer of a check.
type Report struct {
	Valid    bool      `json:"valid"`
	Findings []Finding `json:"findings"`
	Plan     []string  `json:"plan"` // network operations that an apply would make
}

// Request is the payload of confd's commands "edit", "check", "apply" and
// "restore"; fields that a command does not use stay empty.
type Request struct {
	User   string `json:"user"`
	Origin string `json:"origin"`
	Note   string `json:"note,omitempty"`
	// Base is the revision the caller edited from; another one running means a
	// conflict. -1: do not compare.
	Base    int   `json:"base"`
	Files   Files `json:"files,omitempty"`   // nil: the edited candidate
	Confirm int   `json:"confirm,omitempty"` // seconds; 0: no confirmation needed
}

// Step is one part of an apply as it went.
type Step struct {
	Name   string `json:"name"`
	Result string `json:"result"` // "done", "undone", "failed: ..."
}

// Outcome says how a changing command ended. The failures are told apart because
// they ask for different action.
type Outcome string

// The outcomes, and the exit codes of the console's commands.
const (
	Done            Outcome = "done"              // 0
	Refused         Outcome = "refused"           // 3: nothing was touched
	Conflict        Outcome = "conflict"          // 4: somebody else applied meanwhile; Diff tells what
	FailedRestored  Outcome = "failed, restored"  // 5: the old configuration runs again
	CouldNotRestore Outcome = "could not restore" // 6: look at Steps
	CouldNotSave    Outcome = "could not save"    // 7: it runs, but was not written
)

// Result is the answer of the changing commands. It is sent for failures too: only
// wrong usage and a silent daemon are errors of the control protocol.
type Result struct {
	Outcome  Outcome   `json:"outcome"`
	Message  string    `json:"message,omitempty"`
	Revision int       `json:"revision"`
	Findings []Finding `json:"findings,omitempty"`
	Steps    []Step    `json:"steps,omitempty"`
	Diff     string    `json:"diff,omitempty"` // unified
}
