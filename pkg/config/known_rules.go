package config

// ruleTables are the rule sets, the switching of backends and stickiness.
func ruleTables() [][]Keyword { return [][]Keyword{knownRules()} }

// knownRules are those that have no table of their own. A defaults section may
// hold rules only if it has a name.
func knownRules() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, namedFront, Keyword{Where: inFront, State: Pending, Named: true})
	rows = appendKnown(rows, namedBack, Keyword{Where: inBack, State: Pending, Named: true})
	rows = appendKnown(rows, namedBoth, Keyword{Where: inProxy, State: Pending, Named: true})
	rows = appendKnown(rows, ruleFront, Keyword{Where: inFront &^ InDefaults, State: Pending})
	rows = appendKnown(rows, ruleBack, Keyword{Where: inBack &^ InDefaults, State: Pending})
	return appendKnown(rows, ruleBoth, Keyword{Where: inProxy &^ InDefaults, State: Pending})
}

const (
	namedFront = `tcp-request connection; tcp-request session`
	namedBack  = `tcp-response content; tcp-response inspect-delay`
	namedBoth  = `tcp-request content; tcp-request inspect-delay`
	ruleFront  = `use_backend; force-be-switch; declare capture`
	ruleBack   = `stick on; stick match; stick store-request; stick store-response; be-unpublished; force-persist; ignore-persist; use-server`
	ruleBoth   = `filter; filter-sequence; stick-table`
)
