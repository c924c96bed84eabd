package config

// The actions of the HTTP rule sets (manual, section 4.4). A name that ends in
// "(" or "-sc" goes on with arguments.
var (
	requestActions = append([]string{
		"add-header", "allow", "auth", "cache-use", "capture", "del-header", "deny", "disable-l7-retry", "early-hint", "normalize-uri",
		"redirect", "reject", "replace-header", "replace-path", "replace-pathq", "replace-uri", "replace-value", "return", "set-bc-mark", "set-bc-tos",
		"set-dst", "set-dst-port", "set-header", "set-method", "set-path", "set-pathq", "set-priority-class", "set-priority-offset", "set-query",
		"set-src", "set-src-port", "set-timeout", "set-uri", "tarpit", "use-service", "wait-for-body", "wait-for-handshake", "do-resolve(",
	}, commonActions...)
	responseActions = append([]string{
		"add-header", "allow", "cache-store", "capture", "del-header", "deny", "redirect", "replace-header", "replace-value", "return",
		"set-header", "set-status", "set-timeout", "wait-for-body",
	}, commonActions...)
	afterActions = []string{
		"add-header", "allow", "capture", "del-header", "replace-header", "replace-value", "set-header", "set-log-level", "set-status", "strict-mode",
		"add-acl(", "del-acl(", "del-map(", "set-map(", "sc-add-gpc(", "sc-inc-gpc(", "sc-inc-gpc0(", "sc-inc-gpc1(", "sc-set-gpt(", "sc-set-gpt0(",
		"set-var(", "set-var-fmt(", "unset-var(", "ot-group",
	}
	commonActions = []string{
		"send-spoe-group", "set-bandwidth-limit", "set-fc-mark", "set-fc-tos", "set-log-level", "set-mark", "set-nice", "set-tos",
		"silent-drop", "strict-mode", "track-sc", "add-acl(", "del-acl(", "del-map(", "set-map(", "sc-add-gpc(", "sc-inc-gpc(", "sc-inc-gpc0(",
		"sc-inc-gpc1(", "sc-set-gpt(", "sc-set-gpt0(", "set-var(", "set-var-fmt(", "unset-var(", "ot-group",
	}
)

// httpActionArgs counts the arguments of the common actions that have a fixed
// number.
var httpActionArgs = map[string]int{
	"allow": 0, "reject": 0, "cache-use": 1, "cache-store": 1, "disable-l7-retry": 0, "wait-for-handshake": 0,
	"add-header": 2, "set-header": 2, "replace-header": 3, "replace-value": 3, "replace-path": 2, "replace-pathq": 2, "replace-uri": 2, "early-hint": 2,
	"set-method": 1, "set-path": 1, "set-pathq": 1, "set-query": 1, "set-uri": 1, "set-log-level": 1, "set-nice": 1,
	"strict-mode": 1,
}
