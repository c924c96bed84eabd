package web

import (
	"net/http"
	"strings"
)

// Body limits of requests, in bytes.
const (
	noBody      = 0
	smallBody   = 16 << 10 // passwords, switches
	textBody    = 4 << 20  // a whole configuration; JSON escapes included
	archiveBody = 8 << 20  // a backup
)

// route is one row: who may ask for a path, with how large a body, and what
// answers. An error that run returns becomes an error page or, below /api/, a
// problem document.
type route struct {
	method, path string
	public       bool // without a login
	closed       bool // even while no password is set
	limit        int64
	run          func(*Server, http.ResponseWriter, *request) error
}

// api reports whether the route speaks JSON.
func (r *route) api() bool { return strings.HasPrefix(r.path, "/api/") }

// changes reports whether the method may change something: such requests need
// the session's token.
func (r *route) changes() bool { return r.method != http.MethodGet }

// routes returns the table of everything that is served.
func routes() []route {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	return []route{
		// Pages.
		{get, "/static/{file}", true, true, noBody, (*Server).static},
		{get, "/login", true, false, noBody, (*Server).loginPage},
		{post, "/login", true, false, smallBody, (*Server).login},
		{post, "/logout", false, false, smallBody, (*Server).logout},
		{get, "/{$}", false, false, noBody, (*Server).overviewPage},
		{get, "/lb", false, false, noBody, (*Server).proxyPage},
		{post, "/lb", false, false, textBody, (*Server).editProxy},
		{get, "/network", false, false, noBody, (*Server).networkPage},
		{post, "/network", false, false, smallBody, (*Server).networkAction},
		{get, "/network/edit", false, false, noBody, (*Server).filePage},
		{post, "/network/edit", false, false, textBody, (*Server).editFile},
		{get, "/logs", false, false, noBody, (*Server).logsPage},
		{get, "/setup", false, false, noBody, (*Server).setupPage},
		{get, "/setup/compare", false, false, noBody, (*Server).comparePage},
		{get, "/setup/backup", false, false, noBody, (*Server).getBackup},
		{post, "/setup/save", false, false, smallBody, (*Server).savePost},
		{post, "/setup/revert", false, false, smallBody, (*Server).revertPost},
		{post, "/setup/rollback", false, false, smallBody, (*Server).rollbackPost},
		{post, "/setup/restore", false, false, archiveBody, (*Server).restorePost},
		{post, "/setup/factory-reset", false, false, smallBody, (*Server).factoryPost},
		{post, "/setup/password", false, false, smallBody, (*Server).passwordPost},
		{post, "/setup/power", false, false, smallBody, (*Server).powerPost},
		{post, "/pending/keep", false, false, smallBody, (*Server).keepPost},
		{post, "/pending/back", false, false, smallBody, (*Server).backPost},

		// The REST API, see docs/api.md.
		{post, "/api/v1/session", true, false, smallBody, (*Server).apiLogin},
		{get, "/api/v1/session", false, false, noBody, (*Server).apiSession},
		{del, "/api/v1/session", false, false, noBody, (*Server).apiLogout},
		{get, "/api/v1/state", false, false, noBody, (*Server).apiState},
		{get, "/api/v1/revisions", false, false, noBody, (*Server).apiRevisions},
		{get, "/api/v1/config/{which}", false, false, noBody, (*Server).apiContent},
		{get, "/api/v1/config/edited", false, false, noBody, (*Server).apiContent},
		{put, "/api/v1/config/edited", false, false, textBody, (*Server).apiEdit},
		{del, "/api/v1/config/edited", false, false, noBody, (*Server).apiDiscard},
		{get, "/api/v1/diff", false, false, noBody, (*Server).apiDiff},
		{post, "/api/v1/check", false, false, textBody, (*Server).apiCheck},
		{post, "/api/v1/apply", false, false, textBody, (*Server).apiApply},
		{post, "/api/v1/confirm", false, false, noBody, (*Server).apiConfirm},
		{post, "/api/v1/save", false, false, smallBody, (*Server).apiSave},
		{post, "/api/v1/rollback", false, false, smallBody, (*Server).apiRollback},
		{post, "/api/v1/factory-reset", false, false, smallBody, (*Server).apiFactoryReset},
		{get, "/api/v1/backup", false, false, noBody, (*Server).getBackup},
		{post, "/api/v1/restore", false, false, archiveBody, (*Server).apiRestore},
		{put, "/api/v1/password", false, false, smallBody, (*Server).apiPassword},
		{get, "/api/v1/overview", false, false, noBody, (*Server).apiOverview},
		{get, "/api/v1/stat", false, false, noBody, (*Server).apiStat},
		{get, "/api/v1/network", false, false, noBody, (*Server).apiNetwork},
		{get, "/api/v1/keywords", false, false, noBody, (*Server).apiKeywords},
		{get, "/api/v1/units", false, false, noBody, (*Server).apiUnits},
		{get, "/api/v1/logs/{unit}", false, false, noBody, (*Server).apiLogs},
		{get, "/api/v1/logs/{unit}/follow", false, false, noBody, (*Server).apiFollow},
		{post, "/api/v1/power", false, false, smallBody, (*Server).apiPower},
	}
}
