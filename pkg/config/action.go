package config

import (
	"slices"
	"strings"
)

// ActionRow describes one action of TCP rules.
type ActionRow struct {
	Name  string
	Sets  RuleSet // where it is valid
	Args  string  // synopsis of what stands behind the name, parentheses included
	State State   // of the row that Actions returns; in the table only Refused is set
	Why   string  // reason for Refused
	Since string  // version of HAProxy's language that brought it, if later than the one spoken here
	Help  string  // one sentence without a full stop

	done   RuleSet // where it is acted on
	prefix bool    // the word goes on behind the name: "track-sc0", "set-var(txn.x)"
	parse  func(*actionLine) (ActionArgs, bool)
}

const (
	requestSets = RequestConnection | RequestSession | RequestContent
	contentSets = RequestContent | ResponseContent
	allSets     = requestSets | ResponseContent
)

// Actions returns the actions of TCP rules, sorted by name. One that is acted on in
// some of its rule sets only has two rows, the first for these.
func Actions() []ActionRow {
	var rows []ActionRow
	for _, row := range actions {
		if row.done != 0 {
			done := row
			done.Sets = row.done
			rows = append(rows, done)
		}
		if row.Sets &^= row.done; row.Sets == 0 {
			continue
		}
		if row.State != Refused {
			row.State = Pending
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b ActionRow) int { return strings.Compare(a.Name, b.Name) })
	return rows
}

// actions is the table of actions (manual, section 4.3 and the two keywords).
var actions = []ActionRow{
	{Name: "accept", Sets: allSets, done: RequestConnection, Help: "stop evaluating the rule set and go on"},
	{Name: "reject", Sets: allSets, done: RequestConnection, Help: "close the connection"},
	{Name: "close", Sets: ResponseContent, Help: "close the connection to the server"},
	{Name: "expect-proxy", Sets: RequestConnection, done: RequestConnection, Args: "layer4", Help: "the client starts with a PROXY header", parse: parseLayer4},
	{Name: "expect-netscaler-cip", Sets: RequestConnection, Args: "layer4", Help: "the client starts with a NetScaler client IP header", parse: parseLayer4},
	{Name: "capture", Sets: RequestContent, Args: "<sample> len <bytes>", Help: "keep a sample for the log line", parse: parseCaptureAction},
	{Name: "track-sc", Sets: requestSets, Args: "<number> <key> [table <table>]", prefix: true, Help: "count the session under a key of a stick table", parse: parseTrack},
	{Name: "sc-add-gpc", Sets: allSets, Args: "(<index>,<counter>) <number> | <sample>", prefix: true, Help: "add to a general purpose counter of a tracked entry", parse: counterAction("gpc", true)},
	{Name: "sc-inc-gpc", Sets: allSets, Args: "(<index>,<counter>)", prefix: true, Help: "increment a general purpose counter of a tracked entry", parse: counterAction("gpc", false)},
	{Name: "sc-inc-gpc0", Sets: allSets, Args: "(<counter>)", prefix: true, Help: "increment the first general purpose counter of a tracked entry", parse: counterAction("gpc0", false)},
	{Name: "sc-inc-gpc1", Sets: allSets, Args: "(<counter>)", prefix: true, Help: "increment the second general purpose counter of a tracked entry", parse: counterAction("gpc1", false)},
	{Name: "sc-set-gpt", Sets: allSets, Args: "(<index>,<counter>) <number> | <sample>", prefix: true, Help: "set a general purpose tag of a tracked entry", parse: counterAction("gpt", true)},
	{Name: "sc-set-gpt0", Sets: allSets, Args: "(<counter>) <number> | <sample>", prefix: true, Help: "set the first general purpose tag of a tracked entry", parse: counterAction("gpt0", true)},
	{Name: "set-var", Sets: allSets, Args: "(<scope>.<name>[,<condition>...]) <sample>", prefix: true, Help: "put a sample into a variable", parse: parseSetVar},
	{Name: "set-var-fmt", Sets: allSets, Args: "(<scope>.<name>[,<condition>...]) <format>", prefix: true, Help: "put a formatted text into a variable", parse: parseSetVar},
	{Name: "unset-var", Sets: allSets, Args: "(<scope>.<name>)", prefix: true, Help: "delete a variable", parse: parseSetVar},
	{Name: "set-dst", Sets: requestSets, Args: "<sample>", Help: "change the destination address", parse: parseSampleAction},
	{Name: "set-dst-port", Sets: requestSets, Args: "<sample>", Help: "change the destination port", parse: parseSampleAction},
	{Name: "set-src", Sets: requestSets, Args: "<sample>", Help: "change the source address", parse: parseSampleAction},
	{Name: "set-src-port", Sets: requestSets, Args: "<sample>", Help: "change the source port", parse: parseSampleAction},
	{Name: "set-mark", Sets: allSets, Args: "<number> | <sample>", Help: "set the netfilter mark of packets to the client", parse: parseNumberOrSample},
	{Name: "set-tos", Sets: allSets, Args: "<number> | <sample>", Help: "set the TOS field of packets to the client", parse: parseNumberOrSample},
	{Name: "set-fc-mark", Sets: allSets, Args: "<number> | <sample>", Help: "set the netfilter mark of packets to the client", parse: parseNumberOrSample},
	{Name: "set-fc-tos", Sets: allSets, Args: "<number> | <sample>", Help: "set the TOS field of packets to the client", parse: parseNumberOrSample},
	{Name: "set-bc-mark", Sets: RequestContent, Args: "<number> | <sample>", Help: "set the netfilter mark of packets to the server", parse: parseNumberOrSample},
	{Name: "set-bc-tos", Sets: RequestContent, Args: "<number> | <sample>", Help: "set the TOS field of packets to the server", parse: parseNumberOrSample},
	{Name: "set-priority-class", Sets: RequestContent, Args: "<sample>", Help: "set the class of the session in queues", parse: parseSampleAction},
	{Name: "set-priority-offset", Sets: RequestContent, Args: "<sample>", Help: "set the offset in milliseconds of the session in queues", parse: parseSampleAction},
	{Name: "set-log-level", Sets: contentSets, Args: "<level> | silent", Help: "set the level of the session's log line", parse: parseSetLogLevel},
	{Name: "set-nice", Sets: contentSets, Args: "<number>", Help: "set the priority of the session's processing", parse: parseSetNice},
	{Name: "set-bandwidth-limit", Sets: contentSets, Args: "<filter> [limit <size> | <sample>] [period <time> | <sample>]", Help: "turn a bandwidth filter on", parse: parseSetBandwidth},
	{Name: "silent-drop", Sets: allSets, Args: "[rst-ttl <hops>]", Help: "forget the connection without telling the client", parse: parseSilentDrop},
	{Name: "do-resolve", Sets: RequestContent, Args: "(<variable>,<resolvers>[,ipv4 | ipv6]) <sample>", prefix: true, Help: "look a host name up and put its address into a variable", parse: parseDoResolve},
	{Name: "attach-srv", Sets: RequestSession, Args: "<backend>/<server> [name <sample>]", State: Refused, Why: "it is for HTTP", Help: "give the connection to a server", parse: parseAttach},
	{Name: "switch-mode", Sets: RequestContent, Args: "http [proto <protocol>]", State: Refused, Why: "it is for HTTP", Help: "go on in another mode", parse: parseSwitchMode},
	{Name: "use-service", Sets: RequestContent, Args: "<service>", State: Refused, Why: "there are no services without scripts", Help: "let a service answer the session", parse: parseUseService},
	{Name: "send-spoe-group", Sets: contentSets, Args: "<engine> <group>", State: Refused, Why: "SPOE agents are not supported", Help: "send messages to an SPOE agent", parse: namedGroup("spoe")},
	{Name: "ot-group", Sets: contentSets, Args: "<filter> <group>", State: Refused, Why: "OpenTracing is not supported", Help: "report to OpenTracing", parse: namedGroup("opentracing")},
	{Name: "do-log", Sets: allSets, State: Refused, Since: "3.1", Help: "write a log line"},
	{Name: "set-retries", Sets: RequestContent, Args: "<number> | <sample>", State: Refused, Since: "3.1", Help: "set the number of connection attempts"},
}

// actionRow finds the row of a word: the longest name wins, as "sc-inc-gpc0" also
// starts with "sc-inc-gpc".
func actionRow(word string) *ActionRow {
	var best *ActionRow
	for i := range actions {
		row := &actions[i]
		if word != row.Name && !(row.prefix && strings.HasPrefix(word, row.Name)) {
			continue
		}
		if best == nil || len(row.Name) > len(best.Name) {
			best = row
		}
	}
	return best
}

// actionNames lists the actions of a rule set.
func actionNames(set RuleSet) []string {
	var names []string
	for i := range actions {
		if row := &actions[i]; row.Sets&set != 0 && row.Since == "" {
			names = append(names, row.Name)
		}
	}
	return names
}

func (row *ActionRow) synopsis() string {
	if strings.HasPrefix(row.Args, "(") || strings.HasPrefix(row.Args, "<number> <key>") {
		return row.Name + row.Args
	}
	return strings.TrimSpace(row.Name + " " + row.Args)
}
